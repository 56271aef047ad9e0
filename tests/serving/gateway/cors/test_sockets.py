"""WebSockets that pages open: by the origin of their handshake."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

from serving.gateway.online.front import GRAPHQL_PATH
from serving.gateway.realtime import sockets as realtime
from tests import gateways
from tests.serving.gateway.cors.conftest import OTHER, PAGE, Site
from tests.sockets import Socket
from tests.streams import fresh


@asynccontextmanager
async def opened(site: Site, origin: str | None, path: str = realtime.PATH) -> AsyncIterator[Socket]:
    uri = f"ws://127.0.0.1:{site.gateway.port}{path}"
    names = [Subprotocol("graphql-transport-ws")] if path == GRAPHQL_PATH else None
    sent = Origin(origin) if origin is not None else None
    async with connect(uri, origin=sent, subprotocols=names, ping_interval=None, proxy=None) as raw:
        yield Socket(raw)


async def enter(socket: Socket, key: str, path: str = realtime.PATH) -> Any:
    """Show a key or token; None once it is accepted, else the error and the code of the end."""
    if path == GRAPHQL_PATH:
        await socket.send("connection_init", payload={"token": key})
        code = await socket.closed()
        return None, code
    message = await socket.ask("auth", token=key)
    if message["type"] == "ready":
        return None
    return message["data"]["reasons"][0]["code"], await socket.closed()


async def test_pages_of_the_organisation_and_the_gateways_own_open_them(site: Site) -> None:
    keys = [site.key()["X-API-Key"]]
    kid = gateways.a_signing_key(site.engine, site.organisation_id)
    keys.append(gateways.sign_token(kid, "ann"))
    for key in keys:
        for origin in (PAGE, f"http://127.0.0.1:{site.gateway.port}", None):
            async with opened(site, origin) as socket:
                assert await enter(socket, key) is None
                await socket.send("transform", id="1", body=fresh())
                assert (await socket.until("answer"))["id"] == "1"
            async with opened(site, origin, GRAPHQL_PATH) as socket:
                assert await socket.ask("connection_init", payload={"token": key}) == {
                    "type": "connection_ack"
                }


async def test_another_page_opens_none(site: Site) -> None:
    key = site.key()["X-API-Key"]
    for origin in (OTHER, "null", "https://app.example.org.evil.example"):
        async with opened(site, origin) as socket:
            assert await enter(socket, key) == ("origin_not_allowed", 4403)
        async with opened(site, origin, GRAPHQL_PATH) as socket:
            assert await enter(socket, key, GRAPHQL_PATH) == (None, 4403)
            assert "may not use this key" in (socket.raw.close_reason or "")


async def test_a_key_for_pages_opens_none(site: Site) -> None:
    key = (await site.page_key())["X-API-Key"]
    for origin in (PAGE, OTHER, None):
        async with opened(site, origin) as socket:
            assert await enter(socket, key) == ("browser_key_route", 4403)
        async with opened(site, origin, GRAPHQL_PATH) as socket:
            assert await enter(socket, key, GRAPHQL_PATH) == (None, 4403)


async def test_a_connection_ends_when_its_page_is_allowed_no_longer(site: Site) -> None:
    key = site.key()["X-API-Key"]
    async with (
        opened(site, PAGE) as page,
        opened(site, PAGE) as other_page,
        opened(site, f"http://127.0.0.1:{site.gateway.port}") as own,
        opened(site, None) as program,
    ):
        for socket in (page, other_page, own, program):
            assert await enter(socket, key) is None
        await site.allow(PAGE, OTHER)
        for socket in (page, own, program):
            assert (await socket.ask("subscribe", channel="releases"))["type"] == "subscribed"
        await site.allow(OTHER)
        # It renews its key before the gateway has looked, and is refused or closed all the same.
        await page.send("auth", token=key)
        assert await page.closed() == 4401
        assert await other_page.closed() == 4401
        for socket in (own, program):
            assert (await socket.ask("subscribe", channel="releases"))["type"] == "subscribed"
