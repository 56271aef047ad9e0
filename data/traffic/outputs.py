"""Outputs and comparisons: committed before anybody sees them; and the names of outputs in the caches."""

import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data import normal_form
from data.database import speak_for
from data.records import TransformType

CACHE_PREFIX = b"tonebridge:output:"  # of a name, in Redis
NO_DICTIONARY = ""


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
    """Insert outputs, all or none; durable when this returns in autocommit, else when the transaction
    commits.
    """
    await connection.execute(
        "INSERT INTO outputs"
        " (id, organisation_id, message, transform_type, intensity, text, facts_missing, spec_digest,"
        " version, seed, upstream_ms) SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[],"
        " %s::int2[], %s::text[], %s::jsonb[], %s::text[], %s::text[], %s::int[], %s::float8[])",
        (
            [o.id for o in outputs],
            [o.organisation_id for o in outputs],
            [o.message for o in outputs],
            [o.transform_type.value for o in outputs],
            [o.intensity for o in outputs],
            [o.text for o in outputs],
            [json.dumps(o.facts_missing) for o in outputs],
            [o.spec_digest for o in outputs],
            [o.version for o in outputs],
            [o.seed for o in outputs],
            [o.upstream_ms for o in outputs],
        ),
    )


class OutputWriter:
    """Stores outputs of many requests in few transactions: those that come while one commits go with the
    next.
    """

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._waiting: list[tuple[NewOutput, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def store(self, output: NewOutput) -> None:
        """Return when the output is durable; psycopg's OperationalError or PoolTimeout when it is not."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((output, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="outputs")
        await future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._commit(batch)
            except (psycopg.Error, PoolTimeout) as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
        self._task = None

    async def _commit(self, batch: Sequence[tuple[NewOutput, asyncio.Future[None]]]) -> None:
        async with self._pool.connection() as connection:
            await store(connection, *(output for output, _ in batch))
        for _, future in batch:
            if not future.done():  # whoever waited may have gone; the output stays
                future.set_result(None)


async def store_comparison(
    connection: AsyncConnection,
    comparison_id: uuid.UUID,
    user_id: uuid.UUID,
    policy: str,
    first: NewOutput,
    second: NewOutput,
    people: int | None = None,
    is_own: bool = False,
) -> None:
    """Insert two outputs and the order in which one person sees them, in one transaction; with `people` as a
    pair that so many shall be shown (`data.traffic.comparisons`), with `is_own` of a message that the person
    typed.
    """
    async with connection.transaction():
        await speak_for(connection, first.organisation_id)
        await store(connection, first, second)
        await connection.execute(
            "INSERT INTO comparisons"
            " (id, organisation_id, user_id, policy, first_output_id, second_output_id, pair_id, people,"
            " is_own)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                comparison_id,
                first.organisation_id,
                user_id,
                policy,
                first.id,
                second.id,
                comparison_id if people else None,
                people,
                is_own,
            ),
        )


async def find_purged_at(connection: AsyncConnection) -> datetime | None:
    """When an erasure last told the gateways to forget what they hold; None before the first one."""
    cursor = await connection.execute("SELECT max(purged_at) FROM erasures")
    row = await cursor.fetchone()
    assert row is not None
    purged_at: datetime | None = row[0]
    return purged_at


_NAME = {kind: kind.value.encode() for kind in TransformType}


def _prefixed(part: bytes) -> bytes:
    return len(part).to_bytes(4) + part


class Namer:
    """Names outputs: blake2b-160 over length-prefixed parts, the text in NFC.

    What stands before the text is hashed once, and kept for the last few thousand combinations.
    """

    def __init__(self) -> None:
        self._begun: dict[tuple[uuid.UUID, str, str, TransformType, int], Any] = {}

    def name(
        self,
        organisation_id: uuid.UUID,
        spec_digest: str,
        dictionary_digest: str,
        transform_type: TransformType,
        intensity: int,
        text: str,
    ) -> bytes:
        """The key of an output, 20 bytes."""
        before = (organisation_id, spec_digest, dictionary_digest, transform_type, intensity)
        begun = self._begun.get(before)
        if begun is None:
            if len(self._begun) >= 4096:
                self._begun.clear()
            parts = (
                organisation_id.bytes,
                spec_digest.encode(),
                dictionary_digest.encode(),
                _NAME[transform_type],
                b"%d" % intensity,
            )
            begun = self._begun[before] = blake2b(digest_size=20, person=b"tonebridge.cache")
            for part in parts:
                begun.update(_prefixed(part))
        digest = begun.copy()
        encoded = normal_form.normalise("NFC", text).encode()
        digest.update(len(encoded).to_bytes(4) + encoded)
        return bytes(digest.digest())
