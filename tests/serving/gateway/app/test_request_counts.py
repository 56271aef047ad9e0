"""`tonebridge_requests_total` has every request once: what clients have seen is compared with what the
gateway has counted, on the hot protocol and on ASGI alone.
"""

import asyncio
import base64
import json
import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from data.traffic.routing import Routing
from serving.gateway.online.front import PATH
from serving.gateway.online.protocol import HotProtocol
from serving.protocol import GuardedProtocol
from serving.request_counts import LEFT
from tests import gateways, sockets, streams
from tests.streams import V1, Gate, Gateway, Send, Service, delta, fresh, read, until

ASK = {"text": "Fix PAY-123 by Friday.", "transform_type": "soften", "intensity": 2}
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
NONCE = f"Sec-WebSocket-Key: {base64.b64encode(b'sixteen bytes ok').decode()}"

Counts = Counter[tuple[str, int]]


@pytest.fixture(params=[HotProtocol, GuardedProtocol])
def protocol(request: pytest.FixtureRequest) -> type[GuardedProtocol]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def key(gateway: Gateway) -> str:
    return gateway.key["X-API-Key"]


def counted(gateway: Gateway) -> Counts:
    """What Prometheus reads, without the zeros."""
    lines = re.findall(
        r'^tonebridge_requests_total\{kind="(\w+)",status="(\d+)"\} ([0-9.]+)$',
        gateway.parts.telemetry.metrics().decode(),
        re.MULTILINE,
    )
    assert lines
    return Counter({(kind, int(status)): int(float(value)) for kind, status, value in lines if float(value)})


def request(path: str, *lines: str, method: str = "POST", body: bytes | None = None) -> bytes:
    """A request as bytes; without a body it has none that it announces."""
    length = [] if body is None else [f"Content-Length: {len(body)}"]
    head = [f"{method} {path} HTTP/1.1", "Host: gateway", "Content-Type: application/json", *length, *lines]
    return "\r\n".join([*head, "", ""]).encode() + (body or b"")


@asynccontextmanager
async def connection(gateway: Gateway) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def statuses(gateway: Gateway, data: bytes) -> list[int]:
    """The statuses of all answers on a connection that the gateway closes."""
    async with connection(gateway) as (reader, writer):
        writer.write(data)
        answers = await asyncio.wait_for(reader.read(), 60)
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", answers)]


async def test_answers_of_every_kind_are_counted_once(
    gateway: Gateway, service: Service, engine: Engine
) -> None:
    seen: Counts = Counter()

    async def ask(kind: str, method: str, path: str, times: int = 1, **options: Any) -> None:
        options.setdefault("headers", gateway.key)
        for _ in range(times):
            async with gateway.session.request(method, path, **options) as response:
                await response.read()
                seen[kind, response.status] += 1

    await ask("rewrite", "POST", PATH, 1, json=fresh())  # a miss
    await ask("rewrite", "POST", PATH, 30, json=ASK)  # a miss, and answers from memory
    await ask("rewrite", "POST", PATH, 2, json=ASK, headers={})
    await ask("rewrite", "POST", PATH, 3, json={"text": ""})
    await ask("rewrite", "POST", PATH, 2, data=b"x" * 200_000)
    await ask("rewrite", "POST", PATH, 2, data=b'{"text": "' + b"x" * 100_000)
    await ask("rewrite", "POST", PATH, 2, json=ASK, headers={**gateway.key, "Idempotency-Key": "a"})
    await ask("rewrite", "POST", PATH, 2, json=ASK, headers={**gateway.key, "Accept": "text/event-stream"})
    await ask("rewrite", "POST", "/v1/chat/completions", 2, json={})
    await ask("other", "GET", PATH, 2)
    await ask("other", "GET", "/api/v1/preferences/ann", 2)
    await ask("other", "GET", "/nothing", 4)
    await ask("other", "GET", "/", 2)
    await ask("other", "POST", "/api/v1/feedback", 2, json={})
    await ask("other", "POST", "/api/v1/auth/login", 2, data=b"x" * 20_000)
    await ask("other", "OPTIONS", "/nothing", 2)
    await ask("probe", "GET", "/livez", 3)
    await ask("probe", "GET", "/readyz", 2)
    await ask("probe", "GET", "/metrics", 2)
    page = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    await ask("preflight", "OPTIONS", PATH, 5, headers=page)
    limited = gateways.a_key(engine, gateways.an_organisation(engine, plan="free"))
    await ask("rewrite", "POST", PATH, 60, json=ASK, headers=limited)
    service.list_status = 500
    await ask("rewrite", "POST", PATH, 2, json=fresh())
    assert counted(gateway) == seen
    assert {200, 401, 413, 422, 429, 503} <= {status for kind, status in seen if kind == "rewrite"}
    assert {200, 404, 405, 413, 422} <= {status for kind, status in seen if kind == "other"}
    assert seen["preflight", 204] == 5


async def test_many_requests_at_once_and_in_one_segment_are_counted_once(gateway: Gateway, key: str) -> None:
    rewrite = request(PATH, f"X-API-Key: {key}", body=json.dumps(ASK).encode())
    last = request("/livez", "Connection: close", method="GET")
    answers = await asyncio.gather(*(statuses(gateway, rewrite * 20 + last) for _ in range(10)))
    assert answers == [[200] * 21] * 10
    assert counted(gateway) == {("rewrite", 200): 200, ("probe", 200): 10}


async def test_an_error_of_the_gateway_is_counted(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault of this test")

    monkeypatch.setattr(gateway.parts.directory, "current", fail)
    async with gateway.session.get("/readyz") as response:
        assert response.status == 500
    monkeypatch.setattr(gateway.parts.online, "recall", fail)
    monkeypatch.setattr(gateway.parts.online, "transform", fail)
    async with gateway.session.post(PATH, json=ASK, headers={**gateway.key, "Idempotency-Key": "a"}) as made:
        assert made.status == 500
    assert counted(gateway) == {("probe", 500): 1, ("rewrite", 500): 1}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET\r\n\r\n", 400),
        (b"\x16\x03\x01 not HTTP", 400),
        (request("/livez", *(f"X-{number}: 1" for number in range(200)), method="GET"), 431),
        (request("/livez", f"X: {'x' * 40_000}", method="GET"), 431),
        (request("/livez", "Connection: Upgrade", "Upgrade: h2c", method="GET"), 400),
        (request("/livez", *UPGRADE, NONCE, method="GET"), 400),
        (request(PATH, "Transfer-Encoding: chunked") + b"no length\r\n", 400),
        (request("/api/v1/feedback", "Transfer-Encoding: chunked") + b"no length\r\n", 400),
    ],
)
async def test_what_cannot_be_read_is_counted_by_its_refusal(
    gateway: Gateway, data: bytes, status: int
) -> None:
    for _ in range(3):
        assert await statuses(gateway, data) == [status]
    assert counted(gateway) == {("unread", status): 3}


async def test_a_refusal_behind_other_requests_is_counted_beside_them(gateway: Gateway) -> None:
    before = request("/livez", method="GET")
    assert await statuses(gateway, before * 2 + b"GET\r\n\r\n") == [200, 200, 400]
    assert counted(gateway) == {("probe", 200): 2, ("unread", 400): 1}


async def test_a_handshake_is_counted_by_its_answer_and_its_messages_are_not(
    gateway: Gateway, key: str
) -> None:
    async with sockets.opened(gateway) as socket:
        await socket.ask("auth", token=key)
        await socket.send("transform", id="a", body=ASK)
        assert await socket.until("answer")
    assert await statuses(gateway, request(sockets.PATH, *UPGRADE, "Sec-WebSocket-Key: x", method="GET")) == [
        400
    ]
    assert counted(gateway) == {("socket", 101): 1, ("socket", 400): 1}


async def test_a_stream_is_counted_at_its_end_by_its_outcome(gateway: Gateway, service: Service) -> None:
    async def fail(send: Send, version: str) -> None:
        await send(delta("Please"))

    gate = service.scripts["v1"] = Gate()
    async with gateway.post(fresh()) as response:
        await gate.begun.wait()
        assert not counted(gateway)
        gate.opened.set()
        assert (await read(response))[-1][0] == "answer"
    await until(lambda: counted(gateway) == {("rewrite", 200): 1})
    service.scripts["v1"] = fail
    async with gateway.post(fresh()) as response:
        assert (await read(response))[-1][0] == "error"
    await until(lambda: counted(gateway) == {("rewrite", 200): 1, ("rewrite", 503): 1})
    gate = service.scripts["v1"] = Gate()
    async with gateway.post(fresh()) as response:
        await gate.begun.wait()
        response.close()
    await until(lambda: counted(gateway) == {("rewrite", 200): 1, ("rewrite", 503): 1, ("rewrite", LEFT): 1})


@pytest.mark.parametrize("path", [PATH, "/api/v1/feedback"])
async def test_a_client_that_leaves_before_its_request_is_whole_is_counted_as_left(
    gateway: Gateway, key: str, path: str
) -> None:
    whole = request(path, f"X-API-Key: {key}", body=json.dumps(ASK).encode())
    for _ in range(3):
        async with connection(gateway) as (_, writer):
            writer.write(whole[:-5])
            await until(lambda: any(not each.part % 2 and each.part for each in open_connections(gateway)))
    await until(lambda: not open_connections(gateway) and counted(gateway) == {("unread", LEFT): 3})


async def test_a_client_that_leaves_within_a_head_has_sent_no_request(gateway: Gateway) -> None:
    async with connection(gateway) as (_, writer):
        writer.write(request(PATH)[:-10])
        await until(lambda: any(each.part for each in open_connections(gateway)))
    await until(lambda: not open_connections(gateway))
    assert not counted(gateway)


async def test_a_client_that_leaves_before_its_answer_is_counted_as_one_that_left(
    gateway: Gateway, service: Service, key: str
) -> None:
    gate, body = Gate(), fresh()
    service.scripts["v1"] = gate
    waits = request(PATH, f"X-API-Key: {key}", body=json.dumps(body).encode())
    async with gateway.post(body) as response, connection(gateway) as (_, writer):
        await gate.begun.wait()
        writer.write(waits)
        await until(lambda: sum(call.waiting for call in gateway.parts.cache._calls.values()) == 2)
        writer.close()
        await until(lambda: len(open_connections(gateway)) == 1)
        gate.opened.set()
        assert (await read(response))[-1][0] == "answer"
    await until(lambda: counted(gateway) == {("rewrite", 200): 1, ("rewrite", LEFT): 1})


async def test_requests_behind_one_that_is_not_answered_are_counted_when_their_client_leaves(
    gateway: Gateway, service: Service, key: str
) -> None:
    gate = service.scripts["v1"] = Gate()
    slow = request(PATH, f"X-API-Key: {key}", "Accept: text/event-stream", body=json.dumps(fresh()).encode())
    async with connection(gateway) as (_, writer):
        writer.write(slow + request("/livez", method="GET") * 2)
        await gate.begun.wait()
        writer.close()
        await until(lambda: not open_connections(gateway))
        gate.opened.set()
    await until(lambda: counted(gateway) == {("rewrite", 200): 1, ("unread", LEFT): 2})


def open_connections(gateway: Gateway) -> list[GuardedProtocol]:
    return list(gateway.server.server_state.connections)  # type: ignore[arg-type]


Start = Callable[..., AbstractAsyncContextManager[Gateway]]


@pytest.fixture
def start(local: Settings, engine: Engine, api_key: str, protocol: type[GuardedProtocol]) -> Start:
    """`start(header_timeout_s=0.1)` is a gateway with these limits."""
    gateways.publish(engine, Routing(champion=V1))
    return lambda **limits: streams.listening(local.model_copy(update=limits), api_key, protocol)


@pytest.mark.parametrize("path", [PATH, "/api/v1/feedback"])
async def test_what_comes_too_late_is_counted_by_its_refusal(start: Start, path: str) -> None:
    async with start(header_timeout_s=0.1, body_timeout_s=0.1) as gateway:
        assert await statuses(gateway, request(path)[:-10]) == [408]
        assert counted(gateway) == {("unread", 408): 1}
        key = gateway.key["X-API-Key"]
        late = request(path, f"X-API-Key: {key}", body=json.dumps(ASK).encode())[:-5]
        assert await statuses(gateway, late) == [408]
        await until(lambda: not gateway.server.server_state.tasks)
        assert counted(gateway) == {("unread", 408): 2}


async def test_a_connection_too_many_is_counted_as_refused(start: Start) -> None:
    async with start(max_connections_per_address=1) as gateway, connection(gateway) as (reader, writer):
        writer.write(request("/livez", method="GET"))
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(3):
            assert await statuses(gateway, b"") == [503]
        assert counted(gateway) == {("probe", 200): 1, ("unread", 503): 3}


async def test_a_body_that_stops_after_an_early_answer_is_counted_by_that_answer(start: Start) -> None:
    async with start(body_timeout_s=0.1) as gateway:
        early = request("/nothing", "Content-Length: 100") + b"x"
        assert await statuses(gateway, early) == [404]
        assert counted(gateway) == {("other", 404): 1}


async def test_a_rate_can_be_told_from_the_first_failure_on(gateway: Gateway) -> None:
    text = gateway.parts.telemetry.metrics().decode()
    assert 'tonebridge_requests_total{kind="rewrite",status="503"} 0.0' in text
    assert "# TYPE tonebridge_requests_total counter" in text


async def test_requests_of_another_gateway_are_not_counted(gateway: Gateway, start: Start) -> None:
    async with start() as other, aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{other.port}/nothing/{uuid.uuid4()}") as response:
            assert response.status == 404
        assert counted(other) == {("other", 404): 1}
    assert not counted(gateway)
