"""Servers on the loopback interface that take what a process says of itself: spans by OTLP, and events by
Sentry's protocol. They read what comes with the protocols' own definitions.
"""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from configs.settings import Settings
from serving.observability import spans


@contextmanager
def receiving(take: Callable[[str, bytes], None]) -> Iterator[int]:
    """A server that takes path and body of each POST; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Collector:
    """What a collector of OpenTelemetry got."""

    endpoint: str = ""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[tuple[str, Span]]:
        """The spans, each with the name of its service."""
        found = []
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {each.key: each.value.string_value for each in resource.resource.attributes}
                found += [
                    (names["service.name"], span) for scope in resource.scope_spans for span in scope.spans
                ]
        return found

    def named(self, name: str) -> list[Span]:
        """The spans of a name."""
        return [span for _, span in self.spans if span.name == name]

    def linked(self, span: Span) -> list[Span]:
        """The spans that the links of a span lead to."""
        by_id = {(each.trace_id, each.span_id): each for _, each in self.spans}
        return [by_id[link.trace_id, link.span_id] for link in span.links]

    def in_trace_of(self, span: Span) -> set[str]:
        """The names of the spans in the trace of a span."""
        return {each.name for _, each in self.spans if each.trace_id == span.trace_id}

    def above(self, span: Span) -> Span | None:
        """The span that a span is a child of, if it came."""
        return next((each for _, each in self.spans if each.span_id == span.parent_span_id), None)


def values_of(span: Span) -> dict[str, Any]:
    """The attributes of a span that are ours."""
    return {
        each.key.removeprefix("tonebridge."): getattr(each.value, each.value.WhichOneof("value") or "")
        for each in span.attributes
        if each.key.startswith("tonebridge.")
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector of spans."""
    collector = Collector()
    with receiving(lambda path, body: collector.bodies.append(body)) as port:
        collector.endpoint = f"http://127.0.0.1:{port}/v1/traces"
        yield collector


@contextmanager
def tracing() -> Iterator[Collector]:
    """A collector to which this process sends its spans: `spans.stop` sends those that wait."""
    with collecting() as collector:
        spans.start(Settings(otlp_endpoint=collector.endpoint, environment="tests"), "gateway", "1.2.3")
        try:
            yield collector
        finally:
            spans.stop()


@dataclass
class Receiver:
    """What a server of Sentry's protocol got."""

    dsn: str = ""
    envelopes: list[bytes] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of all envelopes: a header line, then a line of an item's header and one of its body."""
        events = []
        for envelope in list(self.envelopes):
            _, *lines = envelope.split(b"\n")
            for head, body in zip(lines[::2], lines[1::2], strict=False):
                if json.loads(head)["type"] == "event":
                    events.append(json.loads(body))
        return events


@contextmanager
def receiving_errors(secret: str) -> Iterator[Receiver]:
    """A server of Sentry's protocol; `secret` is the key in its address."""
    receiver = Receiver()
    with receiving(lambda path, body: receiver.envelopes.append(body)) as port:
        receiver.dsn = f"http://{secret}@127.0.0.1:{port}/1"
        yield receiver
