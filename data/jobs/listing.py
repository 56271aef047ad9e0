"""Reads the queue: batches and their progress, outcomes of messages, jobs and their failed attempts, counts.

Apart from `count`, each function needs a transaction that names the organisation (`data.database.speak_for`).
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row
from pydantic import Field

from data.fields import Id, RequestedBy, Time
from data.jobs.queue import Kind, State
from data.reasons import Reason, load, render
from data.tables import LAST_ID

_READ_AT_ONCE = 500  # outcomes of a batch in one round trip


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that one request gave to the queue, and how many of them are in each state."""

    id: Annotated[Id, Field(description="the batch")]
    requested_by: RequestedBy
    messages: Annotated[int, Field(description="number of messages in the request", examples=[2])]
    created_at: Annotated[Time, Field(description="when it was accepted")]
    waiting: Annotated[int, Field(description="messages that wait for a worker", examples=[1])]
    running: Annotated[int, Field(description="messages that a worker rewrites now", examples=[0])]
    done: Annotated[int, Field(description="messages that are rewritten", examples=[1])]
    dead: Annotated[int, Field(description="messages that were given up after all attempts", examples=[0])]
    cancelled: Annotated[int, Field(description="messages that will not be rewritten", examples=[0])]


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """Why an attempt failed: `reasons`, and in English `reason`."""

    attempt: Annotated[int, Field(description="number of the attempt, from 1", examples=[1])]
    at: Annotated[Time, Field(description="when it failed")]
    reason: Annotated[
        str,
        Field(description="`reasons` in English", examples=["The version v1 cannot answer at the moment."]),
    ]
    reasons: Annotated[list[Reason], Field(description="codes and values of the reason")]


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job without its payload. `available_at` is when it is tried next; while it runs, its lease's end."""

    id: Annotated[Id, Field(description="the job")]
    kind: Kind
    state: State
    attempts: Annotated[int, Field(description="attempts that have begun", examples=[1])]
    available_at: Annotated[
        Time, Field(description="when it is tried next; while it runs, when its worker loses it")
    ]
    errors: Annotated[list[FailedAttempt], Field(description="the failed attempts, the oldest first")]
    batch_id: Annotated[Id | None, Field(description="the batch of a message; null for other jobs")]
    place: Annotated[
        int | None,
        Field(description="place of a message in its batch, from 0; null for other jobs", examples=[0]),
    ]
    requested_by: RequestedBy
    replayed_from: Annotated[
        Id | None,
        Field(description="the dead job that this one repeats; null for a first try", examples=[None]),
    ]
    ended_by: Annotated[
        str | None,
        Field(
            description="who cancelled or replayed it; null for a job that ended by itself", examples=[None]
        ),
    ]
    created_at: Annotated[Time, Field(description="when it was requested")]
    done_at: Annotated[
        Time | None, Field(description="when it ended; null before", examples=["2026-11-28T09:30:04Z"])
    ]


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
    states: Collection[State] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    before: uuid.UUID | None = None,
    most: int = 1,
) -> list[Batch]:
    """The batches of the organisation, the newest first: that with an id or a key, those with some ids, those
    of a requester, those with a message in one of these states, those that were accepted from `since` on and
    before `until`, or those that are older than `before`.
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
        " AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)"
        " AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)"
        " AND (%(states)s::text[] IS NULL OR EXISTS (SELECT FROM jobs j"
        " WHERE j.batch_id = job_batches.id AND j.state = ANY(%(states)s)))"
        " AND id < coalesce(%(before)s, %(last)s) ORDER BY id DESC LIMIT %(most)s) b"
        " LEFT JOIN jobs ON jobs.batch_id = b.id"
        " GROUP BY b.id, b.requested_by, b.messages, b.created_at ORDER BY b.id DESC",
        {
            "id": batch_id,
            "ids": None if batch_ids is None else list(batch_ids),
            "key": key,
            "by": requested_by,
            "states": list(states) or None,
            "since": since,
            "until": until,
            "before": before,
            "last": LAST_ID,
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
    kinds: Collection[Kind] = tuple(Kind),
    batch_id: uuid.UUID | None = None,
    before: uuid.UUID | None = None,
    most: int = 1,
) -> list[ListedJob]:
    """The jobs of the organisation, the newest first: that with an id, those of a requester, of a batch, in
    these states, of these kinds, or those that are older than `before`.
    """
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT id, kind, state, attempts, available_at, errors, batch_id, place, requested_by,"
        " replayed_from, ended_by, created_at, done_at FROM jobs"
        " WHERE state = ANY(%(states)s) AND kind = ANY(%(kinds)s)"
        " AND (%(id)s::uuid IS NULL OR id = %(id)s)"
        " AND (%(by)s::text IS NULL OR requested_by = %(by)s)"
        " AND (%(batch)s::uuid IS NULL OR batch_id = %(batch)s)"
        " AND id < coalesce(%(before)s, %(last)s) ORDER BY id DESC LIMIT %(most)s",
        {
            "id": job_id,
            "states": list(states),
            "kinds": list(kinds),
            "by": requested_by,
            "batch": batch_id,
            "before": before,
            "last": LAST_ID,
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


async def read_result(
    connection: AsyncConnection, job_id: uuid.UUID, user_id: uuid.UUID
) -> tuple[State, Mapping[str, Any] | None] | None:
    """The state and the result of a person's job; None when they have no such job."""
    cursor = await connection.execute(
        "SELECT state, result FROM jobs WHERE id = %s AND user_id = %s", (job_id, user_id)
    )
    row = await cursor.fetchone()
    return None if row is None else (State(row[0]), row[1])


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
