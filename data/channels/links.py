"""Which user a person of a workspace is. There is a link once the person has agreed to what is stored.

Each function needs a transaction that names the organisation (`data.database.speak_for`).
"""

import uuid
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row

from data.channels.installations import Installation
from data.people.identities import Identity
from data.reasons import Language


class Link(NamedTuple):
    """A person who has agreed, the user that they are, their language, and whether rules are tried on what
    they write in channels.
    """

    person: str
    user_id: uuid.UUID
    language: Language
    wants_proposals: bool = False


def name_user(installation: Installation, person: str) -> str:
    """The name under which the installation's key vouches for a person: `slack:T123:U456`."""
    return f"{installation.platform}:{installation.workspace}:{person}"


async def find(connection: AsyncConnection, installation: Installation, person: str) -> Link | None:
    """The link of a person; None when they have not agreed."""
    cursor = connection.cursor(row_factory=class_row(Link))
    await cursor.execute(
        "SELECT person, user_id, language, wants_proposals FROM channel_links"
        " WHERE installation_id = %s AND person = %s",
        (installation.id, person),
    )
    return await cursor.fetchone()


async def store(
    connection: AsyncConnection, installation: Installation, person: str, language: Language
) -> Link:
    """Store that a person has agreed, or their new language."""
    key = Identity(installation.organisation_id, installation.key_id, "member", b"", "free")
    link = Link(person, key.user(name_user(installation, person)), language)
    cursor = await connection.execute(
        "INSERT INTO channel_links (installation_id, person, organisation_id, user_id, language)"
        " VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (installation_id, person) DO UPDATE SET language = excluded.language"
        " RETURNING wants_proposals",
        (installation.id, person, installation.organisation_id, link.user_id, language),
    )
    row = await cursor.fetchone()
    assert row is not None
    return link._replace(wants_proposals=row[0])


async def switch_proposals(
    connection: AsyncConnection, installation: Installation, person: str, wants: bool
) -> None:
    """Store whether rules are tried on what a person writes in channels."""
    await connection.execute(
        "UPDATE channel_links SET wants_proposals = %s WHERE installation_id = %s AND person = %s",
        (wants, installation.id, person),
    )


async def remove(connection: AsyncConnection, installation: Installation, person: str) -> None:
    """Forget that a person has agreed. What they wrote stays until they have it erased."""
    await connection.execute(
        "DELETE FROM channel_links WHERE installation_id = %s AND person = %s", (installation.id, person)
    )
