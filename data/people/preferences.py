"""What a person prefers in every client: what clients preselect. No rewrite reads it."""

import uuid
from typing import NamedTuple

from psycopg import AsyncConnection

from data.database import transaction_of
from data.reasons import Language
from data.records import TransformType


class Preferred(NamedTuple):
    """A person's preferences; None: no preference."""

    language: Language | None = None
    transform_type: TransformType | None = None
    intensity: int | None = None
    tour_closed: bool | None = None


async def find(connection: AsyncConnection, organisation_id: uuid.UUID, user_id: uuid.UUID) -> Preferred:
    """A person's preferences; none if the person is not stored."""
    async with transaction_of(connection, organisation_id):
        cursor = await connection.execute(
            "SELECT preferred_language, preferred_transform_type, preferred_intensity, tour_closed FROM users"
            " WHERE id = %s AND organisation_id = %s",
            (user_id, organisation_id),
        )
        row = await cursor.fetchone()
    return Preferred(*row) if row else Preferred()


async def store(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    user_id: uuid.UUID,
    external_id: str,
    key_id: str | None,
    preferred: Preferred,
) -> None:
    """Replace a person's preferences, and store the person too if they have no row yet.

    `external_id` and `key_id` are the columns of `users`.
    """
    async with transaction_of(connection, organisation_id):
        await connection.execute(
            "INSERT INTO users (id, organisation_id, key_id, external_id,"
            " preferred_language, preferred_transform_type, preferred_intensity, tour_closed)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (id) DO UPDATE SET preferred_language = excluded.preferred_language,"
            " preferred_transform_type = excluded.preferred_transform_type,"
            " preferred_intensity = excluded.preferred_intensity, tour_closed = excluded.tour_closed",
            (user_id, organisation_id, key_id, external_id, *preferred),
        )
