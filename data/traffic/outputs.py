"""Outputs and comparisons, committed before a person sees them; and the keys of outputs in the caches."""

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
from data.reasons import Reason
from data.records import TransformType

CACHE_PREFIX = b"tonebridge:output:"  # before each key in Redis


@dataclass(frozen=True, slots=True)
class NewOutput:
    """One generated text with everything that determined it. `unchanged` is the reason why the text is the
    message itself; None when the model wrote it. `prompt_tokens` were read and `tokens` written for it.
    `dictionary_digest` names the terms of dictionaries in the message, and with `has_dictionary_words` the
    text may have their wordings. `release` is that of the inference service; None: it did not say.
    """

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
    unchanged: Reason | None = None
    prompt_tokens: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    dictionary_digest: str = ""
    has_dictionary_words: bool = False
    release: str | None = None


async def store(connection: AsyncConnection, *outputs: NewOutput) -> None:
    """Insert all outputs or none.

    They are durable on return in autocommit, otherwise when the transaction commits.
    """
    await connection.execute(
        "INSERT INTO outputs"
        " (id, organisation_id, message, transform_type, intensity, text, facts_missing, spec_digest,"
        " version, seed, upstream_ms, unchanged, prompt_tokens, tokens, cost_usd,"
        " dictionary_digest, has_dictionary_words, release)"
        " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[],"
        " %s::text[], %s::int2[], %s::text[], %s::jsonb[], %s::text[], %s::text[], %s::int[], %s::float8[],"
        " %s::jsonb[], %s::int[], %s::int[], %s::float8[], %s::text[], %s::bool[],"
        " %s::text[])",
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
            [o.unchanged.model_dump_json() if o.unchanged else None for o in outputs],
            [o.prompt_tokens for o in outputs],
            [o.tokens for o in outputs],
            [o.cost_usd for o in outputs],
            [o.dictionary_digest for o in outputs],
            [o.has_dictionary_words for o in outputs],
            [o.release for o in outputs],
        ),
    )


class OutputWriter:
    """Stores outputs of many requests in few transactions: outputs that arrive during a commit share the next
    transaction.
    """

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._waiting: list[tuple[NewOutput, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def store(self, output: NewOutput) -> None:
        """Store an output; return when it is durable. Raises psycopg.Error or PoolTimeout if that fails."""
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
            if not future.done():  # a cancelled request; its output stays stored
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
    """Insert two outputs and the order in which one person sees them, in one transaction.

    `people` is how many people to show the pair to (`data.traffic.comparisons`); None when the comparison was
    not made on the page. `is_own`: the person typed the message.
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
    """When the gateways were last asked to empty their caches, by an erasure, or because a release was
    withdrawn (`data.traffic.withdrawals`); None before the first time.
    """
    cursor = await connection.execute(
        "SELECT greatest((SELECT max(purged_at) FROM erasures), (SELECT max(purged_at) FROM output_erasures),"
        " (SELECT max(withdrawn_at) FROM withdrawals))"
    )
    row = await cursor.fetchone()
    assert row is not None
    purged_at: datetime | None = row[0]
    return purged_at


_NAME = {kind: kind.value.encode() for kind in TransformType}


def _prefix_length(part: bytes) -> bytes:
    return len(part).to_bytes(4) + part


class Namer:
    """Computes cache keys of outputs: blake2b-160 over length-prefixed parts, with the text in NFC.

    The hash state before the text is kept for up to 4,096 combinations of the other parts.
    """

    def __init__(self) -> None:
        self._states: dict[tuple[uuid.UUID, str, str, TransformType, int], Any] = {}

    def name(
        self,
        organisation_id: uuid.UUID,
        spec_digest: str,
        dictionary_digest: str,
        transform_type: TransformType,
        intensity: int,
        text: str,
    ) -> bytes:
        """The key of an output: 20 bytes."""
        scope = (organisation_id, spec_digest, dictionary_digest, transform_type, intensity)
        state = self._states.get(scope)
        if state is None:
            if len(self._states) >= 4096:
                self._states.clear()
            parts = (
                organisation_id.bytes,
                spec_digest.encode(),
                dictionary_digest.encode(),
                _NAME[transform_type],
                b"%d" % intensity,
            )
            state = self._states[scope] = blake2b(digest_size=20, person=b"tonebridge.cache")
            for part in parts:
                state.update(_prefix_length(part))
        digest = state.copy()
        encoded = normal_form.normalise("NFC", text).encode()
        digest.update(len(encoded).to_bytes(4) + encoded)
        return bytes(digest.digest())


def make_cache_key(namer: Namer, organisation_id: uuid.UUID, row: Any) -> bytes:
    """The key in Redis of a stored output; the row has `spec_digest`, `dictionary_digest`, `transform_type`,
    `intensity` and `message`.
    """
    kind = TransformType(row.transform_type)
    name = namer.name(
        organisation_id, row.spec_digest, row.dictionary_digest, kind, row.intensity, row.message
    )
    return CACHE_PREFIX + name
