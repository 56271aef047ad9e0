"""uvicorn's HTTP protocol with the limits that it lacks: the gateway and the dashboard speak HTTP by it.

Everything here happens before anybody is authenticated:

- A request that asks to change the protocol (`Upgrade`, CONNECT) is refused. Such a request's body has no
  length that both sides agree on, so a proxy's next request could be read out of it.
- Fields that follow a chunked body (trailers) are dropped. A proxy that sets or strips a header looks at the
  head only.
- A head has a bound in bytes and in fields, and is refused while it arrives.
- A head and a body have to arrive in time, and a connection has to be used.
- The connections have a bound, in all and by address.

After a refusal the connection is closed, and what still comes on it is not parsed. The answers to requests
before it are sent first.

No request has a timer of its own: one sweep a second compares every connection's deadline to a clock.
"""

import asyncio
from collections import Counter
from math import inf
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from configs.settings import Settings

_RETRY_AFTER_S = 2
_LINGER_S = 2.0  # after a refusal: a connection closed on unread bytes is reset, and its answer may be lost

# Which part of a request has arrived so far. The even ones have a deadline already: a request that arrives
# in one piece never gets one.
NOTHING, HEAD_BEGAN, _HEAD, BODY_BEGAN, _BODY = range(5)
BODY_CAME = -1  # as the count of bytes that were no body


class RefusedError(Exception):
    """What arrives is not accepted, whatever follows."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Door:
    """What a server's connections share: the limits, the clock, and how many connections there are.

    The sweep moves the clock, so that reading it costs nothing. It stands still while the event loop does:
    nobody is refused for what the server was too busy to read.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now_s = 0.0
        self._period_s = min(1.0, settings.header_timeout_s / 4, settings.body_timeout_s / 4)
        self._by_address: Counter[str] = Counter()
        self._is_swept = False

    def later_s(self, timeout_s: float) -> float:
        """The time by the clock at which a timeout that starts now has passed for certain."""
        return self.now_s + timeout_s + self._period_s

    def enter(self, connection: "GuardedProtocol") -> bool:
        """Count a new connection; whether there is room for it."""
        address = connection.address
        self._by_address[address] += 1
        if not self._is_swept:
            self._is_swept = True
            connection.loop.call_later(self._period_s, self._sweep, connection.loop, connection.connections)
        return (
            len(connection.connections) <= self.settings.max_connections
            and self._by_address[address] <= self.settings.max_connections_per_address
        )

    def leave(self, connection: "GuardedProtocol") -> None:
        """Forget a connection that is closed."""
        address = connection.address
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def _sweep(self, loop: asyncio.AbstractEventLoop, connections: set[Any]) -> None:
        self._is_swept = bool(connections)
        if connections:
            loop.call_later(self._period_s, self._sweep, loop, connections)
        self.now_s = now_s = self.now_s + self._period_s
        for connection in [each for each in connections if each.due_s < now_s]:
            connection.overdue()


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    # What the sweep looks at lies in the object itself: with 15,000 connections that is several times faster.
    __slots__ = (
        "_is_refused", "_last_words", "_piece_bytes", "address", "door", "due_s", "held", "part",
        "quiet_bytes",
    )  # fmt: skip

    def __init__(self, door: Door, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.door = door
        # The body so far of a request that a subclass answers itself: uvicorn does not know of it.
        self.held: bytearray | None = None
        self.due_s = inf  # by the door's clock
        self.address = ""
        self.part = NOTHING
        self.quiet_bytes = 0  # that have come since the head or a body's last piece; BODY_CAME right after it
        self._piece_bytes = door.settings.max_header_bytes
        self._is_refused = False
        self._last_words = b""  # a refusal that waits for the answers before it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let a connection in if there is room; it has the time of a head to send something."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self.due_s = self.door.later_s(self.door.settings.header_timeout_s)
        if not self.door.enter(self):
            self._is_refused = True
            text = f"too many connections are open: come back in {_RETRY_AFTER_S} s"
            transport.write(_response(503, text, b"retry-after: %d\r\n" % _RETRY_AFTER_S))
            transport.close()  # without lingering, which would keep what there is too much of

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.due_s = inf
        self.door.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, in pieces no longer than a head may be."""
        if self._is_refused:
            return
        try:
            size = len(data)
            if size <= self._piece_bytes:
                self.parser.feed_data(data)
                if self.part:
                    self._wait_for_the_rest(size)
                return
            view = memoryview(data)
            for start in range(0, size, self._piece_bytes):
                piece = view[start : start + self._piece_bytes]
                self.parser.feed_data(piece)
                if self.part:
                    self._wait_for_the_rest(len(piece))
        except HttpParserError as error:
            refused = error.__context__
            if not isinstance(refused, RefusedError):
                refused = RefusedError(400, "Invalid HTTP request received.")
            self._refuse(refused)
        except RefusedError as refused:
            self._refuse(refused)

    def on_message_begin(self) -> None:
        """A head begins."""
        self.part = HEAD_BEGAN
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Judge a head; uvicorn starts or queues the request."""
        self.check_head()
        super().on_headers_complete()
        self.headers = []  # the scope has the list; trailers go into this one, which nobody reads
        self.part = BODY_BEGAN

    def check_head(self) -> None:
        """Raise RefusedError for a head that no request may have."""
        if self.parser.should_upgrade():
            # WebSockets and the like belong here, once there are any.
            raise RefusedError(
                400,
                "this server does not change the protocol of a connection: send the request without"
                " 'Upgrade' and 'Connection: Upgrade', and no CONNECT",
            )
        most = self.door.settings.max_header_fields
        if len(self.headers) > most:
            raise RefusedError(431, f"the request has more than {most} header fields: send fewer")
        # A head that came in one piece is short enough.
        if self.part == _HEAD and self._head_bytes() > self.door.settings.max_header_bytes:
            raise self._head_is_too_long()

    def on_body(self, body: bytes) -> None:
        """Keep it."""
        self.quiet_bytes = BODY_CAME
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The answer has all the time it needs; if it was sent already, the connection is idle."""
        super().on_message_complete()
        self.part = NOTHING
        self.due_s = self.door.later_s(self.timeout_keep_alive) if self.cycle.response_complete else inf

    def on_response_complete(self) -> None:
        """Go on as uvicorn does, but with a deadline in place of its timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._last_words:
            self._hang_up(self._last_words)
        elif not self.part:
            self.due_s = self.door.later_s(self.timeout_keep_alive)
        elif self.part >= BODY_BEGAN:  # the body could not come while reading was paused
            self.due_s = self.door.later_s(self.door.settings.body_timeout_s)

    def overdue(self) -> None:
        """The deadline has passed."""
        limits = self.door.settings
        if self.transport.is_closing():
            return  # what was written is still being sent
        if self._is_refused:
            self.transport.abort()
        elif not self.part:
            self.transport.close()
        elif self.flow.read_paused:  # we do not read: it cannot be late
            self.due_s = self.door.later_s(limits.body_timeout_s)
        elif self.part < BODY_BEGAN:
            self._refuse(RefusedError(408, f"the head was not there after {limits.header_timeout_s:g} s"))
        else:
            text = f"the body was not there after {limits.body_timeout_s:g} s, and came too slowly"
            self._refuse(RefusedError(408, text))

    def _wait_for_the_rest(self, piece_bytes: int) -> None:
        """Set the deadline of a request of which a piece has come, and bound what is no body."""
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
        if self.quiet_bytes > limits.max_header_bytes:  # of a head, a chunk's extension or trailers
            raise self._head_is_too_long()
        # What follows an answer that did not wait for it earns no more time.
        if self.part == _BODY and (self.held is not None or not self.cycle.response_complete):
            self.due_s += piece_bytes / limits.slowest_body_bytes_per_s

    def _head_bytes(self) -> int:
        line = len(self.parser.get_method()) + len(self.url) + len(b"  HTTP/1.1\r\n")
        return (
            line + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers) + len(b"\r\n")
        )

    def _head_is_too_long(self) -> RefusedError:
        most = self.door.settings.max_header_bytes
        return RefusedError(
            431, f"the request line and the header fields are longer than {most:,} bytes: shorten them"
        )

    def _refuse(self, refused: RefusedError) -> None:
        """Answer what has come in place of a request, after the answers before it, and listen no more."""
        part, self.part, self.due_s, self._is_refused = self.part, NOTHING, inf, True
        words, cycle = _response(refused.status, str(refused)), self.cycle
        held, self.held = self.held, None
        if part >= BODY_BEGAN and held is None:  # uvicorn has the request already
            if self.pipeline and self.pipeline[0][0] is cycle:
                self.pipeline.popleft()
            elif cycle.response_started:
                self.transport.close()
                return
            else:
                cycle.disconnected = True  # what the application still sends is dropped
                cycle.message_event.set()
                self._hang_up(words)
                return
        elif cycle is None or cycle.response_complete:
            self._hang_up(words)
            return
        self._last_words = words

    def _hang_up(self, words: bytes) -> None:
        self.transport.write(words)
        self.transport.write_eof()
        self.flow.resume_reading()
        self.due_s = self.door.later_s(_LINGER_S)


def _response(status: int, text: str, headers: bytes = b"") -> bytes:
    body = text.encode()
    return (
        STATUS_LINE[status]
        + headers
        + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        % len(body)
        + body
    )
