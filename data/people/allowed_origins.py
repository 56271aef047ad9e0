"""Changes of the lists of origins that an organisation and its API keys have.

A key has a list of its own, or that of its organisation. Tokens have that of their organisation. Gateways
notice a change by a counter, `origins_revision`: comparing the lists at each heartbeat would take long.
"""

import uuid
from collections.abc import Collection, Sequence
from typing import NamedTuple

from psycopg import AsyncConnection

from data.people.identities import Role
from data.people.origins import is_of_many_owners


class OfKey(NamedTuple):
    """The origins of a key: a list of its own, or None, and the entries that hold."""

    own: list[str] | None
    in_force: list[str]


async def change(connection: AsyncConnection, organisation_id: uuid.UUID, origins: Sequence[str]) -> None:
    """Replace the origins of an organisation."""
    await connection.execute(
        "UPDATE organisations SET origins = %s, origins_revision = origins_revision + 1 WHERE id = %s",
        (list(origins), organisation_id),
    )


async def lock_key(connection: AsyncConnection, organisation_id: uuid.UUID, key_id: str) -> None:
    """Let nobody else change an API key, nor the list of its organisation, until the transaction ends."""
    await connection.execute(
        "SELECT FROM api_keys k JOIN organisations o ON o.id = k.organisation_id"
        " WHERE k.id = %s AND k.organisation_id = %s FOR NO KEY UPDATE",
        (key_id, organisation_id),
    )


async def find_of_key(connection: AsyncConnection, organisation_id: uuid.UUID, key_id: str) -> OfKey | None:
    """The origins of an API key; None when the organisation has no such key in force."""
    cursor = await connection.execute(
        "SELECT k.origins, coalesce(k.origins, o.origins)"
        " FROM api_keys k JOIN organisations o ON o.id = k.organisation_id"
        " WHERE k.id = %s AND k.organisation_id = %s AND k.revoked_at IS NULL",
        (key_id, organisation_id),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    own, stored = row
    return OfKey(own, [entry for entry in stored if not is_of_many_owners(entry)])


async def change_of_key(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    key_id: str,
    origins: Sequence[str] | None,
    roles: Collection[Role],
) -> bool:
    """Give a valid key that has one of the roles a list of its own, or with None that of its organisation.
    False when the organisation has no such key.
    """
    cursor = await connection.execute(
        "UPDATE api_keys SET origins = %s, origins_revision = origins_revision + 1"
        " WHERE id = %s AND organisation_id = %s AND role = ANY(%s) AND revoked_at IS NULL",
        (None if origins is None else list(origins), key_id, organisation_id, list(roles)),
    )
    return bool(cursor.rowcount)
