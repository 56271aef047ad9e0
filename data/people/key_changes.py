"""Who made, changed and revoked keys, secrets and tokens: the audit of the routes for them.

A change is recorded in the transaction that makes it, without what is secret. Each function needs a
transaction that names the organisation (`data.database.speak_for`).
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from pydantic import Field

from data.fields import Id, Time
from data.tables import LAST_ID, new_id


class KeyAction(StrEnum):
    """What was done."""

    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    KEY_ORIGINS_CHANGED = "key_origins_changed"
    KEY_QUOTA_CHANGED = "key_quota_changed"
    ORIGINS_CHANGED = "origins_changed"  # of the organisation, for keys without a list of their own
    SECRET_CREATED = "secret_created"  # noqa: S105 (no secret)
    SECRET_REVOKED = "secret_revoked"  # noqa: S105
    SIGNATURES_REQUIRED = "signatures_required"
    SIGNATURES_NOT_REQUIRED = "signatures_not_required"
    SIGNING_KEY_ADDED = "signing_key_added"
    SIGNING_KEY_REVOKED = "signing_key_revoked"
    TOKEN_REVOKED = "token_revoked"  # noqa: S105


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A change of a key, of a secret, of a signing key, of a list of origins, or of a token."""

    id: Annotated[Id, Field(description="the id of the change")]
    action: KeyAction
    key_id: Annotated[
        str | None,
        Field(description="the API key; null where it is about none", examples=["ef2d1c1413919698"]),
    ]
    secret_id: Annotated[
        str | None,
        Field(description="the secret of the API key, made or revoked", examples=["rs_0123456789abcdef"]),
    ]
    kid: Annotated[
        str | None, Field(description="the signing key, or that of the token", examples=["2026-11"])
    ]
    jti: Annotated[
        str | None,
        Field(description="the token: its `jti`, or a digest of one without it", examples=["5f2c0e7a"]),
    ]
    origins: Annotated[
        list[str] | None,
        Field(
            description="the new list of origins; null: a key has that of its organisation from now on",
            examples=[["https://app.example.org"]],
        ),
    ]
    rewrites_a_day: Annotated[
        int | None, Field(description="the new quota of a key for web pages; null: not set", examples=[500])
    ]
    changed_by: Annotated[
        str,
        Field(
            description="who did it; empty, if that person was erased",
            examples=["account:01a22303-92fd-74fc-b4f4-074280c0308c"],
        ),
    ]
    changed_at: Annotated[Time, Field(description="when")]


async def record(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    changed_by: str,
    action: KeyAction,
    *,
    key_id: str | None = None,
    secret_id: str | None = None,
    kid: str | None = None,
    jti: str | None = None,
    origins: Sequence[str] | None = None,
    rewrites_a_day: int | None = None,
) -> None:
    """Record a change."""
    await connection.execute(
        "INSERT INTO key_changes"
        " (id, organisation_id, action, key_id, secret_id, kid, jti, origins, rewrites_a_day, changed_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(new_id(), organisation_id, action.value, key_id, secret_id, kid, jti),
            *(None if origins is None else list(origins), rewrites_a_day, changed_by),
        ),
    )


async def list_some(
    connection: AsyncConnection,
    *,
    actions: Collection[KeyAction] = tuple(KeyAction),
    key_id: str | None = None,
    before: uuid.UUID | None = None,
    most: int,
) -> list[KeyChange]:
    """The changes of the organisation, the newest first: of these kinds, of an API key, and older than
    `before`.
    """
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT id, action, key_id, secret_id, kid, jti, origins, rewrites_a_day, changed_by,"
        " changed_at FROM key_changes"
        " WHERE action = ANY(%(actions)s) AND (%(key)s::text IS NULL OR key_id = %(key)s)"
        " AND id < coalesce(%(before)s, %(last)s) ORDER BY id DESC LIMIT %(most)s",
        {"actions": list(actions), "key": key_id, "before": before, "last": LAST_ID, "most": most},
    )
    return [KeyChange(action=KeyAction(row.pop("action")), **row) for row in await cursor.fetchall()]
