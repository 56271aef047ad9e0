"""Preflights: one answer for everybody, without a key, by both protocols."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from serving.gateway.online.front import PATH
from serving.gateway.online.protocol import HotProtocol
from serving.protocol import GuardedProtocol
from tests.serving.gateway.cors.conftest import OTHER, PAGE, Site
from tests.streams import Gateway

ASKED = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key,content-type"}


@pytest.fixture(params=[HotProtocol, GuardedProtocol], ids=["hot", "guarded"])
def protocol(request: pytest.FixtureRequest) -> type[GuardedProtocol]:
    made: type[GuardedProtocol] = request.param
    return made


async def test_every_page_gets_the_same_answer_at_every_path(site: Site) -> None:
    paths = (PATH, "/api/v1/feedback", "/v1/chat/completions", "/graphql", "/api/v1/nothing", f"{PATH}?a=b")
    answers = [
        (origin, *await site.send("OPTIONS", path, key=key, origin=origin, **{**ASKED, **more}))
        for origin in (PAGE, OTHER, "http://localhost:3000", "http://[::1]:3000")
        for path in paths
        for key in (None, {"X-API-Key": "tb_0000_unknown"}, site.key())
        for more in ({}, {"Access-Control-Request-Method": "DELETE"}, {"Access-Control-Request-Headers": "x"})
    ]
    for origin, status, headers, text in answers:
        assert (status, text) == (204, "")
        assert {name.lower(): value for name, value in headers.items()} == {
            "access-control-allow-origin": origin,
            "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
            "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key, X-API-Key,"
            " X-Request-Id, *",
            "access-control-max-age": "7200",
            "vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        }


async def test_what_is_no_origin_is_not_repeated(site: Site) -> None:
    for origin in (
        "null",
        "*",
        "file://",
        "https://a, https://b",
        "chrome-extension://a",
        "https://a/",
        "x" * 500,
    ):
        status, headers, _ = await site.send("OPTIONS", PATH, origin=origin, **ASKED)
        assert status == 204
        assert "Access-Control-Allow-Origin" not in headers, origin


async def test_two_origins_are_none(site: Site) -> None:
    status, headers, _ = await site.send("OPTIONS", PATH, origin=[PAGE, PAGE], **ASKED)
    assert status == 204
    assert "Access-Control-Allow-Origin" not in headers


async def test_a_page_never_gets_into_a_private_network(site: Site) -> None:
    asked = {**ASKED, "Access-Control-Request-Private-Network": "true"}
    _, headers, _ = await site.send("OPTIONS", PATH, origin=PAGE, **asked)
    assert not [name for name in headers if "private" in name.lower() or "credentials" in name.lower()]


async def test_what_is_not_for_pages_answers_none(site: Site) -> None:
    for path in ("/metrics", "/livez", "/readyz", "/", "/docs", "/openapi.json"):
        status, headers, _ = await site.send("OPTIONS", path, origin=PAGE, **ASKED)
        assert status == 405
        status, more, _ = await site.send("GET", path, origin=PAGE)
        assert status in (200, 401)
        assert not [name for name in (*headers, *more) if name.lower().startswith("access-control")]


async def test_another_request_with_options_is_none(site: Site) -> None:
    for headers in ({}, ASKED):
        assert (await site.send("OPTIONS", PATH, **headers))[0] == 405
    assert (await site.send("OPTIONS", PATH, origin=PAGE))[0] == 405


class Wire:
    """A connection to a gateway, by bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def head(self, *pieces: bytes) -> bytes:
        """Send pieces, and read the head of the next response."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 30)


@pytest.fixture
async def wire(gateway: Gateway) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    yield Wire(reader, writer)
    writer.close()


def preflight(*lines: str) -> bytes:
    head = [
        f"OPTIONS {PATH} HTTP/1.1",
        "host: gateway",
        f"origin: {PAGE}",
        "access-control-request-method: POST",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode()


ALIVE = b"GET /livez HTTP/1.1\r\nhost: gateway\r\n\r\n"


async def test_the_connection_stays_open(wire: Wire) -> None:
    for _ in range(3):
        head = await wire.head(preflight())
        assert head.startswith(b"HTTP/1.1 204 ")
        assert b"content-length" not in head
        assert b"transfer-encoding" not in head
    assert (await wire.head(ALIVE)).startswith(b"HTTP/1.1 200 ")


async def test_pieces_make_a_preflight_wherever_they_are_cut(wire: Wire) -> None:
    whole = preflight()
    for cut in range(1, len(whole)):
        assert (await wire.head(whole[:cut], whole[cut:])).startswith(b"HTTP/1.1 204 "), cut


async def test_preflights_are_answered_in_their_order(wire: Wire) -> None:
    wire.writer.write(preflight() + ALIVE + preflight() + preflight())
    heads = []
    for _ in range(4):
        heads.append((await wire.head())[9:12])
        if heads[-1] == b"200":
            await wire.reader.readexactly(len(b'{"status":"alive"}'))
    assert heads == [b"204", b"200", b"204", b"204"]


async def test_a_body_is_read_and_dropped(wire: Wire) -> None:
    for size in (1, 100, 100_000):
        head = await wire.head(preflight(f"content-length: {size}"), b"x" * size)
        assert head.startswith(b"HTTP/1.1 204 ")
    assert (await wire.head(ALIVE)).startswith(b"HTTP/1.1 200 ")


async def test_who_wants_the_connection_closed_gets_that(wire: Wire) -> None:
    assert b"connection: close" in await wire.head(preflight("connection: close"))
    assert await asyncio.wait_for(wire.reader.read(), 30) == b""


async def test_a_draining_gateway_closes_it(gateway: Gateway, wire: Wire) -> None:
    gateway.front.is_draining = True
    head = await wire.head(preflight())
    assert head.startswith(b"HTTP/1.1 204 ")
    assert b"connection: close" in head
    assert await asyncio.wait_for(wire.reader.read(), 30) == b""


async def test_they_count_in_no_rate_and_are_counted(site: Site) -> None:
    key = site.key()
    assert (await site.send("GET", "/api/v1/keys", key=key))[0] == 200
    limiter = site.gateway.parts.limiter
    caller = await site.gateway.parts.authenticator.identify(key["X-API-Key"])
    before = [limiter.headers(caller, path) for path in (PATH, "/api/v1/keys")]
    counted = site.gateway.metric("tonebridge_preflights_total")
    for _ in range(20):
        await site.send("OPTIONS", PATH, key=key, origin=PAGE, **ASKED)
    assert [limiter.headers(caller, path) for path in (PATH, "/api/v1/keys")] == before
    assert site.gateway.metric("tonebridge_preflights_total") == counted + 20
