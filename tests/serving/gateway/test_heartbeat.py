"""The heartbeat and the writer of answers end when they are stopped."""

import asyncio

import pytest
from psycopg_pool import AsyncConnectionPool

from data.traffic.answers import AnswerWriter
from serving.gateway.heartbeat import Directory
from serving.gateway.parts import parts_of
from tests import gateways


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


@pytest.mark.timeout(120)
async def test_a_heartbeat_that_loses_a_cancellation_still_stops(
    pool: AsyncConnectionPool, database_url: str
) -> None:
    class Heartbeat(Directory):
        async def beat(self) -> None:
            await wait()

    wait = LosesOneCancellation()
    parts = parts_of(await gateways.app_of(pool))
    directory = Heartbeat(pool, database_url, parts.authenticator, parts.limiter, lambda: None)
    directory.start()
    await wait.has_begun.wait()
    await directory.stop()
    assert wait.has_lost_one


@pytest.mark.timeout(120)
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
