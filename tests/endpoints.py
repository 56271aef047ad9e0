"""A fake OpenAI-compatible endpoint, for faults that a real server does not show on request."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, Mapping[str, str], str]  # status, headers, body


def completion(text: str | None, finish_reason: str = "stop", **more: Any) -> Reply:
    """A chat completion of 50 tokens read and 7 written. `more` replaces fields of its body."""
    message = {"role": "assistant", "content": text}
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "fake",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": message}],
        "usage": {"prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 57},
    }
    return 200, {}, json.dumps(body | more)


def stream(text: str, finish_reason: str = "stop", **more: Any) -> Iterator[str]:
    """The events of a streamed chat completion, a word each, of 50 tokens read and 7 written."""
    common = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "fake"} | more
    for number, word in enumerate(text.split(" ")):
        delta = {"role": "assistant", "content": f" {word}" if number else word}
        yield json.dumps({**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield json.dumps({**common, "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
    usage = {"prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 57}
    yield json.dumps({**common, "choices": [], "usage": usage})
    yield "[DONE]"


class FakeEndpoint:
    """The next reply is the first of `replies`, else that of `answer`, which maps a user's turn to a text. A
    request that wants a stream gets that text in events; after each of them `between` is called.

    While `gate` is not set, no request is answered. `paths` are those of all requests, `requests` the
    bodies of questions, `headers` those of each; `hung_up` counts streams whose client left.
    `models` is the list of models; without it there is none.
    """

    def __init__(self, url: str, answer: Callable[[str], str]) -> None:
        self.url, self.answer = url, answer
        self.replies: list[Reply] = []
        self.paths: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.models: list[dict[str, Any]] | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.between: Callable[[], object] = lambda: None
        self.open = self.most_open = self.hung_up = 0
        self.lock = threading.Lock()

    def reply(self, headers: Mapping[str, str], body: dict[str, Any]) -> Reply:
        """The reply to a request."""
        with self.lock:
            self.open += 1
            self.most_open = max(self.open, self.most_open)
            self.requests.append(body)
            self.headers.append(headers)
            scripted = self.replies.pop(0) if self.replies else None
        self.gate.wait()
        with self.lock:
            self.open -= 1
        return scripted or completion(self.answer(body["messages"][-1]["content"]))


@contextmanager
def serve(answer: Callable[[str], str] = lambda _: "Could you please?") -> Iterator[FakeEndpoint]:
    """A fake endpoint on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            fake.paths.append(self.path)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = fake.reply(dict(self.headers), body)
            if body.get("stream") and reply[0] == 200:
                self.send_stream(json.loads(reply[2])["choices"][0]["message"]["content"])
            else:
                self.send(reply)

        def send_stream(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for event in stream(text):
                    self.wfile.write(f"data: {event}\n\n".encode())
                    fake.between()
            except OSError:
                fake.hung_up += 1
            self.close_connection = True

        def do_GET(self) -> None:
            fake.paths.append(self.path)
            has_list = self.path.endswith("/models") and fake.models is not None
            self.send((200 if has_list else 404, {}, json.dumps({"object": "list", "data": fake.models})))

        def send(self, reply: Reply) -> None:
            status, headers, text = reply
            content = text.encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake = FakeEndpoint(f"http://127.0.0.1:{server.server_port}/v1", answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield fake
    finally:
        fake.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
