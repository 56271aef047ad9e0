"""Attacks by an unknown client on raw connections, against processes as `make up` starts them."""

import contextlib
import itertools
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from data.reasons import load, render
from tests.ports import free_port
from tests.waiting import until
from tests.wire import Answer, Connection, Gateway, gateway, insist, message, process

PROTOCOLS = pytest.mark.parametrize("server", [True, False], ids=["hot", "guarded"], indirect=True)
ROUTES = ("/api/v1/transform", "/api/v1/compare", "/livez")
MOST_HEADER_BYTES = 32 * 1024
# Long, so that a stalled client is not late; short, so that what waits for them does not wait long.
LONG = {"HEADER_TIMEOUT_S": 300, "BODY_TIMEOUT_S": 300}
SHORT = {"HEADER_TIMEOUT_S": 0.5, "BODY_TIMEOUT_S": 0.5, "SLOWEST_BODY_BYTES_PER_S": 1_000}
FEW = {"MAX_CONNECTIONS": 8, "MAX_CONNECTIONS_PER_ADDRESS": 4}


@pytest.fixture(scope="module")
def server(request: Any, stack: Settings, engine: Engine, tmp_path_factory: Any) -> Iterator[Gateway]:
    log = tmp_path_factory.mktemp("wire") / "gateway.log"
    with gateway(stack, engine, log, HOT_PROTOCOL=request.param, **LONG) as started:
        yield started


@pytest.fixture(scope="module")
def hurried(request: Any, stack: Settings, engine: Engine, tmp_path_factory: Any) -> Iterator[Gateway]:
    """A gateway with short limits of time."""
    log = tmp_path_factory.mktemp("wire") / "gateway.log"
    with gateway(stack, engine, log, HOT_PROTOCOL=request.param, **SHORT) as started:
        yield started


@contextlib.contextmanager
def listening_dashboard(stack: Settings, log: Path, **limits: float) -> Iterator[int]:
    """A dashboard with these limits of time: its port."""
    port = free_port()
    settings = stack.model_copy(update={"dashboard_port": port})
    with process("dashboard", settings, log, **limits) as started:
        started.wait_until_ready(f"http://127.0.0.1:{port}/livez")
        yield port


@pytest.fixture(scope="module")
def dashboard(stack: Settings, tmp_path_factory: Any) -> Iterator[int]:
    """The port of a dashboard."""
    with listening_dashboard(stack, tmp_path_factory.mktemp("wire") / "dashboard.log", **LONG) as port:
        yield port


@pytest.fixture(scope="module")
def hurried_dashboard(stack: Settings, tmp_path_factory: Any) -> Iterator[int]:
    """The port of a dashboard with short limits of time."""
    with listening_dashboard(stack, tmp_path_factory.mktemp("wire") / "dashboard.log", **SHORT) as port:
        yield port


@pytest.fixture(scope="module")
def inference(stack: Settings) -> int:
    """The port of the BentoML service."""
    port = urlsplit(stack.inference_urls[0]).port
    assert port is not None
    return port


SMUGGLED = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
HANDSHAKE = ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
WHERE = pytest.mark.parametrize("where", ["same segment", "later segment", "no body"])


def upgrade(port: int, where: str, *lines: str, path: str, method: str = "POST") -> list[int]:
    """The statuses of all answers to a request that asks to change the protocol, and whose body is another
    request. The later segment leaves when there is an answer.
    """
    length = [] if where == "no body" else [f"Content-Length: {len(SMUGGLED)}"]
    head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *length, *lines, "", ""]).encode()
    with Connection(port) as connection:
        connection.send(head + SMUGGLED if where == "same segment" else head)
        first = connection.answer()
        assert first is not None
        connection.send(SMUGGLED)
        assert first.closes
        return [first.status, *(answer.status for answer in connection.answers())]


@PROTOCOLS
@WHERE
@pytest.mark.parametrize("protocol", ["h2c", "foo", "websocket"])
def test_an_upgrade_is_refused_and_nothing_after_it_is_a_request(
    server: Gateway, protocol: str, where: str
) -> None:
    for path in ROUTES:
        lines = ("Connection: Upgrade", f"Upgrade: {protocol}", f"X-API-Key: {server.key}")
        assert upgrade(server.port, where, *lines, path=path) == [400], path
        assert upgrade(server.port, where, *lines, *HANDSHAKE, path=path, method="GET") == [400], path


@PROTOCOLS
def test_a_tunnel_is_refused_and_nothing_in_it_is_a_request(server: Gateway) -> None:
    for target in ("/livez", "127.0.0.1:80"):
        assert upgrade(server.port, "later segment", path=target, method="CONNECT") == [400]


@PROTOCOLS
def test_a_refused_upgrade_says_what_to_do(server: Gateway) -> None:
    with Connection(server.port) as connection:
        connection.send(server.head("Connection: Upgrade", "Upgrade: h2c"))
        answer = connection.answer()
    assert answer is not None
    problem = json.loads(answer.body)
    assert "without 'Upgrade'" in problem["detail"]
    assert (problem["status"], problem["title"]) == (400, "The request does not fit")
    assert "プロトコルを変更しません" in render(load(problem["reasons"]), "ja")


@PROTOCOLS
@pytest.mark.parametrize("path", ["/api/v1/transform", "/api/v1/compare"])
def test_requests_before_an_upgrade_are_answered_first(server: Gateway, path: str) -> None:
    def ask() -> list[Answer]:
        with Connection(server.port) as connection:
            slow = server.whole(message(text=f"Fix it. {uuid.uuid4()}"), path=path)
            connection.send(slow + slow + server.head("Connection: Upgrade", "Upgrade: h2c") + SMUGGLED)
            connection.send(SMUGGLED)
            return connection.answers()

    assert [answer.status for answer in insist(ask)] == [200, 200, 400]


@PROTOCOLS
def test_an_upgrade_that_connection_does_not_name_changes_nothing(server: Gateway) -> None:
    """RFC 9110, 7.8: it is not for us. Its body is a body."""
    with Connection(server.port) as connection:
        for _ in range(2):
            connection.send(server.head("Upgrade: h2c", "Content-Length: 2"), b"{}")
            answer = connection.answer()
            assert answer is not None
            assert answer.status == 422


@WHERE
@pytest.mark.parametrize("protocol", ["h2c", "foo", "websocket"])
def test_the_dashboard_refuses_an_upgrade(dashboard: int, protocol: str, where: str) -> None:
    lines = ("Connection: Upgrade", f"Upgrade: {protocol}")
    for method in ("GET", "POST"):
        assert upgrade(dashboard, where, *lines, path="/livez", method=method) == [400]


@WHERE
@pytest.mark.parametrize("protocol", ["h2c", "foo"])
def test_the_service_refuses_an_upgrade(inference: int, protocol: str, where: str) -> None:
    lines = ["Connection: Upgrade", f"Upgrade: {protocol}"]
    for method, path in (("GET", "/livez"), ("POST", "/rewrite"), ("POST", "/nothing")):
        assert upgrade(inference, where, *lines, path=path, method=method) == [400], (method, path)


def test_the_service_refuses_a_websocket(inference: int) -> None:
    lines = ("Connection: Upgrade", "Upgrade: websocket")
    assert upgrade(inference, "no body", *lines, *HANDSHAKE, path="/rewrite", method="GET") == [400]
    assert upgrade(inference, "no body", *lines, path="/rewrite", method="GET") == [400]


@pytest.mark.parametrize("where", ["same segment", "later segment"])
def test_nothing_after_a_broken_handshake_is_a_request_to_the_service(inference: int, where: str) -> None:
    """uvicorn's WebSocket code, which BentoML cannot be told to leave out, waits in silence."""
    lines = ("Host: x", "Connection: Upgrade", "Upgrade: websocket", f"Content-Length: {len(SMUGGLED)}")
    head = "\r\n".join(["POST /rewrite HTTP/1.1", *lines, *HANDSHAKE, "", ""]).encode()
    with Connection(inference) as connection:
        connection.send(head + SMUGGLED if where == "same segment" else head)
        for _ in range(3):  # who is answered was read later
            with Connection(inference) as other:
                other.send(SMUGGLED)
                answer = other.answer()
                assert answer is not None
                assert answer.status == 200
            connection.send(SMUGGLED)
        connection.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.answer()


def test_what_fills_a_read_after_an_upgrade_is_no_request_to_the_service(inference: int) -> None:
    """The event loop may read twice before the refusal is sent, when the first read fills its buffer."""
    head = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    with Connection(inference) as connection:
        connection.send(head + b"\r\n" * 500_000 + SMUGGLED)  # empty lines before a request are skipped
        assert [answer.status for answer in connection.answers()] in ([400], [])  # a reset may overtake it


def chunked(body: bytes, *trailers: str) -> bytes:
    fields = "".join(f"{trailer}\r\n" for trailer in trailers).encode()
    return b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, fields)


@PROTOCOLS
@pytest.mark.parametrize("path", ["/api/v1/transform", "/api/v1/compare"])
def test_a_trailer_is_no_header(server: Gateway, path: str) -> None:
    def ask(head: bytes, *trailers: str) -> Answer:
        with Connection(server.port) as connection:
            connection.send(head + chunked(b"{}", *trailers))
            answer = connection.answer()
            assert answer is not None
            connection.send(server.whole(b"{}", path=path))  # and the connection goes on
            following = connection.answer()
            assert following is not None
            assert following.status == 422
            return answer

    known = f"X-API-Key: {server.key}"
    wrong = server.key[:-1] + ("a" if server.key[-1] != "a" else "b")
    coded = "Transfer-Encoding: chunked"
    assert ask(server.head(coded, path=path, key=""), known).status == 401
    assert ask(server.head(coded, "Trailer: X-API-Key", path=path, key=""), known).status == 401
    assert ask(server.head(coded, path=path, key=wrong), known).status == 401
    assert ask(server.head(coded, path=path), f"X-API-Key: {wrong}").status == 422
    named = ask(server.head(coded, path=path), "X-Request-Id: from-the-trailer")
    assert named.status == 422
    assert named.headers["x-request-id"] != "from-the-trailer"


def filled(server: Gateway, head_bytes: int, path: str) -> bytes:
    """A request whose head is of this size to the byte."""
    bare = len(server.head("Content-Length: 2", "X-Fill: ", path=path))
    return server.head("Content-Length: 2", "X-Fill: " + "x" * (head_bytes - bare), path=path) + b"{}"


@PROTOCOLS
@pytest.mark.parametrize("path", ["/api/v1/transform", "/api/v1/compare"])
@pytest.mark.parametrize("piece", [100_000, 1_000], ids=["whole", "in pieces"])
def test_a_head_may_have_so_many_bytes(server: Gateway, path: str, piece: int) -> None:
    for head_bytes, status in ((MOST_HEADER_BYTES, 422), (MOST_HEADER_BYTES + 1, 431)):
        request = filled(server, head_bytes, path)
        with Connection(server.port) as connection:
            for start in range(0, len(request), piece):
                connection.send(request[start : start + piece])
                time.sleep(0.002)  # so that most pieces arrive by themselves
            answer = connection.answer()
            assert answer is not None
            assert (answer.status, answer.closes) == (status, status == 431)
            if status == 431:
                assert connection.answer() is None


@PROTOCOLS
def test_a_head_may_have_so_many_fields(server: Gateway) -> None:
    for path in ("/api/v1/transform", "/api/v1/compare"):
        there = server.head("Content-Length: 2", path=path).count(b"\r\n") - 2
        for fields, status in ((100, 422), (101, 431)):
            more = [f"X-{number}: x" for number in range(fields - there)]
            with Connection(server.port) as connection:
                connection.send(server.head("Content-Length: 2", *more, path=path) + b"{}")
                answer = connection.answer()
                assert answer is not None
                assert (answer.status, answer.closes) == (status, status == 431)


@PROTOCOLS
@pytest.mark.parametrize(
    "begins",
    [
        b"GET /livez HTTP/1.1\r\nX-Fill: ",
        b"GET /livez HTTP/1.1\r\nX",
        b"GET /livez HTTP/1.1\r\nX-Fill:",  # and then blanks, which the parser skips
        b"GET /livez?",
        b"POST /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Fill: ",
        b"POST /api/v1/transform HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Fill: ",
        b"POST /api/v1/transform HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=",
    ],
    ids=["value", "name", "blanks", "target", "trailer", "hot trailer", "chunk extension"],
)
def test_a_field_without_an_end_is_refused_while_it_arrives(server: Gateway, begins: bytes) -> None:
    """Read whole, 32 MB of it stop the event loop for seconds."""
    fill = (b" " if begins.endswith(b"Fill:") else b"x") * 80_000
    with Connection(server.port) as connection:
        connection.send(begins + fill)
        assert [answer.status for answer in connection.answers()] == [431]


@PROTOCOLS
def test_fields_without_an_end_are_refused_while_they_arrive(server: Gateway) -> None:
    with Connection(server.port) as connection:
        connection.send(b"GET /livez HTTP/1.1\r\n" + b"X: x\r\n" * 20_000)
        assert [answer.status for answer in connection.answers()] == [431]


# With both protocols. These tests wait for timers.
HURRIED = pytest.mark.parametrize(
    "hurried",
    [pytest.param(hot, id=name, marks=pytest.mark.slow) for hot, name in ((True, "hot"), (False, "guarded"))],
    indirect=True,
)


@HURRIED
def test_a_silent_connection_is_closed(hurried: Gateway) -> None:
    for sent in (b"", b"\r\n", b"\r\n\r\n\r\n"):
        with Connection(hurried.port) as connection:
            connection.send(sent)
            assert connection.answers() == []


@HURRIED
@pytest.mark.parametrize(
    "sent", [b"G", b"POST /api/v1/transform HTTP/1.1\r\nX-API-Ke", b"GET /livez HTTP/1.1\r\nHost: x\r\n"]
)
def test_a_head_that_does_not_end_is_refused(hurried: Gateway, sent: bytes) -> None:
    with Connection(hurried.port) as connection:
        connection.send(sent)
        [answer] = connection.answers()
        assert (answer.status, answer.closes) == (408, True)
    with Connection(hurried.port) as connection:  # and after a request that was answered
        connection.send(hurried.whole(b"{}") + sent)
        assert [answer.status for answer in connection.answers()] == [422, 408]


@HURRIED
def test_a_head_that_drips_is_refused(hurried: Gateway) -> None:
    with Connection(hurried.port) as connection:
        connection.send(b"GET /livez HTTP/1.1\r\nX: ")
        until(lambda: not connection.send(b"x"), lambda: "every byte earns more time")


@HURRIED
def test_a_body_that_does_not_end_is_refused(hurried: Gateway) -> None:
    bodies = (("Content-Length: 500", message()), ("Transfer-Encoding: chunked", b"5\r\n{"))
    with contextlib.ExitStack() as opened:
        waiting = []
        for path, key, (framing, part) in itertools.product(ROUTES, (None, ""), bodies):
            connection = opened.enter_context(Connection(hurried.port))
            connection.send(hurried.head(framing, path=path, key=key) + part)
            waiting.append((path, connection))
        for path, connection in waiting:
            # What can be answered without the body is answered, and then the connection is closed.
            statuses = [answer.status for answer in connection.answers()]
            assert statuses in ([[405]] if path == "/livez" else [[408], [401]]), path


@HURRIED
def test_a_slow_body_is_taken_as_long_as_it_goes_on(hurried: Gateway) -> None:
    for path in ("/api/v1/transform", "/api/v1/compare"):
        body = b"{}" + b" " * 30_000
        with Connection(hurried.port) as connection:
            connection.send(hurried.whole(body, path=path)[:-1])  # it may take half a minute more
            time.sleep(3)
            connection.send(body[-1:])
            answer = connection.answer()
            assert answer is not None
            assert answer.status == 422


@HURRIED
def test_an_idle_connection_may_wait_longer_than_a_head(hurried: Gateway) -> None:
    with Connection(hurried.port) as connection:
        for path in ("/api/v1/transform", "/api/v1/compare", "/livez"):
            connection.send(hurried.whole(b"{}", path=path))
            answer = connection.answer()
            assert answer is not None
            assert answer.status == (405 if path == "/livez" else 422)
            time.sleep(2)


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "guarded"])
def test_connections_have_a_bound_in_all_and_by_address(
    stack: Settings, engine: Engine, tmp_path_factory: Any, hot: bool
) -> None:
    log = tmp_path_factory.mktemp("wire") / "gateway.log"
    with (
        gateway(stack, engine, log, HOT_PROTOCOL=hot, **FEW, **LONG) as server,
        contextlib.ExitStack() as opened,
    ):

        def join(source: str) -> tuple[Connection, int]:
            """A connection, and the status of a request on it."""
            connection = opened.enter_context(Connection(server.port, source))
            connection.send(server.head(method="GET", path="/livez"))
            answer = connection.answer()
            assert answer is not None
            if answer.status == 503:
                assert answer.closes
                assert int(answer.headers["retry-after"]) > 0
                assert connection.answer() is None
            return connection, answer.status

        def find_room(source: str) -> list[Connection]:
            connection, status = join(source)
            return [connection] if status == 200 else []

        def wait_for_room(source: str) -> Connection:
            return until(lambda: find_room(source), lambda: "there is never room")[0]

        first = [wait_for_room("127.0.0.1") for _ in range(4)]
        assert join("127.0.0.1")[1] == 503, "one address has four"
        for _ in range(4):
            wait_for_room("127.0.0.2")
        assert join("127.0.0.3")[1] == 503, "there are eight"
        first[0].socket.close()
        wait_for_room("127.0.0.3")
        assert join("127.0.0.1")[1] == 503


@PROTOCOLS
def test_a_long_body_is_not_read_for_signing_in(server: Gateway) -> None:
    for path in ("/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout", "/api/v1/%61uth/login"):
        with Connection(server.port) as connection:  # nothing of the body is sent
            connection.send(server.head("Content-Length: 16385", path=path, key=""))
            answer = connection.answer()
            assert answer is not None
            assert answer.status == 413
        with Connection(server.port) as connection:  # the end of the body is not sent
            connection.send(server.head("Transfer-Encoding: chunked", path=path, key=""))
            connection.send(b"5000\r\n" + b" " * 0x5000)
            answer = connection.answer()
            assert answer is not None
            assert answer.status == 413
        with Connection(server.port) as connection:
            connection.send(server.whole(b" " * (16 * 1024 - 2) + b"{}", path=path, key=""))
            answer = connection.answer()
            assert answer is not None
            assert answer.status == 422


def test_the_dashboard_has_the_same_limits(dashboard: int) -> None:
    for sent in (
        b"GET /livez HTTP/1.1\r\nX-Fill: " + b"x" * 70_000,
        b"GET /livez HTTP/1.1\r\n" + b"X: x\r\n" * 101 + b"\r\n",
    ):
        with Connection(dashboard) as connection:
            connection.send(sent)
            assert [answer.status for answer in connection.answers()] == [431], sent[:40]


@pytest.mark.slow
def test_the_dashboard_has_the_same_limits_of_time(hurried_dashboard: int) -> None:
    form = b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    for sent, expected in (
        (b"GET /livez HTTP/1.1\r\nX-Fill: ", [408]),
        (form + b"Content-Length: 500\r\n\r\nemail=", [408]),
        (b"", []),
    ):
        with Connection(hurried_dashboard) as connection:
            connection.send(sent)
            assert [answer.status for answer in connection.answers()] == expected, sent[:40]
