"""Notices on their way from Postgres to the gateways, when all works and when something is gone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy import Engine, text

from configs.settings import Settings
from data import database
from data.redis_meter import Meter
from data.traffic.notices import Notice, Subject
from serving.gateway.realtime import feed
from serving.gateway.realtime.connection import Position
from serving.gateway.realtime.feed import Feed
from serving.gateway.realtime.hub import Hub, write_cursor
from tests import sockets
from tests.serving.gateway.realtime.test_hub import RELEASES, Client
from tests.streams import until


class _Half(asyncio.Protocol):
    """One side of a relayed connection; what it reads is written to the other side."""

    def __init__(self, relay: "Relay", other: "_Half | None" = None) -> None:
        self._relay, self._other, self._early = relay, other, b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._relay.halves.add(self)
        if self._other is None:  # a client's; it is connected now
            self._relay.connect(self)
        else:
            self._other.join(self)

    def join(self, other: "_Half") -> None:
        """The other side is there."""
        self._other = other
        assert other.transport is not None
        other.transport.write(self._early)

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early += data
        elif self._other.transport is not None:
            self._other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._relay.halves.discard(self)
        if self._other is not None and self._other.transport is not None:
            self._other.transport.abort()


class Relay:
    """Stands between a gateway and Redis. While it is closed, Redis refuses."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self.halves: set[_Half] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._connecting: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        """The address of Redis by way of this."""
        netloc = self._parts.netloc.replace(f":{self._parts.port}", f":{self._port}")
        return self._parts._replace(netloc=netloc).geturl()

    async def open(self) -> None:
        """Relay connections, at the port of the first time."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Half(self), "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def connect(self, half: _Half) -> None:
        """Connect the other side of a client's connection."""
        loop = asyncio.get_running_loop()
        connecting = loop.create_connection(lambda: _Half(self, half), self._parts.hostname, self._parts.port)
        task = asyncio.ensure_future(connecting)
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def close(self) -> None:
        """End all connections, and accept none."""
        assert self._server is not None
        self._server.close()
        await asyncio.gather(*self._connecting)
        while self.halves:
            for half in self.halves:
                assert half.transport is not None
                half.transport.abort()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def relayed(url: str) -> AsyncIterator[Relay]:
    relay = Relay(url)
    await relay.open()
    try:
        yield relay
    finally:
        await relay.close()


class Gateway:
    """What a gateway has for its WebSockets, and a client of it."""

    def __init__(self, url: str, redis_url: str | None) -> None:
        self.hub = Hub(None, b"r" * 32, CollectorRegistry(), redis_url is not None)  # type: ignore[arg-type]
        self.feed, self.client = Feed(url, redis_url, self.hub, Meter()), Client()

    @property
    def events(self) -> list[tuple[str, str]]:
        """Cursors and versions that the client has got."""
        return [(m["cursor"], m["data"]["version"]) for m in self.client.received if m["type"] == "event"]

    @property
    def resets(self) -> int:
        """How often the client was told that it may have missed something."""
        return sum(message["type"] == "reset" for message in self.client.received)


@asynccontextmanager
async def started(url: str, redis_url: str | None) -> AsyncIterator[Gateway]:
    gateway = Gateway(url, redis_url)
    gateway.hub.start()
    gateway.feed.start()
    try:
        await gateway.feed.is_listening.wait()
        await until(lambda: redis_url is None or gateway.feed.is_reading)
        await gateway.hub.subscribe(gateway.client, RELEASES, None)  # type: ignore[arg-type]
        yield gateway
    finally:
        await gateway.feed.stop()
        await gateway.hub.stop()


@pytest.fixture
def own(new_database: Callable[[], str]) -> Any:
    """A database of the test's own: no other test sends notices there."""
    url = new_database()
    engine = database.engine(url)
    yield url, engine
    engine.dispose()


async def forget_stream(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.delete(feed._STREAM)


@pytest.fixture
async def redis_url(local: Settings) -> AsyncIterator[str]:
    """A Valkey without a stream."""
    assert local.redis_url is not None
    await forget_stream(local.redis_url)
    yield local.redis_url
    await forget_stream(local.redis_url)


def release(engine: Engine, *versions: str) -> None:
    sockets.notify(engine, *({"subject": Subject.RELEASES, "version": version} for version in versions))


async def test_all_gateways_have_each_notice_once_at_the_same_place(own: Any, redis_url: str) -> None:
    url, engine = own
    versions = [f"v{n}" for n in range(100)]
    async with started(url, redis_url) as one, started(url, redis_url) as two:
        release(engine, *versions)
        await until(lambda: len(one.events) >= 100 <= len(two.events))
        assert one.events == two.events
        assert [version for _, version in one.events] == versions
        async with Redis.from_url(redis_url) as redis:
            assert await redis.xlen(feed._STREAM) == 101


async def test_a_gateway_that_starts_knows_what_was_before(own: Any, redis_url: str) -> None:
    url, engine = own
    async with started(url, redis_url) as former:
        began = write_cursor(former.hub.position)
        release(engine, "v1", "v2", "v3")
        await until(lambda: len(former.events) == 3)
    async with started(url, redis_url) as gateway:
        for after, expected in ((former.events[0][0], former.events[1:]), (began, former.events)):
            gateway.client.received.clear()
            await gateway.hub.subscribe(gateway.client, RELEASES, after)  # type: ignore[arg-type]
            await until(lambda: gateway.events == expected)  # noqa: B023
        await gateway.hub.subscribe(gateway.client, RELEASES, "1-0")  # type: ignore[arg-type]
        assert gateway.resets == 1


async def test_without_redis_each_gateway_counts_by_itself(own: Any) -> None:
    url, engine = own
    async with started(url, None) as one, started(url, None) as two:
        release(engine, "v1", "v2")
        await until(lambda: len(one.events) == 2 == len(two.events))
        assert [version for _, version in one.events] == ["v1", "v2"]


async def test_notices_wait_for_redis(own: Any, redis_url: str) -> None:
    url, engine = own
    async with relayed(redis_url) as relay, started(url, relay.url) as gateway:
        await relay.close()
        release(engine, "v1", "v2")
        await until(lambda: len(gateway.feed._waiting) == 2)
        await relay.open()
        await until(lambda: len(gateway.events) == 2)
        assert [version for _, version in gateway.events] == ["v1", "v2"]
        assert gateway.resets == 0


async def test_too_many_that_wait_for_redis_are_a_reset(
    own: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, engine = own
    monkeypatch.setattr(feed, "_MOST_WAITING", 10)
    async with relayed(redis_url) as relay, started(url, relay.url) as gateway:
        await relay.close()
        release(engine, *(f"v{n}" for n in range(25)))
        await until(lambda: gateway.feed._waiting and b"v24" in gateway.feed._waiting[-1][1])
        await relay.open()
        await until(lambda: gateway.resets and gateway.events)
        assert gateway.client.received[-1]["data"]["version"] == "v24"


async def test_a_stream_that_was_lost_is_a_reset(own: Any, redis_url: str) -> None:
    url, engine = own
    async with relayed(redis_url) as relay, started(url, relay.url) as gateway:
        release(engine, "v1")
        await until(lambda: gateway.events)
        await relay.close()
        await forget_stream(redis_url)
        await relay.open()
        await until(lambda: gateway.resets == 1)
        release(engine, "v2")
        await until(lambda: len(gateway.events) == 2)


async def test_a_stream_that_is_deleted_as_soon_as_it_begins_is_read_later(
    own: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, engine = own
    monkeypatch.setattr(feed, "_BEGIN", "return 0")  # the stream is gone when its entries are read
    gateway = Gateway(url, redis_url)
    gateway.hub.start()
    gateway.feed.start()
    try:
        await gateway.feed.is_listening.wait()
        await gateway.hub.subscribe(gateway.client, RELEASES, None)  # type: ignore[arg-type]
        release(engine, "v1")  # begins the stream
        await until(lambda: gateway.feed.is_reading)
        release(engine, "v2")
        await until(lambda: gateway.events)
        assert [version for _, version in gateway.events] == ["v2"]
    finally:
        await gateway.feed.stop()
        await gateway.hub.stop()


async def test_an_error_that_nobody_expected_is_a_reset_and_not_the_end(
    own: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url, engine = own
    async with started(url, redis_url) as gateway:
        take = gateway.hub.take

        def fail(position: Position, notice: Notice) -> None:
            monkeypatch.setattr(gateway.hub, "take", take)
            raise RuntimeError("nobody expected this")

        monkeypatch.setattr(gateway.hub, "take", fail)
        release(engine, "v1")
        await until(lambda: gateway.resets == 1)
        assert "notices from Redis: an error that nobody expected" in caplog.text
        release(engine, "v2")
        await until(lambda: gateway.events)
        assert [version for _, version in gateway.events] == ["v2"]


async def test_when_postgres_was_gone_all_are_reset(own: Any, redis_url: str) -> None:
    url, engine = own
    async with started(url, redis_url) as gateway:
        with engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
            )
        await until(lambda: gateway.resets == 1)
        release(engine, "v2")
        await until(lambda: gateway.events)


async def test_entries_of_another_release_are_skipped(own: Any, redis_url: str) -> None:
    url, engine = own
    async with started(url, redis_url) as gateway:
        async with Redis.from_url(redis_url) as redis:
            await redis.xadd(feed._STREAM, {"notice": '{"id": "1", "subject": "unheard"}'})
        sockets.notify(engine, {"subject": "unheard"}, {"subject": Subject.RELEASES, "version": "v2"})
        await until(lambda: gateway.events)
        assert [version for _, version in gateway.events] == ["v2"]
