"""Work orders: people and operators ask for an erasure, of a person or of one of their outputs, and a process
with access to every store carries it out.

A work order has three states. Nothing is removed yet; the person's rows are removed (`purged_at`), and copies
of them may be left in snapshots; all is done (`finished_at`). From the order on, no vote of the person is
accepted, and their feedback trains nothing; if it is about one output, this holds for votes on it. The
functions `request_erasure` (migration 0041) and `request_output_erasure` (migration 0050) store an order, and
a notice on `CHANNEL` tells of it. This module is light, since gateways import it.
"""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from psycopg import AsyncConnection, Connection
from psycopg.rows import class_row

from data.tables import LAST_ID

CHANNEL = "tonebridge:erasures"

State = Literal["waiting", "history_removed", "finished"]

_NO_ORGANISATION = uuid.UUID(int=0)


class WorkOrder(NamedTuple):
    """An erasure that is not finished, of a person or of one of their outputs."""

    id: uuid.UUID
    organisation_id: uuid.UUID
    user_id: uuid.UUID
    is_of_one_output: bool = False


class OwnErasure(NamedTuple):
    """An erasure as its person sees it. `versions_left` are versions that were trained on the person, and
    have neither been replaced nor removed yet.
    """

    id: uuid.UUID
    requested_at: datetime
    purged_at: datetime | None
    finished_at: datetime | None
    counts: Mapping[str, Any]
    versions_left: int

    @property
    def state(self) -> State:
        """How far it is."""
        if self.finished_at is not None:
            return "finished"
        return "waiting" if self.purged_at is None else "history_removed"


class Count(NamedTuple):
    """The erasures of all organisations in a state: how many, and the seconds since the oldest was requested,
    0 when there is none.
    """

    state: State
    erasures: int
    oldest_s: float


async def request(connection: AsyncConnection, user_id: uuid.UUID, key_id: str | None) -> uuid.UUID:
    """Store the work order of a person who keeps their account, or find the one that is not finished; its id.

    `key_id` is the API key that names the person. It needs a transaction that names the organisation
    (`data.database.speak_for`).
    """
    cursor = await connection.execute("SELECT request_erasure(%s, %s, true)", (user_id, key_id))
    row = await cursor.fetchone()
    assert row is not None, user_id
    return uuid.UUID(str(row[0]))


async def request_one(connection: AsyncConnection, user_id: uuid.UUID, answer_id: uuid.UUID) -> bool:
    """Store the work order of a person who wants the output of one of their answers forgotten; False when
    there is no such answer, or it is ordered already. It needs a transaction that names the organisation.
    """
    cursor = await connection.execute("SELECT request_output_erasure(%s, %s)", (user_id, answer_id))
    row = await cursor.fetchone()
    return row is not None and row[0] is not None


async def list_own(
    connection: AsyncConnection, user_id: uuid.UUID, *, before: uuid.UUID | None, most: int
) -> list[OwnErasure]:
    """The erasures of a person, the newest first; of a page those before an id. It needs a transaction that
    names the organisation.
    """
    cursor = await connection.cursor(row_factory=class_row(OwnErasure)).execute(
        "SELECT id, requested_at, purged_at, finished_at, counts, versions_left FROM own_erasures"
        " WHERE user_id = %s AND id < coalesce(%s, %s) ORDER BY id DESC LIMIT %s",
        (user_id, before, LAST_ID, most),
    )
    return await cursor.fetchall()


async def count_open(connection: AsyncConnection) -> list[Count]:
    """Count the erasures that are not finished, by their states."""
    cursor = connection.cursor(row_factory=class_row(Count))
    await cursor.execute(
        "SELECT s.state, count(user_id) AS erasures,"
        " coalesce(extract(epoch FROM now() - min(requested_at)), 0)::float AS oldest_s"
        " FROM (VALUES ('waiting', false), ('history_removed', true)) AS s(state, is_purged)"
        " LEFT JOIN (SELECT user_id, requested_at, purged_at FROM erasures WHERE finished_at IS NULL"
        " UNION ALL SELECT user_id, requested_at, purged_at FROM output_erasures WHERE finished_at IS NULL"
        ") AS e ON (purged_at IS NOT NULL) = s.is_purged"
        " GROUP BY s.state"
    )
    return await cursor.fetchall()


def find_next(
    connection: Connection,
    is_purged: bool,
    after: uuid.UUID = _NO_ORGANISATION,
    without: Collection[uuid.UUID] = (),
) -> WorkOrder | None:
    """The next order whose rows are removed, or are not yet; None when there is none but those in `without`.

    Organisations take turns in the order of their ids, beginning with the one that follows `after`: so one
    with a thousand orders does not keep the others waiting.
    """
    cursor = connection.cursor(row_factory=class_row(WorkOrder))
    return cursor.execute(
        "SELECT id, organisation_id, user_id, is_of_one_output FROM ("
        " SELECT id, organisation_id, user_id, purged_at, false AS is_of_one_output FROM erasures"
        " WHERE finished_at IS NULL"
        " UNION ALL SELECT id, organisation_id, user_id, purged_at, true FROM output_erasures"
        " WHERE finished_at IS NULL) AS orders"
        " WHERE (purged_at IS NOT NULL) = %s AND id <> ALL(%s)"
        " ORDER BY organisation_id <= %s, organisation_id, id LIMIT 1",
        (is_purged, list(without), after),
    ).fetchone()
