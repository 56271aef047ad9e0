"""Secrets that sign requests with an API key (RFC 9421), and whether a key requires signatures.

A secret is shared: whoever verifies an HMAC can also make one, so it is stored as it is. A key has at most
`MOST` secrets in force, so that a new one is in use before the old one is revoked. A revoked secret is
deleted; its row stays, as the record of who could sign when.
"""

import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection

from data.people.identities import RefusedKeyError, Role

MOST = 2


@dataclass(frozen=True, slots=True)
class ListedRequestSecret:
    """A secret in the list of a key, without the secret itself. Its id is the `keyid` of signatures."""

    id: str
    created_at: datetime
    revoked_at: datetime | None


async def create(
    connection: AsyncConnection, organisation_id: uuid.UUID, key_id: str, roles: Collection[Role]
) -> tuple[str, str] | None:
    """Create a secret of a valid key that has one of the roles; its id and the secret. None when the
    organisation has no such key.

    Raises RefusedKeyError when the key has too many.
    """
    async with connection.transaction():
        if await _change_key(connection, organisation_id, key_id, roles) is None:
            return None
        if await _count(connection, key_id) >= MOST:
            raise RefusedKeyError("too_many_secrets", most=MOST)
        id, secret = f"rs_{secrets.token_hex(8)}", secrets.token_urlsafe(32)
        await connection.execute(
            "INSERT INTO request_secrets (id, key_id, organisation_id, secret) VALUES (%s, %s, %s, %s)",
            (id, key_id, organisation_id, secret.encode()),
        )
    return id, secret


async def list_secrets(
    connection: AsyncConnection, organisation_id: uuid.UUID, key_id: str
) -> list[ListedRequestSecret] | None:
    """The secrets of an API key, the newest first, with the revoked ones; None when the organisation has no
    such key.
    """
    cursor = await connection.execute(
        "SELECT s.id, s.created_at, s.revoked_at FROM api_keys k"
        " LEFT JOIN request_secrets s ON s.key_id = k.id"
        " WHERE k.id = %s AND k.organisation_id = %s ORDER BY s.created_at DESC, s.id",
        (key_id, organisation_id),
    )
    rows = await cursor.fetchall()
    return [ListedRequestSecret(*row) for row in rows if row[0] is not None] if rows else None


async def revoke(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    key_id: str,
    secret_id: str,
    roles: Collection[Role],
) -> bool:
    """Revoke a secret of a valid key that has one of the roles; False when there is no such secret in force.

    Raises RefusedKeyError when it is the last one of a key that requires signatures.
    """
    async with connection.transaction():
        requires_signatures = await _change_key(connection, organisation_id, key_id, roles)
        if requires_signatures is None:
            return False
        cursor = await connection.execute(
            "UPDATE request_secrets SET revoked_at = now(), secret = NULL"
            " WHERE id = %s AND key_id = %s AND revoked_at IS NULL",
            (secret_id, key_id),
        )
        if cursor.rowcount and requires_signatures and not await _count(connection, key_id):
            raise RefusedKeyError("last_secret")
    return bool(cursor.rowcount)


async def require(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    key_id: str,
    is_required: bool,
    roles: Collection[Role],
) -> bool:
    """Let a valid key that has one of the roles require signatures, or not; False when the organisation has
    no such key.

    Raises RefusedKeyError when it shall require them and has no secret.
    """
    async with connection.transaction():
        if await _change_key(connection, organisation_id, key_id, roles) is None:
            return False
        if is_required and not await _count(connection, key_id):
            raise RefusedKeyError("no_secret")
        await connection.execute(
            "UPDATE api_keys SET requires_signatures = %s WHERE id = %s", (is_required, key_id)
        )
    return True


async def _change_key(
    connection: AsyncConnection, organisation_id: uuid.UUID, key_id: str, roles: Collection[Role]
) -> bool | None:
    """Note that a key changes, so that gateways read it again; whether it requires signatures. None when
    there is no such key. Others who change it wait for the end of the transaction.
    """
    cursor = await connection.execute(
        "UPDATE api_keys SET signing_revision = signing_revision + 1"
        " WHERE id = %s AND organisation_id = %s AND role = ANY(%s) AND revoked_at IS NULL"
        " RETURNING requires_signatures",
        (key_id, organisation_id, list(roles)),
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def _count(connection: AsyncConnection, key_id: str) -> int:
    """The secrets of a key that are in force."""
    cursor = await connection.execute(
        "SELECT count(*) FROM request_secrets WHERE key_id = %s AND revoked_at IS NULL", (key_id,)
    )
    row = await cursor.fetchone()
    assert row is not None, "a count has a row"
    return int(row[0])
