import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from configs import secret_store
from configs.settings import Settings
from data.records import PROTECTED, Protection, Spec, TransformType
from models import llm
from models.endpoint import Endpoint
from models.llm import Llm
from models.preview import Preview
from pipelines import local
from pipelines.environments import environment
from pipelines.promote import make_spec
from serving.inference import engines, release
from serving.inference.client import InferenceClient, Item
from serving.inference.pool import Pool
from tests import endpoints
from tests.endpoints import completion
from tests.ports import free_port
from tests.serving.inference.conftest import patient
from tests.waiting import until

TOKEN = "a-service-token-of-the-tests-0123456789"
SPEC = Spec(version="vendor", prompt="frame-2", engine="openai")


def item(text="Anna, send PAY-123 by Friday.", **changes):
    return Item(**{"text": text, "transform_type": TransformType.SOFTEN, "intensity": 2, **changes})


def soften(user):
    """The fake model: the message of frame-2 with a "please"."""
    message = user.removeprefix("<message>\n").removesuffix("\n</message>")
    return f"Please {message}"


@pytest.fixture
def vendor():
    with endpoints.serve(soften) as fake:
        yield fake


@pytest.fixture
def folder(vendor, tmp_path):
    at = Endpoint(
        base_url=vendor.url,
        model="m",
        key_variable="FAKE_API_KEY",
        timeout_s=600,
        retries=0,
        input_usd=1,
        output_usd=3,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_API_KEY", "right")
        llm.write(Llm(endpoint=at), ("en",), tmp_path / "vendor")
    vendor.requests.clear()
    return tmp_path / "vendor"


@pytest.fixture
def engine(folder, monkeypatch):
    monkeypatch.setenv("FAKE_API_KEY", "right")
    engine = engines.load(folder, "openai")
    yield engine
    engine.close()


def test_a_rewrite_has_its_tokens_and_its_cost(engine):
    [rewritten] = engine.generate(SPEC.model_copy(update={"protection": PROTECTED}), [item()])
    assert (rewritten.text, rewritten.facts_missing) == ("Please Anna, send PAY-123 by Friday.", [])
    assert (rewritten.tokens, rewritten.prompt_tokens, rewritten.finished) == (7, 50, True)
    assert rewritten.cost_usd == pytest.approx((50 * 1 + 7 * 3) / 1e6)


def test_a_message_in_another_language_is_returned_and_costs_nothing(engine, vendor):
    other, own = engine.generate(SPEC, [item("金曜日までに直してください。"), item("Fix it.")])
    assert (other.text, other.unchanged.code) == ("金曜日までに直してください。", "unchanged_language")
    assert (other.tokens, other.cost_usd) == (0, 0)
    assert own.text == "Please Fix it."
    assert len(vendor.requests) == 1


def test_a_failed_message_says_how_and_is_logged_without_its_text(engine, vendor, caplog):
    vendor.replies = [(400, {}, '{"error": {"message": "Anna, send PAY-123 is too rude", "code": "rude"}}')]
    with caplog.at_level(logging.WARNING, "tonebridge.inference"):
        rewrites = engine.generate(SPEC, [item()] * 3)  # concurrently, so any of them may fail
    failed, *others = sorted(rewrites, key=lambda rewritten: rewritten.failure is None)
    assert "400 rude" in failed.failure
    assert failed.text == ""
    assert [rewritten.failure for rewritten in others] == [None, None]
    assert "vendor: m at " in caplog.text
    assert "PAY-123" not in caplog.text + failed.failure


def test_injected_chatter_never_becomes_a_rewrite(engine, vendor):
    vendor.answer = lambda _: "Sure! Here is your message: buy now."
    protected = SPEC.model_copy(update={"protection": Protection(retries=2)})
    [rewritten] = engine.generate(protected, [item("Fix it.")])
    assert (rewritten.text, rewritten.unchanged.code) == ("Fix it.", "unchanged_chatter")
    assert rewritten.tokens == 3 * 7, "paid, and reported"


@pytest.mark.parametrize("name", ["ctranslate2", "transformers", "llamacpp"])
def test_the_folder_says_which_engine_it_needs(folder, name, monkeypatch):
    monkeypatch.setenv("FAKE_API_KEY", "right")
    engine = engines.load(folder, name)
    assert isinstance(engine, engines.LlmEngine)
    engine.close()


def test_weights_of_ours_are_no_endpoint(tiny_version):
    with pytest.raises(ValueError, match="set the spec's engine to 'ctranslate2'"):
        engines.load(tiny_version, "openai")


async def test_a_version_whose_model_does_not_answer_is_not_loaded(folder, vendor, monkeypatch):
    pool = Pool(1, lambda _: folder)
    with pytest.raises(Exception, match="FAKE_API_KEY is not set"):
        await pool.load(("vendor", "openai"))
    monkeypatch.setenv("FAKE_API_KEY", "wrong")
    vendor.replies = [(401, {}, "{}")]
    with pytest.raises(RuntimeError, match=r"vendor cannot answer: .* check the key"):
        await pool.load(("vendor", "openai"))
    assert pool.loaded == []
    await pool.load(("vendor", "openai"))
    assert pool.loaded == [("vendor", "openai")]
    pool._resident["vendor", "openai"].engine.close()


@pytest.fixture
def service(folder, tmp_path, monkeypatch):
    """The service in a process of its own, whose store has the version; and its folder."""
    monkeypatch.setenv("FAKE_API_KEY", "right")
    port = free_port()
    settings = secret_store.fill_in(
        Settings(
            state=tmp_path / "state",
            service_token=TOKEN,
            inference_port=port,
            inference_urls=(f"http://127.0.0.1:{port}",),
            database_url="postgresql:///none",
        )
    )
    release.publish(folder, "vendor", settings)
    env = environment(settings, "inference")
    process = local.Process("inference", local.command("inference", env), env, tmp_path / "inference.log")
    process.wait_until_ready(f"{settings.inference_urls[0]}/readyz")
    yield settings
    process.stop()


@pytest.mark.slow
async def test_the_service_answers_for_the_model_and_names_what_fails(service, folder, vendor, tmp_path):
    spec = make_spec(folder, "vendor")
    await release.warm(service.inference_urls, spec, TOKEN)
    assert vendor.headers[-1]["authorization"] == "Bearer right"
    client = patient(InferenceClient(service.inference_urls, TOKEN))
    try:
        written = await client.rewrite(spec, [item(), item("Fix it.")])
        assert [rewritten.text for rewritten in written] == [
            "Please Anna, send PAY-123 by Friday.",
            "Please Fix it.",
        ]
        assert all(rewritten.cost_usd > 0 for rewritten in written)
        vendor.replies = [completion("")]
        [failed] = await client.rewrite(spec, [item()])
        assert "the answer is empty" in failed.failure
    finally:
        await client.close()
    log = (tmp_path / "inference.log").read_text()
    assert "the answer is empty" in log
    assert "right" not in log.split()
    assert "PAY-123" not in log


def test_drafts_can_be_observed(engine, vendor):
    vendor.replies = [completion("Sure! Here is the rewritten message: NAME1.")]
    drafts = []
    spec = SPEC.model_copy(update={"protection": Protection(masks=True, retries=1)})
    [rewritten] = engine.generate(spec, [item()], observe=drafts.append)
    assert [draft.outcome for draft in drafts] == ["is no rewrite", "keeps all facts"]
    assert rewritten.text == drafts[1].text == "Please Anna, send PAY-123 by Friday."


# --- previews ----------------------------------------------------------------------------------------------


def streamed(engine, *items_of, spec=SPEC, leave_at=10**6):
    """The rewrites of items that are all streamed, and what each reader saw."""
    seen = [[] for _ in items_of]

    def read(place):
        preview = Preview(lambda: (seen[place].append(preview.text), check(preview)))
        return preview

    def check(preview):
        if len(preview.text) >= leave_at:
            preview.abandon()

    return engine.generate(spec, list(items_of), [read(place) for place in range(len(items_of))]), seen


def test_a_streamed_rewrite_is_the_same_and_is_shown_word_by_word(engine, vendor):
    protected = SPEC.model_copy(update={"protection": PROTECTED})
    [rewritten], [seen] = streamed(engine, item(), spec=protected)
    assert vendor.requests[-1]["stream_options"] == {"include_usage": True}
    assert [rewritten] == engine.generate(protected, [item()])
    assert seen[0] == "Please"
    assert seen[-1] == rewritten.text
    assert "Please Anna, send PAY-123 by" in seen
    assert not any("TICKET" in text or "NAME" in text for text in seen)


def test_chatter_is_shown_no_further_than_it_is_known_for(engine, vendor):
    vendor.answer = lambda _: "Sure! Here is your message: buy now."
    [rewritten], [seen] = streamed(engine, item("Fix it."))
    assert rewritten.unchanged.code == "unchanged_chatter"
    assert not any("buy" in text for text in seen)


def test_a_reader_who_leaves_closes_the_request_and_the_others_stay(engine, vendor):
    gate = threading.Event()
    vendor.between = lambda: gate.wait(0.02)
    vendor.answer = lambda _: "word " * 2000
    long, short = item("Long."), item("金曜日までに直してください。")
    [left, returned], _ = streamed(engine, long, short, leave_at=10)
    assert left.failure == "the reader has left"
    assert returned.unchanged.code == "unchanged_language"
    gate.set()
    until(lambda: vendor.hung_up)
    assert vendor.hung_up == 1
    vendor.answer, vendor.between = soften, lambda: None
    assert engine.generate(SPEC, [item("Fix it.")])[0].text == "Please Fix it."


def test_a_reader_who_leaves_before_the_first_word_closes_the_request(engine, vendor):
    vendor.gate.clear()
    preview = Preview()
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(engine.generate, SPEC, [item()], [preview])
        until(lambda: vendor.open)
        preview.abandon()
        assert asking.result()[0].failure == "the reader has left"
    vendor.gate.set()


def test_a_streamed_failure_is_the_failure_of_its_item(engine, vendor):
    vendor.replies = [(400, {}, '{"error": {"message": "no", "code": "rude"}}')]
    [failed], _ = streamed(engine, item())
    assert "400 rude" in failed.failure
