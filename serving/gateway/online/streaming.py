"""An answer while it is made, as events: `delta`, `replace`, and last `answer` or `error`.

What is streamed is a draft: masks may be put back, a retry may win, the champion may answer for an arm. Only
the answer is stored, before it is sent.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from models.preview import Preview
from serving import events
from serving.events import Kind
from serving.request_counts import LEFT


class Connection(Protocol):
    """What a stream knows of its client: `message_event` is set, too, when they disconnect."""

    disconnected: bool
    message_event: asyncio.Event


class _Text(msgspec.Struct):
    transformed_text: str


_decode_text = msgspec.json.Decoder(_Text).decode


class Stream:
    """The events of one answer. Read it to its end or not; `close` it in any case.

    It holds the newest draft and no queue: a client that reads slowly gets fewer and longer pieces, and
    delays nobody. When the client leaves, `close` gives up the answer, which ends its generation.
    """

    def __init__(
        self,
        make: Callable[[Preview], Awaitable[bytes]],
        refuse: Callable[[Exception], tuple[int, bytes]],
        connection: Connection,
        heartbeat_s: float,
        on_close: Callable[["Stream"], None],
        encode: Callable[[Kind, bytes], bytes] = events.encode,
        heartbeat: bytes = events.HEARTBEAT,
    ) -> None:
        """`make` makes the answer, JSON, and shows its draft; `refuse` makes the status and the problem of
        an error, JSON. `on_close` is called once. `encode` makes the bytes of an event from its kind and its
        JSON. Without news `heartbeat` is sent every `heartbeat_s`.
        """
        self._refuse, self._connection, self._heartbeat_s = refuse, connection, heartbeat_s
        self._encode, self._heartbeat = encode, heartbeat
        self._changed = connection.message_event
        self._changed.clear()  # uvicorn has set it for the body
        self._preview, self._sent = Preview(self._changed.set), ""
        self._on_close = on_close
        self._first: bytes | None = None
        self._has_begun = self._is_over = self._is_closed = False
        self._work = asyncio.ensure_future(make(self._preview))
        self._work.add_done_callback(lambda _: self._changed.set())
        self.first_token_at: float | None = None  # by `time.perf_counter`
        self.was_abandoned = False  # the client left before the answer
        self.status = LEFT  # as which it is counted, after its last event

    async def begin(self) -> None:
        """Wait for the first events. Raises what prevents an answer, as long as there are none."""
        self._first = await self._next()
        self._has_begun = True

    @property
    def answer(self) -> bytes | None:
        """The answer, JSON; None while there is none."""
        work = self._work
        return work.result() if work.done() and not work.cancelled() and not work.exception() else None

    async def read(self) -> bytes | None:
        """The next events; None after the last, or when the client has left."""
        if (first := self._first) is not None:
            self._first = None
            return first
        return await self._next()

    async def close(self) -> None:
        """Give up what is not done, and wait until it has ended."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if not self._work.done():
                self.was_abandoned = True
                self._work.cancel()
                await asyncio.wait({self._work})
            if not self._work.cancelled():
                self._work.exception()  # it was sent, or the client has left
        finally:
            self._on_close(self)

    async def _next(self) -> bytes | None:
        while not self._is_over:
            if self._connection.disconnected:
                self._is_over = True
                break
            if self._work.done():
                self._is_over = True
                return self._last()
            if piece := events.difference(self._sent, text := self._preview.text):
                self._sent = text
                self.first_token_at = self.first_token_at or time.perf_counter()
                return self._encode(piece.kind, piece.json)
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    await self._changed.wait()
            except TimeoutError:
                return self._heartbeat
            self._changed.clear()
        return None

    def _last(self) -> bytes:
        try:
            answer = self._work.result()
        except Exception as error:  # the outermost edge of a request
            if not self._has_begun:
                raise
            self.status, problem = self._refuse(error)
            return self._encode("error", problem)
        self.status = 200
        last = self._encode("answer", answer)
        # A client that has no draft needs none now.
        if self._sent and (piece := events.difference(self._sent, _decode_text(answer).transformed_text)):
            return self._encode(piece.kind, piece.json) + last
        return last
