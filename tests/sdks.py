"""An installation for the SDKs: a gateway and a worker in a thread, over a database of their own, and a proxy
in front of them that records requests and breaks connections. Tests in other languages steer it by HTTP.
"""

import asyncio
import dataclasses
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.people import identities
from data.tables import Experiment, Version
from data.traffic.routing import Routing
from serving.gateway import openapi_file, parts
from serving.gateway.online.protocol import HotProtocol
from serving.worker.app import make_worker
from tests import gateways, streams
from tests.logins import lengthen_statements
from tests.streams import V1, Service

ROOT = Path(__file__).parent.parent
METRICS_TOKEN = "a token of these tests, 32 bytes long"
_REQUEST = re.compile(rb"(GET|POST|PUT|PATCH|DELETE) (\S+) HTTP/1\.1\r\n")
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)

# What happens to the next response: the gateway has done what the request asked for in each case.
Fault = Literal["drop", "unavailable", "cut"]  # no byte of it comes; 503 comes; it ends after its first event


class Proxy:
    """Passes bytes between clients and a gateway."""

    def __init__(self, port: int) -> None:
        self._port = port  # the gateway's
        self.faults: list[Fault] = []  # of the next responses
        self.is_away = False  # connections are closed as soon as they are opened
        self.requests: list[tuple[str, str, int]] = []  # method, path and status
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.get_running_loop()
        self.url = ""

    async def handle(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        if self.is_away:
            to_client.close()
            return
        gateway, to_gateway = await asyncio.open_connection("127.0.0.1", self._port)
        waiting: list[tuple[str, str]] = []
        writers = {to_client, to_gateway}
        self._open |= writers
        try:
            done, others = await asyncio.wait(
                {
                    asyncio.ensure_future(self._forward(client, to_gateway, waiting)),
                    asyncio.ensure_future(self._return(gateway, to_client, waiting)),
                },
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in others:
                task.cancel()
            await asyncio.wait(done | others)
        finally:
            self._open -= writers
            for writer in writers:
                writer.close()

    async def _forward(
        self, client: asyncio.StreamReader, to_gateway: asyncio.StreamWriter, waiting: list[tuple[str, str]]
    ) -> None:
        with suppress(ConnectionError):
            while sent := await client.read(1 << 16):
                waiting += [(m.decode(), path.decode()) for m, path in _REQUEST.findall(sent)]
                to_gateway.write(sent)

    async def _return(
        self, gateway: asyncio.StreamReader, to_client: asyncio.StreamWriter, waiting: list[tuple[str, str]]
    ) -> None:
        with suppress(ConnectionError):
            while answered := await gateway.read(1 << 16):
                if (status := _STATUS.match(answered)) and waiting:
                    self.requests.append((*waiting.pop(0), int(status[1])))
                    match self.faults.pop(0) if self.faults else None:
                        case "drop":
                            return
                        case "unavailable":
                            to_client.write(_UNAVAILABLE)
                            await to_client.drain()
                            return
                        case "cut":
                            to_client.write(await _up_to_the_first_event(answered, gateway))
                            await to_client.drain()
                            return
                to_client.write(answered)

    def go(self, is_away: bool) -> None:
        """Open no connection from now on, and end those there are; or open them again."""
        self.is_away = is_away
        if is_away:
            self.break_connections()

    def break_connections(self) -> None:
        """End all connections without a word."""
        self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in self._open])


async def _up_to_the_first_event(answered: bytes, gateway: asyncio.StreamReader) -> bytes:
    """The beginning of a stream. On a busy machine more of it, or less, comes at once."""
    head = answered.index(b"\r\n\r\n")
    while (end := answered.find(b"\n\n", head + 4)) < 0:
        answered += await gateway.read(1 << 16)
    return answered[: end + 2]


class _Varied(Service):
    """A scripted service whose texts differ, so that two of them can be compared."""

    async def rewrite(self, request: web.Request) -> web.Response:
        body = await request.json()
        texts = [f"Please wait. {uuid.uuid4()}" for _ in body["items"]]
        return web.json_response(streams.reply(texts, body["spec"]["version"]))


class Installation(NamedTuple):
    """A running installation, and the key of the owner of the organisation that runs it."""

    url: str
    key: str
    engine: Engine
    service: Service
    proxy: Proxy
    control_url: str = ""

    def count(self, query: str, **values: Any) -> int:
        """The number that a query gives."""
        with self.engine.connect() as connection:
            return int(connection.execute(text(query), values).scalar_one())

    def count_keys(self) -> int:
        """How many requests had an Idempotency-Key of their own."""
        return self.count("SELECT count(*) FROM idempotent_requests")

    def count_outputs(self, message: str) -> int:
        """How often a message was rewritten."""
        return self.count("SELECT count(*) FROM outputs WHERE message = :message", message=message)

    def count_answers(self, message: str) -> int:
        """How many answers have a rewrite of a message; they are stored within a second."""
        query = "SELECT count(*) FROM answers JOIN outputs o ON o.id = output_id WHERE o.message = :message"
        return self.count(query, message=message)

    def set_status(self, experiment_id: str, status: str) -> None:
        """Let an experiment be as if the flow had made it so."""
        with Session(self.engine) as session, session.begin():
            session.get_one(Experiment, uuid.UUID(experiment_id)).status = status

    def kill(self, batch_id: str) -> None:
        """Let the jobs of a batch be dead."""
        with self.engine.begin() as owner:
            owner.execute(
                text("UPDATE jobs SET state = 'dead', done_at = now(), attempts = 1 WHERE batch_id = :id"),
                {"id": batch_id},
            )


async def _control(installation: Installation, request: web.Request) -> web.Response:
    """`POST /NAME` with a list of arguments calls a function of the installation."""
    functions: dict[str, Callable[..., object]] = {
        "fail": lambda *faults: installation.proxy.faults.extend(faults),
        "list_faults": lambda: installation.proxy.faults,
        "break_connections": installation.proxy.break_connections,
        "go": installation.proxy.go,
        "count_outputs": installation.count_outputs,
        "count_answers": installation.count_answers,
        "count_keys": installation.count_keys,
        "set_status": installation.set_status,
        "kill": installation.kill,
    }
    return web.json_response(functions[request.match_info["name"]](*await request.json()))


async def _serve(
    settings: Settings,
    key: str,
    engine: Engine,
    opened: "asyncio.Future[Installation]",
    closing: asyncio.Event,
) -> None:
    async with streams.serving(_Varied()) as service:
        settings = settings.model_copy(update={"inference_urls": (service.url,)})
        async with (
            streams.listening(settings, key, HotProtocol) as gateway,
            parts.running(gateways.patient(settings), closing.is_set) as made,
        ):
            await made.pool.wait(timeout=60)
            await made.directory.beat()
            jobs = made.jobs.model_copy(update={"lease_s": 3600.0, "drain_s": 600.0})
            worker = make_worker(dataclasses.replace(made, jobs=jobs))
            working = asyncio.create_task(worker.run())
            proxy = Proxy(gateway.port)
            server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
            proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            installation = Installation(f"http://127.0.0.1:{gateway.port}", key, engine, service, proxy)
            app = web.Application()
            app.router.add_post("/{name}", partial(_control, installation))
            control = TestServer(app)
            await control.start_server()
            opened.set_result(installation._replace(control_url=str(control.make_url(""))))
            await closing.wait()
            await control.close()
            server.close()
            proxy.break_connections()
            worker.stop()
            await working


@contextmanager
def running(settings: Settings, database_url: str) -> Iterator[Installation]:
    """An installation over a new database."""
    engine = database.engine(database_url)
    lengthen_statements(engine)
    key = identities.generate_key()
    identities.bootstrap(engine, key, settings.organisation)
    with Session(engine) as session, session.begin():
        for name in ("v1", "v2", "v3"):
            session.add(Version(name=name, run_id=name, method="sft", metrics={}, accepted=True, reasons=[]))
    gateways.publish(engine, Routing(champion=V1))
    settings = settings.model_copy(
        update={"database_url": database_url, "metrics_token": SecretStr(METRICS_TOKEN)}
    )
    loop = asyncio.new_event_loop()
    opened: asyncio.Future[Installation] = loop.create_future()
    closing = asyncio.Event()
    ready = threading.Event()
    opened.add_done_callback(lambda _: ready.set())

    async def serve() -> None:
        try:
            await _serve(settings, key, engine, opened, closing)
        except BaseException as error:
            if opened.done():
                raise
            opened.set_exception(error)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    with pytest.MonkeyPatch.context() as patch:
        gateways.be_patient(patch)
        thread.start()
        try:
            ready.wait()
            yield opened.result()
        finally:
            loop.call_soon_threadsafe(closing.set)
            thread.join()
            loop.close()
            engine.dispose()


def operations() -> dict[tuple[str, str], str]:
    """The id of each operation of the API, by its method and the template of its path."""
    described = json.loads(openapi_file.FILE.read_text(encoding="utf-8"))
    return {
        (method.upper(), path): operation["operationId"]
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


def called(requests: list[tuple[str, str, int]]) -> set[str]:
    """The ids of the operations that were called and succeeded."""
    templates = {
        (method, re.compile(re.sub(r"\\\{\w+\\\}", "([^/]+|tonebridge/[^/]+)", re.escape(path)))): id
        for (method, path), id in operations().items()
    }
    ids = set()
    for method, path, status in requests:
        if status < 400:
            plain = path.partition("?")[0]
            matches = [
                (pattern.groups, id)
                for (m, pattern), id in templates.items()
                if m == method and pattern.fullmatch(plain)
            ]
            ids.add(min(matches)[1])  # a path without an id comes before one with an id
    return ids
