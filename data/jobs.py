"""The queue: work for later, which exactly one worker does, once.

A job is enqueued in the caller's transaction. A worker claims it for the time of a lease, which it renews. If
the worker dies, the lease runs out, and the next claim takes the job: no sweeper has to find it. A worker
that was only slow comes back to a job that another one holds. So whoever ends a job names its lease (worker
and attempt) and stores the job's effects in the same transaction; a lost lease stores nothing.

States: `waiting` -> `running` -> `done`, or after failures `waiting` again and in the end `dead`. A person
may cancel a job before it is done, and replay a dead one: it becomes `replayed`, and a new job is enqueued.

Apart from `claim`, `count` and `delete_ended`, every function needs a transaction that names the organisation
(`data.database.speak_for`).
"""

import json
import random
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb
from pydantic import Field, model_validator
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import delete, exists

import configs
from configs import StageConfig
from data.reasons import Reason, ReasonedError, dump, load, render
from data.tables import Job, JobBatch, new_id

CONFIG = configs.ROOT / "configs" / "jobs.yaml"
CHANNEL = "tonebridge:jobs"
MOST_REPLAYED = 10_000  # dead jobs in one call
_ENQUEUED_AT_ONCE = 500  # between two statements the event loop serves others
_READ_AT_ONCE = 500  # results of a batch in one round trip


class PlanOfJobs(StageConfig):
    """How many jobs of an organisation may wait or run, and how many may run at the same time."""

    open: Annotated[int, Field(ge=1)]
    running: Annotated[int, Field(ge=1)]


class PlansOfJobs(StageConfig):
    """The plans by name, those of `configs/plans.yaml`."""

    free: PlanOfJobs
    team: PlanOfJobs
    scale: PlanOfJobs


class JobsConfig(StageConfig):
    """What workers do with jobs. Durations are in the unit that the name ends in."""

    lease_s: Annotated[float, Field(gt=0)]
    poll_s: Annotated[float, Field(gt=0)]
    list_jobs: Annotated[int, Field(ge=1)]
    most_attempts: Annotated[int, Field(ge=1, le=1000)]
    first_retry_s: Annotated[float, Field(gt=0)]
    longest_retry_s: Annotated[float, Field(gt=0)]
    drain_s: Annotated[float, Field(ge=0)]
    kept_days: Annotated[int, Field(ge=1)]
    plans: PlansOfJobs

    @model_validator(mode="after")
    def _renews_in_time(self) -> "JobsConfig":
        if self.lease_s < 3 * self.poll_s:
            raise ValueError(
                "lease_s must be at least three times poll_s, since a third of it renews a lease"
            )
        return self


def load_config(path: Path = CONFIG) -> JobsConfig:
    """The settings of a yaml file; ConfigError when they are not valid."""
    return configs.load(JobsConfig, path)


class Kind(StrEnum):
    """What a job is about; the worker has a handler for each."""

    REWRITE = "rewrite"
    EXPORT = "export"


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
    """Work to enqueue. Equal work has the same `key`. `run_at` is the earliest time; None is now."""

    kind: Kind
    payload: Mapping[str, Any]
    key: str
    user_id: uuid.UUID | None = None
    run_at: datetime | None = None


class ClaimedJob(NamedTuple):
    """A job that this worker runs. `failures` counts the attempts that ended with an error; an attempt that
    did not end was that of a worker that died.
    """

    id: uuid.UUID
    organisation_id: uuid.UUID
    user_id: uuid.UUID | None
    payload: Mapping[str, Any]
    attempts: int
    failures: int

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


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that one request gave to the queue, and how many of them are in each state."""

    id: uuid.UUID
    requested_by: str
    messages: int
    created_at: datetime
    waiting: int
    running: int
    done: int
    dead: int
    cancelled: int


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """Why an attempt failed: `reasons`, and in English `reason`."""

    attempt: int
    at: datetime
    reason: str
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job without its payload. `available_at` is when it is tried next; while it runs, its lease's end."""

    id: uuid.UUID
    kind: Kind
    state: State
    attempts: int
    available_at: datetime
    errors: list[FailedAttempt]
    batch_id: uuid.UUID | None
    place: int | None
    requested_by: str
    replayed_from: uuid.UUID | None
    ended_by: str | None
    created_at: datetime
    done_at: datetime | None


class Outcome(NamedTuple):
    """The outcome of a message of a batch: its result when it is done, the newest error otherwise."""

    place: int
    state: str
    result: Mapping[str, Any] | None
    reasons: list[Reason]


class Count(NamedTuple):
    """How many jobs of a kind are in a state, and for how many seconds the oldest waiting one has been due;
    None when none is.
    """

    kind: str
    state: str
    jobs: int
    oldest_s: float | None


def compute_delay_s(failures: int, base_s: float, cap_s: float) -> float:
    """Seconds until the next attempt after so many failures, at random: "full jitter" (Brooker, Exponential
    Backoff And Jitter, AWS Architecture Blog, 2015). Jobs that failed together do not return together.
    """
    return random.uniform(0, min(cap_s, base_s * 2 ** min(failures, 60)))


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
            " place, available_at)"
            " SELECT id, %(organisation)s, %(by)s, %(batch)s, kind, payload, key, user_id,"
            " CASE WHEN %(batch)s::uuid IS NOT NULL THEN %(start)s + n - 1 END, coalesce(run_at, now())"
            " FROM unnest(%(ids)s::uuid[], %(kinds)s::text[], %(payloads)s::jsonb[], %(keys)s::text[],"
            " %(users)s::uuid[], %(times)s::timestamptz[])"
            " WITH ORDINALITY AS t(id, kind, payload, key, user_id, run_at, n)"
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
) -> Batch:
    """Enqueue the messages of one request as a batch. A repetition under `key` gets the first batch; `digest`
    is of everything that was requested. Raises ReusedBatchKeyError for another request under the key.

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
    return (await list_batches(connection, batch_id=batch_id))[0]


async def count_open(connection: AsyncConnection, organisation_id: uuid.UUID) -> int:
    """The jobs of an organisation that wait or run."""
    cursor = await connection.execute(
        "SELECT count(*) FROM jobs WHERE organisation_id = %s AND state IN ('waiting', 'running')",
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
        "SELECT id, organisation_id, user_id, payload, attempts, jsonb_array_length(errors)"
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
    return cursor.rowcount


async def replay(
    connection: AsyncConnection,
    replayed_by: str,
    *,
    job_id: uuid.UUID | None = None,
    kind: Kind | None = None,
) -> list[uuid.UUID]:
    """Enqueue dead jobs again: that with an id, or the oldest of a kind, at most `MOST_REPLAYED`.
    Returns the ids of the new jobs, which belong to the same requesters; none when no such job is dead.
    """
    cursor = await connection.execute(
        "SELECT id FROM jobs WHERE state = 'dead' AND (id = %(id)s OR kind = %(kind)s)"
        " ORDER BY id LIMIT %(most)s FOR UPDATE",
        {"id": job_id, "kind": kind, "most": MOST_REPLAYED},
    )
    dead = [id for (id,) in await cursor.fetchall()]
    cursor = await connection.execute(
        "WITH replayed AS ("
        " UPDATE jobs SET state = 'replayed', ended_by = %(by)s, done_at = now()"
        " WHERE id = ANY(%(dead)s) RETURNING *)"
        " INSERT INTO jobs (id, organisation_id, kind, payload, key, batch_id, place, user_id, requested_by,"
        " replayed_from)"
        " SELECT new.id, organisation_id, kind, payload, 'replay:' || replayed.id, batch_id, place, user_id,"
        " requested_by, replayed.id"
        " FROM replayed JOIN unnest(%(dead)s::uuid[], %(new)s::uuid[]) AS new(dead, id)"
        " ON new.dead = replayed.id RETURNING id",
        {"by": replayed_by, "dead": dead, "new": [new_id() for _ in dead]},
    )
    ids = [id for (id,) in await cursor.fetchall()]
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
    return ids


async def list_batches(
    connection: AsyncConnection,
    *,
    batch_id: uuid.UUID | None = None,
    key: str | None = None,
    requested_by: str | None = None,
    before: uuid.UUID | None = None,
    most: int = 1,
) -> list[Batch]:
    """The batches of the organisation, the newest first: that with an id or a key, those of a requester, or
    those that are older than `before`.
    """
    cursor = connection.cursor(row_factory=class_row(Batch))
    await cursor.execute(
        "SELECT b.id, b.requested_by, b.messages, b.created_at,"
        " count(*) FILTER (WHERE state = 'waiting') AS waiting,"
        " count(*) FILTER (WHERE state = 'running') AS running,"
        " count(*) FILTER (WHERE state = 'done') AS done,"
        " count(*) FILTER (WHERE state = 'dead') AS dead,"
        " count(*) FILTER (WHERE state = 'cancelled') AS cancelled"
        " FROM (SELECT * FROM job_batches WHERE (%(id)s::uuid IS NULL OR id = %(id)s)"
        " AND (%(key)s::text IS NULL OR key = %(key)s)"
        " AND (%(by)s::text IS NULL OR requested_by = %(by)s)"
        " AND (%(before)s::uuid IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(most)s) b"
        " LEFT JOIN jobs ON jobs.batch_id = b.id"
        " GROUP BY b.id, b.requested_by, b.messages, b.created_at ORDER BY b.id DESC",
        {"id": batch_id, "key": key, "by": requested_by, "before": before, "most": most},
    )
    return await cursor.fetchall()


async def list_jobs(
    connection: AsyncConnection,
    *,
    job_id: uuid.UUID | None = None,
    requested_by: str | None = None,
    states: Collection[State] = tuple(State),
    batch_id: uuid.UUID | None = None,
    before: uuid.UUID | None = None,
    most: int = 1,
) -> list[ListedJob]:
    """The jobs of the organisation, the newest first: that with an id, those of a requester, of a batch, in
    these states, or those that are older than `before`.
    """
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT id, kind, state, attempts, available_at, errors, batch_id, place, requested_by,"
        " replayed_from, ended_by, created_at, done_at FROM jobs"
        " WHERE state = ANY(%(states)s) AND (%(id)s::uuid IS NULL OR id = %(id)s)"
        " AND (%(by)s::text IS NULL OR requested_by = %(by)s)"
        " AND (%(batch)s::uuid IS NULL OR batch_id = %(batch)s)"
        " AND (%(before)s::uuid IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(most)s",
        {
            "id": job_id,
            "states": list(states),
            "by": requested_by,
            "batch": batch_id,
            "before": before,
            "most": most,
        },
    )
    return [_list_job(row) for row in await cursor.fetchall()]


def _list_job(row: dict[str, Any]) -> ListedJob:
    errors = []
    for error in row.pop("errors"):
        reasons = load(error["reasons"])
        at = datetime.fromisoformat(error["at"])
        errors.append(FailedAttempt(error["attempt"], at, render(reasons), reasons))
    return ListedJob(kind=Kind(row.pop("kind")), state=State(row.pop("state")), errors=errors, **row)


async def read_outcomes(
    connection: AsyncConnection, batch_id: uuid.UUID, after: int = -1, most: int = _READ_AT_ONCE
) -> list[Outcome]:
    """The outcomes of a batch's messages in the order of their places, after a place."""
    cursor = await connection.execute(
        "SELECT place, state, result, errors -> -1 -> 'reasons' FROM jobs"
        " WHERE batch_id = %s AND place > %s AND state <> 'replayed' ORDER BY place LIMIT %s",
        (batch_id, after, most),
    )
    return [
        Outcome(place, state, result, load(reasons) if reasons and state != State.DONE else [])
        for place, state, result, reasons in await cursor.fetchall()
    ]


async def store_file(connection: AsyncConnection, job: ClaimedJob, parts: Sequence[bytes]) -> None:
    """Store the file that a job has made, in the transaction that finishes the job."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO job_files (job_id, part, organisation_id, content) VALUES (%s, %s, %s, %s)",
            [(job.id, number, job.organisation_id, part) for number, part in enumerate(parts)],
        )


async def read_file(connection: AsyncConnection, job_id: uuid.UUID, part: int) -> bytes | None:
    """A part of the file of a job, from 0; None when it has no such part."""
    cursor = await connection.execute(
        "SELECT content FROM job_files WHERE job_id = %s AND part = %s", (job_id, part)
    )
    row = await cursor.fetchone()
    return bytes(row[0]) if row else None


async def count(connection: AsyncConnection) -> list[Count]:
    """The open and the dead jobs of all organisations."""
    cursor = connection.cursor(row_factory=class_row(Count))
    await cursor.execute("SELECT * FROM count_jobs()")
    return await cursor.fetchall()


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
