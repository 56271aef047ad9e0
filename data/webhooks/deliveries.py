"""The log of deliveries: jobs of the kind `webhook`, kept as long as other jobs. One can be sent again.

Every function needs a transaction that names the organisation (`data.database.speak_for`).
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from pydantic import Field

from data.fields import Id, Time
from data.jobs import changes, listing, queue
from data.jobs.changes import JobAction
from data.jobs.listing import FailedAttempt
from data.jobs.queue import Kind, NewJob, State
from data.tables import LAST_ID
from data.webhooks import events
from data.webhooks.events import EventType


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery of an event to a webhook: the failed attempts, and the receiver's status and time when one
    arrived. A done delivery without a status had nothing left to send: an erasure deleted it.
    """

    id: Annotated[Id, Field(description="the delivery")]
    event_id: Annotated[
        Id, Field(description="the event; all its deliveries have it as their header `webhook-id`")
    ]
    type: EventType
    state: State
    created_at: Annotated[Time, Field(description="when the event happened, or the delivery was replayed")]
    available_at: Annotated[Time, Field(description="when it is sent next")]
    attempts: Annotated[int, Field(description="attempts that have begun", examples=[1])]
    errors: Annotated[list[FailedAttempt], Field(description="the failed attempts, the oldest first")]
    status: Annotated[
        int | None, Field(description="HTTP status of the receiver's answer; null before", examples=[204])
    ]
    duration_ms: Annotated[
        float | None, Field(description="milliseconds until that answer; null before", examples=[12.5])
    ]
    done_at: Annotated[
        Time | None, Field(description="when it ended; null before", examples=["2026-11-28T09:30:01Z"])
    ]
    replayed_from: Annotated[
        Id | None,
        Field(description="the delivery that this one repeats; null for a first one", examples=[None]),
    ]


async def list_some(
    connection: AsyncConnection,
    webhook_id: uuid.UUID,
    *,
    delivery_id: uuid.UUID | None = None,
    states: Collection[State] = tuple(State),
    types: Collection[EventType] = tuple(EventType),
    before: uuid.UUID | None = None,
    most: int = 1,
) -> list[Delivery]:
    """The deliveries to a webhook, the newest first: that with an id, those in these states and of events of
    these types, or those that are older than `before`.
    """
    listed = await _read(
        connection, [webhook_id], id=delivery_id, states=states, types=types, before=before, most=most
    )
    return listed[webhook_id]


async def list_newest(
    connection: AsyncConnection, webhook_ids: Collection[uuid.UUID], *, most: int
) -> dict[uuid.UUID, list[Delivery]]:
    """The newest deliveries to each of some webhooks, `most` of each, by webhook and the newest first."""
    return await _read(connection, webhook_ids, most=most)


async def _read(
    connection: AsyncConnection,
    webhook_ids: Collection[uuid.UUID],
    *,
    id: uuid.UUID | None = None,
    states: Collection[State] = tuple(State),
    types: Collection[EventType] = tuple(EventType),
    before: uuid.UUID | None = None,
    most: int,
) -> dict[uuid.UUID, list[Delivery]]:
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT wanted.webhook_id, newest.* FROM unnest(%(webhooks)s::uuid[]) AS wanted (webhook_id)"
        " CROSS JOIN LATERAL ("
        "   SELECT id, payload ->> 'event_id' AS event_id, payload ->> 'type' AS type, state, created_at,"
        "   available_at, attempts, errors, (result ->> 'status')::int AS status,"
        "   (result ->> 'duration_ms')::float8 AS duration_ms, done_at, replayed_from FROM jobs"
        "   WHERE webhook_id = wanted.webhook_id AND state = ANY(%(states)s)"
        "   AND payload ->> 'type' = ANY(%(types)s) AND (%(id)s::uuid IS NULL OR id = %(id)s)"
        "   AND id < coalesce(%(before)s, %(last)s) ORDER BY id DESC LIMIT %(most)s"
        " ) AS newest ORDER BY newest.id DESC",
        {
            "webhooks": list(webhook_ids),
            "states": list(states),
            "types": list(types),
            "id": id,
            "before": before,
            "last": LAST_ID,
            "most": most,
        },
    )
    by_webhook: dict[uuid.UUID, list[Delivery]] = {webhook_id: [] for webhook_id in webhook_ids}
    for row in await cursor.fetchall():
        by_webhook[row.pop("webhook_id")].append(
            Delivery(
                event_id=uuid.UUID(row.pop("event_id")),
                type=EventType(row.pop("type")),
                state=State(row.pop("state")),
                errors=listing.read_errors(row.pop("errors")),
                **row,
            )
        )
    return by_webhook


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
    await changes.record(
        connection, sent_by, JobAction.REPLAYED, Kind.WEBHOOK, 1, job_id=delivery_id, webhook_id=webhook_id
    )
    return new_id


async def send_dead_again(
    connection: AsyncConnection, sent_by: str, webhook_id: uuid.UUID
) -> list[uuid.UUID]:
    """Enqueue the dead deliveries to a webhook again, the oldest first, at most `queue.MOST_REPLAYED`; the
    new ids.
    """
    return await queue.replay(connection, sent_by, webhook_id=webhook_id)
