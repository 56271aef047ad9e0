"""Messages are replayed through an engine whose model is a fake endpoint, and through the edit writer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from configs.settings import Settings
from data import corpus
from data.records import Protection, Spec, TransformType
from models import llm
from models.endpoint import Endpoint
from models.llm import Llm
from pipelines import replay, shadow
from pipelines.shadow import ReplayedMessage
from serving import differences
from serving.inference.llm_engine import LlmEngine
from tests import endpoints
from tests.endpoints import FakeEndpoint, completion
from tests.traffic import release_champion

MESSAGES = [
    ReplayedMessage(f"Anna, send PAY-{n} to Ben by Friday.", TransformType.SOFTEN, 2) for n in range(12)
]


def soften(user: str) -> str:
    """The fake model: the message of frame-2 as a request."""
    message = user.removeprefix("<message>\n").removesuffix("\n</message>").strip()
    return message.replace(", send", ", could you please send").replace(".", "?")


@pytest.fixture(autouse=True)
def on_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is too late."""
    monkeypatch.setattr(shadow, "ANSWER_TIMEOUT_S", 600)


@pytest.fixture
def vendor() -> Iterator[FakeEndpoint]:
    with endpoints.serve(soften) as fake:
        yield fake


@pytest.fixture
def engine(vendor: FakeEndpoint, tmp_path: Path) -> Iterator[LlmEngine]:
    at = Endpoint(
        base_url=vendor.url, model="m", timeout_s=60, retries=0, concurrency=1, input_usd=10, output_usd=20
    )
    llm.write(Llm(endpoint=at), ("en",), tmp_path / "mine")
    vendor.requests.clear()
    engine = LlmEngine(tmp_path / "mine")
    yield engine
    engine.close()


SPEC = Spec(version="mine", prompt="frame-2", engine="openai", protection=Protection(masks=True, retries=1))


def test_each_message_has_an_answer_with_its_time_tokens_and_price(engine: LlmEngine) -> None:
    replayed = replay.run(engine, SPEC, MESSAGES)
    assert replayed[3].text == "Anna, could you please send PAY-3 to Ben by Friday?"
    assert replayed[3].outcome == "rewritten"
    assert all(answer.ms > 0 and answer.cpu_s > 0 for answer in replayed)
    assert replayed[0].use[:2] == (50, 7)
    numbers = replay.summarise(MESSAGES, replayed)
    assert (numbers["messages"], numbers["failed or too late"], numbers["facts lost"]) == (12, 0, 0)
    assert (numbers["tokens read"], numbers["tokens written"]) == (12 * 50, 12 * 7)
    assert numbers["vendor, USD"] == pytest.approx(12 * (50 * 10 + 7 * 20) / 1e6)
    assert numbers["seconds, p50"] <= numbers["seconds, p95"]
    comparison = shadow.compare(
        replay.by_champion(MESSAGES, replayed), [answer.answer for answer in replayed]
    )
    assert (comparison.reasons, comparison.scores["facts_kept"].difference.mean) == ((), 0)
    assert comparison.champion_median_ms == comparison.median_ms


def test_a_model_that_talks_loses_facts_or_fails_is_counted(engine: LlmEngine, vendor: FakeEndpoint) -> None:
    talk = completion("Sure! Here is the rewritten message: NAME1.")
    vendor.replies = [talk, talk, completion("Please send it."), completion("Please send it."), (500, {}, "")]
    replayed = replay.run(engine, SPEC, MESSAGES[:4])
    assert replayed[0].outcome == ("unchanged: The model talked about the message instead of rewriting it.")
    assert replayed[2].outcome.startswith("failed: m at http://127.0.0.1")
    numbers = replay.summarise(MESSAGES[:4], replayed)
    assert (numbers["unchanged"], numbers["failed or too late"], numbers["facts lost"]) == (1, 1, 4)
    assert (numbers["with the fault: copied"], numbers["with the fault: facts"]) == (1, 1)
    pairs = replay.list_pairs(MESSAGES[:4], replay.run(engine, SPEC, MESSAGES[:4]), replayed)
    assert pairs[0].first == "Anna, could you please send PAY-1 to Ben by Friday?"
    assert pairs[0].second == "Please send it.", "the most faults come first"
    assert pairs[0].facts_lost == "PAY-1, Friday, Anna, Ben"
    assert pairs[0].faults.startswith("facts:")
    assert str(differences.tabulate(pairs, "old", "new")).count("<td") == 4 * len(pairs)


def test_an_answer_that_is_too_late_for_a_shadow_run_is_none(engine: LlmEngine) -> None:
    [answer] = replay.run(engine, SPEC, MESSAGES[:1])
    assert answer.text is not None
    late = answer._replace(ms=600_001.0)
    assert (late.text, late.answer.text, late.outcome) == (None, None, "failed: no answer within 600 s")


@pytest.mark.parametrize(
    ("reply", "advice"),
    [((401, {}, "{}"), "check the key"), ((429, {"Retry-After": "99"}, "{}"), "wait, lower concurrency")],
)
def test_an_endpoint_that_refuses_is_given_up_after_three_messages(
    engine: LlmEngine, vendor: FakeEndpoint, reply: endpoints.Reply, advice: str
) -> None:
    vendor.replies = [reply] * 12
    with pytest.raises(replay.NoAnswerError, match=f"mine answered none of 3 messages: m at .*{advice}"):
        replay.run(engine, SPEC, MESSAGES)
    assert len(vendor.requests) == 3


def test_messages_of_the_corpus_are_of_many_kinds() -> None:
    messages = replay.sample_corpus(corpus.read(corpus.SEED / "ordinary" / "dev"), 10)
    assert len(messages) == 10
    assert len({message.stratum for message in messages}) == 5, "two of each kind"
    assert all(message.champion == "" for message in messages)


def test_the_shipped_version_rewrites_here(settings: Settings, shipped_champion: Path) -> None:
    own = settings.model_copy(update={"champion": shipped_champion})
    engine, spec = replay.open_shipped(own)
    [answer] = replay.run(engine, spec, MESSAGES[:1])
    engine.close()
    assert (spec.form, answer.use[:2]) == ("edits", (0, 0))
    assert answer.text
    absent = settings.model_copy(update={"champion": settings.state / "none"})
    with pytest.raises(ValueError, match=r"is no complete version .* make it by `make champion`"):
        replay.open_shipped(absent)


def test_recent_traffic_has_messages_and_their_volume(
    settings: Settings, new_database: Callable[..., str]
) -> None:
    own = settings.model_copy(update={"database_url": new_database()})
    release_champion(own, messages=12)
    messages, counted = replay.read_traffic(own, 10)
    assert len(messages) == 10
    assert messages[0].champion.startswith("Please fix PAY-")
    assert (counted.answers, counted.hits, counted.hit_rate) == (24, 12, 0.5)


def test_an_empty_database_says_what_to_do(settings: Settings, new_database: Callable[..., str]) -> None:
    own = settings.model_copy(update={"database_url": new_database()})
    with pytest.raises(replay.TooFewMessagesError, match=r"has answered 0 different messages .* wait for"):
        replay.read_traffic(own, 10)
