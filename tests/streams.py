"""Streams of a gateway: a gateway on a port, a client of its events, and a scripted inference service."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import aiohttp
import uvicorn
from aiohttp import web
from aiohttp.test_utils import TestServer

from configs.settings import Settings
from serving import events
from serving.gateway.app import create_app
from serving.gateway.online.front import PATH, Front
from serving.gateway.parts import Parts, parts_of
from serving.protocol import Door, GuardedProtocol
from tests import gateways
from tests.logins import as_gateway

Send = Callable[[bytes], Awaitable[None]]
Script = Callable[[Send, str], Awaitable[None]]  # the version's name comes second


def delta(text: str, kind: Any = "delta") -> bytes:
    """An event of a draft."""
    return events.encode(kind, json.dumps({"text": text}).encode())


def answer(text: str, version: str) -> bytes:
    """The last event of the inference service."""
    item = {"text": text, "facts_missing": [], "tokens": 3, "finished": True}
    return events.encode("answer", json.dumps({"items": [item], "version": version}).encode())


async def write_two_words(send: Send, version: str) -> None:
    """The script of a service without faults."""
    await send(delta("Please"))
    await send(delta(" wait."))
    await send(answer("Please wait.", version))


class Service:
    """In place of the inference service: streams by the script of a version, and answers lists at once."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        self.streams: list[str] = []  # the texts that it was called with
        self.lists = 0
        self.given_up = 0  # streams whose client left
        self.url = ""

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """`POST /stream`."""
        body = await request.json()
        version = body["spec"]["version"]
        self.streams.append(body["item"]["text"])
        script = self.scripts.get(version, write_two_words)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(request)
            await script(response.write, version)
        except (asyncio.CancelledError, ConnectionError):
            self.given_up += 1
            raise
        return response

    async def rewrite(self, request: web.Request) -> web.Response:
        """`POST /rewrite`."""
        body = await request.json()
        self.lists += 1
        item = {"text": "Please wait.", "facts_missing": [], "tokens": 3, "finished": True}
        return web.json_response({"items": [item] * len(body["items"]), "version": body["spec"]["version"]})


@asynccontextmanager
async def serving() -> AsyncIterator[Service]:
    """A scripted service on a port."""
    service, app = Service(), web.Application()
    app.router.add_post("/stream", service.stream)
    app.router.add_post("/rewrite", service.rewrite)
    server = TestServer(app)
    await server.start_server()  # a client that leaves cancels its handler
    service.url = str(server.make_url(""))
    try:
        yield service
    finally:
        await server.close()


class Gateway(NamedTuple):
    """A gateway on a port of this machine, a session with it, and the header of a key that opens it."""

    server: uvicorn.Server
    front: Front
    session: aiohttp.ClientSession
    key: dict[str, str]

    @property
    def parts(self) -> Parts:
        """Its parts."""
        return parts_of(self.front.behind)

    def post(self, body: dict[str, Any], **headers: str) -> Any:
        """A request for a stream; a context manager. A header with an empty value is not sent."""
        named = {
            **self.key,
            "Accept": "text/event-stream",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        return self.session.post(PATH, json=body, headers={k: v for k, v in named.items() if v})

    def metric(self, name: str) -> float:
        """The value of one of its metrics."""
        lines = self.parts.telemetry.metrics().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@asynccontextmanager
async def listening(settings: Settings, key: str, protocol: type[GuardedProtocol]) -> AsyncIterator[Gateway]:
    """A gateway that serves, and has read what is in force."""
    front = create_app(as_gateway(settings))
    config = uvicorn.Config(
        front, host="127.0.0.1", port=0, http=partial(protocol, Door(settings)),  # type: ignore[arg-type]
        log_config=None, server_header=False, date_header=False, access_log=False, ws="none",
        timeout_graceful_shutdown=10,
    )  # fmt: skip
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    await gateways.read_what_is_in_force(front.behind)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield Gateway(server, front, session, {"X-API-Key": key})
    finally:
        server.should_exit = True
        await running


Event = tuple[str, Any]


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """The events of a stream as they come, each with its data; a comment is ("", its text)."""
    assert (response.status, response.content_type) == (200, "text/event-stream"), await response.text()
    while event := (await response.content.readuntil(b"\n\n", max_size=1 << 20)).decode():
        if event.startswith(":"):
            yield "", event[1:].strip()
            continue
        kind, data = event.rstrip("\n").split("\n")
        yield kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def read(response: aiohttp.ClientResponse) -> list[Event]:
    """All events of a stream, without the comments."""
    return [(kind, data) async for kind, data in events_of(response) if kind]


def text_of(drafts: list[Event]) -> str:
    """What a client has on its screen after these events."""
    shown = ""
    for kind, data in drafts:
        assert kind in ("delta", "replace"), kind
        shown = shown + data["text"] if kind == "delta" else data["text"]
    return shown


async def until(claim: Callable[[], object], timeout_s: float = 30) -> None:
    """Wait for what happens elsewhere."""
    async with asyncio.timeout(timeout_s):
        while not claim():  # noqa: ASYNC110 (it happens elsewhere)
            await asyncio.sleep(0.01)
