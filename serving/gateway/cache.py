"""Outputs in memory (L1) and in Redis (L2), and one flight per key in a process.

A cache hit makes an answer, not an output. The key names all that decides an output, each part
length-prefixed, and never the arm: two arms with one spec may share, two organisations never do. Failures are
not cached. A Redis that hangs costs one timeout, then a breaker leaves it alone.
"""

import asyncio
import random
import unicodedata
import uuid
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Literal

import msgspec
from cachetools import TTLCache
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from data.records import TransformType
from serving.gateway.breaker import Breaker

Level = Literal["l1", "l2", "miss"]

_L1_ITEMS, _L1_S = 10_000, 300
_L2_S, _L2_JITTER = 24 * 3600, 0.1
_L2_TIMEOUT_S = 0.05
_L2_PREFIX = "tonebridge:output:1:"  # the number is the stored format's: a deploy never reads what it cannot


class CachedOutput(msgspec.Struct, frozen=True):
    """What answers a message again."""

    output_id: uuid.UUID
    text: str
    facts_missing: list[str]
    version: str


def key(
    organisation_id: uuid.UUID,
    spec_digest: str,
    dictionary_digest: str,
    transform_type: TransformType,
    intensity: int,
    text: str,
) -> str:
    """The name of an output: blake2b-160 over its length-prefixed parts, the text in NFC."""
    digest = blake2b(digest_size=20, person=b"tonebridge.cache")
    normal = unicodedata.normalize("NFC", text)
    for part in (
        organisation_id.hex,
        spec_digest,
        dictionary_digest,
        transform_type.value,
        str(intensity),
        normal,
    ):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4))
        digest.update(encoded)
    return digest.hexdigest()


class Cache:
    """L1 and L2 with their flights."""

    def __init__(self, redis_url: str | None) -> None:
        self._l1: TTLCache[str, CachedOutput] = TTLCache(_L1_ITEMS, _L1_S)
        self._flights: dict[str, asyncio.Task[CachedOutput]] = {}
        self._breaker = Breaker(failures=1, open_s=2.0)
        self._redis: Redis | None = None
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(CachedOutput).decode
        if redis_url:
            pool = BlockingConnectionPool.from_url(
                redis_url,
                max_connections=32,
                timeout=_L2_TIMEOUT_S,
                socket_timeout=_L2_TIMEOUT_S,
                socket_connect_timeout=_L2_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
            )
            self._redis = Redis(connection_pool=pool)

    async def get_or_make(
        self, name: str, make: Callable[[], Awaitable[CachedOutput]]
    ) -> tuple[CachedOutput, Level]:
        """The cached output of a key; on a miss `make` runs once for all who ask meanwhile; they share its
        errors.
        """
        if (hit := self._l1.get(name)) is not None:
            return hit, "l1"
        flight = self._flights.get(name)
        if flight is None:
            if (hit := await self._read(name)) is not None:
                self._l1[name] = hit
                return hit, "l2"
            flight = self._flights.get(name)  # another may have taken off while Redis was asked
        if flight is None:
            flight = asyncio.create_task(self._fly(name, make))
            self._flights[name] = flight
        # Shielded: one client that leaves does not cancel the flight of the others.
        return await asyncio.shield(flight), "miss"

    async def _fly(self, name: str, make: Callable[[], Awaitable[CachedOutput]]) -> CachedOutput:
        try:
            output = await make()
            self._l1[name] = output
        finally:
            del self._flights[name]
        await self._write(name, output)
        return output

    async def _read(self, name: str) -> CachedOutput | None:
        if self._redis is None or not self._breaker.allows():
            return None
        try:
            stored = await self._redis.get(_L2_PREFIX + name)
            self._breaker.succeeded()
            return self._decode(stored) if isinstance(stored, bytes) else None
        except (RedisError, OSError, TimeoutError):
            self._breaker.failed()
        except msgspec.DecodeError:
            self._breaker.succeeded()  # foreign bytes under our key: a miss, to be overwritten
        return None

    async def _write(self, name: str, output: CachedOutput) -> None:
        if self._redis is None or not self._breaker.allows():
            return
        # Jitter: what was stored together should not expire together.
        ttl_s = int(_L2_S * (1 + _L2_JITTER * (2 * random.random() - 1)))
        try:
            await self._redis.set(_L2_PREFIX + name, self._encode(output), ex=ttl_s)
            self._breaker.succeeded()
        except (RedisError, OSError, TimeoutError):
            self._breaker.failed()

    async def close(self) -> None:
        """Let go of Redis."""
        if self._redis is not None:
            await self._redis.aclose()
            await self._redis.connection_pool.disconnect()
