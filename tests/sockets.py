"""Clients of the gateway's WebSockets: by the library `websockets`, and by bytes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Engine, text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import OP_TEXT, Frame

from serving.gateway.realtime.connection import Limits
from serving.gateway.realtime.sockets import PATH, Sockets
from tests.streams import Gateway

_WAIT_S = 60  # for a message; a machine that stalls takes long


class Socket:
    """A WebSocket of a test."""

    def __init__(self, raw: ClientConnection) -> None:
        self.raw = raw

    async def send(self, type: str, **fields: Any) -> None:
        """Send a message."""
        await self.raw.send(json.dumps({"type": type, **fields}))

    async def receive(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(_WAIT_S):
            received: dict[str, Any] = json.loads(await self.raw.recv())
        return received

    async def ask(self, type: str, **fields: Any) -> dict[str, Any]:
        """Send a message, and receive the next one."""
        await self.send(type, **fields)
        return await self.receive()

    async def until(self, type: str) -> dict[str, Any]:
        """The next message of a type; those before it are skipped."""
        while (message := await self.receive())["type"] != type:
            pass
        return message

    async def closed(self) -> int | None:
        """The code with which the gateway closes the connection; messages before that are skipped."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed:
            return self.raw.close_code


@asynccontextmanager
async def opened(gateway: Gateway, path: str = PATH) -> AsyncIterator[Socket]:
    """A WebSocket whose caller is not known yet."""
    uri = f"ws://127.0.0.1:{gateway.port}{path}"
    async with connect(uri, open_timeout=_WAIT_S, ping_interval=None, proxy=None) as raw:
        yield Socket(raw)


@asynccontextmanager
async def authenticated(gateway: Gateway, token: str | None = None) -> AsyncIterator[Socket]:
    """A WebSocket of the gateway's key, or of another key or token."""
    async with opened(gateway) as socket:
        ready = await socket.ask("auth", token=token or gateway.key["X-API-Key"])
        assert ready["type"] == "ready", ready
        yield socket


class Wire:
    """A WebSocket by its bytes: it answers no ping, and reads only when it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, type: str, **fields: Any) -> None:
        """Send a message."""
        self.write(Frame(OP_TEXT, json.dumps({"type": type, **fields}).encode()))

    def write(self, *frames: Frame) -> None:
        """Send frames."""
        self.writer.write(b"".join(frame.serialize(mask=True) for frame in frames))

    async def end(self) -> bytes:
        """All bytes until the end of the connection."""
        async with asyncio.timeout(_WAIT_S):
            return await self.reader.read()


@asynccontextmanager
async def wired(gateway: Gateway, *lines: str, method: str = "GET") -> AsyncIterator[Wire]:
    """A connection on which a handshake was sent; `lines` are further lines of its head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    handshake = ["Host: x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    handshake += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *lines]
    writer.write("\r\n".join([f"{method} {PATH} HTTP/1.1", *handshake, "", ""]).encode())
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def of(gateway: Gateway) -> Sockets:
    """The WebSockets of a gateway."""
    opened = gateway.front.sockets
    assert isinstance(opened, Sockets)
    return opened


def limit(gateway: Gateway, limits: Limits) -> None:
    """Give the connections that are opened from now on other limits."""
    of(gateway).limits = limits


def notify(engine: Engine, *announced: dict[str, Any]) -> None:
    """Send notices as the triggers do, in one transaction."""
    with engine.begin() as connection:
        connection.execute(
            text("SELECT announce(:subject, CAST(:fields AS jsonb))"),
            [{"subject": fields.pop("subject"), "fields": json.dumps(fields)} for fields in announced],
        )
