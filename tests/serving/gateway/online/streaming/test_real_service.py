"""Streams over the real inference service."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import psutil
import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from data.records import Spec
from data.traffic.routing import Routing
from models.export import export
from pipelines.local import running
from serving.gateway.online.protocol import HotProtocol
from serving.inference import release
from serving.protocol import GuardedProtocol
from tests import gateways, streams
from tests.ports import with_own_ports
from tests.streams import Gateway, events_of, fresh, read, rows, text_of, until, value_of

LONG = Spec(version="talkative", engine="transformers", max_new_tokens=80)
ENDLESS = Spec(version="talkative", engine="transformers", max_new_tokens=512)


@pytest.fixture(scope="module")
def talkative(stack: Settings, build_tiny: Any, tiny_texts: Any, tmp_path_factory: Any) -> Settings:
    """The stack, whose store has a version that writes something else for each prompt."""
    base = build_tiny(tmp_path_factory.mktemp("talkative") / "base", tiny_texts, seed=3, spread=0.5)
    folder = export(base, None, tmp_path_factory.mktemp("talkative") / "version", "float32")
    release.publish(folder, "talkative", stack)
    return stack


@pytest.fixture
async def real(
    talkative: Settings, engine: Engine, api_key: str, protocol: type[GuardedProtocol]
) -> AsyncIterator[Gateway]:
    """A gateway over the real inference service."""
    gateways.publish(engine, Routing(champion=LONG))
    async with streams.listening(talkative, api_key, protocol) as gateway:
        yield gateway


async def test_a_draft_comes_in_pieces_and_only_the_answer_is_stored(real: Gateway, engine: Engine) -> None:
    body = fresh(user_id="ann")
    async with real.post(body, X_Request_Id="abc-1") as response:
        assert response.headers["x-request-id"] == "abc-1"
        assert response.headers["cache-control"] == "no-cache"
        assert {"ratelimit", "ratelimit-policy"} <= {name.lower() for name in response.headers}
        *drafts, (last, given) = await read(response)
    assert last == "answer"
    assert {kind for kind, _ in drafts} == {"delta"}
    assert len(drafts) > 1
    assert text_of(drafts) == given["transformed_text"]
    assert (given["cache"], given["fallback"], given["variant"], given["version"]) == (
        "miss", False, "champion", "talkative",
    )  # fmt: skip
    assert "PAY-123" in given["facts_missing"]
    [(stored,)] = await rows(engine, real, "SELECT text FROM outputs WHERE message = :m", m=body["text"])
    assert stored == given["transformed_text"]
    query = "SELECT count(*) FROM answers WHERE id = CAST(:id AS uuid)"
    assert await rows(engine, real, query, id=given["answer_id"]) == [(1,)]
    vote = {"receipt": given["receipt"], "kind": "thumb", "up": True}
    async with real.session.post("/api/v1/feedback", json=vote, headers=real.key) as response:
        assert response.status == 201
    assert real.metric("tonebridge_first_token_seconds_count") == 1
    assert real.metric("tonebridge_streams_open") == 0
    assert real.metric('tonebridge_request_seconds_count{cache="miss"}') == 1


async def test_a_stream_and_json_say_the_same_and_share_their_output(real: Gateway) -> None:
    body = fresh()
    async with real.post(body) as response:
        streamed = (await read(response))[-1][1]
    async with real.post(body, Accept="application/json") as response:
        plain = await response.json()
    assert plain["cache"] == "l1"
    assert {**plain, "cache": "miss", "answer_id": 0, "receipt": 0} == {
        **streamed,
        "answer_id": 0,
        "receipt": 0,
    }


async def test_a_client_who_leaves_ends_the_generation_in_the_service(
    real: Gateway, engine: Engine, stack: Settings
) -> None:
    """The service counts what ended early; without that, 512 tokens are written to their end."""

    async def abandoned() -> float:
        token = stack.secret("service_token")
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
            session.get(f"{stack.inference_urls[0]}/metrics") as response,
        ):
            return value_of(await response.text(), "tonebridge_streams_abandoned_total")

    gateways.publish(engine, Routing(champion=ENDLESS))
    await real.parts.directory.beat()
    before = await abandoned()
    body = fresh()

    async def leave() -> bool:
        """Whether a client who left ended a generation; one of 512 tokens may be over before."""
        body["text"] = fresh()["text"]
        async with real.post(body) as response:
            assert (await anext(events_of(response)))[0] == "delta"
            assert real.metric("tonebridge_streams_open") == 1
            response.close()
        await until(lambda: real.metric("tonebridge_streams_open") == 0)
        return await abandoned() > before

    await until(leave)
    assert real.metric("tonebridge_streams_abandoned_total") > 0
    assert await rows(engine, real, "SELECT 1 FROM outputs WHERE message = :m", m=body["text"]) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("has_replica", [False, True], ids=["alone", "with a replica"])
async def test_bentoml_is_killed_in_the_middle(
    talkative: Settings, engine: Engine, api_key: str, has_replica: bool
) -> None:
    gateways.publish(engine, Routing(champion=ENDLESS))
    own = with_own_ports(talkative)
    urls = (*own.inference_urls, *(talkative.inference_urls if has_replica else ()))
    with running(own, "inference") as processes:
        processes["inference"].wait_until_ready(f"{own.inference_urls[0]}/readyz")
        settings = talkative.model_copy(update={"inference_urls": urls})
        async with (
            streams.listening(settings, api_key, HotProtocol) as gateway,
            gateway.post(fresh()) as response,
        ):
            got = events_of(response)
            drafts = [await anext(got)]
            workers = psutil.Process(processes["inference"].pid).children(recursive=True)
            for process in (*workers, psutil.Process(processes["inference"].pid)):
                process.kill()
            drafts += [event async for event in got if event[0]]
    assert drafts[0][0] == "delta"
    kind, data = drafts.pop()
    if has_replica:
        assert (kind, text_of(drafts)) == ("answer", data["transformed_text"])
    else:
        assert (kind, data["status"]) == ("error", 503)
