"""The queue, in a database of its own: workers claim the jobs of every organisation."""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from psycopg import AsyncConnection
from sqlalchemy import Engine, text

from data import database
from data.database import transaction_of
from data.jobs import config, listing
from data.jobs import queue as jobs
from data.jobs.queue import ClaimedJob, Failure, Kind, NewJob, State
from data.reasons import reason
from data.tables import new_id
from tests.gateways import an_organisation
from tests.logins import gateway_url

CAPS = {"free": 2, "scale": 1000}
LEASE_S = 3600.0


class Queue(NamedTuple):
    """The gateway's connection, and the owner's engine."""

    connection: AsyncConnection
    engine: Engine

    async def enqueue(self, tenant: uuid.UUID, *keys: str, **fields: object) -> list[uuid.UUID]:
        async with transaction_of(self.connection, tenant):
            new = [NewJob(Kind.REWRITE, {"n": key}, key, **fields) for key in keys]  # type: ignore[arg-type]
            return await jobs.enqueue(self.connection, tenant, "api_key:k", new)

    async def claim(self, worker_id: uuid.UUID, most: int = 50) -> list[ClaimedJob]:
        return await jobs.claim(self.connection, worker_id, Kind.REWRITE, LEASE_S, most, CAPS)

    async def finish(self, worker_id: uuid.UUID, claimed: Sequence[ClaimedJob]) -> set[uuid.UUID]:
        async with transaction_of(self.connection, claimed[0].organisation_id):
            return await jobs.finish(self.connection, worker_id, [(job, {"n": 1}) for job in claimed])

    async def fail(self, worker_id: uuid.UUID, *failures: Failure) -> set[uuid.UUID]:
        async with transaction_of(self.connection, failures[0].job.organisation_id):
            return await jobs.fail(self.connection, worker_id, failures)

    async def read(self, tenant: uuid.UUID, job_id: uuid.UUID) -> listing.ListedJob:
        async with transaction_of(self.connection, tenant):
            return (await listing.list_jobs(self.connection, job_id=job_id))[0]

    def end_leases(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                text("UPDATE jobs SET available_at = now() - interval '1 s' WHERE state = 'running'")
            )


@pytest.fixture(scope="module")
def own_database(new_database: Callable[..., str]) -> str:
    return new_database()


@pytest.fixture
async def queue(own_database: str) -> AsyncIterator[Queue]:
    engine = database.engine(own_database)
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE job_files, jobs, job_batches"))
    async with await AsyncConnection.connect(gateway_url(own_database), autocommit=True) as connection:
        yield Queue(connection, engine)
    engine.dispose()


@pytest.fixture
def tenant(queue: Queue) -> uuid.UUID:
    return an_organisation(queue.engine)


ONE, TWO = new_id(), new_id()


async def test_two_workers_share_the_jobs(queue: Queue, tenant: uuid.UUID) -> None:
    await queue.enqueue(tenant, *"abcdef")
    first, second = await queue.claim(ONE, 4), await queue.claim(TWO, 4)
    assert [job.payload["n"] for job in first] == list("abcd")
    assert [job.payload["n"] for job in second] == list("ef")
    assert await queue.claim(ONE) == []


async def test_equal_work_is_enqueued_once(queue: Queue, tenant: uuid.UUID) -> None:
    assert len(await queue.enqueue(tenant, "a", "b")) == 2
    assert len(await queue.enqueue(tenant, "b", "c")) == 1
    other = an_organisation(queue.engine)
    assert len(await queue.enqueue(other, "a")) == 1  # another organisation's work is another one


async def test_a_job_waits_for_its_time(queue: Queue, tenant: uuid.UUID) -> None:
    await queue.enqueue(tenant, "later", run_at=datetime.now(UTC) + timedelta(hours=1))
    assert await queue.claim(ONE) == []
    with queue.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET available_at = now()"))
    assert len(await queue.claim(ONE)) == 1


async def test_a_dead_worker_s_job_is_claimed_again_and_known_as_a_suspect(
    queue: Queue, tenant: uuid.UUID
) -> None:
    await queue.enqueue(tenant, "a")
    (first,) = await queue.claim(ONE)
    assert not first.has_ended_a_worker
    queue.end_leases()
    (second,) = await queue.claim(TWO)
    assert (second.id, second.attempts, second.has_ended_a_worker) == (first.id, 2, True)


async def test_who_has_lost_the_lease_ends_nothing(queue: Queue, tenant: uuid.UUID) -> None:
    (job_id,) = await queue.enqueue(tenant, "a")
    slow = await queue.claim(ONE)
    queue.end_leases()
    fast = await queue.claim(TWO)
    assert await queue.finish(ONE, slow) == set()
    assert await queue.fail(ONE, Failure(slow[0], [reason("internal")], None)) == set()
    assert await queue.finish(TWO, fast) == {job_id}
    assert await queue.finish(TWO, fast) == set()  # nor does it end twice


async def test_the_same_worker_s_older_attempt_ends_nothing(queue: Queue, tenant: uuid.UUID) -> None:
    await queue.enqueue(tenant, "a")
    older = await queue.claim(ONE)
    queue.end_leases()
    newer = await queue.claim(ONE)
    assert await queue.finish(ONE, older) == set()
    assert await queue.finish(ONE, newer) == {newer[0].id}


async def test_a_renewed_lease_lasts(queue: Queue, tenant: uuid.UUID) -> None:
    await queue.enqueue(tenant, "a")
    claimed = await queue.claim(ONE)
    queue.end_leases()
    async with transaction_of(queue.connection, tenant):
        assert await jobs.renew(queue.connection, ONE, claimed, LEASE_S) == {claimed[0].id}
        assert await jobs.renew(queue.connection, TWO, claimed, LEASE_S) == set()
    assert await queue.claim(TWO) == []


async def test_a_dead_letter_has_every_attempt_s_reason(queue: Queue, tenant: uuid.UUID) -> None:
    (job_id,) = await queue.enqueue(tenant, "a")
    (first,) = await queue.claim(ONE)
    await queue.fail(ONE, Failure(first, [reason("postgres_unavailable")], 0.0))
    (second,) = await queue.claim(ONE)
    assert (second.failures, second.has_ended_a_worker) == (1, False)
    await queue.fail(ONE, Failure(second, [reason("internal")], None))
    job = await queue.read(tenant, job_id)
    assert (job.state, job.attempts) == (State.DEAD, 2)
    assert [(error.attempt, error.reasons[0].code) for error in job.errors] == [
        (1, "postgres_unavailable"),
        (2, "internal"),
    ]
    assert await queue.claim(ONE) == []


async def test_an_attempt_that_is_not_counted_leaves_no_trace(queue: Queue, tenant: uuid.UUID) -> None:
    (job_id,) = await queue.enqueue(tenant, "a")
    (first,) = await queue.claim(ONE)
    await queue.fail(ONE, Failure(first, [reason("postgres_unavailable")], 0.0, is_counted=False))
    job = await queue.read(tenant, job_id)
    assert (job.state, job.attempts, job.errors) == (State.WAITING, 0, [])
    (again,) = await queue.claim(ONE)
    assert not again.has_ended_a_worker


async def test_a_failed_job_waits_before_the_next_attempt(queue: Queue, tenant: uuid.UUID) -> None:
    await queue.enqueue(tenant, "a")
    (job,) = await queue.claim(ONE)
    await queue.fail(ONE, Failure(job, [reason("internal")], 3600.0))
    assert await queue.claim(ONE) == []


async def test_a_released_job_is_as_it_was(queue: Queue, tenant: uuid.UUID) -> None:
    (job_id,) = await queue.enqueue(tenant, "a")
    claimed = await queue.claim(ONE)
    async with transaction_of(queue.connection, tenant):
        await jobs.release(queue.connection, ONE, claimed)
    job = await queue.read(tenant, job_id)
    assert (job.state, job.attempts) == (State.WAITING, 0)
    assert len(await queue.claim(TWO)) == 1


async def test_it_is_the_turn_of_who_has_the_fewest_jobs_running(queue: Queue, tenant: uuid.UUID) -> None:
    small = an_organisation(queue.engine)
    await queue.enqueue(tenant, *map(str, range(300)))
    await queue.claim(ONE, 50)
    await queue.enqueue(small, "x")
    claimed = await queue.claim(TWO, 50)
    assert [job.organisation_id for job in claimed] == [small]


async def test_a_plan_caps_what_runs_at_the_same_time(queue: Queue) -> None:
    free = an_organisation(queue.engine, "free")
    await queue.enqueue(free, *"abcde")
    assert len(await queue.claim(ONE)) == CAPS["free"]
    assert await queue.claim(TWO) == []
    queue.end_leases()
    assert len(await queue.claim(TWO)) == CAPS["free"]  # jobs of a dead worker do not count


async def test_a_replay_is_a_new_job_once(queue: Queue, tenant: uuid.UUID) -> None:
    ids = await queue.enqueue(tenant, "a", "b")
    for job in await queue.claim(ONE):
        await queue.fail(ONE, Failure(job, [reason("internal")], None))
    async with transaction_of(queue.connection, tenant):
        (new,) = await jobs.replay(queue.connection, "account:x", job_id=ids[0])
        assert await jobs.replay(queue.connection, "account:x", job_id=ids[0]) == []
        (other,) = await jobs.replay(queue.connection, "account:x", kind=Kind.REWRITE)
    old, repeated = await queue.read(tenant, ids[0]), await queue.read(tenant, new)
    assert (old.state, old.ended_by) == (State.REPLAYED, "account:x")
    assert (repeated.state, repeated.replayed_from, repeated.requested_by) == (
        State.WAITING,
        ids[0],
        "api_key:k",  # who may still see it
    )
    assert {job.id for job in await queue.claim(ONE)} == {new, other}


async def test_nobody_replays_another_organisation_s_jobs(queue: Queue, tenant: uuid.UUID) -> None:
    (job_id,) = await queue.enqueue(tenant, "a")
    (job,) = await queue.claim(ONE)
    await queue.fail(ONE, Failure(job, [reason("internal")], None))
    async with transaction_of(queue.connection, an_organisation(queue.engine)):
        assert await jobs.replay(queue.connection, "account:x", job_id=job_id) == []
        assert await listing.list_jobs(queue.connection, most=10) == []


async def a_batch(
    queue: Queue, tenant: uuid.UUID, key: str | None = None, digest: bytes = b"d"
) -> listing.Batch:
    async with transaction_of(queue.connection, tenant):
        new = [NewJob(Kind.REWRITE, {"n": n}, "") for n in range(3)]
        batch_id = await jobs.enqueue_batch(queue.connection, tenant, "api_key:k", new, digest, key)
        (batch,) = await listing.list_batches(queue.connection, batch_id=batch_id)
        return batch


async def test_a_batch_is_enqueued_once_under_its_key(queue: Queue, tenant: uuid.UUID) -> None:
    first, second = await a_batch(queue, tenant, "k"), await a_batch(queue, tenant, "k")
    assert first == second
    assert (first.messages, first.waiting) == (3, 3)
    with pytest.raises(jobs.ReusedBatchKeyError):
        await a_batch(queue, tenant, "k", b"other")
    assert (await a_batch(queue, tenant)).id != (await a_batch(queue, tenant)).id


async def test_a_batch_counts_its_messages_by_state(queue: Queue, tenant: uuid.UUID) -> None:
    batch = await a_batch(queue, tenant)
    done, dead, running = await queue.claim(ONE)
    await queue.finish(ONE, [done])
    await queue.fail(ONE, Failure(dead, [reason("internal")], None))
    async with transaction_of(queue.connection, tenant):
        await jobs.replay(queue.connection, "account:x", job_id=dead.id)
        (counted,) = await listing.list_batches(queue.connection, batch_id=batch.id)
        assert (counted.waiting, counted.running, counted.done, counted.dead) == (1, 1, 1, 0)
        outcomes = await listing.read_outcomes(queue.connection, batch.id)
        assert [outcome.state for outcome in outcomes] == ["done", "waiting", "running"]
        assert [outcome.result for outcome in outcomes] == [{"n": 1}, None, None]
        assert await jobs.cancel(queue.connection, batch.id, "account:x") == 2
    assert await queue.finish(ONE, [running]) == set()  # its effects must not be stored


async def test_ended_jobs_are_deleted_after_a_time(queue: Queue, tenant: uuid.UUID) -> None:
    await a_batch(queue, tenant)
    done, *_ = await queue.claim(ONE)
    await queue.finish(ONE, [done])
    with queue.engine.begin() as connection:
        assert jobs.delete_ended(connection, timedelta(days=1)) == 0
        connection.execute(text("UPDATE jobs SET done_at = done_at - interval '2 days'"))
        connection.execute(text("UPDATE job_batches SET created_at = created_at - interval '2 days'"))
        assert jobs.delete_ended(connection, timedelta(days=1)) == 1
        assert connection.scalar(text("SELECT count(*) FROM job_batches")) == 1  # its others wait


async def test_the_counts_are_of_all_organisations(queue: Queue, tenant: uuid.UUID) -> None:
    await queue.enqueue(tenant, "a", "b")
    await queue.enqueue(an_organisation(queue.engine), "a")
    await queue.claim(ONE, 1)
    counts = {count.state: count for count in await listing.count(queue.connection)}
    assert (counts["waiting"].jobs, counts["running"].jobs) == (2, 1)
    assert counts["waiting"].oldest_s is not None
    assert counts["waiting"].oldest_s >= 0


def test_delays_are_random_below_a_doubling_bound() -> None:
    for failures in (0, 3, 20, 2000):
        delays = [jobs.compute_delay_s(failures, 1.0, 300.0) for _ in range(500)]
        bound = min(300.0, 2.0 ** min(failures, 60))
        assert 0 <= min(delays) < 0.1 * bound
        assert 0.9 * bound < max(delays) <= bound


def test_a_lease_must_outlast_its_renewal() -> None:
    settings = config.load()
    with pytest.raises(ValueError, match="three times poll_s"):
        config.JobsConfig.model_validate({**settings.model_dump(), "poll_s": settings.lease_s / 2})
