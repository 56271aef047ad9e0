"""Servers as processes of their own, and a client that sends bytes as they are."""

import contextlib
import json
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httptools
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.people import identities
from data.records import Spec
from data.traffic import routing
from data.traffic.routing import Routing
from pipelines import local
from pipelines.environments import environment
from tests.ports import free_port
from tests.waiting import until

ASK = {"text": "Fix PAY-123 by Friday.", "transform_type": "soften", "intensity": 2}
GENEROUS_S = 60.0  # how long a test waits for what must come


class Answer(NamedTuple):
    """A response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the response announces that the connection ends."""
        return self.headers.get("connection", "").lower() == "close"


class Connection:
    """A client's connection that sends any bytes."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=GENEROUS_S, source_address=(source, 0)
        )
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = httptools.HttpResponseParser(self)
        self._answers: list[Answer] = []
        self._headers: dict[str, str] = {}
        self._body = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def on_message_begin(self) -> None:
        self._headers, self._body = {}, b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._answers.append(Answer(self._parser.get_status_code(), self._headers, self._body))

    def send(self, *segments: bytes) -> bool:
        """Send segments; False when the server has closed the connection."""
        try:
            for segment in segments:
                self.socket.sendall(segment)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def answer(self) -> Answer | None:
        """The next response; None when the connection ends instead. TimeoutError when nothing comes."""
        while not self._answers:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self._parser.feed_data(data)
        return self._answers.pop(0)

    def answers(self) -> list[Answer]:
        """The responses until the connection ends."""
        return list(iter(self.answer, None))


class Gateway(NamedTuple):
    """A running gateway, and a key that opens it."""

    port: int
    key: str

    def head(
        self, *lines: str, method: str = "POST", path: str = "/api/v1/transform", key: str | None = None
    ) -> bytes:
        """A request's head with further header lines. `key=""` leaves the key out."""
        key = self.key if key is None else key
        named = [f"X-API-Key: {key}"] if key else []
        fields = ["Host: gateway", "Content-Type: application/json", *named, *lines]
        return "\r\n".join([f"{method} {path} HTTP/1.1", *fields, "", ""]).encode()

    def whole(self, body: bytes, *lines: str, **options: Any) -> bytes:
        """A request with its body."""
        return self.head(f"Content-Length: {len(body)}", *lines, **options) + body


def exchange(port: int, request: bytes) -> str:
    """Send bytes on a new connection, and return what the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=GENEROUS_S) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")


def insist(ask: Callable[[], list[Answer]]) -> list[Answer]:
    """The responses once the gateway no longer sheds load, as it does while the machine stalls."""

    def ask_once() -> list[Answer]:
        answers = ask()
        return answers if all(answer.status != 503 for answer in answers) else []

    return until(ask_once)


def message(**fields: object) -> bytes:
    """The body of a request for a rewrite."""
    return json.dumps({**ASK, **fields}).encode()


@contextlib.contextmanager
def gateway(stack: Settings, engine: Engine, log: Path, **variables: object) -> Iterator[Gateway]:
    """Start a gateway as `make up` would, with further `TONEBRIDGE_*` variables."""
    with Session(engine) as session, session.begin():
        routing.publish(session, Routing(champion=Spec(version="v1", max_new_tokens=4)), "a test")
    key = identities.generate_key()
    identities.bootstrap(engine, key, f"org-{uuid.uuid4()}")
    port = free_port()
    settings = stack.model_copy(update={"gateway_port": port, "gateway_url": f"http://127.0.0.1:{port}"})
    with process("gateway", settings, log, **variables) as started:
        started.wait_until_ready(f"{settings.gateway_url}/readyz")
        yield Gateway(settings.gateway_port, key)


@contextlib.contextmanager
def process(name: str, settings: Settings, log: Path, **variables: object) -> Iterator[local.Process]:
    """One process of the Procfile."""
    own = {f"TONEBRIDGE_{key}": str(value) for key, value in variables.items()}
    env = {**environment(settings, name), **own}
    started = local.Process(name, local.command(name, env), env, log)
    try:
        yield started
    finally:
        started.stop()
