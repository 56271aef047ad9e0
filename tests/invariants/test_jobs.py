"""Whatever happens, no job of the queue is lost, and none has two effects."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from psycopg import AsyncConnection
from sqlalchemy import Engine, text

from data import database
from data.database import transaction_of
from data.jobs import listing, queue
from data.jobs.queue import ClaimedJob, Failure, Kind, NewJob
from data.reasons import reason
from data.tables import new_id
from tests.gateways import an_organisation
from tests.logins import gateway_url, lengthen_statements

WORKERS = [new_id() for _ in range(3)]
CAPS = {"scale": 5}
LEASE_S = 3600  # ended by a rule, and never by a machine that stalls


class Machine(RuleBasedStateMachine):
    """Three workers, two organisations, leases that end at any time. An effect is a row in `effects`; the
    transaction that ends its job stores it. Whose turn it is may be random, so what a rule draws must not
    depend on what was claimed.
    """

    engine: Engine
    connection: AsyncConnection
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        with self.engine.begin() as owner:
            owner.exec_driver_sql("TRUNCATE job_files, jobs, job_batches, effects")
        self.tenants = [an_organisation(self.engine) for _ in range(2)]
        self.claims: list[tuple[uuid.UUID, ClaimedJob]] = []  # also those whose lease has ended meanwhile
        self.enqueued = 0

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def query(self, sql: str) -> list[Any]:
        with self.engine.connect() as owner:
            return list(owner.exec_driver_sql(sql))

    @rule(tenant=st.integers(0, 1), jobs_in_it=st.integers(1, 4))
    def enqueue(self, tenant: int, jobs_in_it: int) -> None:
        async def work() -> None:
            new = [NewJob(Kind.REWRITE, {}, "") for _ in range(jobs_in_it)]
            async with transaction_of(self.connection, self.tenants[tenant]):
                await queue.enqueue_batch(self.connection, self.tenants[tenant], "a", new, b"d")

        self.run(work())
        self.enqueued += jobs_in_it

    @rule(worker=st.sampled_from(WORKERS), most=st.integers(1, 3))
    def claim(self, worker: uuid.UUID, most: int) -> None:
        claimed = self.run(queue.claim(self.connection, worker, Kind.REWRITE, LEASE_S, most, CAPS))
        assert len({job.organisation_id for job in claimed}) <= 1
        self.claims += [(worker, job) for job in claimed]

    @rule(
        which=st.integers(0, 99),
        how=st.sampled_from(["done", "done", "done", "retry", "dead", "release", "not counted"]),
    )
    def end(self, which: int, how: str) -> None:
        if not self.claims:
            return
        worker, job = self.claims[which % len(self.claims)]  # it may have ended already

        async def work() -> None:
            async with transaction_of(self.connection, job.organisation_id):
                if how == "done":
                    for id in await queue.finish(self.connection, worker, [(job, {})]):
                        await self.connection.execute("INSERT INTO effects VALUES (%s)", (id,))
                elif how == "release":
                    await queue.release(self.connection, worker, [job])
                else:
                    retry_s = None if how == "dead" else 0.0
                    failure = Failure(job, [reason("internal")], retry_s, how != "not counted")
                    await queue.fail(self.connection, worker, [failure])

        self.run(work())

    @rule(which=st.integers(0, 99))
    def renew(self, which: int) -> None:
        if not self.claims:
            return
        worker, job = self.claims[which % len(self.claims)]

        async def work() -> None:
            async with transaction_of(self.connection, job.organisation_id):
                await queue.renew(self.connection, worker, [job], LEASE_S)

        self.run(work())

    @rule(worker=st.sampled_from(WORKERS))
    def end_leases(self, worker: uuid.UUID) -> None:
        """A worker is killed, or too slow."""
        with self.engine.begin() as owner:
            owner.execute(
                text("UPDATE jobs SET available_at = now() WHERE leased_by = :worker"), {"worker": worker}
            )

    @rule(tenant=st.integers(0, 1))
    def replay(self, tenant: int) -> None:
        async def work() -> None:
            async with transaction_of(self.connection, self.tenants[tenant]):
                await queue.replay(self.connection, "a", kind=Kind.REWRITE)

        self.run(work())

    @rule(tenant=st.integers(0, 1))
    def cancel(self, tenant: int) -> None:
        async def work() -> None:
            async with transaction_of(self.connection, self.tenants[tenant]):
                for batch in await listing.list_batches(self.connection, most=1):
                    await queue.cancel(self.connection, batch.id, "a")

        self.run(work())

    @invariant()
    def every_message_is_in_one_state(self) -> None:
        ((places, rows),) = self.query(
            "SELECT count(DISTINCT (batch_id, place)), count(*) FROM jobs WHERE state <> 'replayed'"
        )
        assert places == rows == self.enqueued

    @invariant()
    def what_is_done_has_one_effect(self) -> None:
        ((done, effects, different),) = self.query(
            "SELECT (SELECT count(*) FROM jobs WHERE state = 'done'), count(*), count(DISTINCT id)"
            " FROM effects"
        )
        assert done == effects == different

    def teardown(self) -> None:
        """One worker that nobody disturbs brings the rest to its end."""
        with self.engine.begin() as owner:
            owner.exec_driver_sql("UPDATE jobs SET available_at = now()")
        while claimed := self.run(
            queue.claim(self.connection, WORKERS[0], Kind.REWRITE, LEASE_S, 3, {"scale": 1000})
        ):
            self.claims = [(WORKERS[0], job) for job in claimed]

            async def work(claimed: list[ClaimedJob] = claimed) -> None:
                async with transaction_of(self.connection, claimed[0].organisation_id):
                    held = await queue.finish(self.connection, WORKERS[0], [(job, {}) for job in claimed])
                    assert held == {job.id for job in claimed}
                    for id in held:
                        await self.connection.execute("INSERT INTO effects VALUES (%s)", (id,))

            self.run(work())
        assert self.query("SELECT count(*) FROM jobs WHERE state IN ('waiting', 'running')") == [(0,)]
        self.every_message_is_in_one_state()
        self.what_is_done_has_one_effect()


def explore(new_database: Callable[..., str], examples: int) -> None:
    url = new_database()
    Machine.engine = database.engine(url)
    lengthen_statements(Machine.engine)
    with Machine.engine.begin() as owner:
        owner.exec_driver_sql("CREATE TABLE effects (id uuid)")
        owner.exec_driver_sql("GRANT INSERT ON effects TO tonebridge_online")
    Machine.loop = asyncio.new_event_loop()
    Machine.connection = Machine.loop.run_until_complete(
        AsyncConnection.connect(gateway_url(url), autocommit=True)
    )
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=30,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        Machine.loop.run_until_complete(Machine.connection.close())
        Machine.loop.close()
        Machine.engine.dispose()


def test_no_job_is_lost_and_none_is_done_twice(new_database: Callable[..., str]) -> None:
    explore(new_database, 25)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_job_is_lost_and_none_is_done_twice_in_many_histories(new_database: Callable[..., str]) -> None:
    explore(new_database, 300)
