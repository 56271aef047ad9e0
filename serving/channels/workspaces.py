"""Connected workspaces with their tokens in clear, for as long as one request or job takes."""

import json
import uuid
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from data.channels import installations
from data.channels.installations import Installation, TakenWorkspaceError
from data.database import transaction_of
from data.people import identities, key_changes
from data.people.identities import Role
from data.people.key_changes import KeyAction
from data.tables import new_id
from serving.channels.connecting import Granted
from serving.channels.vault import Vault


class Workspace(NamedTuple):
    """A connected workspace: the platform's token, and the API key that vouches for its people."""

    installation: Installation
    token: str
    api_key: str


class Workspaces:
    """The connected workspaces of all organisations."""

    def __init__(self, pool: AsyncConnectionPool, vault: Vault) -> None:
        self._pool, self._vault = pool, vault

    async def find(self, platform: str, workspace: str) -> Workspace | None:
        """A workspace; None when no organisation has connected it. UnreadableError when its tokens were
        encrypted with another secret.
        """
        async with self._pool.connection() as connection:
            installation = await installations.find(connection, platform, workspace)
        return None if installation is None else self._open(installation)

    async def connect(
        self,
        organisation_id: uuid.UUID,
        platform: str,
        granted: Granted,
        installed_by: str,
    ) -> Installation:
        """Connect a workspace, or give a connected one a new token: its people stay who they are.

        Raises TakenWorkspaceError when another organisation has connected it, and RefusedKeyError when the
        organisation has too many keys.
        """
        workspace, name, token, scopes = granted
        async with self._pool.connection() as connection:
            known = await installations.find(connection, platform, workspace)
            if known is not None and known.organisation_id != organisation_id:
                raise TakenWorkspaceError("workspace_taken")
            async with transaction_of(connection, organisation_id):
                id = new_id() if known is None else known.id
                key_id, api_key = await self._vouch(connection, organisation_id, known, name, installed_by)
                sealed = self._vault.seal(json.dumps({"token": token, "api_key": api_key}), _place(id))
                installation = Installation(
                    id, organisation_id, platform, workspace, name, key_id, sealed, scopes, installed_by
                )
                await installations.store(connection, installation)
        return installation

    async def list_of(self, organisation_id: uuid.UUID) -> list[Installation]:
        """The workspaces of an organisation, by name."""
        async with self._pool.connection() as connection, transaction_of(connection, organisation_id):
            return await installations.list_all(connection)

    async def list_ids(self, platform: str) -> list[str]:
        """The platform's ids of its workspaces, of all organisations."""
        async with self._pool.connection() as connection:
            return await installations.list_of_platform(connection, platform)

    async def disconnect(self, platform: str, workspace: str, removed_by: str | None = None) -> None:
        """Delete a workspace's tokens and links, and revoke its key. Nothing happens to one that is not
        connected. `removed_by` is the name of who asked for it; None for the platform, which says that the
        app was removed there.
        """
        async with self._pool.connection() as connection:
            known = await installations.find(connection, platform, workspace)
            if known is not None:
                async with transaction_of(connection, known.organisation_id):
                    await installations.remove(connection, known, removed_by or f"platform:{platform}")

    async def _vouch(
        self,
        connection: AsyncConnection,
        organisation_id: uuid.UUID,
        known: Installation | None,
        name: str,
        installed_by: str,
    ) -> tuple[str, str]:
        if known is not None:
            return known.key_id, self._open(known).api_key
        label = f"Chat workspace {name}"[:200]
        key_id, key = await identities.create_key(connection, organisation_id, label, Role.MEMBER)
        await key_changes.record(
            connection, organisation_id, installed_by, KeyAction.KEY_CREATED, key_id=key_id
        )
        return key_id, key

    def _open(self, installation: Installation) -> Workspace:
        opened = json.loads(self._vault.open(installation.sealed, _place(installation.id)))
        return Workspace(installation, opened["token"], opened["api_key"])


def _place(id: uuid.UUID) -> str:
    return f"workspace {id}"
