"""Reads the queue: batches and their progress, outcomes of messages, jobs and their failed attempts, counts.

Apart from `count`, each function needs a transaction that names the organisation (`data.database.speak_for`).
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row

from data.jobs.queue import Kind, State
from data.reasons import Reason, load, render

_READ_AT_ONCE = 500  # outcomes of a batch in one round trip


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


async def list_batches(
    connection: AsyncConnection,
    *,
    batch_id: uuid.UUID | None = None,
    batch_ids: Collection[uuid.UUID] | None = None,
    key: str | None = None,
    requested_by: str | None = None,
    before: uuid.UUID | None = None,
    most: int = 1,
) -> list[Batch]:
    """The batches of the organisation, the newest first: that with an id or a key, those with some ids, those
    of a requester, or those that are older than `before`.
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
        " AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s))"
        " AND (%(key)s::text IS NULL OR key = %(key)s)"
        " AND (%(by)s::text IS NULL OR requested_by = %(by)s)"
        " AND (%(before)s::uuid IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(most)s) b"
        " LEFT JOIN jobs ON jobs.batch_id = b.id"
        " GROUP BY b.id, b.requested_by, b.messages, b.created_at ORDER BY b.id DESC",
        {
            "id": batch_id,
            "ids": None if batch_ids is None else list(batch_ids),
            "key": key,
            "by": requested_by,
            "before": before,
            "most": most,
        },
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
    errors = read_errors(row.pop("errors"))
    return ListedJob(kind=Kind(row.pop("kind")), state=State(row.pop("state")), errors=errors, **row)


def read_errors(stored: Sequence[Mapping[str, Any]]) -> list[FailedAttempt]:
    """The failed attempts in the column `errors` of a job."""
    errors = []
    for error in stored:
        reasons = load(error["reasons"])
        at = datetime.fromisoformat(error["at"])
        errors.append(FailedAttempt(error["attempt"], at, render(reasons), reasons))
    return errors


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
