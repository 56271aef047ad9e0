"""The gateway's own HTTP protocol on real sockets, and the guarded one that leaves every answer to ASGI: to a
client they are the same.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, NamedTuple

import httptools
import pytest
import uvicorn
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.people import identities
from data.records import Spec
from data.traffic import routing
from data.traffic.routing import Routing
from serving.gateway.app import create_app, make_door
from serving.gateway.online.front import PATH, Front, Reply
from serving.gateway.online.protocol import HotProtocol
from serving.protocol import GuardedProtocol
from tests import gateways
from tests.waiting import until_async

ASK = {"text": "Fix PAY-123 by Friday.", "transform_type": "soften", "intensity": 2}


class Gateway(NamedTuple):
    """A gateway that serves on a port of this machine, and a key that opens it."""

    server: uvicorn.Server
    front: Front
    port: int
    key: str

    def request(
        self,
        body: bytes | None = None,
        *lines: str,
        method: str = "POST",
        path: str = PATH,
        version: str = "1.1",
        key: str | None = None,
    ) -> bytes:
        """A request as bytes; `lines` are further headers."""
        body = json.dumps(ASK).encode() if body is None else body
        lines_sent = [
            "host: gateway",
            f"x-api-key: {key or self.key}",
            "content-type: application/json",
            *lines,
        ]
        if not any(line.lower().startswith("transfer-encoding") for line in lines):
            lines_sent.append(f"content-length: {len(body)}")
        head = "\r\n".join([f"{method} {path} HTTP/{version}", *lines_sent])
        return head.encode() + b"\r\n\r\n" + body


@pytest.fixture(params=[HotProtocol, GuardedProtocol], ids=["hot", "guarded"])
async def gateway(request: Any, stack: Settings, engine: Engine) -> AsyncIterator[Gateway]:
    with Session(engine) as session, session.begin():
        routing.publish(session, Routing(champion=Spec(version="v1", max_new_tokens=4)), "a test")
    key = identities.generate_key()
    identities.bootstrap(engine, key, f"org-{uuid.uuid4()}")
    front = create_app(gateways.patient(stack))
    protocol = partial(request.param, make_door(stack, front))
    config = uvicorn.Config(
        front, host="127.0.0.1", port=0, http=protocol, log_config=None, server_header=False,
        date_header=False, access_log=False, ws="none", timeout_keep_alive=600,
        timeout_graceful_shutdown=60,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    await until_async(lambda: server.started)
    await gateways.read_what_is_in_force(front.behind)
    yield Gateway(server, front, server.servers[0].sockets[0].getsockname()[1], key)
    server.should_exit = True
    await serving


class Client:
    """One connection that reads responses one after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._parser = httptools.HttpResponseParser(self)
        self._done: list[tuple[int, dict[str, str], Any]] = []

    def on_message_begin(self) -> None:
        self._headers: dict[str, str] = {}
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        is_json = "json" in self._headers.get("content-type", "")
        body = json.loads(self._body) if is_json else self._body
        self._done.append((self._parser.get_status_code(), self._headers, body))

    async def response(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body of the next response; EOFError when the connection ends instead."""
        while not self._done:
            data = await asyncio.wait_for(self._reader.read(65536), 60)
            if not data:
                raise EOFError
            self._parser.feed_data(data)
        return self._done.pop(0)

    async def ask(self, *pieces: bytes) -> tuple[int, dict[str, str], Any]:
        """Send pieces, each in a packet of its own, and read a response."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)
        return await self.response()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    yield Client(reader, writer)
    writer.close()


def fresh() -> bytes:
    return json.dumps({**ASK, "text": f"Fix it. {uuid.uuid4()}"}).encode()


async def test_hits_and_misses_look_alike(gateway: Gateway, client: Client) -> None:
    body = fresh()
    answers = [await client.ask(gateway.request(body)) for _ in range(3)]
    assert [status for status, _, _ in answers] == [200] * 3
    assert [answer["cache"] for _, _, answer in answers] == ["miss", "l1", "l1"]
    assert len({frozenset(named) for _, named, _ in answers}) == 1
    assert len({answer["answer_id"] for _, _, answer in answers}) == 3


async def test_pieces_make_a_request_wherever_they_are_cut(gateway: Gateway, client: Client) -> None:
    whole = gateway.request()
    assert (await client.ask(whole))[0] == 200
    for cut in range(1, len(whole)):
        status, _, answer = await client.ask(whole[:cut], whole[cut:])
        assert (status, answer["cache"]) == (200, "l1"), cut
    assert (await client.ask(*(whole[i : i + 1] for i in range(len(whole)))))[0] == 200


async def test_pipelined_requests_are_answered_in_their_order(gateway: Gateway, client: Client) -> None:
    hit, unknown = gateway.request(), gateway.request(b"{}")
    await client.ask(hit)
    miss, alive = gateway.request(fresh()), gateway.request(b"", method="GET", path="/livez")
    client.writer.write(hit + miss + hit + alive + unknown + miss + hit * 20 + alive)
    got = [await client.response() for _ in range(27)]
    seen = [answer.get("cache", status) for status, _, answer in got]
    assert seen == ["l1", "miss", "l1", 200, 422, "l1", *["l1"] * 20, 200]


async def test_a_chunked_body_is_put_together(gateway: Gateway, client: Client) -> None:
    body = fresh()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    for level in ("miss", "l1"):
        status, _, answer = await client.ask(gateway.request(chunks, "Transfer-Encoding: chunked"))
        assert (status, answer["cache"]) == (200, level)


@pytest.mark.parametrize("size", [70_000, 200_000])
async def test_a_long_body_is_judged(gateway: Gateway, client: Client, size: int) -> None:
    long = json.dumps({**ASK, "text": "x" * size}).encode()
    assert (await client.ask(gateway.request(long)))[0] == (422 if size < 128 * 1024 else 413)


async def test_refusals_are_problems_and_keep_the_connection(gateway: Gateway, client: Client) -> None:
    wrong = gateway.key[:-1] + ("a" if gateway.key[-1] != "a" else "b")
    token = "eyJhbGciOiJub25lIiwia2lkIjoieCJ9.e30."  # "alg": "none"
    for request, status in (
        (gateway.request(key=wrong), 401),
        (gateway.request(key="hunter2"), 401),
        (gateway.request(None, f"authorization: Bearer {token}", key=token), 401),
        (gateway.request(b"{"), 422),
        (gateway.request(b"\xff"), 422),
        (gateway.request(method="PUT"), 405),
        (gateway.request(path="/api/v1/nothing"), 404),
    ):
        code, named, problem = await client.ask(request)
        assert (code, problem["status"]) == (status, status)
        assert named["content-type"] == "application/problem+json"
        assert named["x-request-id"]
    status, _, answer = await client.ask(gateway.request())
    assert status == 200, answer


async def test_a_query_is_no_other_endpoint(gateway: Gateway, client: Client) -> None:
    assert (await client.ask(gateway.request(path=PATH + "?a=1")))[0] == 200


async def test_who_expects_a_hundred_gets_it(gateway: Gateway, client: Client) -> None:
    head, _, body = gateway.request(None, "Expect: 100-continue").partition(b"\r\n\r\n")
    assert (await client.ask(head + b"\r\n\r\n"))[0] == 100
    assert (await client.ask(body))[0] == 200


@pytest.mark.parametrize("old", [True, False], ids=["HTTP/1.0", "Connection: close"])
async def test_who_wants_the_connection_closed_gets_that(gateway: Gateway, client: Client, old: bool) -> None:
    request = gateway.request(version="1.0") if old else gateway.request(None, "Connection: close")
    status, named, _ = await client.ask(request)
    assert (status, named["connection"]) == (200, "close")
    with pytest.raises(EOFError):
        await client.response()


async def test_an_idle_connection_is_closed(gateway: Gateway, client: Client) -> None:
    hit = gateway.request()
    await client.ask(hit)
    for connection in gateway.server.server_state.connections:
        connection.timeout_keep_alive = 0
    assert (await client.ask(hit))[0] == 200
    with pytest.raises(EOFError):
        await client.response()


async def test_what_is_no_http_is_refused(gateway: Gateway, client: Client) -> None:
    status, named, problem = await client.ask(b"\x16\x03\x01 hello\r\n\r\n")
    assert (status, named["content-type"]) == (400, "application/problem+json")
    assert problem["reasons"] == [{"code": "not_http", "values": {}}]
    with pytest.raises(EOFError):
        await client.response()


async def test_one_who_leaves_takes_nothing_along(gateway: Gateway, client: Client) -> None:
    body = fresh()
    for sent in (gateway.request(body), gateway.request(body)[:-5]):
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(sent)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    for _ in range(100):  # what the first asked for is written all the same
        if (await client.ask(gateway.request(body)))[2]["cache"] == "l1":
            break
    state = gateway.server.server_state
    await until_async(lambda: len(state.tasks) <= 1 and len(state.connections) <= 2)


async def test_a_draining_gateway_answers_once_more(gateway: Gateway, client: Client) -> None:
    await client.ask(gateway.request())
    gateway.front.is_draining = True
    status, named, _ = await client.ask(gateway.request())
    assert (status, named["connection"]) == (200, "close")
    with pytest.raises(EOFError):
        await client.response()


@pytest.mark.parametrize("sent", ["half", "whole"])
async def test_a_gateway_that_stops_finishes_what_has_begun(
    gateway: Gateway, client: Client, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stops = asyncio.Event(), asyncio.Event()
    reply = gateway.front.reply

    async def slow_reply(*request: Any) -> Reply:
        begun.set()
        await stops.wait()
        return await reply(*request)

    def has_head() -> bool:
        connections: Any = gateway.server.server_state.connections
        return any(connection.held is not None or connection.cycle for connection in connections)

    monkeypatch.setattr(gateway.front, "reply", slow_reply)
    whole = gateway.request(fresh())
    cut = len(whole) - 5 if sent == "half" else len(whole)
    client.writer.write(whole[:cut])
    await client.writer.drain()
    await (begun.wait() if sent == "whole" else until_async(has_head))
    gateway.server.should_exit = True
    await until_async(lambda: not gateway.server.servers[0].is_serving())
    stops.set()
    status, named, _ = await client.ask(whole[cut:])
    assert (status, named["connection"]) == (200, "close")
