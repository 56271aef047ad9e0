"""The webhooks of an organisation: which address hears of which events, and whether it can be reached.

Every function needs a transaction that names the organisation (`data.database.speak_for`).
"""

import base64
import secrets
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb
from pydantic import Field

from data.fields import Id, RequestedBy, Time
from data.reasons import Reason, ReasonedError, render
from data.tables import LAST_ID, new_id
from data.webhooks.events import EventType

_SECRET_BYTES = 32  # Standard Webhooks: 24 to 64
_PREFIX = "whsec_"
GAP = timedelta(days=2)  # without an attempt; longer than any wait between two attempts of a delivery


class TooManyWebhooksError(ReasonedError):
    """The organisation has as many webhooks as it may have."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook without its secrets. It is `disabled_at` a time by a person, or by itself for a
    `disabled_reason`, in English `disabled_because`. `skipped` events were not enqueued for it, since too
    many deliveries waited.
    """

    id: Annotated[Id, Field(description="the webhook")]
    url: Annotated[
        str, Field(description="where events are sent", examples=["https://hooks.example.com/tonebridge"])
    ]
    events: Annotated[list[EventType], Field(description="the events that are sent")]
    description: Annotated[str, Field(description="your words for it", examples=["the reporting server"])]
    created_by: RequestedBy
    created_at: Annotated[Time, Field(description="when it was made")]
    waiting: Annotated[int, Field(description="deliveries that are not sent yet", examples=[0])]
    failing_since: Annotated[
        Time | None,
        Field(
            description="when the first of the newest failed attempts was; null: the newest one arrived",
            examples=[None],
        ),
    ]
    failures: Annotated[int, Field(description="failed attempts since the last that arrived", examples=[0])]
    skipped: Annotated[
        int, Field(description="events that were not sent, as too many deliveries waited", examples=[0])
    ]
    disabled_at: Annotated[
        Time | None, Field(description="since when nothing is sent; null: it is enabled", examples=[None])
    ]
    disabled_because: Annotated[
        str | None, Field(description="`disabled_reason` in English", examples=[None])
    ]
    disabled_reason: Annotated[
        Reason | None,
        Field(description="why it was disabled by itself; null when a person did it", examples=[None]),
    ]
    former_secret_until: Annotated[
        Time | None,
        Field(description="until when the former secret signs, too; null when it does not", examples=[None]),
    ]


class Target(NamedTuple):
    """Where deliveries go to, and the secrets that sign them. Nothing is sent for `pause_s` seconds."""

    id: uuid.UUID
    url: str
    secrets: Sequence[bytes]
    is_disabled: bool
    pause_s: float
    failures: int


class Health(NamedTuple):
    """What a list of deliveries showed of a webhook: whether one arrived, for how long to send nothing, and
    why to disable it at once, if it is.
    """

    webhook_id: uuid.UUID
    has_delivered: bool
    pause_s: float
    disabled_reason: Reason | None


def write_secret(secret: bytes) -> str:
    """A secret in the form of Standard Webhooks, which its libraries read."""
    return _PREFIX + base64.b64encode(secret).decode()


async def create(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    created_by: str,
    url: str,
    events: Sequence[EventType],
    description: str,
    most: int,
) -> tuple[uuid.UUID, str]:
    """Create a webhook; its id and secret. Raises TooManyWebhooksError when there are `most`. Two that are
    created at the same moment may exceed that together.
    """
    cursor = await connection.execute("SELECT count(*) FROM webhooks")
    row = await cursor.fetchone()
    assert row is not None
    if row[0] >= most:
        raise TooManyWebhooksError("too_many_webhooks", most=most)
    webhook_id, secret = new_id(), secrets.token_bytes(_SECRET_BYTES)
    await connection.execute(
        "INSERT INTO webhooks (id, organisation_id, url, events, description, secret, created_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (webhook_id, organisation_id, url, _values(events), description, secret, created_by),
    )
    return webhook_id, write_secret(secret)


async def list_some(
    connection: AsyncConnection,
    *,
    webhook_id: uuid.UUID | None = None,
    before: uuid.UUID | None = None,
    most: int = 1,
) -> list[Webhook]:
    """The webhooks of the organisation, the newest first: that with an id, or those older than `before`."""
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT id, url, events, description, created_by, created_at, failing_since, failures, skipped,"
        " disabled_at, disabled_reason,"
        " CASE WHEN former_until > now() THEN former_until END AS former_secret_until,"
        " (SELECT count(*) FROM jobs WHERE webhook_id = webhooks.id AND state IN ('waiting', 'running'))"
        " AS waiting FROM webhooks WHERE (%(id)s::uuid IS NULL OR id = %(id)s)"
        " AND id < coalesce(%(before)s, %(last)s) ORDER BY id DESC LIMIT %(most)s",
        {"id": webhook_id, "before": before, "last": LAST_ID, "most": most},
    )
    return [_make(row) for row in await cursor.fetchall()]


async def lock(connection: AsyncConnection, webhook_id: uuid.UUID) -> None:
    """Let nobody else change a webhook until the transaction ends; its deliveries are recorded after that."""
    await connection.execute("SELECT FROM webhooks WHERE id = %s FOR UPDATE", (webhook_id,))


def _make(row: dict[str, Any]) -> Webhook:
    stored = row.pop("disabled_reason")
    why = None if stored is None else Reason.model_validate(stored)
    events = [EventType(name) for name in row.pop("events")]
    return Webhook(
        events=events, disabled_reason=why, disabled_because=None if why is None else render([why]), **row
    )


async def change(
    connection: AsyncConnection, webhook_id: uuid.UUID, changes: Mapping[str, Any], enabled: bool | None
) -> None:
    """Change `url`, `events` or `description`. `enabled` enables or disables the webhook; None leaves it.

    A new address and an enabled webhook start without failures.
    """
    if enabled or "url" in changes:
        await connection.execute(
            "UPDATE webhooks SET failing_since = NULL, failures = 0, retry_at = NULL"
            " WHERE id = %s AND (%s OR url <> %s)",
            (webhook_id, bool(enabled), changes.get("url")),
        )
    if enabled is not None:
        await connection.execute(
            "UPDATE webhooks SET disabled_reason = NULL,"
            " disabled_at = CASE WHEN %s THEN NULL ELSE coalesce(disabled_at, now()) END WHERE id = %s",
            (enabled, webhook_id),
        )
    await connection.execute(
        "UPDATE webhooks SET url = coalesce(%(url)s, url), events = coalesce(%(events)s, events),"
        " description = coalesce(%(description)s, description) WHERE id = %(id)s",
        {
            "id": webhook_id,
            "url": changes.get("url"),
            "events": _values(changes["events"]) if "events" in changes else None,
            "description": changes.get("description"),
        },
    )


async def rotate_secret(connection: AsyncConnection, webhook_id: uuid.UUID, former_for: timedelta) -> str:
    """Make a new secret, and return it. The former one signs, too, for a time."""
    secret = secrets.token_bytes(_SECRET_BYTES)
    await connection.execute(
        "UPDATE webhooks SET former_secret = secret, former_until = now() + %s, secret = %s WHERE id = %s",
        (former_for, secret, webhook_id),
    )
    return write_secret(secret)


async def delete(connection: AsyncConnection, webhook_id: uuid.UUID) -> bool:
    """Delete a webhook, and with it its deliveries; whether there was one."""
    cursor = await connection.execute("DELETE FROM webhooks WHERE id = %s", (webhook_id,))
    return cursor.rowcount == 1


async def find_targets(
    connection: AsyncConnection, webhook_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, Target]:
    """Where the deliveries to these webhooks go, by id."""
    cursor = connection.cursor(row_factory=class_row(Target))
    await cursor.execute(
        "SELECT id, url, array_remove(ARRAY[secret, CASE WHEN former_until > now() THEN former_secret END],"
        " NULL) AS secrets, disabled_at IS NOT NULL AS is_disabled,"
        " greatest(0, coalesce(extract(epoch FROM retry_at - now()), 0))::float8 AS pause_s, failures"
        " FROM webhooks WHERE id = ANY(%s)",
        (list(webhook_ids),),
    )
    return {target.id: target for target in await cursor.fetchall()}


async def record(
    connection: AsyncConnection, healths: Sequence[Health], disabled_after: timedelta, why: Reason
) -> list[uuid.UUID]:
    """Record what deliveries showed. A webhook that has only failed for `disabled_after` is disabled, because
    of `why`. Returns the ids of those that are disabled now and were not before.

    A failure two days after the one before begins anew: what happened between them is unknown. So a receiver
    that hears of something once a week is not disabled by one bad moment in each of two weeks.
    """
    disabled = []
    for health in sorted(healths):
        cursor = await connection.execute(
            "UPDATE webhooks SET"
            " failing_since = CASE WHEN %(ok)s THEN NULL"
            " WHEN failed_at > now() - %(gap)s THEN coalesce(failing_since, now()) ELSE now() END,"
            " failed_at = CASE WHEN NOT %(ok)s THEN now() END,"
            " failures = CASE WHEN %(ok)s THEN 0 ELSE failures + 1 END,"
            " retry_at = CASE WHEN %(pause)s > 0 THEN now() + make_interval(secs => %(pause)s) END"
            " WHERE id = %(id)s",
            {
                "id": health.webhook_id,
                "ok": health.has_delivered,
                "gap": GAP,
                "pause": health.pause_s,
            },
        )
        because = health.disabled_reason or why
        cursor = await connection.execute(
            "UPDATE webhooks SET disabled_at = now(), disabled_reason = %(why)s"
            " WHERE id = %(id)s AND disabled_at IS NULL"
            " AND (%(at_once)s OR failing_since < now() - %(after)s) RETURNING id",
            {
                "id": health.webhook_id,
                "why": Jsonb(because.model_dump(mode="json")),
                "at_once": health.disabled_reason is not None,
                "after": disabled_after,
            },
        )
        disabled += [id for (id,) in await cursor.fetchall()]
    return disabled


def _values(events: Sequence[EventType]) -> list[str]:
    return [event.value for event in events]
