"""Secrets that sign requests with an API key (RFC 9421), and whether a key requires signatures.

A secret is shared: whoever verifies an HMAC can also make one, so it is stored as it is. A key has at most
`MOST` secrets in force, so that a new one is in use before the old one is revoked. A revoked secret is
deleted; its row stays, as the record of who could sign when.
"""

import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from psycopg import AsyncConnection
from pydantic import Field

from data.fields import Time
from data.people.identities import RefusedKeyError, Role

MOST = 2


@dataclass(frozen=True, slots=True)
class ListedRequestSecret:
    """A secret in the list of a key, without the secret itself. Its id is the `keyid` of signatures."""

    id: Annotated[str, Field(description="the `keyid` of signatures", examples=["rs_0123456789abcdef"])]
    created_at: Annotated[Time, Field(description="when it was made")]
    revoked_at: Annotated[
        Time | None, Field(description="since when it is refused; null while it is valid", examples=[None])
    ]


async def create(
    connection: AsyncConnection, organisation_id: uuid.UUID, key_id: str, roles: Collection[Role]
) -> tuple[str, str] | None:
    """Create a secret of a valid key that has one of the roles; its id and the secret. None when the
    organisation has no such key.

    Raises RefusedKeyError when the key has too many, or is in web pages, where nothing is secret.
    """
    async with connection.transaction():
        if await _change_key(connection, organisation_id, key_id, roles) is None:
            return None
        await _check_can_sign(connection, key_id)
        if await _count(connection, key_id) >= MOST:
            raise RefusedKeyError("too_many_secrets", most=MOST)
        id, secret = f"rs_{secrets.token_hex(8)}", secrets.token_urlsafe(32)
        await connection.execute(
            "INSERT INTO request_secrets (id, key_id, organisation_id, secret) VALUES (%s, %s, %s, %s)",
            (id, key_id, organisation_id, secret.encode()),
        )
    return id, secret


async def list_secrets(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    key_id: str,
    *,
    before: str | None = None,
    most: int,
) -> list[ListedRequestSecret] | None:
    """The secrets of an API key, the newest first, with the revoked ones; with `before`, those after that
    one. None when the organisation has no such key.
    """
    listed = await list_newest(connection, organisation_id, [key_id], before=before, most=most)
    return listed.get(key_id)


async def list_newest(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    key_ids: Collection[str],
    *,
    before: str | None = None,
    most: int,
) -> dict[str, list[ListedRequestSecret]]:
    """The same of each of some API keys, `most` of each, by key; without keys that the organisation does not
    have.
    """
    cursor = await connection.execute(
        "SELECT k.id, s.id, s.created_at, s.revoked_at FROM api_keys k LEFT JOIN LATERAL ("
        "   SELECT id, created_at, revoked_at FROM request_secrets"
        "   WHERE key_id = k.id AND (created_at, id) < ("
        "     CASE WHEN %(before)s::text IS NULL THEN 'infinity'"
        "     ELSE (SELECT created_at FROM request_secrets WHERE id = %(before)s AND key_id = k.id) END,"
        "     coalesce(%(before)s, ''))"
        "   ORDER BY created_at DESC, id DESC LIMIT %(most)s"
        " ) s ON true WHERE k.id = ANY(%(keys)s) AND k.organisation_id = %(organisation)s"
        " ORDER BY s.created_at DESC, s.id DESC",
        {"keys": list(key_ids), "organisation": organisation_id, "before": before, "most": most},
    )
    by_key: dict[str, list[ListedRequestSecret]] = {}
    for key_id, *columns in await cursor.fetchall():
        listed = by_key.setdefault(key_id, [])
        if columns[0] is not None:
            listed.append(ListedRequestSecret(*columns))
    return by_key


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

    Raises RefusedKeyError when it shall require them and has no secret, or is in web pages.
    """
    async with connection.transaction():
        if await _change_key(connection, organisation_id, key_id, roles) is None:
            return False
        if is_required:
            await _check_can_sign(connection, key_id)
            if not await _count(connection, key_id):
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


async def _check_can_sign(connection: AsyncConnection, key_id: str) -> None:
    """RefusedKeyError for a key that is in web pages: who reads the page reads its secret, too."""
    cursor = await connection.execute("SELECT is_browser FROM api_keys WHERE id = %s", (key_id,))
    row = await cursor.fetchone()
    assert row is not None, key_id
    if row[0]:
        raise RefusedKeyError("browser_key_unsigned")


async def _count(connection: AsyncConnection, key_id: str) -> int:
    """The secrets of a key that are in force."""
    cursor = await connection.execute(
        "SELECT count(*) FROM request_secrets WHERE key_id = %s AND revoked_at IS NULL", (key_id,)
    )
    row = await cursor.fetchone()
    assert row is not None, "a count has a row"
    return int(row[0])
