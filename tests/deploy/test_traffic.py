"""Callers of a container: they count every answer, and what is broken."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy import traffic


class Server(ThreadingHTTPServer):
    """Answers messages by its status; while it `breaks`, the new ones of the first caller get nothing."""

    ready = True
    breaks = False
    status = 200
    received = 0
    lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer(200 if self.server.ready else 503, {})

    def do_POST(self) -> None:
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        with self.server.lock:
            self.server.received += 1
        if self.server.breaks and "I wrote 0-" in text:
            self.close_connection = True
            return
        self._answer(self.server.status, {"transformed_text": text.upper()})

    def _answer(self, status: int, body: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_load_counts_every_answer(server: tuple[Server, str]) -> None:
    answers = traffic.load(server[1], "key", requests=5)
    assert (answers.statuses, answers.broken) == ({200: 40}, 0)


def test_a_broken_answer_is_counted_as_broken(server: tuple[Server, str]) -> None:
    server[0].breaks = True
    answers = traffic.load(server[1], "key", requests=1)
    assert (answers.statuses, answers.broken) == ({200: 7}, 1)


def test_callers_leave_when_the_gateway_says_that_it_is_not_ready(server: tuple[Server, str]) -> None:
    def stop() -> None:
        server[0].ready = False

    answers = traffic.load_while(server[1], "key", stop)
    assert answers.broken == 0
    assert answers.statuses == {200: server[0].received}


def test_a_refusal_is_shown(server: tuple[Server, str]) -> None:
    server[0].status = 403
    with pytest.raises(OSError, match=r"POST /api/v1/transform: 403"):
        traffic.rewrite(server[1], "key")
