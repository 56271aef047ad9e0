"""Connected workspaces of chat platforms. A workspace belongs to one organisation.

An API key of its own, of the role member, vouches for the people of a workspace. So their answers, votes and
dictionaries are those of any person whom a key names, and admins see the key in their list. What is secret,
the platform's token and the key, is in one column, encrypted by the process `channels`.

Apart from `find` and `list_of_platform`, each function needs a transaction that names the organisation
(`data.database.speak_for`).
"""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row

from data.database import transaction_of
from data.people import identities, key_changes
from data.people.key_changes import KeyAction
from data.reasons import ReasonedError


class TakenWorkspaceError(ReasonedError):
    """A workspace is connected already, perhaps by another organisation."""


class Installation(NamedTuple):
    """A connected workspace; `workspace` is the platform's id of it."""

    id: uuid.UUID
    organisation_id: uuid.UUID
    platform: str
    workspace: str
    name: str
    key_id: str
    sealed: bytes
    scopes: Sequence[str]
    installed_by: str


async def find(connection: AsyncConnection, platform: str, workspace: str) -> Installation | None:
    """The installation of a workspace; None when no organisation has connected it."""
    cursor = await connection.execute("SELECT find_channel_tenant(%s, %s)", (platform, workspace))
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        return None
    async with transaction_of(connection, row[0]):
        found = connection.cursor(row_factory=class_row(Installation))
        await found.execute(
            "SELECT id, organisation_id, platform, workspace, name, key_id, sealed, scopes, installed_by"
            " FROM channel_installations WHERE platform = %s AND workspace = %s",
            (platform, workspace),
        )
        return await found.fetchone()


async def list_all(connection: AsyncConnection) -> list[Installation]:
    """The installations of the organisation, by name."""
    found = connection.cursor(row_factory=class_row(Installation))
    await found.execute(
        "SELECT id, organisation_id, platform, workspace, name, key_id, sealed, scopes, installed_by"
        " FROM channel_installations ORDER BY name, workspace"
    )
    return await found.fetchall()


async def list_of_platform(connection: AsyncConnection, platform: str) -> list[str]:
    """The platform's ids of its workspaces, of all organisations. It opens a transaction for each."""
    cursor = await connection.execute("SELECT id FROM organisations")
    connected: list[Installation] = []
    for (organisation_id,) in await cursor.fetchall():
        async with transaction_of(connection, organisation_id):
            connected += await list_all(connection)
    return [installation.workspace for installation in connected if installation.platform == platform]


async def store(connection: AsyncConnection, installation: Installation) -> None:
    """Store a new installation, or the new token of the organisation's own. TakenWorkspaceError when another
    organisation has connected the workspace.
    """
    try:
        await connection.execute(
            "INSERT INTO channel_installations"
            " (id, organisation_id, platform, workspace, name, key_id, sealed, scopes, installed_by)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (platform, workspace) DO UPDATE SET name = excluded.name, sealed = excluded.sealed,"
            " scopes = excluded.scopes, installed_by = excluded.installed_by, installed_at = now()",
            (*installation[:7], list(installation.scopes), installation.installed_by),
        )
    except psycopg.errors.InsufficientPrivilege as error:  # the row is not visible, so not changed
        raise TakenWorkspaceError("workspace_taken") from error


async def remove(connection: AsyncConnection, installation: Installation, removed_by: str) -> None:
    """Delete an installation with its tokens and its people's links, and revoke its key."""
    await connection.execute("DELETE FROM channel_installations WHERE id = %s", (installation.id,))
    tenant, key_id = installation.organisation_id, installation.key_id
    if await identities.revoke_key(connection, tenant, key_id):
        await key_changes.record(connection, tenant, removed_by, KeyAction.KEY_REVOKED, key_id=key_id)
