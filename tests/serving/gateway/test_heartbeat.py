"""The heartbeat and the writer of answers end when they are stopped, and not before."""

import asyncio
from collections.abc import Callable

import pytest
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text

from data import database
from data.traffic.answers import AnswerWriter
from serving.gateway.heartbeat import Directory
from serving.gateway.parts import parts_of
from tests import gateways
from tests.logins import gateway_url


class LosesOneCancellation:
    """Waits, and returns at the first cancellation, as `asyncio.wait_for` of Python 3.11 does when the result
    comes at the same moment. The pool of Postgres calls it.
    """

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.has_lost_one = False

    async def __call__(self) -> None:
        if self.has_lost_one:
            return
        self.has_begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.has_lost_one = True


@pytest.mark.timeout(30)
async def test_a_heartbeat_that_loses_a_cancellation_still_stops(
    pool: AsyncConnectionPool, database_url: str
) -> None:
    class Heartbeat(Directory):
        async def beat(self) -> None:
            await wait()

    wait = LosesOneCancellation()
    parts = parts_of(await gateways.app_of(pool))
    directory = Heartbeat(
        pool, database_url, parts.authenticator, parts.limiter, parts.dictionaries, lambda: None
    )
    directory.start()
    await wait.has_begun.wait()
    await directory.stop()
    assert wait.has_lost_one


@pytest.mark.timeout(30)
async def test_a_writer_of_answers_that_loses_a_cancellation_still_stops(pool: AsyncConnectionPool) -> None:
    class Writer(AnswerWriter):
        async def flush(self) -> None:
            await wait()

    wait = LosesOneCancellation()
    writer = Writer(pool, {})
    writer.start()
    await wait.has_begun.wait()
    await writer.stop()
    assert wait.has_lost_one


@pytest.mark.timeout(60)
async def test_a_heartbeat_goes_on_after_a_routing_of_a_newer_release(
    new_database: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    url = new_database()
    engine = database.engine(url)
    first = gateways.publish(engine, gateways.ONLY_A_CHAMPION)

    def add_epoch(routing: str) -> None:
        query = text(
            "INSERT INTO epochs (number, routing, reasons) SELECT (SELECT max(number) FROM epochs) + 1,"
            " routing || CAST(:routing AS jsonb), reasons FROM epochs WHERE number = :first"
        )
        with engine.begin() as connection:
            connection.execute(query, {"routing": routing, "first": first})

    async with database.online_pool(gateway_url(url)) as pool:
        parts = parts_of(await gateways.app_of(pool))
        directory = Directory(pool, url, parts.authenticator, parts.limiter, parts.dictionaries, lambda: None)
        directory.start()
        await wait_until(lambda: directory.is_ready)
        add_epoch('{"colour": "red"}')
        await wait_until(lambda: "this release cannot read the newest routing (faults: 1)" in caplog.text)
        assert directory.current()[0] == first
        add_epoch("{}")
        await wait_until(lambda: directory.current()[0] == first + 2)
        await directory.stop()
    engine.dispose()


async def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_so():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come about")
