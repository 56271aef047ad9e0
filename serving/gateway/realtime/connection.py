"""One WebSocket (RFC 6455), over the transport that uvicorn's HTTP protocol has handed over.

It is made for thousands that are idle: no task, queue, timer or buffer for each. The sweep of `Door` pings
them all. uvicorn's own implementation takes four times the memory.
"""

import asyncio
import contextlib
import logging
from collections import deque
from math import inf
from typing import Any, NamedTuple, Protocol

from websockets.exceptions import InvalidState
from websockets.frames import OP_BINARY, OP_CONT, OP_TEXT, CloseCode, Frame
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from serving.gateway.auth import Caller
from serving.gateway.online.turns import Turn
from serving.gateway.realtime.messages import MAX_BYTES
from serving.gateway.signatures import Head
from serving.protocol import GuardedProtocol
from serving.request_counts import Kind

# close codes; 4000 to 4999 are the application's
UNAUTHENTICATED, FORBIDDEN, TOO_MANY = 4401, 4403, 4429
_LINGER_S = 2.0  # that the client may take to close
_MOST_UNREAD = 32  # messages; then nothing more is read until they are done
_quiet = logging.getLogger("tonebridge.sockets")


Topic = tuple[Any, ...]  # what a client can subscribe to
Position = tuple[int, int]  # of a notice, as in a stream of Redis: milliseconds since 1970, and a number


class Limits(NamedTuple):
    """How long a connection waits for its client, and how many bytes the client may leave unread. `late` is
    the close code when no key or token has come in time.
    """

    authenticate_s: float = 5.0  # for the first message
    ping_every_s: float = 25.0  # without news of the client
    pong_s: float = 20.0
    most_unsent_bytes: int = 64 * 1024
    late: int = UNAUTHENTICATED


class Listener(Protocol):
    """What a connection tells of."""

    async def handle(self, connection: "Connection", text: bytes) -> None:
        """Do what a message asks for. Called with one message of a connection at a time."""

    def leave(self, connection: "Connection", code: int) -> None:
        """A connection has ended, with a close code."""


class Connection(asyncio.Protocol):
    """One WebSocket."""

    __slots__ = (
        "_address", "_begun", "_connections", "_door", "_inbox", "_is_awaited", "_is_leaving", "_limits",
        "_listener", "_loop", "_protocol", "_task", "_transport", "_writable", "caller", "due_s", "head",
        "origin", "signed_by", "token", "topics", "turns",
    )  # fmt: skip

    def __init__(
        self,
        listener: Listener,
        guarded: GuardedProtocol,
        head: bytes,
        limits: Limits,
        subprotocol: Subprotocol | None = None,
    ) -> None:
        """Answer the request in `head`; if it is no valid handshake, or does not offer the subprotocol,
        refuse it and close.
        """
        self._listener, self._loop, self._door = listener, guarded.loop, guarded.door
        self._limits = limits
        self._transport, self._address = guarded.transport, guarded.address
        connections: Any = guarded.connections  # uvicorn's types know its own protocols only
        self._connections: set[Any] = connections
        self._protocol = ServerProtocol(
            subprotocols=[subprotocol] if subprotocol else None, max_size=MAX_BYTES, logger=_quiet
        )
        self._inbox: deque[bytes] | None = None  # messages that wait for the one before them
        self._task: asyncio.Task[None] | None = None  # works them off
        self._begun: bytearray | None = None  # a fragmented message, so far
        self._writable: asyncio.Event | None = None  # while the client reads too slowly
        self._is_awaited = False  # a pong
        self._is_leaving = False  # closed once the rewrites in progress are done
        self.caller: Caller | None = None
        self.token: str | None = None  # what the caller was known by
        # Of the handshake, until the caller is known: only then its signature can be checked.
        self.head: Head | None = Head(b"GET", guarded.url, guarded.headers)
        self.signed_by: str | None = None  # the id of the secret that signed the handshake
        self.origin: bytes | None = None  # of the page that opened it, if it is not the gateway's own
        self.topics: dict[Topic, Position] | None = None  # subscriptions, and since when
        self.turns: dict[str, Turn] | None = None  # rewrites in progress
        self.due_s = self._door.later_s(limits.authenticate_s)
        self._connections.add(self)
        self._transport.set_write_buffer_limits(limits.most_unsent_bytes // 2)
        self._protocol.receive_data(head)
        (request,) = self._protocol.events_received()
        response = self._protocol.accept(request)  # type: ignore[arg-type]
        self._door.counts.add(Kind.SOCKET, response.status_code)
        self._protocol.send_response(response)
        self._flush()

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return self._protocol.state is State.OPEN and not self._transport.is_closing()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client."""
        protocol = self._protocol
        if protocol.reader.eof:
            return
        protocol.receive_data(data)
        for event in protocol.events_received():
            assert isinstance(event, Frame), event
            self._take(event)
        if self.caller is not None and protocol.state is State.OPEN:
            self._is_awaited = False
            self.due_s = self._door.later_s(self._limits.ping_every_s)
        self._flush()

    def _take(self, event: Frame) -> None:
        if event.opcode is OP_TEXT or event.opcode is OP_CONT:
            if event.fin and self._begun is None:
                self._read(bytes(event.data))
                return
            if self._begun is None:
                self._begun = bytearray()
            self._begun += event.data
            if event.fin:
                text, self._begun = bytes(self._begun), None
                self._read(text)
        elif event.opcode is OP_BINARY:
            self._protocol.fail(CloseCode.UNSUPPORTED_DATA, "send JSON as text")

    def _read(self, text: bytes) -> None:
        try:
            text.decode()
        except UnicodeDecodeError:
            self._protocol.fail(CloseCode.INVALID_DATA, "this is not UTF-8")
            return
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append(text)
        if len(self._inbox) > _MOST_UNREAD:
            self._transport.pause_reading()
        if self._task is None:
            self._task = self._loop.create_task(self._work())

    async def _work(self) -> None:
        """Have the messages handled, one after another."""
        assert self._inbox is not None
        while self._inbox and self.is_open:
            text = self._inbox.popleft()
            await self._listener.handle(self, text)
        self._inbox = self._task = None
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def eof_received(self) -> None:
        """The client sends nothing more."""
        self._protocol.receive_eof()
        self._flush()

    def send(self, frame: bytes) -> None:
        """Send a frame. A client that leaves too much unread is closed: it may resume where it was."""
        if not self.is_open:
            return
        self._transport.write(frame)
        if self._transport.get_write_buffer_size() > self._limits.most_unsent_bytes:
            self.close(CloseCode.TRY_AGAIN_LATER, "you read too slowly")

    async def send_when_read(self, frame: bytes, timeout_s: float) -> None:
        """Send a frame, and wait until the client has read enough. TimeoutError when it takes longer."""
        if self.is_open:
            self._transport.write(frame)
        if self._writable is not None:
            async with asyncio.timeout(timeout_s):
                await self._writable.wait()

    def close(self, code: int, reason: str = "") -> None:
        """Say why, and close."""
        with contextlib.suppress(InvalidState):
            self._protocol.send_close(code, reason)
            self.due_s = self._door.later_s(_LINGER_S)
            self._flush()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def accept(self, caller: Caller, token: str, signed_by: str | None, origin: bytes | None) -> None:
        """Note who calls, the id of the secret that signed the handshake, and the origin of the page."""
        self.caller, self.token, self.head = caller, token, None
        self.signed_by, self.origin = signed_by, origin
        self.due_s = self._door.later_s(self._limits.ping_every_s)

    def overdue(self) -> None:
        """What the sweep finds too late: a first message, a pong, or the end."""
        if self._protocol.state is not State.OPEN or self._is_awaited:
            self._transport.abort()
        elif self.caller is None:
            self.close(self._limits.late, "no key or token came in time")
        else:
            self._is_awaited = True
            self.due_s = self._door.later_s(self._limits.pong_s)
            self._protocol.send_ping(b"")
            self._flush()

    def begin_turn(self, id: str) -> Turn:
        """Note a rewrite in progress."""
        if self.turns is None:
            self.turns = {}
        turn = self.turns[id] = Turn()
        return turn

    def end_turn(self, id: str) -> None:
        """Note that a rewrite is done."""
        assert self.turns is not None
        del self.turns[id]
        if not self.turns:
            self.turns = None
            if self._is_leaving:
                self.shutdown()

    def shutdown(self) -> None:
        """The server stops: close, after the rewrites in progress."""
        self._is_leaving = True
        if not self.turns:
            self.close(CloseCode.GOING_AWAY, "the gateway stops; connect again")

    def pause_writing(self) -> None:
        """Many bytes wait to be sent."""
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        """Few bytes wait to be sent."""
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self.due_s = inf
        self._connections.discard(self)
        self._door.leave(self._address)
        self.resume_writing()
        for turn in (self.turns or {}).values():
            turn.leave()
        if self._task is not None:
            self._task.cancel()
        if not self._protocol.reader.eof:
            self._protocol.receive_eof()
        self._listener.leave(self, self._close_code())

    def _close_code(self) -> int:
        """With which code it has ended. A client that closes may choose any; they all count as one."""
        if self._protocol.close_rcvd_then_sent:
            return CloseCode.NORMAL_CLOSURE
        sent = self._protocol.close_sent
        return sent.code if sent is not None else CloseCode.ABNORMAL_CLOSURE

    def _flush(self) -> None:
        for piece in self._protocol.data_to_send():
            if self._transport.is_closing():
                return
            if piece:
                self._transport.write(piece)
            else:  # the end
                self._transport.write_eof()
                self.due_s = self._door.later_s(_LINGER_S)
