"""The inbound webhooks of an organisation: how requests are verified, and where rewrites go.

An API key of its own, of the role member, rewrites for each, and its messages are those of one user, whom
this key names. That key and the secrets of the requests are encrypted by `TONEBRIDGE_INBOUND_SECRET`, each
for its place (`serving.channels.inbound.credentials`).

Apart from `find`, each function needs a transaction that names the organisation (`data.database.speak_for`).
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import dict_row, kwargs_row
from pydantic import Field

from data.database import transaction_of
from data.fields import Id, RequestedBy, Time
from data.jobs import changes
from data.jobs.changes import JobAction
from data.jobs.queue import Kind, State
from data.people import identities, key_changes
from data.people.identities import Identity
from data.people.key_changes import KeyAction
from data.reasons import ReasonedError
from data.records import Intensity, TransformType
from data.tables import LAST_ID

NOBODY = uuid.UUID(int=0)  # no organisation has this id
_CHANGEABLE = (
    "name", "text_pointer", "transform_type", "intensity", "reply_url", "reply_form", "delivers_unchanged",
)  # fmt: skip


class TooManyInboundWebhooksError(ReasonedError):
    """The organisation has as many inbound webhooks as it may have."""


class Verification(StrEnum):
    """How a request shows that it is genuine."""

    STANDARD = "standard"  # Standard Webhooks: a signature over id, time and body
    HUB = "hub"  # X-Hub-Signature-256: HMAC-SHA256 of the body, in hex
    TOKEN = "token"  # the secret itself, of tools that cannot sign  # noqa: S105


class ReplyForm(StrEnum):
    """What is delivered."""

    TEXT = "text"  # `{"text": rewrite}`
    ANSWER = "answer"  # the answer of `POST /api/v1/transform`, without its receipt


@dataclass(frozen=True, slots=True)
class InboundWebhook:
    """An inbound webhook without its secrets. `waiting` messages are not delivered yet, and `dead` ones were
    given up: see `/api/v1/jobs`.
    """

    id: Annotated[Id, Field(description="the inbound webhook")]
    path: Annotated[
        str,
        Field(
            description="where the tool sends its requests, at the address of the process `channels`",
            examples=["/inbound/01a22303-92fd-74fc-b4f4-074280c0308c"],
        ),
    ]
    name: Annotated[str, Field(description="your name for it", examples=["the issue tracker"])]
    verification: Annotated[Verification, Field(description="how its requests are verified")]
    text_pointer: Annotated[
        str, Field(description="where the message is in the tool's JSON", examples=["/comment/body"])
    ]
    transform_type: Annotated[TransformType, Field(description="how its messages are rewritten")]
    intensity: Annotated[Intensity, Field(description="how strongly", examples=[2])]
    reply_url: Annotated[
        str, Field(description="where rewrites are sent", examples=["https://chat.example.com/hooks/x"])
    ]
    reply_form: Annotated[ReplyForm, Field(description="what is sent there")]
    delivers_unchanged: Annotated[
        bool, Field(description="whether a message that stays as it is is sent, too", examples=[True])
    ]
    key_id: Annotated[
        str, Field(description="the API key that rewrites for it", examples=["ef2d1c1413919698"])
    ]
    created_by: RequestedBy
    created_at: Annotated[Time, Field(description="when it was made")]
    failures: Annotated[
        int, Field(description="failed attempts to deliver since the last that arrived", examples=[0])
    ]
    waiting: Annotated[int, Field(description="messages that are not delivered yet", examples=[0])]
    dead: Annotated[int, Field(description="messages that were given up, of seven days", examples=[0])]
    former_secret_until: Annotated[
        Time | None,
        Field(
            description="until when the former secret is accepted, too; null when it is not", examples=[None]
        ),
    ]


class Endpoint(NamedTuple):
    """What is needed to take the requests of an inbound webhook, and to deliver its rewrites. Nothing is
    delivered for `pause_s` seconds. `plan` is that of the organisation.
    """

    id: uuid.UUID
    organisation_id: uuid.UUID
    key_id: str
    sealed_key: bytes
    verification: Verification
    secret: bytes
    former_secret: bytes | None
    text_pointer: str
    transform_type: TransformType
    intensity: int
    reply_url: str
    reply_form: ReplyForm
    delivers_unchanged: bool
    failures: int
    pause_s: float
    plan: str

    @property
    def user_name(self) -> str:
        """The name of its user, under its key."""
        return _name_user(self.id)

    @property
    def user_id(self) -> uuid.UUID:
        """Its user."""
        return _derive_user(self.organisation_id, self.key_id, self.id)


class Health(NamedTuple):
    """What deliveries showed of the receiver: whether one arrived, and for how long to send nothing."""

    endpoint_id: uuid.UUID
    has_delivered: bool
    pause_s: float


class Credentials(NamedTuple):
    """The API key of a new inbound webhook, and the secret of its requests; both encrypted."""

    key_id: str
    sealed_key: bytes
    secret: bytes


def _name_user(id: uuid.UUID) -> str:
    return f"inbound:{id}"


def _derive_user(organisation_id: uuid.UUID, key_id: str, id: uuid.UUID) -> uuid.UUID:
    return Identity(organisation_id, key_id, "member", b"", "free").user(_name_user(id))


async def check_room(connection: AsyncConnection, most: int) -> None:
    """Raise TooManyInboundWebhooksError when there are `most`. Two that are created at the same moment may
    exceed that together.
    """
    cursor = await connection.execute("SELECT count(*) FROM inbound_webhooks")
    row = await cursor.fetchone()
    assert row is not None
    if row[0] >= most:
        raise TooManyInboundWebhooksError("too_many_inbound_webhooks", most=most)


async def create(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    created_by: str,
    id: uuid.UUID,
    credentials: Credentials,
    fields: Mapping[str, Any],
) -> None:
    """Store a new inbound webhook. `fields` has a value for each of its fields that an admin sets."""
    await connection.execute(
        "INSERT INTO inbound_webhooks (id, organisation_id, key_id, sealed_key, secret, created_by, name,"
        " verification, text_pointer, transform_type, intensity, reply_url, reply_form, delivers_unchanged)"
        " VALUES (%(id)s, %(organisation)s, %(key_id)s, %(sealed_key)s, %(secret)s, %(by)s, %(name)s,"
        " %(verification)s, %(text_pointer)s, %(transform_type)s, %(intensity)s, %(reply_url)s,"
        " %(reply_form)s, %(delivers_unchanged)s)",
        {
            **fields,
            **credentials._asdict(),
            "id": id,
            "organisation": organisation_id,
            "by": created_by,
        },
    )


async def list_some(
    connection: AsyncConnection,
    *,
    endpoint_id: uuid.UUID | None = None,
    before: uuid.UUID | None = None,
    most: int = 1,
) -> list[InboundWebhook]:
    """The inbound webhooks of the organisation, the newest first: that with an id, or those that are older
    than `before`.
    """
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT id, organisation_id, key_id, name, verification, text_pointer, transform_type, intensity,"
        " reply_url, reply_form, delivers_unchanged, created_by, created_at, failures,"
        " CASE WHEN former_until > now() THEN former_until END AS former_secret_until"
        " FROM inbound_webhooks WHERE (%(id)s::uuid IS NULL OR id = %(id)s)"
        " AND id < coalesce(%(before)s, %(last)s) ORDER BY id DESC LIMIT %(most)s",
        {"id": endpoint_id, "before": before, "last": LAST_ID, "most": most},
    )
    rows = await cursor.fetchall()
    users = [_derive_user(row.pop("organisation_id"), row["key_id"], row["id"]) for row in rows]
    counts = await _count_messages(connection, users)
    return [
        InboundWebhook(
            path=f"/inbound/{row['id']}",
            verification=Verification(row.pop("verification")),
            transform_type=TransformType(row.pop("transform_type")),
            reply_form=ReplyForm(row.pop("reply_form")),
            waiting=counts.get((user, State.WAITING), 0) + counts.get((user, State.RUNNING), 0),
            dead=counts.get((user, State.DEAD), 0),
            **row,
        )
        for row, user in zip(rows, users, strict=True)
    ]


async def lock(connection: AsyncConnection, endpoint_id: uuid.UUID) -> None:
    """Let nobody else change an inbound webhook until the transaction ends."""
    await connection.execute("SELECT FROM inbound_webhooks WHERE id = %s FOR UPDATE", (endpoint_id,))


async def lock_with_messages(
    connection: AsyncConnection, organisation_id: uuid.UUID, listed: InboundWebhook
) -> None:
    """As `lock`, and the messages that are not delivered yet, too, in the order of `delete`."""
    await connection.execute(
        "SELECT FROM jobs WHERE user_id = %s AND kind = %s AND state IN ('waiting', 'running') FOR UPDATE",
        (_derive_user(organisation_id, listed.key_id, listed.id), Kind.INBOUND.value),
    )
    await lock(connection, listed.id)


async def _count_messages(
    connection: AsyncConnection, users: Sequence[uuid.UUID]
) -> dict[tuple[uuid.UUID, State], int]:
    """How many messages of each user are in each state."""
    cursor = await connection.execute(
        "SELECT user_id, state, count(*) FROM jobs WHERE user_id = ANY(%s) AND kind = %s"
        " AND state IN ('waiting', 'running', 'dead') GROUP BY user_id, state",
        (list(users), Kind.INBOUND.value),
    )
    return {(user, State(state)): number for user, state, number in await cursor.fetchall()}


async def change(connection: AsyncConnection, endpoint_id: uuid.UUID, changes: Mapping[str, Any]) -> None:
    """Change fields that an admin sets, apart from `verification`. A new address starts without failures."""
    await connection.execute(
        "UPDATE inbound_webhooks SET name = coalesce(%(name)s, name),"
        " text_pointer = coalesce(%(text_pointer)s, text_pointer),"
        " transform_type = coalesce(%(transform_type)s, transform_type),"
        " intensity = coalesce(%(intensity)s, intensity),"
        " reply_form = coalesce(%(reply_form)s, reply_form),"
        " delivers_unchanged = coalesce(%(delivers_unchanged)s, delivers_unchanged),"
        " failures = CASE WHEN reply_url <> %(reply_url)s THEN 0 ELSE failures END,"
        " retry_at = CASE WHEN reply_url <> %(reply_url)s THEN NULL ELSE retry_at END,"
        " reply_url = coalesce(%(reply_url)s, reply_url) WHERE id = %(id)s",
        {**dict.fromkeys(_CHANGEABLE), **changes, "id": endpoint_id},
    )


async def replace_secret(
    connection: AsyncConnection, endpoint_id: uuid.UUID, secret: bytes, former_for: timedelta
) -> None:
    """Store a new secret, encrypted. The former one is accepted, too, for a time."""
    await connection.execute(
        "UPDATE inbound_webhooks SET former_secret = secret, former_until = now() + %s, secret = %s"
        " WHERE id = %s",
        (former_for, secret, endpoint_id),
    )


async def delete(
    connection: AsyncConnection, organisation_id: uuid.UUID, deleted_by: str, listed: InboundWebhook
) -> None:
    """Delete an inbound webhook, revoke its key, and cancel what is not delivered yet. Jobs are locked before
    the inbound webhook, as by a process that ends them, so that neither waits for the other.
    """
    cursor = await connection.execute(
        "UPDATE jobs SET state = 'cancelled', leased_by = NULL, done_at = now(), ended_by = %s"
        " WHERE user_id = %s AND kind = %s AND state IN ('waiting', 'running')",
        (deleted_by, _derive_user(organisation_id, listed.key_id, listed.id), Kind.INBOUND.value),
    )
    if cursor.rowcount:
        await changes.record(connection, deleted_by, JobAction.CANCELLED, Kind.INBOUND, cursor.rowcount)
    cursor = await connection.execute("DELETE FROM inbound_webhooks WHERE id = %s", (listed.id,))
    if cursor.rowcount:
        await identities.revoke_key(connection, organisation_id, listed.key_id)
        await key_changes.record(
            connection, organisation_id, deleted_by, KeyAction.KEY_REVOKED, key_id=listed.key_id
        )


async def find(connection: AsyncConnection, endpoint_id: uuid.UUID) -> Endpoint | None:
    """The inbound webhook that a request names; None when no organisation has it. The queries are the same
    in both cases, so that nobody learns from their time which ids there are.
    """
    cursor = await connection.execute("SELECT find_inbound_tenant(%s)", (endpoint_id,))
    row = await cursor.fetchone()
    tenant = row[0] if row is not None and row[0] is not None else NOBODY
    async with transaction_of(connection, tenant):
        return await find_own(connection, endpoint_id)


async def find_own(connection: AsyncConnection, endpoint_id: uuid.UUID) -> Endpoint | None:
    """An inbound webhook of the organisation; None when it has no such one."""
    cursor = connection.cursor(row_factory=kwargs_row(_make_endpoint))
    await cursor.execute(
        "SELECT i.id, i.organisation_id, key_id, sealed_key, verification, secret,"
        " CASE WHEN former_until > now() THEN former_secret END AS former_secret, text_pointer,"
        " transform_type, intensity, reply_url, reply_form, delivers_unchanged, failures,"
        " greatest(0, coalesce(extract(epoch FROM retry_at - now()), 0))::float8 AS pause_s, plan"
        " FROM inbound_webhooks i JOIN organisations o ON o.id = i.organisation_id WHERE i.id = %s",
        (endpoint_id,),
    )
    return await cursor.fetchone()


def _make_endpoint(verification: str, transform_type: str, reply_form: str, **columns: Any) -> Endpoint:
    return Endpoint(
        verification=Verification(verification),
        transform_type=TransformType(transform_type),
        reply_form=ReplyForm(reply_form),
        **columns,
    )


async def record(connection: AsyncConnection, healths: Sequence[Health]) -> None:
    """Record what deliveries showed."""
    for health in sorted(healths):
        await connection.execute(
            "UPDATE inbound_webhooks SET failures = CASE WHEN %(ok)s THEN 0 ELSE failures + 1 END,"
            " retry_at = CASE WHEN %(pause)s > 0 THEN now() + make_interval(secs => %(pause)s) END"
            " WHERE id = %(id)s",
            {"id": health.endpoint_id, "ok": health.has_delivered, "pause": health.pause_s},
        )
