"""The loop of a worker, with handlers of the tests' own."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text

from configs.settings import Settings
from data import database
from data.database import transaction_of
from data.jobs import config, listing
from data.jobs import queue as jobs
from data.jobs.config import JobsConfig
from data.jobs.queue import ClaimedJob, Kind, NewJob
from data.tables import new_id
from serving.worker import loop
from serving.worker.loop import Work, Worker
from tests.gateways import an_organisation
from tests.logins import gateway_url
from tests.serving.worker.conftest import running
from tests.waiting import until_async

LEASE_S = 3600.0
FAST = config.load().model_copy(update={"poll_s": 0.05, "drain_s": 0.2, "lease_s": LEASE_S})


class Recorder:
    """A handler that records the lists it gets, and waits in `during` before it finishes them."""

    most, lists_at_once, most_attempts = 50, 1, FAST.most_attempts

    def __init__(self) -> None:
        self.has_all, self.checks = True, 0
        self.poison = ""
        self.lists: list[list[str]] = []
        self.stored: set[uuid.UUID] = set()
        self.during: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)

    @property
    def is_ready(self) -> bool:
        self.checks += 1
        return self.has_all

    async def __call__(self, claimed: Sequence[ClaimedJob]) -> Work:
        self.lists.append([job.payload["n"] for job in claimed])
        await self.during()
        if self.poison in self.lists[-1]:
            raise RuntimeError("nobody expected this")

        async def store(connection: AsyncConnection, held: Collection[uuid.UUID]) -> None:
            pass

        return Work([(job, {}) for job in claimed], [], store, self.stored.update)


class Queue:
    """Jobs of one organisation in a database of the test's own."""

    def __init__(self, url: str, pool: AsyncConnectionPool) -> None:
        self.url, self.pool = gateway_url(url), pool
        self.engine = database.engine(url)
        self.tenant = an_organisation(self.engine)
        self.handler = Recorder()

    def make_worker(self, config: JobsConfig = FAST) -> Worker:
        return Worker(self.pool, self.url, {Kind.REWRITE: self.handler}, config)

    async def enqueue(self, *names: str) -> None:
        async with self.pool.connection() as connection, transaction_of(connection, self.tenant):
            new = [NewJob(Kind.REWRITE, {"n": name}, name) for name in names]
            await jobs.enqueue(connection, self.tenant, "api_key:k", new)

    async def claim(self) -> list[ClaimedJob]:
        """Claim all jobs for a worker that does not exist."""
        async with self.pool.connection() as connection:
            return await jobs.claim(connection, new_id(), Kind.REWRITE, LEASE_S, 50, {"scale": 100})

    def change(self, assignment: str) -> None:
        with self.engine.begin() as owner:
            owner.exec_driver_sql(f"UPDATE jobs SET {assignment}")  # type: ignore[arg-type]

    def states(self) -> dict[str, Any]:
        with self.engine.connect() as connection:
            query = text("SELECT payload->>'n', state || ' ' || attempts FROM jobs")
            return {name: state for name, state in connection.execute(query)}  # noqa: C416 (rows are no tuples to mypy)

    def find_end_of_lease(self) -> datetime:
        """When the lease of the only job ends."""
        with self.engine.connect() as connection:
            end: datetime = connection.execute(text("SELECT available_at FROM jobs")).scalar_one()
        return end

    async def wait(self, wanted: Callable[[], bool]) -> None:
        await until_async(wanted, self.states)


@pytest.fixture
async def queue(own: Settings) -> AsyncIterator[Queue]:
    assert own.database_url is not None
    pool = database.online_pool(gateway_url(own.database_url))
    await pool.open(wait=True, timeout=60)
    queue = Queue(own.database_url, pool)
    with queue.engine.begin() as owner:
        owner.execute(text("TRUNCATE job_files, jobs, job_batches"))
    yield queue
    queue.engine.dispose()
    await pool.close()


async def test_jobs_are_done_in_one_list(queue: Queue) -> None:
    await queue.enqueue("a", "b", "c")
    async with running(queue.make_worker()):
        await queue.wait(lambda: set(queue.states().values()) == {"done 1"})
    assert queue.handler.lists == [["a", "b", "c"]]
    assert len(queue.handler.stored) == 3


async def test_a_notice_wakes_an_idle_worker(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(url: str, **options: Any) -> AsyncConnection:
        return await AsyncConnection.connect(url, **{**options, "connect_timeout": 60})

    monkeypatch.setattr(loop, "AsyncConnection", SimpleNamespace(connect=connect))
    idle = FAST.model_copy(update={"poll_s": 3600.0, "lease_s": 1e6})
    worker = queue.make_worker(idle)
    async with running(worker):
        listening = text(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%jobs%' AND state = 'idle'"
            " AND datname = current_database()"
        )

        def is_listening() -> bool:
            with queue.engine.connect() as connection:
                return bool(connection.execute(listening).scalar())

        await queue.wait(is_listening)
        await queue.enqueue("a")
        await queue.wait(lambda: queue.states() == {"a": "done 1"})


async def test_what_may_have_ended_a_worker_is_done_alone_and_last(queue: Queue) -> None:
    await queue.enqueue("a", "b")
    await queue.claim()
    queue.change("available_at = now()")
    await queue.enqueue("c")
    async with running(queue.make_worker()):
        await queue.wait(lambda: set(queue.states().values()) == {"done 2", "done 1"})
    assert queue.handler.lists == [["c"], ["a"], ["b"]]


async def test_what_has_ended_too_many_workers_is_dead(queue: Queue) -> None:
    await queue.enqueue("poison")
    queue.change(f"attempts = {FAST.most_attempts}")
    async with running(queue.make_worker()):
        await queue.wait(lambda: queue.states()["poison"].startswith("dead"))
    assert queue.handler.lists == []
    async with queue.pool.connection() as connection, transaction_of(connection, queue.tenant):
        (job,) = await listing.list_jobs(connection)
    assert "12 workers have ended" in job.errors[0].reason


async def test_a_lease_is_renewed_while_its_job_runs(queue: Queue) -> None:
    short = FAST.model_copy(update={"lease_s": 0.6})
    released = asyncio.Event()
    queue.handler.during = released.wait
    await queue.enqueue("a")
    async with running(queue.make_worker(short)):
        await queue.wait(lambda: bool(queue.handler.lists))
        first = queue.find_end_of_lease()
        await queue.wait(lambda: queue.find_end_of_lease() > first + timedelta(seconds=3 * short.lease_s))
        released.set()
        await queue.wait(lambda: queue.states() == {"a": "done 1"})
    assert len(queue.handler.stored) == 1


async def test_a_worker_that_stops_finishes_its_jobs(queue: Queue) -> None:
    released = asyncio.Event()
    queue.handler.during = released.wait
    await queue.enqueue("a")
    worker = queue.make_worker(FAST.model_copy(update={"drain_s": 600.0}))
    task = asyncio.create_task(worker.run())
    await queue.wait(lambda: bool(queue.handler.lists))
    worker.stop()
    await queue.enqueue("b")
    released.set()
    await task
    assert queue.states() == {"a": "done 1", "b": "waiting 0"}


async def test_a_worker_that_stops_gives_back_what_takes_too_long(queue: Queue) -> None:
    queue.handler.during = asyncio.Event().wait
    await queue.enqueue("a")
    worker = queue.make_worker()
    task = asyncio.create_task(worker.run())
    await queue.wait(lambda: bool(queue.handler.lists))
    worker.stop()
    await task
    assert queue.states() == {"a": "waiting 0"}


async def test_a_worker_that_is_not_ready_claims_nothing(queue: Queue) -> None:
    await queue.enqueue("a")
    queue.handler.has_all = False
    worker = queue.make_worker()
    async with running(worker):
        await queue.wait(lambda: queue.handler.checks > 3)
        assert queue.states() == {"a": "waiting 0"}
        queue.handler.has_all = True
        await queue.wait(lambda: queue.states() == {"a": "done 1"})


async def test_jobs_are_stored_when_postgres_is_back(queue: Queue) -> None:
    """The connection is lost when the list is done, and the job is stored once all the same."""

    async def lose_connections() -> None:
        with queue.engine.connect() as owner:
            owner.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'tonebridge_gateway' AND datname = current_database()"
            )

    queue.handler.during = lose_connections
    await queue.enqueue("a")
    async with running(queue.make_worker()):
        await queue.wait(lambda: queue.states() == {"a": "done 1"})
    assert len(queue.handler.stored) == 1


async def test_a_handler_that_needs_postgres_waits_for_it(queue: Queue) -> None:
    fails = 2

    async def fail() -> None:
        nonlocal fails
        fails -= 1
        if fails >= 0:
            raise psycopg.OperationalError("the connection is lost")

    queue.handler.during = fail
    await queue.enqueue("a")
    async with running(queue.make_worker()):
        await queue.wait(lambda: queue.states() == {"a": "done 1"})


async def test_an_unexpected_error_fails_its_own_job_only(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    queue.handler.poison = "b"
    await queue.enqueue("a", "b", "c")
    queue.handler.most_attempts = 2
    soon = FAST.model_copy(update={"first_retry_s": 0.01})
    async with running(queue.make_worker(soon)):
        await queue.wait(lambda: queue.states() == {"a": "done 1", "b": "dead 2", "c": "done 1"})
    assert "nobody expected this" in caplog.text
    async with queue.pool.connection() as connection, transaction_of(connection, queue.tenant):
        (job,) = await listing.list_jobs(connection, states=[jobs.State.DEAD])
    assert [error.reasons[0].code for error in job.errors] == ["job_failed", "job_failed"]
