"""The gateway's HTTP protocol. It answers the hot endpoint and preflights without ASGI: no scope, no
messages, one write per response; and a cached output without a task.

It holds such a request until its body is complete. Requests with anything unusual (HTTP/1.0, `Expect`, a long
body, an earlier request on the connection that is not answered yet) and all other routes go through uvicorn
unchanged. Limits and refusals are those of `serving/protocol.py` in both cases. Both modules rely on
internals of uvicorn, so its minor version is pinned; `TONEBRIDGE_HOT_PROTOCOL=false` turns this one off.
"""

import asyncio
from math import inf
from typing import Any

from uvicorn.protocols.http.flow_control import CLOSE_HEADER, HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from serving.gateway.online.front import PATH, Front, Reply
from serving.gateway.online.streaming import Stream
from serving.gateway.online.turns import Turn
from serving.gateway.signatures import Head
from serving.protocol import BODY_BEGAN, BODY_CAME, HEAD_BEGAN, NOTHING, GuardedProtocol
from serving.request_counts import Kind

_URL = PATH.encode()
_REWRITE, _PREFLIGHT = Kind.REWRITE, Kind.PREFLIGHT


class HotProtocol(GuardedProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._front: Front = self.config.app  # type: ignore[assignment]
        self._held_headers: list[tuple[bytes, bytes]] = []
        self._preflight: Reply | None = None  # of the request that is held, if it is one

    def on_message_begin(self) -> None:
        """Start a request, without the scope that uvicorn makes here: `_hand_on` makes it when needed."""
        self.part = HEAD_BEGAN
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Hold a request for the hot endpoint, or a preflight, if nothing about it is unusual."""
        self.check_head()
        parser = self.parser
        if parser.should_upgrade():
            return
        method = parser.get_method()
        if (
            (method == b"OPTIONS" or (self.url == _URL and method == b"POST"))
            and parser.should_keep_alive()
            and not self.expect_100_continue
            and not self.flow.write_paused
            and (self.cycle is None or self.cycle.response_complete)
            and (method == b"POST" or self._is_preflight())
        ):
            self.held = bytearray()
            self._held_headers, self.headers = self.headers, []  # trailers go into the new list
            self.part = BODY_BEGAN
        else:
            self._hand_on()

    def _is_preflight(self) -> bool:
        """Whether an OPTIONS request is one, and its response, which is kept, leaves the connection open."""
        if not self._front.is_draining:
            self._preflight = self._front.preflight(self.url, self.headers)
        return self._preflight is not None

    def on_body(self, body: bytes) -> None:
        """Collect the body, up to uvicorn's own bound."""
        held = self.held
        if held is None:
            super().on_body(body)
            return
        self.quiet_bytes = BODY_CAME
        held += body
        if len(held) > HIGH_WATER_LIMIT:
            self._hand_on()

    def on_message_complete(self) -> None:
        """Answer the request, at once or in a task."""
        if self.held is None:
            super().on_message_complete()
            return
        held_headers, body = self._held_headers, bytes(self.held)
        headers = dict(held_headers)
        # An idle connection keeps no memory for its last request.
        self.held, self.headers, self._held_headers = None, [], []
        self.part = NOTHING
        reply, self._preflight = self._preflight, None
        kind = _REWRITE if reply is None else _PREFLIGHT
        if reply is None and len(headers) == len(held_headers):
            reply = self._front.at_once(headers, body)
        if reply is not None:
            self._front.counts.add(kind, reply.status)
            self._write(reply)
            self.on_response_complete()
            return
        self.due_s = inf  # the answer has all the time that it needs
        turn: Any = Turn()
        self.cycle = turn
        task = self.loop.create_task(self._answer(turn, Head(b"POST", _URL, held_headers), headers, body))
        self.tasks.add(task)  # a server that stops waits for these
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, turn: Turn, head: Head, headers: dict[bytes, bytes], body: bytes) -> None:
        reply = await self._front.reply(headers, body, turn, head)
        if isinstance(reply.content, Stream):
            await self._stream(turn, reply, reply.content)
            return
        self._front.counts.add(_REWRITE, reply.status)
        turn.response_complete = True
        if self.transport.is_closing():
            return
        if not turn.keep_alive and CLOSE_HEADER not in reply.headers:
            reply.headers.append(CLOSE_HEADER)
        self._write(reply)
        if CLOSE_HEADER in reply.headers:
            self.transport.close()
        self.on_response_complete()

    async def _stream(self, turn: Turn, reply: Reply, stream: Stream) -> None:
        """Send a stream in chunks, and wait for a client whose buffers are full, but not for ever."""
        lines = [b"%b: %b\r\n" % line for line in (*reply.headers, (b"transfer-encoding", b"chunked"))]
        unsent = b"%b%b\r\n" % (STATUS_LINE[reply.status], b"".join(lines))
        try:
            while (piece := await stream.read()) is not None:
                self.transport.write(b"%b%x\r\n%b\r\n" % (unsent, len(piece), piece))
                unsent = b""
                if self.flow.write_paused:
                    async with asyncio.timeout(self._front.stuck_s):
                        await self.flow.drain()
        except TimeoutError:
            self.transport.abort()
        finally:
            await stream.close()
            self._front.counts.add(_REWRITE, stream.status)
            turn.response_complete = True
        if self.transport.is_closing():
            return
        self.transport.write(b"0\r\n\r\n")
        if not turn.keep_alive or CLOSE_HEADER in reply.headers:
            self.transport.close()
        self.on_response_complete()

    def _write(self, reply: Reply) -> None:
        lines = [b"%b: %b\r\n" % line for line in reply.headers]
        assert isinstance(reply.content, bytes)
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[reply.status], b"".join(lines), reply.content))

    def shutdown(self) -> None:
        """Stop, but answer a request that is arriving."""
        if self.held is not None:
            self._hand_on()
        super().shutdown()

    def _hand_on(self) -> None:
        """Pass a held request to uvicorn, with all its calls so far."""
        url, expects, body = self.url, self.expect_100_continue, self.held
        headers = self.headers if body is None else self._held_headers
        self.held, self._held_headers, self._preflight = None, [], None
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the scope has this list
        super().on_headers_complete()
        if body:
            super().on_body(bytes(body))
