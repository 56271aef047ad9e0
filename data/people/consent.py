"""Consent: whether a person's feedback may train models, and what their organisation decides about it.

Who was never asked has what the organisation takes for granted (`trains_by_default`). Consent counts when a
snapshot is made (`data.snapshots.snapshot`): what a model has learned before stays in it.
"""

import uuid
from typing import Literal, NamedTuple

from psycopg import AsyncConnection

from data.database import speak_for


class Consent(NamedTuple):
    """Whether a person's feedback may be trained on, and who has said so."""

    training: bool
    said_by: Literal["person", "organisation"]


class Terms(NamedTuple):
    """What an organisation decides: whether its rows may train other organisations' models, and whether
    people who were never asked are taken to consent.
    """

    trains_across: bool
    trains_by_default: bool


async def of_person(connection: AsyncConnection, organisation_id: uuid.UUID, user_id: uuid.UUID) -> Consent:
    """A person's consent; the organisation's default for one who is not stored or was never asked."""
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        cursor = await connection.execute(
            "SELECT u.consents_to_training, g.trains_by_default FROM organisations g"
            " LEFT JOIN users u ON u.id = %s AND u.organisation_id = g.id WHERE g.id = %s",
            (user_id, organisation_id),
        )
        row = await cursor.fetchone()
    assert row is not None, organisation_id
    said, default = row
    return Consent(default, "organisation") if said is None else Consent(said, "person")


async def say(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    user_id: uuid.UUID,
    external_id: str,
    key_id: str | None,
    training: bool,
) -> None:
    """Store what a person says, also of one who is not stored yet: they may say so before their first answer.

    `external_id` and `key_id` name the person as in `users`.
    """
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        await connection.execute(
            "INSERT INTO users (id, organisation_id, key_id, external_id, consents_to_training)"
            " VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (id) DO UPDATE SET consents_to_training = excluded.consents_to_training",
            (user_id, organisation_id, key_id, external_id, training),
        )


async def terms(connection: AsyncConnection, organisation_id: uuid.UUID) -> Terms:
    """What an organisation has decided."""
    cursor = await connection.execute(
        "SELECT trains_across, trains_by_default FROM organisations WHERE id = %s", (organisation_id,)
    )
    row = await cursor.fetchone()
    assert row is not None, organisation_id
    return Terms(*row)


async def decide(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    trains_across: bool | None = None,
    trains_by_default: bool | None = None,
) -> Terms:
    """Change what an organisation decides, and return it; None leaves a thing as it is."""
    cursor = await connection.execute(
        "UPDATE organisations SET trains_across = coalesce(%s, trains_across),"
        " trains_by_default = coalesce(%s, trains_by_default) WHERE id = %s"
        " RETURNING trains_across, trains_by_default",
        (trains_across, trains_by_default, organisation_id),
    )
    row = await cursor.fetchone()
    assert row is not None, organisation_id
    return Terms(*row)
