"""Rewrites that the gateway streams, read on the event loop: so a process holds hundreds of them at once."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from aiohttp.http_exceptions import LineTooLong
from fastapi import FastAPI

from serving.observability import spans
from serving.sites.api import GatewayError, SignedOutError, refusal, unavailable

_MOST = 600  # streams at once; more wait for a place
_CONNECT_S, _SILENCE_S = 10.0, 30.0  # the gateway sends a comment every ten seconds
_LONGEST_EVENT = 1 << 20  # bytes


class Event(NamedTuple):
    """An event of a stream; a comment, which shows that the connection lives, has no kind."""

    kind: str
    data: bytes


class Streams:
    """The connections to the gateway for streams, of one event loop: open while `opened` is entered."""

    def __init__(self, url: str, record: Callable[[bool], None] = lambda works: None) -> None:
        """`record` is told of each stream that ended by itself whether it worked. A refusal says nothing."""
        self._url, self._record = url, record
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Have connections, and close them at the end."""
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_S, sock_read=_SILENCE_S)
        connector = aiohttp.TCPConnector(limit=_MOST)
        async with aiohttp.ClientSession(self._url, timeout=timeout, connector=connector) as self._session:
            yield

    async def read(self, access_token: str, body: dict[str, Any]) -> AsyncIterator[Event]:
        """The events of a rewrite as they come; the last one is its `answer`. A reader that stops early ends
        the rewriting.

        SignedOutError when the token is no longer valid; GatewayError when the gateway refuses otherwise, 503
        when it does not answer to the end.
        """
        try:
            async with aclosing(self._read(access_token, body)) as events:
                async for event in events:
                    if event.kind == "answer":
                        self._record(True)
                    yield event
        except GatewayError as error:
            if error.status >= 500:
                self._record(False)
            raise

    async def _read(self, access_token: str, body: dict[str, Any]) -> AsyncGenerator[Event]:
        assert self._session is not None, "the streams are not open"
        headers = {"Authorization": f"Bearer {access_token}", **spans.inject()}
        try:
            async with self._session.post(
                "/api/v1/transform", json=body | {"stream": True}, headers=headers
            ) as response:
                if response.status != 200:
                    raise _refusal(response.status, await response.read())
                while block := await response.content.readuntil(b"\n\n", max_size=_LONGEST_EVENT):
                    if block.startswith(b":"):
                        yield Event("", b"")
                        continue
                    kind, _, data = block.removesuffix(b"\n\n").partition(b"\n")
                    event = Event(kind.removeprefix(b"event: ").decode(), data.removeprefix(b"data: "))
                    if event.kind == "error":
                        raise _refusal(0, event.data)
                    yield event
                    if event.kind == "answer":
                        return
        except (aiohttp.ClientError, TimeoutError, LineTooLong) as error:
            raise unavailable("gateway_unreachable") from error
        raise unavailable("gateway_unreachable")  # the stream was cut


def _refusal(status: int, content: bytes) -> Exception:
    return SignedOutError() if status == 401 else refusal(status, content)


def streams_of(app: FastAPI) -> Streams:
    """The streams of a web app's application."""
    streams: Streams = app.state.streams
    return streams
