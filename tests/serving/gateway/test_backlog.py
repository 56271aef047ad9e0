"""The queue's numbers for Prometheus, in a database of its own: they are of all organisations."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.tables import Job, new_id
from serving.gateway.backlog import Backlog
from serving.gateway.routes import health
from tests import gateways
from tests.logins import gateway_url
from tests.waiting import until_async

FRESH_S = 5.0


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def own_database(new_database: Callable[..., str]) -> str:
    return new_database()


@pytest.fixture
async def own_pool(own_database: str) -> AsyncIterator[AsyncConnectionPool]:
    pool = database.online_pool(gateway_url(own_database))
    await pool.open(wait=True)
    yield pool
    await pool.close()


@pytest.fixture
def add(own_database: str) -> Iterator[Callable[..., None]]:
    """`add(state, due_s)` adds a job of another organisation to a queue that is empty at the start of a test;
    it has been due for so many seconds.
    """
    engine = database.engine(own_database)
    with psycopg.connect(own_database) as owner:
        owner.execute("TRUNCATE job_files, jobs")

    def add(state: str, due_s: float = 0.0, kind: str = "rewrite") -> None:
        with Session(engine) as session, session.begin():
            session.add(
                Job(
                    id=new_id(), organisation_id=gateways.an_organisation(engine), kind=kind, payload={},
                    key=str(uuid.uuid4()), state=state, leased_by=new_id() if state == "running" else None,
                    available_at=datetime.now(UTC) - timedelta(seconds=due_s), requested_by="account:x",
                )
            )  # fmt: skip

    yield add
    engine.dispose()


class Gauges:
    """A backlog, and what it exports."""

    def __init__(self, pool: AsyncConnectionPool, wait_s: float = 60.0) -> None:
        self.clock, self.registry = Clock(), CollectorRegistry()
        self.backlog = Backlog(pool, self.registry, self.clock, wait_s)

    def jobs(self, state: str, kind: str = "rewrite") -> float | None:
        return self.registry.get_sample_value("tonebridge_jobs", {"kind": kind, "state": state})

    def oldest_s(self) -> float | None:
        return self.registry.get_sample_value("tonebridge_jobs_oldest_seconds", {"kind": "rewrite"})

    async def renew_later(self) -> None:
        """Renew after the last count has become too old."""
        self.clock.now += FRESH_S
        await self.backlog.renew()


async def test_jobs_are_counted_by_kind_and_state(
    own_pool: AsyncConnectionPool, add: Callable[..., None]
) -> None:
    for state, due_s in (("waiting", 90), ("waiting", 30), ("running", 600), ("dead", 600), ("done", 600)):
        add(state, due_s)
    gauges = Gauges(own_pool)
    assert gauges.jobs("waiting") is None  # it is not known yet, so it is not 0
    await gauges.backlog.renew()
    assert [gauges.jobs(state) for state in ("waiting", "running", "dead", "done")] == [2, 1, 1, None]
    assert gauges.oldest_s() == pytest.approx(90, abs=60)


async def test_an_empty_queue_and_jobs_for_later_are_0_s_old(
    own_pool: AsyncConnectionPool, add: Callable[..., None]
) -> None:
    gauges = Gauges(own_pool)
    await gauges.backlog.renew()
    assert (gauges.jobs("waiting"), gauges.jobs("dead"), gauges.oldest_s()) == (0, 0, 0)
    add("waiting", -3600)
    await gauges.renew_later()
    assert (gauges.jobs("waiting"), gauges.oldest_s()) == (1, 0)


async def test_a_count_is_exported_for_some_seconds(
    own_pool: AsyncConnectionPool, add: Callable[..., None]
) -> None:
    gauges = Gauges(own_pool)
    await gauges.backlog.renew()
    add("waiting")
    gauges.clock.now = FRESH_S - 0.1
    await gauges.backlog.renew()
    assert gauges.jobs("waiting") == 0
    gauges.clock.now = FRESH_S
    await gauges.backlog.renew()
    assert gauges.jobs("waiting") == 1


async def test_a_kind_of_another_release_is_counted_while_it_has_jobs(
    own_pool: AsyncConnectionPool, own_database: str, add: Callable[..., None]
) -> None:
    add("dead", kind="newer")
    gauges = Gauges(own_pool)
    await gauges.backlog.renew()
    assert gauges.jobs("dead", "newer") == 1
    with psycopg.connect(own_database) as owner:
        owner.execute("TRUNCATE job_files, jobs")
    await gauges.renew_later()
    assert (gauges.jobs("dead", "newer"), gauges.jobs("dead")) == (None, 0)


async def test_the_last_numbers_stay_while_postgres_is_away(
    own_pool: AsyncConnectionPool, add: Callable[..., None]
) -> None:
    add("dead")
    gauges = Gauges(own_pool)
    await gauges.backlog.renew()
    await own_pool.close()
    await gauges.renew_later()
    assert gauges.jobs("dead") == 1


async def test_a_slow_postgres_is_not_waited_for_and_asked_once(
    own_pool: AsyncConnectionPool, own_database: str, add: Callable[..., None]
) -> None:
    add("dead")
    gauges = Gauges(own_pool, wait_s=0.1)
    with psycopg.connect(own_database) as owner:
        owner.execute("LOCK TABLE jobs")
        await gauges.backlog.renew()
        await gauges.renew_later()
        assert gauges.jobs("dead") is None
        assert sum(task.get_name() == "backlog" for task in asyncio.all_tasks()) == 1

    async def count() -> float | None:
        await gauges.backlog.renew()  # the count that waited goes on
        return gauges.jobs("dead")

    assert await until_async(count) == 1
    await gauges.backlog.stop()


@pytest.fixture
async def app(own_pool: AsyncConnectionPool) -> FastAPI:
    settings = Settings(metrics_token=SecretStr("m" * 32))
    return await gateways.app_of(own_pool, health.router, settings=settings)


async def test_prometheus_reads_them(app: FastAPI, add: Callable[..., None]) -> None:
    add("dead")
    async with gateways.client(app) as client:
        response = await client.get("/metrics", headers={"Authorization": f"Bearer {'m' * 32}"})
    assert 'tonebridge_jobs{kind="rewrite",state="dead"} 1.0' in response.text
    assert 'tonebridge_jobs_oldest_seconds{kind="rewrite"} 0.0' in response.text
