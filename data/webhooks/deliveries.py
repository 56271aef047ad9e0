"""The log of deliveries: jobs of the kind `webhook`, kept as long as other jobs. One can be sent again.

Every function needs a transaction that names the organisation (`data.database.speak_for`).
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from data.jobs import listing, queue
from data.jobs.listing import FailedAttempt
from data.jobs.queue import Kind, NewJob, State
from data.webhooks import events
from data.webhooks.events import EventType


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery of an event to a webhook: the failed attempts, and the receiver's status and time when one
    arrived. A done delivery without a status had nothing left to send: an erasure deleted it.
    """

    id: uuid.UUID
    event_id: uuid.UUID
    type: EventType
    state: State
    created_at: datetime
    available_at: datetime
    attempts: int
    errors: list[FailedAttempt]
    status: int | None
    duration_ms: float | None
    done_at: datetime | None
    replayed_from: uuid.UUID | None


async def list_some(
    connection: AsyncConnection,
    webhook_id: uuid.UUID,
    *,
    delivery_id: uuid.UUID | None = None,
    states: Collection[State] = tuple(State),
    before: uuid.UUID | None = None,
    most: int = 1,
) -> list[Delivery]:
    """The deliveries to a webhook, the newest first: that with an id, those in these states, or those that
    are older than `before`.
    """
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT id, payload ->> 'event_id' AS event_id, payload ->> 'type' AS type, state, created_at,"
        " available_at, attempts, errors, (result ->> 'status')::int AS status,"
        " (result ->> 'duration_ms')::float8 AS duration_ms, done_at, replayed_from FROM jobs"
        " WHERE webhook_id = %(webhook)s AND state = ANY(%(states)s)"
        " AND (%(id)s::uuid IS NULL OR id = %(id)s) AND (%(before)s::uuid IS NULL OR id < %(before)s)"
        " ORDER BY id DESC LIMIT %(most)s",
        {
            "webhook": webhook_id,
            "states": list(states),
            "id": delivery_id,
            "before": before,
            "most": most,
        },
    )
    return [
        Delivery(
            event_id=uuid.UUID(row.pop("event_id")),
            type=EventType(row.pop("type")),
            state=State(row.pop("state")),
            errors=listing.read_errors(row.pop("errors")),
            **row,
        )
        for row in await cursor.fetchall()
    ]


async def send_test(
    connection: AsyncConnection, organisation_id: uuid.UUID, requested_by: str, webhook_id: uuid.UUID
) -> uuid.UUID:
    """Enqueue an event that tries the webhook; the id of its delivery."""
    event = events.make_test(datetime.now(UTC))
    job = NewJob(Kind.WEBHOOK, event.encode(), f"{event.id}:{webhook_id}", webhook_id=webhook_id)
    (delivery_id,) = await queue.enqueue(connection, organisation_id, requested_by, [job])
    return delivery_id


async def send_again(
    connection: AsyncConnection, sent_by: str, webhook_id: uuid.UUID, delivery_id: uuid.UUID
) -> uuid.UUID | None:
    """Enqueue an ended delivery again, with the same event; the new id. None when it has not ended, or was
    replayed already.
    """
    cursor = await connection.execute(
        "SELECT state, organisation_id, payload FROM jobs WHERE id = %s AND webhook_id = %s FOR UPDATE",
        (delivery_id, webhook_id),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    state, organisation_id, payload = row
    if state == State.DEAD:
        (new_id,) = await queue.replay(connection, sent_by, job_id=delivery_id)
        return new_id
    if state != State.DONE:
        return None
    job = NewJob(Kind.WEBHOOK, payload, f"again:{uuid.uuid4()}", webhook_id=webhook_id)
    (new_id,) = await queue.enqueue(connection, organisation_id, sent_by, [job])
    return new_id


async def send_dead_again(
    connection: AsyncConnection, sent_by: str, webhook_id: uuid.UUID
) -> list[uuid.UUID]:
    """Enqueue the dead deliveries to a webhook again, the oldest first, at most `queue.MOST_REPLAYED`; the
    new ids.
    """
    return await queue.replay(connection, sent_by, webhook_id=webhook_id)
