"""A workspace belongs to one organisation, and is found before it is known whose it is."""

import uuid

import pytest
from psycopg import AsyncConnection
from sqlalchemy import Engine

from data.channels import installations
from data.channels.installations import Installation, TakenWorkspaceError
from data.database import transaction_of
from data.people import identities
from data.tables import new_id
from tests import gateways


async def install(connection: AsyncConnection, tenant: uuid.UUID, workspace: str) -> Installation:
    async with transaction_of(connection, tenant):
        key_id, _ = await identities.create_key(connection, tenant, "Acme", identities.Role.MEMBER)
        made = Installation(new_id(), tenant, "slack", workspace, "Acme", key_id, b"sealed", ["a", "b"], "me")
        await installations.store(connection, made)
    return made


async def test_a_workspace_is_found_without_its_organisation(
    connection: AsyncConnection, organisation_id: uuid.UUID
) -> None:
    workspace = str(new_id())
    assert await installations.find(connection, "slack", workspace) is None
    made = await install(connection, organisation_id, workspace)
    assert await installations.find(connection, "slack", workspace) == made
    assert await installations.find(connection, "teams", workspace) is None


async def test_a_workspace_of_another_organisation_is_not_taken_over(
    connection: AsyncConnection, engine: Engine, organisation_id: uuid.UUID
) -> None:
    workspace = str(new_id())
    made = await install(connection, organisation_id, workspace)
    with pytest.raises(TakenWorkspaceError):
        await install(connection, gateways.an_organisation(engine), workspace)
    assert await installations.find(connection, "slack", workspace) == made


async def test_what_is_removed_leaves_a_revoked_key(
    connection: AsyncConnection, organisation_id: uuid.UUID
) -> None:
    workspace = str(new_id())
    made = await install(connection, organisation_id, workspace)
    async with transaction_of(connection, organisation_id):
        await installations.remove(connection, made, "a test")
    assert await installations.find(connection, "slack", workspace) is None
    assert await identities.find_keys(connection, [made.key_id]) == {}
