"""What other tools have sent, as jobs of the queue. The same request becomes one job, however often it comes.

Each function needs a transaction that names the organisation (`data.database.speak_for`).
"""

import json
import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict

from data.inbound.endpoints import Endpoint
from data.jobs import queue
from data.jobs.queue import Kind, NewJob
from data.records import Intensity, TransformType


class Message(BaseModel):
    """A message to rewrite, as it is in the queue. Once it is rewritten, `answer` is what the gateway
    answered, without the receipt: further attempts deliver the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint_id: uuid.UUID
    text: str
    transform_type: TransformType
    intensity: Intensity
    answer: dict[str, Any] | None = None


class Event(NamedTuple):
    """What makes two requests the same: the tool's id of what happened, or else the body. Bodies are compared
    for a while only, since a tool may say the same again.
    """

    digest: str
    is_named: bool


def event_of(name: str | None, body: bytes) -> Event:
    """The event with a name, or without one of a body."""
    digested = body if name is None else name.encode("utf-8", "replace")
    return Event(sha256(digested).hexdigest(), name is not None)


async def lock(connection: AsyncConnection, endpoint: Endpoint) -> bool:
    """Wait for other requests of the same inbound webhook, until the transaction ends; so they are counted,
    and the same one is seen. False when the inbound webhook was deleted meanwhile.
    """
    cursor = await connection.execute("SELECT FROM inbound_webhooks WHERE id = %s FOR UPDATE", (endpoint.id,))
    return await cursor.fetchone() is not None


async def find(
    connection: AsyncConnection, endpoint: Endpoint, event: Event, once_s: float
) -> uuid.UUID | None:
    """The job of an event that came before; None when there is none. An event without a name is the same for
    `once_s` seconds. The endpoint is locked.
    """
    window = await _read_window(connection, once_s)
    keys = [_key(endpoint, event, number) for number in (window, window - 1)]
    cursor = await connection.execute(
        "SELECT id FROM jobs WHERE organisation_id = %s AND kind = %s AND key = ANY(%s)"
        " AND (%s OR created_at > clock_timestamp() - make_interval(secs => %s)) ORDER BY id DESC LIMIT 1",
        (endpoint.organisation_id, Kind.INBOUND.value, keys, event.is_named, once_s),
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def count_open(connection: AsyncConnection, endpoint: Endpoint, most: int) -> int:
    """The messages of an inbound webhook that wait or run, counted up to `most`."""
    cursor = await connection.execute(
        "SELECT count(*) FROM (SELECT FROM jobs WHERE user_id = %s AND kind = 'inbound'"
        " AND state IN ('waiting', 'running') LIMIT %s) open_jobs",
        (endpoint.user_id, most),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def enqueue(
    connection: AsyncConnection, endpoint: Endpoint, event: Event, once_s: float, text: str
) -> uuid.UUID:
    """Enqueue a message, which `find` did not find; the id of its job. The endpoint is locked."""
    message = Message(
        endpoint_id=endpoint.id,
        text=text,
        transform_type=endpoint.transform_type,
        intensity=endpoint.intensity,
    )
    job = NewJob(
        Kind.INBOUND,
        message.model_dump(mode="json", exclude_none=True),
        _key(endpoint, event, await _read_window(connection, once_s)),
        user_id=endpoint.user_id,
    )
    (id,) = await queue.enqueue(connection, endpoint.organisation_id, f"api_key:{endpoint.key_id}", [job])
    return id


async def keep_answers(connection: AsyncConnection, answers: Mapping[uuid.UUID, Mapping[str, Any]]) -> None:
    """Keep what the gateway answered to messages that are not delivered yet, by job."""
    for id, answer in answers.items():
        await connection.execute(
            "UPDATE jobs SET payload = payload || jsonb_build_object('answer', %s::jsonb)"
            " WHERE id = %s AND state IN ('waiting', 'dead')",
            (json.dumps(answer), id),
        )


async def _read_window(connection: AsyncConnection, once_s: float) -> int:
    """The number of the present window: each lasts `once_s` seconds. The clock is Postgres's, which all
    processes share.
    """
    cursor = await connection.execute(
        "SELECT floor(extract(epoch FROM clock_timestamp()) / %s)::bigint", (once_s,)
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def _key(endpoint: Endpoint, event: Event, window: int) -> str:
    kind = "event" if event.is_named else f"body:{window}"
    return f"{endpoint.id}:{kind}:{event.digest}"
