"""The queue: work for later, which exactly one worker does, once.

A job is enqueued in the caller's transaction. A worker claims it for the time of a lease, which it renews. If
the worker dies, the lease runs out, and the next claim takes the job: no sweeper has to find it. A worker
that was only slow comes back to a job that another one holds. So whoever ends a job names its lease (worker
and attempt) and stores the job's effects in the same transaction; a lost lease stores nothing.

States: `waiting` -> `running` -> `done`, or after failures `waiting` again and in the end `dead`. A person
may cancel a job before it is done, and replay a dead one: it becomes `replayed`, and a new job is enqueued.

Apart from `claim` and `delete_ended`, every function needs a transaction that names the organisation
(`data.database.speak_for`).
"""

import json
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import delete, exists

from data.jobs import changes
from data.jobs.changes import JobAction
from data.reasons import Reason, ReasonedError, dump
from data.tables import Job, JobBatch, new_id

CHANNEL = "tonebridge:jobs"
MOST_REPLAYED = 10_000  # dead jobs in one call
_ENQUEUED_AT_ONCE = 500  # between two statements the event loop serves others


class Kind(StrEnum):
    """What a job is about. The worker and the process `channels` have a handler for each."""

    REWRITE = "rewrite"
    EXPORT = "export"
    WEBHOOK = "webhook"
    CHANNEL_REPLY = "channel_reply"
    INBOUND = "inbound"


class State(StrEnum):
    """Where a job is in its life."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"
    REPLAYED = "replayed"


class ReusedBatchKeyError(ReasonedError):
    """The Idempotency-Key was used for another batch."""


class NewJob(NamedTuple):
    """Work to enqueue. Equal work has the same `key`. `run_at` is the earliest time; None is now. A delivery
    has a `webhook_id`.
    """

    kind: Kind
    payload: Mapping[str, Any]
    key: str
    user_id: uuid.UUID | None = None
    run_at: datetime | None = None
    webhook_id: uuid.UUID | None = None


class ClaimedJob(NamedTuple):
    """A job that this worker runs. `failures` counts the attempts that ended with an error; an attempt that
    did not end was that of a worker that died. `age_s` is how long ago it was requested when it was claimed.
    """

    id: uuid.UUID
    organisation_id: uuid.UUID
    user_id: uuid.UUID | None
    payload: Mapping[str, Any]
    attempts: int
    failures: int
    webhook_id: uuid.UUID | None
    batch_id: uuid.UUID | None
    age_s: float

    @property
    def has_ended_a_worker(self) -> bool:
        """Whether an earlier attempt did not end, so this job may be what ended its worker."""
        return self.failures < self.attempts - 1


class Failure(NamedTuple):
    """Why an attempt failed, and after how many seconds to try again; None: never. One that is not counted
    leaves no error, and the job has as many attempts left as before.
    """

    job: ClaimedJob
    reasons: Sequence[Reason]
    retry_s: float | None
    is_counted: bool = True

    @property
    def outcome(self) -> str:
        """`again` when it is tried again, `postponed` when nothing could be tried, `dead` after the last."""
        later = "again" if self.is_counted else "postponed"
        return "dead" if self.retry_s is None else later


def compute_delay_s(
    failures: int,
    base_s: float,
    cap_s: float,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float:
    """Seconds until the next attempt after so many failures, at random: "full jitter" (Brooker, Exponential
    Backoff And Jitter, AWS Architecture Blog, 2015). Jobs that failed together do not return together.
    `uniform` draws a number between two bounds.
    """
    return uniform(0, min(cap_s, base_s * 2 ** min(failures, 60)))


async def enqueue(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    requested_by: str,
    jobs: Sequence[NewJob],
    batch_id: uuid.UUID | None = None,
) -> list[uuid.UUID]:
    """Enqueue jobs, and notify workers at the commit. Returns the ids of those that were not there before, by
    kind and key. The places of a batch are those in `jobs`.
    """
    ids: list[uuid.UUID] = []
    for start in range(0, len(jobs), _ENQUEUED_AT_ONCE):
        part = jobs[start : start + _ENQUEUED_AT_ONCE]
        cursor = await connection.execute(
            "INSERT INTO jobs (id, organisation_id, requested_by, batch_id, kind, payload, key, user_id,"
            " webhook_id, place, available_at)"
            " SELECT id, %(organisation)s, %(by)s, %(batch)s, kind, payload, key, user_id, webhook_id,"
            " CASE WHEN %(batch)s::uuid IS NOT NULL THEN %(start)s + n - 1 END, coalesce(run_at, now())"
            " FROM unnest(%(ids)s::uuid[], %(kinds)s::text[], %(payloads)s::jsonb[], %(keys)s::text[],"
            " %(users)s::uuid[], %(times)s::timestamptz[], %(webhooks)s::uuid[])"
            " WITH ORDINALITY AS t(id, kind, payload, key, user_id, run_at, webhook_id, n)"
            " ON CONFLICT (organisation_id, kind, key) DO NOTHING RETURNING id",
            {
                "organisation": organisation_id,
                "by": requested_by,
                "batch": batch_id,
                "start": start,
                "ids": [new_id() for _ in part],
                "kinds": [job.kind.value for job in part],
                "payloads": [json.dumps(job.payload) for job in part],
                "keys": [job.key for job in part],
                "users": [job.user_id for job in part],
                "times": [job.run_at for job in part],
                "webhooks": [job.webhook_id for job in part],
            },
        )
        ids += [id for (id,) in await cursor.fetchall()]
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
    return ids


async def enqueue_batch(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    requested_by: str,
    jobs: Sequence[NewJob],
    digest: bytes,
    key: str | None = None,
) -> uuid.UUID:
    """Enqueue the messages of one request as a batch, and return its id. A repetition under `key` gets the
    first batch; `digest` is of everything that was requested. Raises ReusedBatchKeyError for another request
    under the key.

    The place of a message is that in `jobs`; the queue's key of each is made from batch and place.
    """
    batch_id = new_id()
    cursor = await connection.execute(
        "INSERT INTO job_batches (id, organisation_id, requested_by, key, request_digest, messages)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (organisation_id, key) DO NOTHING RETURNING id",
        (batch_id, organisation_id, requested_by, key, digest, len(jobs)),
    )
    if await cursor.fetchone() is None:
        cursor = await connection.execute(
            "SELECT id, request_digest FROM job_batches WHERE organisation_id = %s AND key = %s",
            (organisation_id, key),
        )
        row = await cursor.fetchone()
        assert row is not None, "a batch with this key prevented the insertion"
        if row[1] != digest:
            raise ReusedBatchKeyError("idempotency_key_reused")
        batch_id = row[0]
    else:
        placed = [job._replace(key=f"{batch_id}:{place}") for place, job in enumerate(jobs)]
        await enqueue(connection, organisation_id, requested_by, placed, batch_id)
    return batch_id


async def count_open(connection: AsyncConnection, organisation_id: uuid.UUID) -> int:
    """The jobs of an organisation that wait or run, without deliveries to webhooks, which have a bound of
    their own.
    """
    cursor = await connection.execute(
        "SELECT count(*) FROM jobs"
        " WHERE organisation_id = %s AND state IN ('waiting', 'running') AND webhook_id IS NULL",
        (organisation_id,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def claim(
    connection: AsyncConnection,
    worker_id: uuid.UUID,
    kind: Kind,
    lease_s: float,
    most: int,
    caps: Mapping[str, int],
) -> list[ClaimedJob]:
    """Claim at most `most` due jobs of a kind, all of one organisation, for `lease_s` seconds; the ones that
    have been due longest come first. The connection is in autocommit.

    It is the turn of the organisation with the fewest running jobs. `caps` has the most running jobs of an
    organisation by plan; workers that claim at the same moment may exceed it by a list. They may also get
    nothing although jobs of other organisations are due: claim again.
    """
    cursor = await connection.execute(
        "SELECT id, organisation_id, user_id, payload, attempts, jsonb_array_length(errors), webhook_id,"
        " batch_id, extract(epoch FROM now() - created_at)::float8"
        " FROM claim_jobs(%s, %s, %s, %s, %s) ORDER BY id",
        (worker_id, kind.value, lease_s, most, Jsonb(dict(caps))),
    )
    return [ClaimedJob(*row) for row in await cursor.fetchall()]


async def renew(
    connection: AsyncConnection, worker_id: uuid.UUID, jobs: Sequence[ClaimedJob], lease_s: float
) -> set[uuid.UUID]:
    """Extend the leases of these jobs; the ids of those that this worker still holds."""
    cursor = await connection.execute(
        "UPDATE jobs SET available_at = now() + make_interval(secs => %s)"
        " FROM unnest(%s::uuid[], %s::int[]) AS held(id, attempts)"
        " WHERE jobs.id = held.id AND state = 'running' AND leased_by = %s AND jobs.attempts = held.attempts"
        " RETURNING jobs.id",
        (lease_s, [job.id for job in jobs], [job.attempts for job in jobs], worker_id),
    )
    return {id for (id,) in await cursor.fetchall()}


class _End(NamedTuple):
    """How an attempt ends: the job's next state, and what is stored with it."""

    job: ClaimedJob
    state: State
    delay_s: float = 0.0  # until it may be claimed again
    result: Mapping[str, Any] | None = None
    errors: Sequence[Mapping[str, Any]] = ()
    is_counted: bool = True  # as an attempt


async def _end(connection: AsyncConnection, worker_id: uuid.UUID, ends: Sequence[_End]) -> set[uuid.UUID]:
    """End these attempts; the ids of the jobs that this worker still held. A lease is a worker and an
    attempt, since the same worker may have claimed the job again.
    """
    if not ends:
        return set()
    cursor = await connection.execute(
        "UPDATE jobs SET state = held.state, leased_by = NULL, result = held.result,"
        " errors = jobs.errors || held.errors, attempts = jobs.attempts - (NOT held.is_counted)::int,"
        " available_at = now() + make_interval(secs => held.delay_s),"
        " done_at = CASE WHEN held.state <> 'waiting' THEN now() END"
        " FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::float8[], %s::jsonb[], %s::jsonb[], %s::bool[])"
        " AS held(id, attempts, state, delay_s, result, errors, is_counted)"
        " WHERE jobs.id = held.id AND jobs.state = 'running' AND leased_by = %s"
        " AND jobs.attempts = held.attempts RETURNING jobs.id",
        (
            [end.job.id for end in ends],
            [end.job.attempts for end in ends],
            [end.state.value for end in ends],
            [end.delay_s for end in ends],
            [None if end.result is None else json.dumps(end.result) for end in ends],
            [json.dumps(end.errors) for end in ends],
            [end.is_counted for end in ends],
            worker_id,
        ),
    )
    return {id for (id,) in await cursor.fetchall()}


async def finish(
    connection: AsyncConnection,
    worker_id: uuid.UUID,
    results: Sequence[tuple[ClaimedJob, Mapping[str, Any]]],
) -> set[uuid.UUID]:
    """End jobs with their results. Returns the ids of those that this worker held; the caller stores the
    effects of these alone, in the same transaction.
    """
    return await _end(
        connection, worker_id, [_End(job, State.DONE, result=result) for job, result in results]
    )


async def fail(
    connection: AsyncConnection, worker_id: uuid.UUID, failures: Sequence[Failure]
) -> set[uuid.UUID]:
    """Record failed attempts. Each job waits for its next attempt, or is dead. Returns the ids of the jobs
    that this worker held.
    """
    now = datetime.now(UTC).isoformat()
    return await _end(
        connection,
        worker_id,
        [
            _End(
                job,
                State.DEAD if retry_s is None else State.WAITING,
                retry_s or 0.0,
                errors=[{"attempt": job.attempts, "at": now, "reasons": dump(reasons)}] if is_counted else [],
                is_counted=is_counted,
            )
            for job, reasons, retry_s, is_counted in failures
        ],
    )


async def release(connection: AsyncConnection, worker_id: uuid.UUID, jobs: Sequence[ClaimedJob]) -> None:
    """Give jobs back that were claimed and not begun, as if they had not been claimed."""
    await _end(connection, worker_id, [_End(job, State.WAITING, is_counted=False) for job in jobs])
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))


async def cancel(connection: AsyncConnection, batch_id: uuid.UUID, cancelled_by: str) -> int:
    """Cancel the jobs of a batch that are not done; their number. A running one stores no effect any more."""
    cursor = await connection.execute(
        "UPDATE jobs SET state = 'cancelled', leased_by = NULL, done_at = now(), ended_by = %s"
        " WHERE batch_id = %s AND state IN ('waiting', 'running')",
        (cancelled_by, batch_id),
    )
    if cancelled := cursor.rowcount:
        await changes.record(
            connection, cancelled_by, JobAction.CANCELLED, Kind.REWRITE, cancelled, batch_id=batch_id
        )
    return cancelled


async def replay(
    connection: AsyncConnection,
    replayed_by: str,
    *,
    job_id: uuid.UUID | None = None,
    kind: Kind | None = None,
    webhook_id: uuid.UUID | None = None,
) -> list[uuid.UUID]:
    """Enqueue dead jobs again: that with an id, or the oldest of a kind or of a webhook, at most
    `MOST_REPLAYED`. Returns the ids of the new jobs, which belong to the same requesters; none when no such
    job is dead.
    """
    cursor = await connection.execute(
        "SELECT id, kind, webhook_id FROM jobs WHERE state = 'dead'"
        " AND (id = %(id)s OR kind = %(kind)s OR webhook_id = %(webhook)s)"
        " ORDER BY id LIMIT %(most)s FOR UPDATE",
        {"id": job_id, "kind": kind, "webhook": webhook_id, "most": MOST_REPLAYED},
    )
    rows = await cursor.fetchall()
    if not rows:
        return []
    dead = [id for id, _, _ in rows]
    _, of_kind, of_webhook = rows[0]
    cursor = await connection.execute(
        "WITH replayed AS ("
        " UPDATE jobs SET state = 'replayed', ended_by = %(by)s, done_at = now()"
        " WHERE id = ANY(%(dead)s) RETURNING *)"
        " INSERT INTO jobs (id, organisation_id, kind, payload, key, batch_id, place, user_id, webhook_id,"
        " requested_by, replayed_from)"
        " SELECT new.id, organisation_id, kind, payload, 'replay:' || replayed.id, batch_id, place, user_id,"
        " webhook_id, requested_by, replayed.id"
        " FROM replayed JOIN unnest(%(dead)s::uuid[], %(new)s::uuid[]) AS new(dead, id)"
        " ON new.dead = replayed.id RETURNING id",
        {"by": replayed_by, "dead": dead, "new": [new_id() for _ in dead]},
    )
    ids = [id for (id,) in await cursor.fetchall()]
    await changes.record(
        connection,
        replayed_by,
        JobAction.REPLAYED,
        of_kind,  # as all of them
        len(ids),
        job_id=job_id,
        webhook_id=webhook_id if job_id is None else of_webhook,
    )
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
    return ids


async def store_file(connection: AsyncConnection, job: ClaimedJob, parts: Sequence[bytes]) -> None:
    """Store the file that a job has made, in the transaction that finishes the job."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO job_files (job_id, part, organisation_id, content) VALUES (%s, %s, %s, %s)",
            [(job.id, number, job.organisation_id, part) for number, part in enumerate(parts)],
        )


def delete_ended(connection: SqlConnection, kept: timedelta) -> int:
    """Delete jobs that ended longer ago than `kept`, and batches without jobs; the number of jobs. For the
    owner of the tables.
    """
    before = datetime.now(UTC) - kept
    deleted = connection.execute(delete(Job).where(Job.done_at < before)).rowcount
    connection.execute(
        delete(JobBatch).where(JobBatch.created_at < before, ~exists().where(Job.batch_id == JobBatch.id))
    )
    return deleted
