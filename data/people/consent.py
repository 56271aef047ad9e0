"""Consent: whether a person's feedback may train models, and the organisation's defaults.

For people who have not answered, the organisation's `trains_by_default` applies. Consent is checked when a
snapshot is made (`data.snapshots.votes`); it does not change models that are trained already.
"""

import uuid
from typing import Literal, NamedTuple

from psycopg import AsyncConnection

from data.database import speak_for


class Consent(NamedTuple):
    """Whether a person's feedback may be trained on, and who decided that."""

    training: bool
    said_by: Literal["person", "organisation"]


class Terms(NamedTuple):
    """An organisation's decisions: whether its feedback may train other organisations' models, and which
    consent applies to people who have not answered.
    """

    trains_across: bool
    trains_by_default: bool


async def find(connection: AsyncConnection, organisation_id: uuid.UUID, user_id: uuid.UUID) -> Consent:
    """A person's consent; the organisation's default if the person is not stored or has not answered."""
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        cursor = await connection.execute(
            "SELECT u.consents_to_training, g.trains_by_default FROM organisations g"
            " LEFT JOIN users u ON u.id = %s AND u.organisation_id = g.id WHERE g.id = %s",
            (user_id, organisation_id),
        )
        row = await cursor.fetchone()
    assert row is not None, organisation_id
    answer, default = row
    return Consent(default, "organisation") if answer is None else Consent(answer, "person")


async def store(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    user_id: uuid.UUID,
    external_id: str,
    key_id: str | None,
    training: bool,
) -> None:
    """Store a person's decision, and the person too if they have no row yet.

    `external_id` and `key_id` are the columns of `users`.
    """
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        await connection.execute(
            "INSERT INTO users (id, organisation_id, key_id, external_id, consents_to_training)"
            " VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (id) DO UPDATE SET consents_to_training = excluded.consents_to_training",
            (user_id, organisation_id, key_id, external_id, training),
        )


async def find_terms(connection: AsyncConnection, organisation_id: uuid.UUID) -> Terms:
    """An organisation's decisions."""
    cursor = await connection.execute(
        "SELECT trains_across, trains_by_default FROM organisations WHERE id = %s", (organisation_id,)
    )
    row = await cursor.fetchone()
    assert row is not None, organisation_id
    return Terms(*row)


async def change_terms(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    trains_across: bool | None = None,
    trains_by_default: bool | None = None,
) -> Terms:
    """Change an organisation's decisions; all of them after the change. None keeps a decision."""
    cursor = await connection.execute(
        "UPDATE organisations SET trains_across = coalesce(%s, trains_across),"
        " trains_by_default = coalesce(%s, trains_by_default) WHERE id = %s"
        " RETURNING trains_across, trains_by_default",
        (trains_across, trains_by_default, organisation_id),
    )
    row = await cursor.fetchone()
    assert row is not None, organisation_id
    return Terms(*row)
