"""A receiver of webhooks: it verifies with the library of Standard Webhooks, and answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks.webhooks import Webhook

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Received(NamedTuple):
    """A request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The id of the event."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        """The document."""
        event: dict[str, Any] = json.loads(self.body)
        return event

    def verify(self, secret: str) -> None:
        """Raise unless it is signed with a secret."""
        Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """A server on loopback."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        self.during: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        """`POST /`."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(headers, await request.read()))
        await self.during()
        return web.Response(status=self.status, headers=self.headers)

    @property
    def types(self) -> list[str]:
        """The types of the events that came."""
        return [received.event["type"] for received in self.received]


@asynccontextmanager
async def receiving(host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """A receiver that listens at an address of loopback."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/", receiver.handle)
    server = TestServer(app, host=host)
    await server.start_server()
    receiver.url = str(server.make_url("/"))
    try:
        yield receiver
    finally:
        await server.close()
