"""Streams of a gateway: a gateway on a port, a client of its events, a scripted inference service, and an
experiment that they are in.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal, NamedTuple

import aiohttp
import uvicorn
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.records import Spec
from data.tables import Experiment, new_id
from data.traffic.routing import Arm, Routing, Split
from serving import events
from serving.events import Piece
from serving.gateway.app import create_app, make_door
from serving.gateway.online.front import PATH, Front
from serving.gateway.parts import Parts, parts_of
from serving.protocol import GuardedProtocol
from tests import gateways
from tests.waiting import until_async as until

V1, V2 = Spec(version="v1"), Spec(version="v2")

Send = Callable[[bytes], Awaitable[None]]
Script = Callable[[Send, str], Awaitable[None]]  # the version's name comes second


def delta(text: str, kind: Literal["delta", "replace"] = "delta") -> bytes:
    """An event of a draft."""
    return Piece(kind, text).encode()


def answer(text: str, version: str) -> bytes:
    """The last event of the inference service."""
    return events.encode("answer", json.dumps(reply([text], version)).encode())


def reply(texts: list[str], version: str) -> dict[str, Any]:
    """The inference service's answer to a list."""
    items = [{"text": text, "facts_missing": [], "tokens": 3, "finished": True} for text in texts]
    return {"items": items, "version": version}


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
        self.list_status, self.list_text = 200, "Please wait."  # of its answers to lists
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
        document = reply([self.list_text] * len(body["items"]), body["spec"]["version"])
        return web.json_response(document, status=self.list_status)


@asynccontextmanager
async def serving(service: Service | None = None) -> AsyncIterator[Service]:
    """A scripted service on a port."""
    service, app = service or Service(), web.Application()
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
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self.server.servers[0].sockets[0].getsockname()[1]
        return port

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
        return value_of(self.parts.telemetry.metrics().decode(), name)


@asynccontextmanager
async def listening(settings: Settings, key: str, protocol: type[GuardedProtocol]) -> AsyncIterator[Gateway]:
    """A gateway that serves, and has read what is in force."""
    front = create_app(gateways.patient(settings))
    front.heartbeat_s = 600  # no comment comes before the first event
    config = uvicorn.Config(
        front, host="127.0.0.1", port=0, http=partial(protocol, make_door(settings, front)),  # type: ignore[arg-type]
        log_config=None, server_header=False, date_header=False, access_log=False, ws="none",
        timeout_keep_alive=600, timeout_graceful_shutdown=60,
    )  # fmt: skip
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())
    await until(lambda: server.started)
    await gateways.read_what_is_in_force(front.behind)
    for opened in (front.sockets, front.behind.state.subscriptions):
        opened.limits = opened.limits._replace(authenticate_s=60, ping_every_s=600)  # type: ignore[union-attr]
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
    text = ""
    for kind, data in drafts:
        assert kind in ("delta", "replace"), kind
        text = text + data["text"] if kind == "delta" else data["text"]
    return text


def value_of(metrics: str, name: str) -> float:
    """The value of a metric in Prometheus' text format, over all its labels."""
    return sum(float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith(name))


def fresh(**changes: Any) -> dict[str, Any]:
    """The body of a request for a text that is new."""
    message = f"Fix PAY-123 by Friday. {uuid.uuid4()}"
    return {"text": message, "transform_type": "soften", "intensity": 2, **changes}


class Gate:
    """A script that writes a word, waits, and goes on."""

    def __init__(self) -> None:
        self.begun, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, send: Send, version: str) -> None:
        """Write it."""
        await send(delta("Please"))
        self.begun.set()
        await self.opened.wait()
        await send(delta(" wait."))
        await send(answer("Please wait.", version))


async def rows(engine: Engine, gateway: Gateway, query: str, **values: Any) -> list[Any]:
    """Rows of Postgres, after the gateway has written what it holds."""
    await gateway.parts.answers.flush()
    with engine.connect() as connection:
        return list(connection.execute(text(query), values).all())


async def start_experiment(engine: Engine, gateway: Gateway) -> uuid.UUID:
    """Everybody is in an arm with v2; v1 stays the champion."""
    experiment_id = new_id()
    with Session(engine) as session, session.begin():
        session.add(
            Experiment(id=experiment_id, name=f"e-{experiment_id}", hypothesis="none", plan={}, salt="s",
                       status="running")
        )  # fmt: skip
    arms = (Arm(name="baseline", weight=0.0, spec=V1), Arm(name="challenger", weight=1.0, spec=V2))
    split = Split(experiment_id=experiment_id, salt="s", arms=arms)
    gateways.publish(engine, Routing(champion=V1, experiments=(split,)))
    await gateway.parts.directory.beat()
    return experiment_id
