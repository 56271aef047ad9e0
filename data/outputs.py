"""Outputs and comparisons: committed before anybody sees them."""

import json
import uuid
from dataclasses import dataclass

from psycopg import AsyncConnection

from data.records import TransformType


@dataclass(frozen=True, slots=True)
class NewOutput:
    """One generated text with all that made it."""

    id: uuid.UUID
    organisation_id: uuid.UUID
    message: str
    transform_type: TransformType
    intensity: int
    text: str
    facts_missing: list[str]
    spec_digest: str
    version: str
    seed: int | None
    upstream_ms: float


async def store(connection: AsyncConnection, *outputs: NewOutput) -> None:
    """Insert outputs; durable when this returns in autocommit, else when the transaction commits."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO outputs"
            " (id, organisation_id, message, transform_type, intensity, text, facts_missing, spec_digest,"
            " version, seed, upstream_ms) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    o.id,
                    o.organisation_id,
                    o.message,
                    o.transform_type.value,
                    o.intensity,
                    o.text,
                    json.dumps(o.facts_missing),
                    o.spec_digest,
                    o.version,
                    o.seed,
                    o.upstream_ms,
                )
                for o in outputs
            ],
        )


async def store_comparison(
    connection: AsyncConnection,
    comparison_id: uuid.UUID,
    user_id: uuid.UUID,
    policy: str,
    first: NewOutput,
    second: NewOutput,
) -> None:
    """Insert two outputs and the order in which one person sees them, in one transaction."""
    async with connection.transaction():
        await store(connection, first, second)
        await connection.execute(
            "INSERT INTO comparisons"
            " (id, organisation_id, user_id, policy, first_output_id, second_output_id)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (comparison_id, first.organisation_id, user_id, policy, first.id, second.id),
        )
