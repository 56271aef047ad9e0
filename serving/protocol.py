"""uvicorn's HTTP protocol with the limits that it lacks, for the gateway and the dashboard.

All limits apply before anybody is authenticated:

- A request to change the protocol (`Upgrade`, CONNECT) is refused, unless it opens a WebSocket at a path that
  has them, and has no body. Proxy and server may disagree on the length of a body, and one of them could read
  a further request in it.
- Fields that follow a chunked body (trailers) are dropped. A proxy that sets or strips a header looks at the
  head only.
- A head is limited in bytes and in fields, and refused as soon as it is too long.
- A head and a body have to arrive in time, and an idle connection is closed.
- The number of connections is limited, in all and by address.

After a refusal the connection is closed, and nothing more is parsed. The answers to earlier requests on it
are sent first.

No request has a timer of its own: one sweep a second compares every connection's deadline to a clock.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from configs.settings import Settings
from data.reasons import ReasonedError, catalogue, dump, reason
from serving.request_counts import LEFT, Kind, RequestCounts

_RETRY_AFTER_S = 2
# From a refusal until the connection is closed: closing with unread bytes resets it, and may lose the answer.
_LINGER_S = 2.0

# The part of a request that has arrived so far. In the even states a deadline is set already: a request that
# arrives in one piece never gets one.
NOTHING, HEAD_BEGAN, _HEAD, BODY_BEGAN, _BODY = range(5)
REFUSED = "tonebridge.refused"  # in the scope of a request that was refused and counted while it arrived
BODY_CAME = -1  # in `quiet_bytes`: the last bytes were a part of a body


class RefusedError(ReasonedError):
    """The bytes so far cannot be accepted, whatever follows. `title` is the code of the problem's title."""

    status, title = 400, "title_invalid"


class LateError(RefusedError):
    """A head or a body did not arrive in time."""

    status, title = 408, "title_too_slow"


class LongHeadError(RefusedError):
    """A head is too long, or has too many fields."""

    status, title = 431, "title_too_large"


class CrowdedError(RefusedError):
    """Too many connections are open."""

    status, title = 503, "title_unavailable"


class Door:
    """State that all connections of a server share: the limits, a clock, and the numbers of connections and
    of requests.

    The sweep moves the clock on, so that reading it is cheap. The clock stops while the event loop is
    blocked: no client is refused because the server was too busy to read.
    """

    def __init__(
        self,
        settings: Settings,
        upgrades: Mapping[bytes, "Upgrade"] = {},
        counts: RequestCounts | None = None,
    ) -> None:
        """`upgrades` open WebSockets, by path. What no application answers is added to `counts`."""
        catalogue()  # read now, since the first refusal would wait for it
        self.counts = counts or RequestCounts()
        self.settings, self.upgrades = settings, upgrades
        self.now_s = 0.0
        self._period_s = min(1.0, settings.header_timeout_s / 4, settings.body_timeout_s / 4)
        self._by_address: Counter[str] = Counter()
        self._is_swept = False

    def later_s(self, timeout_s: float) -> float:
        """The time of the clock at which a timeout that starts now has certainly passed."""
        return self.now_s + timeout_s + self._period_s

    def enter(self, connection: "GuardedProtocol") -> bool:
        """Count a new connection; False when there are too many."""
        address = connection.address
        self._by_address[address] += 1
        if not self._is_swept:
            self._is_swept = True
            connection.loop.call_later(self._period_s, self._sweep, connection.loop, connection.connections)
        return (
            len(connection.connections) <= self.settings.max_connections
            and self._by_address[address] <= self.settings.max_connections_per_address
        )

    def leave(self, address: str) -> None:
        """Count a connection that is closed, by the address that it came from."""
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def _sweep(self, loop: asyncio.AbstractEventLoop, connections: set[Any]) -> None:
        self._is_swept = bool(connections)
        if connections:
            loop.call_later(self._period_s, self._sweep, loop, connections)
        self.now_s = now_s = self.now_s + self._period_s
        for connection in [connection for connection in connections if connection.due_s < now_s]:
            connection.overdue()


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    # The sweep reads slots several times faster than a __dict__, which matters with 15,000 connections.
    __slots__ = (
        "_is_refused", "_piece_bytes", "_refusal", "address", "door", "due_s", "held", "part",
        "quiet_bytes",
    )  # fmt: skip

    def __init__(self, door: Door, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.door = door
        # The body so far of a request that a subclass answers without uvicorn.
        self.held: bytearray | None = None
        self.due_s = inf  # deadline, by the door's clock
        self.address = ""
        self.part = NOTHING
        # Received since the head or the last piece of the body; BODY_CAME right after a piece.
        self.quiet_bytes = 0
        self._piece_bytes = door.settings.max_header_bytes
        self._is_refused = False
        self._refusal = b""  # response of a refusal that waits for earlier answers

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection unless there are too many; its first head has `header_timeout_s` to arrive."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self.due_s = self.door.later_s(self.door.settings.header_timeout_s)
        if not self.door.enter(self):
            self._is_refused = True
            refused = CrowdedError("too_many_connections", seconds=_RETRY_AFTER_S)
            self.door.counts.add(Kind.UNREAD, refused.status)
            transport.write(_response(refused, b"retry-after: %d\r\n" % _RETRY_AFTER_S))
            transport.close()  # without lingering, since there are too many connections

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection as closed, and its requests that nobody answers: one whose body has not
        arrived, and those behind an earlier one.
        """
        for _ in range(len(self.pipeline) + (self.held is not None)):
            self.door.counts.add(Kind.UNREAD, LEFT)
        self.due_s = inf
        self.door.leave(self.address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, in pieces no longer than a head may be."""
        if self._is_refused:
            return
        start = 0
        try:
            size = len(data)
            if size <= self._piece_bytes:
                self.parser.feed_data(data)
                if self.part:
                    self._set_deadline(size)
                return
            view = memoryview(data)
            for start in range(0, size, self._piece_bytes):
                piece = view[start : start + self._piece_bytes]
                self.parser.feed_data(piece)
                if self.part:
                    self._set_deadline(len(piece))
        except HttpParserUpgrade as upgrade:
            self._upgrade(data[start + upgrade.args[0] :])
        except HttpParserError as error:
            refused = error.__context__
            if not isinstance(refused, RefusedError):
                refused = RefusedError("not_http")
            self._refuse(refused)
        except RefusedError as refused:
            self._refuse(refused)

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self.part = HEAD_BEGAN
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Check a head; uvicorn then starts or queues the request."""
        self.check_head()
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self.headers = []  # the scope has the old list; trailers go into this one, which is never read
        self.part = BODY_BEGAN

    def check_head(self) -> None:
        """RefusedError for a head that is not allowed."""
        if self.parser.should_upgrade() and not self._opens_socket():
            raise RefusedError("no_other_protocol")
        limit = self.door.settings.max_header_fields
        if len(self.headers) > limit:
            raise LongHeadError("too_many_header_fields", limit=limit)
        # A head that came in one piece is short enough.
        if self.part == _HEAD and self._head_bytes() > self.door.settings.max_header_bytes:
            raise self._head_is_too_long()

    def _opens_socket(self) -> bool:
        """Whether a request to change the protocol opens a WebSocket, and nothing precedes or follows it."""
        return (
            self.url.partition(b"?")[0] in self.door.upgrades
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and self._get_upgrade() == b"websocket"
            and (self.cycle is None or self.cycle.response_complete)
            and not any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
        )

    def _upgrade(self, rest: bytes) -> None:
        """Give the connection to its WebSocket, with the bytes that came after the head."""
        self.connections.discard(self)
        self.due_s = inf
        lines = b"".join(b"%b: %b\r\n" % header for header in self.headers)
        head = b"GET %b HTTP/1.1\r\n%b\r\n" % (self.url, lines)
        opened = self.door.upgrades[self.url.partition(b"?")[0]](self, head)
        self.transport.set_protocol(opened)
        del self.parser  # it refers to this object, which is freed at once without it
        if rest:
            opened.data_received(rest)

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self.quiet_bytes = BODY_CAME
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the deadline while the answer is made; if it was sent already, the connection is idle."""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self.part = NOTHING
        self.due_s = self.door.later_s(self.timeout_keep_alive) if self.cycle.response_complete else inf

    def on_response_complete(self) -> None:
        """Do as uvicorn does, with a deadline in place of its timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal:
            self._hang_up(self._refusal)
        elif not self.part:
            self.due_s = self.door.later_s(self.timeout_keep_alive)
        elif self.part >= BODY_BEGAN:  # the body could not come while reading was paused
            self.due_s = self.door.later_s(self.door.settings.body_timeout_s)

    def overdue(self) -> None:
        """Close or refuse a connection whose deadline has passed."""
        limits = self.door.settings
        if self.transport.is_closing():
            return  # the last response is still being sent
        if self._is_refused:
            self.transport.abort()
        elif not self.part:
            self.transport.close()
        elif self.flow.read_paused:  # the server does not read: the client is not late
            self.due_s = self.door.later_s(limits.body_timeout_s)
        elif self.part < BODY_BEGAN:
            self._refuse(LateError("head_late", seconds=limits.header_timeout_s))
        else:
            self._refuse(LateError("body_late", seconds=limits.body_timeout_s))

    def _set_deadline(self, piece_bytes: int) -> None:
        """Set the deadline of a request that has arrived in part, and limit bytes that are not its body."""
        limits = self.door.settings
        if self.part == HEAD_BEGAN:
            self.part, self.quiet_bytes = _HEAD, 0
            self.due_s = self.door.later_s(limits.header_timeout_s)
            return
        if self.part == BODY_BEGAN:
            self.part, self.quiet_bytes = _BODY, 0
            self.due_s = self.door.later_s(
                limits.body_timeout_s + piece_bytes / limits.slowest_body_bytes_per_s
            )
            return
        self.quiet_bytes = 0 if self.quiet_bytes == BODY_CAME else self.quiet_bytes + piece_bytes
        if self.quiet_bytes > limits.max_header_bytes:  # of a head, a chunk extension or trailers
            raise self._head_is_too_long()
        # A body that arrives after its answer was sent gets no more time.
        if self.part == _BODY and (self.held is not None or not self.cycle.response_complete):
            self.due_s += piece_bytes / limits.slowest_body_bytes_per_s

    def _head_bytes(self) -> int:
        line = len(self.parser.get_method()) + len(self.url) + len(b"  HTTP/1.1\r\n")
        return (
            line + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers) + len(b"\r\n")
        )

    def _head_is_too_long(self) -> RefusedError:
        return LongHeadError("head_too_long", limit=self.door.settings.max_header_bytes)

    def _refuse(self, refused: RefusedError) -> None:
        """Answer with a refusal, after the answers to earlier requests, and stop reading."""
        part, self.part, self.due_s, self._is_refused = self.part, NOTHING, inf, True
        refusal, cycle = _response(refused), self.cycle
        held, self.held = self.held, None
        is_begun = part >= BODY_BEGAN and held is None  # uvicorn has the request already
        is_queued = is_begun and bool(self.pipeline) and self.pipeline[0][0] is cycle
        if is_begun and not is_queued and cycle.response_started:
            self.transport.close()
            return
        self.door.counts.add(Kind.UNREAD, refused.status)
        if is_queued:
            self.pipeline.popleft()
        elif is_begun:
            cycle.scope[REFUSED] = True  # type: ignore[literal-required]
            cycle.disconnected = True  # what the application still sends is dropped
            cycle.message_event.set()
            self._hang_up(refusal)
            return
        elif cycle is None or cycle.response_complete:
            self._hang_up(refusal)
            return
        self._refusal = refusal

    def _hang_up(self, refusal: bytes) -> None:
        self.transport.write(refusal)
        self.transport.write_eof()
        self.flow.resume_reading()
        self.due_s = self.door.later_s(_LINGER_S)


# Opens a WebSocket on a connection, given the head of its request. What it returns is in the set of the
# server's connections, and has `due_s`, `overdue()` and `shutdown()` as a `GuardedProtocol`.
Upgrade = Callable[[GuardedProtocol, bytes], asyncio.Protocol]


def _response(refused: RefusedError, headers: bytes = b"") -> bytes:
    """A problem document (RFC 9457), as the gateway's other errors are."""
    body = {
        "type": "about:blank",
        "title": str(reason(refused.title)),
        "status": refused.status,
        "detail": str(refused),
        "reasons": dump(refused.reasons),
    }
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return (
        STATUS_LINE[refused.status]
        + headers
        + b"content-type: application/problem+json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        % len(content)
        + content
    )
