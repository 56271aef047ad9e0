"""The queue as the page on operations shows it: jobs by kind and state, dead jobs, batches in progress.

Payloads and results are never read, since they have people's messages.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from data import database
from data.reasons import Reason, load

LATE_S = 60.0  # that a job is due, after which the page asks whether a worker runs
_MOST_LISTED = 50


class KindRow(NamedTuple):
    """The jobs of a kind, of all organisations. `oldest_s` is how long the oldest waiting job has been due;
    None when none is.
    """

    kind: str
    waiting: int
    running: int
    dead: int
    oldest_s: float | None


class Attempt(NamedTuple):
    """A failed attempt of a job."""

    number: int
    at: datetime
    reasons: Sequence[Reason]


class DeadJob(NamedTuple):
    """A dead job; `email` is that of the account that requested it, if an account did and still exists."""

    id: uuid.UUID
    kind: str
    created_at: datetime
    requested_by: str
    email: str | None
    attempts: int
    errors: Sequence[Attempt]


class OpenBatch(NamedTuple):
    """A batch that has messages waiting or running."""

    id: uuid.UUID
    created_at: datetime
    requested_by: str
    email: str | None
    messages: int
    waiting: int
    running: int
    done: int
    dead: int

    @property
    def ended(self) -> int:
        """How many messages neither wait nor run."""
        return self.messages - self.waiting - self.running

    @property
    def share(self) -> float:
        """The share of these in whole per cent, rounded down: 1 only when all have ended."""
        return 100 * self.ended // self.messages / 100


@dataclass(frozen=True, slots=True)
class Queue:
    """`kinds` is of all organisations. All else is of one: its newest dead jobs, the number of all of them by
    kind, and its newest batches in progress.
    """

    kinds: Sequence[KindRow]
    dead: Sequence[DeadJob]
    dead_by_kind: Mapping[str, int]
    batches: Sequence[OpenBatch]

    @property
    def is_late(self) -> bool:
        """Whether a job has been due for so long that perhaps no worker runs."""
        return any(row.oldest_s is not None and row.oldest_s > LATE_S for row in self.kinds)


_KINDS = "SELECT kind, state, jobs, oldest_s FROM count_jobs() ORDER BY kind"

_DEAD = """
    SELECT j.id, j.kind, j.created_at, j.requested_by, a.email, j.attempts, j.errors
    FROM jobs j LEFT JOIN accounts a ON j.requested_by = 'account:' || a.id
    WHERE j.state = 'dead' ORDER BY j.id DESC LIMIT :most
"""

_DEAD_BY_KIND = "SELECT kind, count(*) FROM jobs WHERE state = 'dead' GROUP BY kind ORDER BY kind"

# Most jobs are done, so these are not read: their number is what the others leave. It includes erased ones.
_BATCHES = """
    WITH n AS MATERIALIZED (
        SELECT batch_id, count(*) FILTER (WHERE state = 'waiting') AS waiting,
            count(*) FILTER (WHERE state = 'running') AS running,
            count(*) FILTER (WHERE state = 'dead') AS dead,
            count(*) FILTER (WHERE state = 'cancelled') AS cancelled
        FROM jobs WHERE state IN ('waiting', 'running', 'dead', 'cancelled') AND batch_id IS NOT NULL
        GROUP BY batch_id
    )
    SELECT b.id, b.created_at, b.requested_by, a.email, b.messages, n.waiting, n.running,
        b.messages - n.waiting - n.running - n.dead - n.cancelled AS done, n.dead
    FROM n JOIN job_batches b ON b.id = n.batch_id LEFT JOIN accounts a ON b.requested_by = 'account:' || a.id
    WHERE n.waiting + n.running > 0 ORDER BY b.id DESC LIMIT :most
"""


def read(session: Session, organisation_id: uuid.UUID) -> Queue:
    """The queue for a reader of this organisation."""
    database.read_for(session, organisation_id)
    most = {"most": _MOST_LISTED}
    return Queue(
        kinds=_count(session),
        dead=[_make_dead_job(*row) for row in session.execute(text(_DEAD), most)],
        dead_by_kind={kind: jobs for kind, jobs in session.execute(text(_DEAD_BY_KIND))},  # noqa: C416
        batches=[OpenBatch(*row) for row in session.execute(text(_BATCHES), most)],
    )


def _count(session: Session) -> list[KindRow]:
    rows: dict[str, KindRow] = {}
    for kind, state, jobs, oldest_s in session.execute(text(_KINDS)):
        row = rows.get(kind, KindRow(kind, 0, 0, 0, None))
        rows[kind] = row._replace(**{state: jobs}, oldest_s=row.oldest_s if oldest_s is None else oldest_s)
    return list(rows.values())


def _make_dead_job(
    id: uuid.UUID,
    kind: str,
    created_at: datetime,
    requested_by: str,
    email: str | None,
    attempts: int,
    errors: Sequence[Mapping[str, object]],
) -> DeadJob:
    failed = [
        Attempt(int(str(error["attempt"])), datetime.fromisoformat(str(error["at"])), load(error["reasons"]))
        for error in errors
    ]
    return DeadJob(id, kind, created_at, requested_by, email, attempts, failed)
