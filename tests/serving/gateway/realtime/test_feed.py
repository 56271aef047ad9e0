"""Notices on their way from Postgres to the gateways, when all works and when something is gone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy import Engine, text

from configs.settings import Settings
from data import database
from data.traffic.notices import Subject
from serving.gateway.realtime import feed
from serving.gateway.realtime.feed import Feed
from serving.gateway.realtime.hub import Hub, write_cursor
from tests import sockets
from tests.serving.gateway.realtime.test_hub import RELEASES, Client
from tests.streams import until


class Gateway:
    """What a gateway has for its WebSockets, and a client of it."""

    def __init__(self, url: str, redis_url: str | None) -> None:
        self.hub = Hub(None, b"r" * 32, CollectorRegistry(), redis_url is not None)  # type: ignore[arg-type]
        self.feed, self.client = Feed(url, redis_url, self.hub), Client()

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


async def test_notices_wait_for_redis(own: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url, engine = own
    async with started(url, redis_url) as gateway, refused(redis_url):
        release(engine, "v1", "v2")
        await until(lambda: len(gateway.feed._waiting) == 2)
    async with started(url, redis_url) as gateway:
        async with refused(redis_url):
            release(engine, "v3")
            await until(lambda: gateway.feed._waiting)
        await until(lambda: gateway.events)
        assert [version for _, version in gateway.events] == ["v3"]
        assert gateway.resets == 0


async def test_too_many_that_wait_for_redis_are_a_reset(
    own: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, engine = own
    monkeypatch.setattr(feed, "_MOST_WAITING", 10)
    async with started(url, redis_url) as gateway:
        async with refused(redis_url):
            release(engine, *(f"v{n}" for n in range(25)))
            await until(lambda: gateway.feed._waiting and "v24" in gateway.feed._waiting[-1][1].decode())
        await until(lambda: gateway.resets and gateway.events)
        assert gateway.client.received[-1]["data"]["version"] == "v24"


async def test_a_stream_that_was_lost_is_a_reset(own: Any, redis_url: str) -> None:
    url, engine = own
    async with started(url, redis_url) as gateway:
        async with Redis.from_url(redis_url) as redis:
            release(engine, "v1")
            await until(lambda: gateway.events)
            await redis.delete(feed._STREAM)
            await redis.client_kill_filter(_type="normal", skipme=True)
        await until(lambda: gateway.resets == 1)
        release(engine, "v2")
        await until(lambda: len(gateway.events) == 2)


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


@asynccontextmanager
async def refused(redis_url: str) -> AsyncIterator[None]:
    """Redis ends its connections again and again, so that no command is answered."""

    async def kill() -> None:
        async with Redis.from_url(redis_url) as redis:
            while True:
                await redis.client_pause(100)
                await redis.client_kill_filter(_type="normal", skipme=True)

    task = asyncio.create_task(kill())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
