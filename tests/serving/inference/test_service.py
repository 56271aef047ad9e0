import asyncio
import json
import threading

import aiohttp
import pytest

from configs import secret_store
from configs.settings import Settings
from data.reasons import reason
from data.records import Protection, Spec, TransformType
from models import llm
from models.endpoint import Endpoint
from models.export import export
from models.llm import Llm
from pipelines import local
from pipelines.environments import environment
from serving.inference import engines, release
from serving.inference.client import (
    InferenceClient,
    InferenceUnavailable,
    Item,
    RewriteReply,
    VersionUnknown,
)
from tests import endpoints
from tests.ports import free_port
from tests.serving.inference.conftest import patient
from tests.streams import text_of, value_of
from tests.waiting import until_async as until

TOKEN = "a-service-token-of-the-tests-0123456789"
VERSIONS = ("red", "green", "blue")
# A version behind an endpoint of the tests, which answers when they let it.
VENDOR = Spec(version="vendor", prompt="frame-2", engine="openai")


@pytest.fixture(scope="module")
def folders(build_tiny, tiny_texts, tmp_path_factory):
    root = tmp_path_factory.mktemp("versions")
    bases = {
        v: build_tiny(root / f"{v}-base", tiny_texts, seed, spread=0.5) for seed, v in enumerate(VERSIONS)
    }
    return {version: export(base, None, root / version, "float32") for version, base in bases.items()}


def start(state):
    """The Procfile's own command, on a free port."""
    port = free_port()
    settings = secret_store.fill_in(
        Settings(
            state=state,
            service_token=TOKEN,
            models_in_memory=2,
            inference_port=port,
            inference_urls=(f"http://127.0.0.1:{port}",),
            database_url="postgresql:///none",
        )
    )
    env = {**environment(settings, "inference"), "OMP_NUM_THREADS": "1", "FAKE_API_KEY": "right"}
    process = local.Process("inference", local.command("inference", env), env, state / "inference.log")
    return settings, process


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """The endpoint of the version `vendor`, and the version's folder."""
    folder = tmp_path_factory.mktemp("vendor") / "vendor"
    with endpoints.serve() as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_API_KEY", "right")
        at = Endpoint(base_url=fake.url, model="m", key_variable="FAKE_API_KEY", timeout_s=600, retries=0)
        llm.write(Llm(endpoint=at), ("en",), folder)
        yield fake, folder


@pytest.fixture
def vendor(endpoint):
    fake, _ = endpoint
    yield fake
    fake.gate.set()
    fake.between = lambda: None


@pytest.fixture(scope="module")
def service(folders, endpoint, tmp_path_factory):
    """A service that started with an empty store; four versions were published afterwards."""
    settings, process = start(tmp_path_factory.mktemp("state"))
    process.wait_until_ready(f"{settings.inference_urls[0]}/livez")
    for version, folder in {"vendor": endpoint[1], **folders}.items():
        release.publish(folder, version, settings)
    yield settings
    process.stop()


@pytest.fixture
def url(service):
    return service.inference_urls[0]


@pytest.fixture
async def client(service):
    client = patient(InferenceClient(service.inference_urls, TOKEN))
    yield client
    await client.close()


@pytest.fixture
async def session():
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        yield session


@pytest.fixture(scope="module")
def items(tiny_texts):
    return [
        Item(text=text, transform_type=TransformType.CLARIFY, intensity=i % 4, seed=i)
        for i, text in enumerate(tiny_texts)
    ]


@pytest.fixture(scope="module")
def expected(folders, items):
    """What each version's own engine says to each item, sampled by its seed: exact, whatever the batch."""
    texts_by_version = {}
    for version, folder in folders.items():
        engine = engines.load(folder, "ctranslate2")
        texts_by_version[version] = [rewrite.text for rewrite in engine.generate(sampled(version), items)]
        engine.close()
    assert all(len(set(texts)) == len(VERSIONS) for texts in zip(*texts_by_version.values(), strict=True))
    return texts_by_version


def sampled(version, engine="ctranslate2"):
    return Spec(version=version, engine=engine, temperature=0.8, max_new_tokens=10)


async def status(url):
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


# First in the file: the store is empty of loaded versions only once.
async def test_it_lives_before_it_is_ready_and_becomes_ready_without_a_restart(url, client):
    assert await status(f"{url}/livez") == 200
    assert await status(f"{url}/readyz") == 503
    await client.load("red", "ctranslate2")
    assert await status(f"{url}/readyz") == 200


async def test_it_answers_as_the_version_that_was_asked_in_the_order_of_the_items(client, items, expected):
    for version in VERSIONS:
        rewrites = await client.rewrite(sampled(version), items[:8])
        assert [rewrite.text for rewrite in rewrites] == expected[version][:8]


async def test_a_seed_gives_the_same_text_again(client, items):
    twice = [await client.rewrite(sampled("red"), [items[0]]) for _ in range(2)]
    assert twice[0] == twice[1]


async def test_both_engines_of_a_version_answer(client, items):
    greedy = [
        Spec(version="green", engine=engine, max_new_tokens=8) for engine in ("ctranslate2", "transformers")
    ]
    texts = [[r.text for r in await client.rewrite(spec, items[:3])] for spec in greedy]
    assert texts[0] == texts[1]


async def test_lost_facts_are_reported(client):
    item = Item(text="PAY-123 is late.", transform_type=TransformType.SOFTEN, intensity=1)
    [rewrite] = await client.rewrite(Spec(version="red", max_new_tokens=4), [item])
    assert rewrite.facts_missing == ["PAY-123"]


async def test_the_least_recently_used_version_leaves(url, client, session):
    async def loaded():
        async with session.post(f"{url}/versions", json={}) as response:
            return (await response.json())["loaded"]

    for version in ("red", "green", "red", "blue"):
        await client.load(version, "ctranslate2")
    assert await loaded() == ["red/ctranslate2", "blue/ctranslate2"]
    await client.load("green", "ctranslate2")
    assert await loaded() == ["blue/ctranslate2", "green/ctranslate2"]


async def test_sixteen_clients_get_their_version_while_versions_come_and_go(client, items, expected):
    async def ask(number):
        for turn in range(8):
            version = VERSIONS[(number + turn) % len(VERSIONS)]
            place = (number * 8 + turn) % len(items)
            [rewrite] = await client.rewrite(sampled(version), [items[place]])
            assert rewrite.text == expected[version][place]

    async def release_again_and_again():
        for turn in range(20):
            await client.load(VERSIONS[turn % len(VERSIONS)], "ctranslate2")

    await asyncio.gather(release_again_and_again(), *(ask(number) for number in range(16)))


@pytest.mark.parametrize("path", ["rewrite", "load", "versions", "rewrite/", "stream"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
async def test_without_the_token_nothing_is_answered(url, path, headers):
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/{path}", json={}) as reply,
    ):
        assert reply.status == 401
        assert await reply.json() == {"error": "wrong or missing service token"}


async def test_the_probes_need_no_token(url):
    assert [await status(f"{url}/{path}") for path in ("livez", "readyz", "healthz")] == [200] * 3


async def read_stream(session, url, body):
    """Status, type, and (event, data) of each event, without the comments."""
    async with session.post(f"{url}/stream", json=body) as response:
        content = (await response.read()).decode()
        if response.status != 200:
            return response.status, response.content_type, content
        lines = [event.splitlines() for event in content.split("\n\n") if event and event[0] != ":"]
        events = [(kind[7:], json.loads(data[6:])) for kind, data in lines]
        return response.status, response.content_type, events


async def test_a_stream_ends_with_the_answer_of_the_version(url, session, client, items):
    for version in VERSIONS:
        spec = sampled(version).model_copy(update={"max_new_tokens": 300})
        [expected] = await client.rewrite(spec, items[:1])
        body = {"spec": spec.model_dump(), "item": items[0].model_dump()}
        status, kind, events = await read_stream(session, url, body)
        assert (status, kind) == (200, "text/event-stream")
        *drafts, (last, answer) = events
        assert last == "answer"
        assert RewriteReply.model_validate(answer) == RewriteReply(items=[expected], version=version)
        assert {kind for kind, _ in drafts} == {"delta"}
        assert "".join(piece["text"] for _, piece in drafts) == expected.text
        seen = []
        assert await client.stream(spec, items[0], seen.append) == expected
        assert seen[-1] == expected.text


async def test_a_retry_that_wins_replaces_the_draft(url, session):
    """Half of the seeds have a retry that keeps a fact more than the first draft."""
    spec = Spec(
        version="red", temperature=1.0, top_k=200, max_new_tokens=40, protection=Protection(retries=4)
    )
    replaced = 0
    for seed in range(8):
        item = {**ITEM, "text": "Send 4 to Anna by Monday, 3 by May.", "seed": seed}
        _, _, events = await read_stream(session, url, {"spec": spec.model_dump(), "item": item})
        assert text_of(events[:-1]) in ("", events[-1][1]["items"][0]["text"])
        replaced += "replace" in [kind for kind, _ in events]
    assert replaced


async def test_a_message_that_is_returned_is_one_answer(url, session):
    body = {"spec": SPEC, "item": ITEM | {"text": "金曜日までに直してください。"}}
    _, _, events = await read_stream(session, url, body)
    assert [kind for kind, _ in events] == ["answer"]


async def test_what_is_refused_is_no_stream(url, session):
    for spec, item, status in (
        ({"version": "gre"}, ITEM, 404),
        ({"version": "red", "form": "edits"}, ITEM, 422),
        (SPEC, ITEM | {"text": ""}, 400),
        (SPEC | {"engine": "abacus"}, ITEM, 400),
    ):
        got = await read_stream(session, url, {"spec": spec, "item": item})
        assert (got[0], got[1]) == (status, "application/json"), got


async def metric(session, url, name):
    async with session.get(f"{url}/metrics") as response:
        return value_of(await response.text(), name)


async def test_a_reader_who_leaves_a_stream_ends_the_generation(url, session, client, vendor, items):
    """The service itself counts generations that ended early; after its first word this one waits."""
    goes_on = threading.Event()
    vendor.between = goes_on.wait
    await client.load(VENDOR.version, VENDOR.engine)
    before = await metric(session, url, "tonebridge_streams_abandoned_total")
    begun = asyncio.Event()
    asking = asyncio.ensure_future(client.stream(VENDOR, items[0], lambda _: begun.set()))
    await begun.wait()
    assert await metric(session, url, "tonebridge_streams_open") == 1
    asking.cancel()

    async def has_ended():
        names = ("tonebridge_streams_abandoned_total", "tonebridge_streams_open")
        return [await metric(session, url, name) for name in names] == [before + 1, 0]

    try:
        await until(has_ended)
    finally:
        goes_on.set()
    assert (await client.rewrite(sampled("red"), items[:1]))[0].text


@pytest.mark.parametrize("path", ["rewrite", "load"])
async def test_an_unknown_version_is_404_with_those_that_there_are(url, session, path):
    spec = {"version": "gre"}  # the beginning of one that there is
    body = {"rewrite": {"spec": spec, "items": [ITEM]}, "load": spec}[path]
    async with session.post(f"{url}/{path}", json=body) as response:
        assert response.status == 404
        assert await response.json() == {
            "error": "version 'gre' is not published; published: vendor, red, green, blue",
            "version": "gre",
            "published": ["vendor", *VERSIONS],
        }


async def test_a_spec_of_another_form_than_the_version_s_is_422_and_says_what_to_do(url, session):
    body = {"spec": {"version": "red", "form": "edits"}, "items": [ITEM]}
    async with session.post(f"{url}/rewrite", json=body) as response:
        assert response.status == 422
        error = "version 'red' writes text, not edits: set the spec's form to 'text'"
        assert await response.json() == {"error": error}


async def test_a_message_that_is_returned_has_its_reason(client):
    item = Item(text="金曜日までに直してください。", transform_type=TransformType.SOFTEN, intensity=1)
    [rewrite] = await client.rewrite(Spec(version="red", max_new_tokens=4), [item])
    assert (rewrite.text, rewrite.unchanged) == (item.text, reason("unchanged_language"))


ITEM = {"text": "Fix it.", "transform_type": "soften", "intensity": 2}
SPEC = {"version": "red", "max_new_tokens": 4}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"spec": SPEC, "items": []}, ["items"]),
        ({"spec": SPEC, "items": [ITEM] * 101}, ["items"]),
        ({"spec": SPEC}, ["items"]),
        ({"spec": SPEC, "items": [ITEM | {"text": ""}]}, ["items", 0, "text"]),
        ({"spec": SPEC, "items": [ITEM, ITEM | {"text": "x" * 8001}]}, ["items", 1, "text"]),
        ({"spec": SPEC, "items": [ITEM | {"text": 7}]}, ["items", 0, "text"]),
        ({"spec": SPEC, "items": [ITEM | {"intensity": 7}]}, ["items", 0, "intensity"]),
        ({"spec": SPEC, "items": [ITEM | {"transform_type": "shout"}]}, ["items", 0, "transform_type"]),
        ({"spec": SPEC, "items": [ITEM | {"seed": -1}]}, ["items", 0, "seed"]),
        ({"spec": SPEC, "items": [ITEM | {"colour": 1}]}, ["items", 0, "colour"]),
        ({"spec": SPEC | {"engine": "abacus"}, "items": [ITEM]}, ["spec", "engine"]),
        ({"spec": {}, "items": [ITEM]}, ["spec", "version"]),
    ],
)
async def test_bad_input_is_refused_by_the_name_of_its_field(url, session, body, field):
    async with session.post(f"{url}/rewrite", json=body) as response:
        assert response.status == 400
        assert field in [fault["loc"] for fault in (await response.json())["detail"]]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b"null"])
async def test_what_is_no_object_is_refused(url, session, body):
    headers = {"Content-Type": "application/json"}
    async with session.post(f"{url}/rewrite", data=body, headers=headers) as response:
        assert response.status == 400


@pytest.mark.parametrize(
    "media", ["multipart/form-data; boundary=x", "application/vnd.bentoml+pickle", "text/xml"]
)
async def test_only_json_is_read(url, session, media):
    async with session.post(f"{url}/rewrite", data=b"zzz", headers={"Content-Type": media}) as response:
        assert response.status == 415


async def test_the_work_for_a_client_that_leaves_is_given_up(url, session, client, vendor, items):
    await client.load(VENDOR.version, VENDOR.engine)
    vendor.gate.clear()
    asking = asyncio.ensure_future(client.rewrite(VENDOR, items[:2]))
    await until(lambda: vendor.open)
    asking.cancel()

    async def is_given_up():
        async with session.get(f"{url}/metrics") as response:
            return 'endpoint="/rewrite",http_response_code="499"' in await response.text()

    await until(is_given_up)


async def test_the_newest_release_is_loaded_at_start_and_a_dead_replica_is_passed_over(
    service, folders, items
):
    _, process = second = start(service.state)
    try:
        (url,) = second[0].inference_urls
        process.wait_until_ready(f"{url}/readyz")
        nobody = f"http://127.0.0.1:{free_port()}"
        client = patient(InferenceClient([nobody, url], TOKEN))
        for _ in range(3):
            assert len(await client.rewrite(sampled("blue"), items[:2])) == 2
        await client.close()
        await release.warm(second[0].inference_urls, sampled("green"), TOKEN)
        with pytest.raises(VersionUnknown):
            await release.warm(second[0].inference_urls, sampled("none"), TOKEN)
        with pytest.raises(InferenceUnavailable, match="401"):
            await release.warm(second[0].inference_urls, sampled("green"), "wrong")
    finally:
        process.stop()
