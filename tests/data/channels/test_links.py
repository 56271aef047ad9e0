"""A person of a workspace is the user whom the workspace's key names."""

import uuid

from psycopg import AsyncConnection

from data.channels import installations, links
from data.channels.installations import Installation
from data.database import transaction_of
from data.people import identities
from data.tables import new_id


async def test_a_person_is_linked_until_they_leave(
    connection: AsyncConnection, organisation_id: uuid.UUID
) -> None:
    async with transaction_of(connection, organisation_id):
        key_id, _ = await identities.create_key(connection, organisation_id, "A", identities.Role.MEMBER)
        workspace = Installation(
            new_id(), organisation_id, "slack", str(new_id()), "Acme", key_id, b"s", [], "me"
        )
        await installations.store(connection, workspace)
        assert await links.find(connection, workspace, "U1") is None
        link = await links.store(connection, workspace, "U1", "en")
        again = await links.store(connection, workspace, "U1", "ja")
        assert again == link._replace(language="ja")
        assert await links.find(connection, workspace, "U1") == again
        assert (await links.store(connection, workspace, "U2", "en")).user_id != link.user_id
        await links.remove(connection, workspace, "U1")
        assert await links.find(connection, workspace, "U1") is None
        assert await links.find(connection, workspace, "U2") is not None
    known = (await identities.find_keys(connection, [key_id]))[key_id]
    assert known.user(f"slack:{workspace.workspace}:U1") == link.user_id
