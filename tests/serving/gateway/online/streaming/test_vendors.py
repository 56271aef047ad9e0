"""Streams of a vendor's model: from its endpoint through service and gateway to a client."""

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from data.traffic.routing import Routing
from models import llm
from models.endpoint import Endpoint
from models.llm import Llm
from serving.gateway.online import completions
from serving.gateway.online.front import PATH
from serving.inference import release
from serving.protocol import GuardedProtocol
from tests import endpoints, gateways, streams
from tests.endpoints import FakeEndpoint
from tests.streams import Gateway, events_of, read, rows, text_of, until

MESSAGE = "Anna, send PAY-123 by Friday."


def soften(user: str) -> str:
    """The vendor's model: the message of frame-2, with its masks, after a "please"."""
    return "Please " + user.removeprefix("<message>\n").removesuffix("\n</message>")


@pytest.fixture
def vendor() -> Iterator[FakeEndpoint]:
    with endpoints.serve(soften) as fake:
        yield fake


@pytest.fixture
async def real(
    stack: Settings,
    engine: Engine,
    api_key: str,
    vendor: FakeEndpoint,
    tmp_path: Path,
    protocol: type[GuardedProtocol],
) -> AsyncIterator[Gateway]:
    """A gateway over the real inference service, whose champion is the vendor's model."""
    name = f"vendor-{uuid.uuid4().hex[:8]}"
    at = Endpoint(base_url=vendor.url, model="m", timeout_s=60, retries=1, input_usd=1, output_usd=3)
    await asyncio.to_thread(llm.write, Llm(endpoint=at), ("en",), tmp_path / name)
    release.publish(tmp_path / name, name, stack)
    spec = llm.read(tmp_path / name).spec(name)
    await release.warm(stack.inference_urls, spec, stack.secret("service_token"))
    vendor.requests.clear()
    gateways.publish(engine, Routing(champion=spec))
    async with streams.listening(stack, api_key, protocol) as gateway:
        yield gateway


def body_of(text: str = MESSAGE) -> dict[str, Any]:
    return {"text": text, "transform_type": "soften", "intensity": 2}


async def test_the_first_word_arrives_before_the_vendor_has_written_the_second(
    real: Gateway, vendor: FakeEndpoint, engine: Engine
) -> None:
    goes_on = threading.Event()
    vendor.between = lambda: goes_on.wait(60)  # after each word
    async with real.post(body_of()) as response:
        got = events_of(response)
        first = await anext(got)
        goes_on.set()
        *others, (kind, given) = [event async for event in got if event[0]]
    assert first == ("delta", {"text": "Please"})
    assert (kind, given["transformed_text"], given["facts_missing"]) == ("answer", f"Please {MESSAGE}", [])
    assert text_of([first, *others]) == given["transformed_text"]
    [request] = vendor.requests
    assert (request["stream"], request["stream_options"]) == (True, {"include_usage": True})
    assert "PAY-123" not in json.dumps(request), "the vendor sees a mask, and the client the fact"
    query = "SELECT prompt_tokens, tokens, cost_usd FROM outputs WHERE message = :m AND version = :v"
    [stored] = await rows(engine, real, query, m=MESSAGE, v=given["version"])
    assert tuple(stored) == (50, 7, pytest.approx((50 * 1 + 7 * 3) / 1e6))


async def test_a_client_who_leaves_ends_the_request_to_the_vendor(
    real: Gateway, vendor: FakeEndpoint
) -> None:
    pause = threading.Event()
    vendor.between, vendor.answer = lambda: pause.wait(0.02), lambda _: "word " * 2000
    async with real.post(body_of()) as response:
        events = events_of(response)
        while (await anext(events))[0] != "delta":  # a slow machine has heartbeats before the first word
            pass
        response.close()
    await until(lambda: vendor.hung_up == 1)
    await until(lambda: real.metric("tonebridge_streams_open") == 0)


async def test_a_client_who_leaves_a_request_for_json_ends_it_too(
    real: Gateway, vendor: FakeEndpoint, stack: Settings
) -> None:
    before = await streams.count_abandoned(stack)
    vendor.gate.clear()
    asking = asyncio.ensure_future(real.session.post(PATH, json=body_of(), headers=real.key))
    await until(lambda: vendor.open == 1)
    asking.cancel()
    async with asyncio.timeout(30):
        while await streams.count_abandoned(stack) == before:  # noqa: ASYNC110 (in another process)
            await asyncio.sleep(0.05)
    vendor.gate.set()
    async with real.post(body_of(), Accept="application/json") as response:
        assert (await response.json())["cache"] == "miss", "nothing was stored for who left"
    assert not vendor.requests[-1].get("stream")


async def test_what_is_retried_for_an_answer_is_retried_for_a_stream_and_other_faults_end_it(
    real: Gateway, vendor: FakeEndpoint
) -> None:
    too_many = (429, {"Retry-After": "0"}, '{"error": {"message": "slow down"}}')
    vendor.replies = [too_many]
    async with real.post(body_of()) as response:
        assert (await read(response))[-1][1]["transformed_text"] == f"Please {MESSAGE}"
    assert len(vendor.requests) == 2
    for replies in ([too_many] * 2, [(400, {}, '{"error": {"message": "no", "code": "rude"}}')]):
        vendor.replies = list(replies)
        async with real.post(body_of("Send it at once.")) as response:
            assert (response.status, response.content_type) == (503, "application/problem+json")
            problem = json.loads(await response.read())
        assert problem["reasons"][0]["code"] == "version_cannot_answer"


async def test_a_completion_reports_the_tokens_and_shows_no_draft(
    real: Gateway, vendor: FakeEndpoint
) -> None:
    body = {
        "model": "tonebridge/soften-2",
        "messages": [{"role": "user", "content": MESSAGE}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    async with real.session.post(completions.PATH, json=body, headers=real.key) as response:
        lines = (await response.text()).splitlines()
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    texts = [choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"]]
    assert [text for text in texts if text] == [f"Please {MESSAGE}"]
    usage = chunks[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (50, 7)
