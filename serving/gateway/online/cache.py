"""Outputs in memory (L1) and in Redis (L2), and one flight per key in a process.

A cache hit makes an answer, not an output. The key names all that decides an output, each part
length-prefixed, and never the arm: two arms with one spec may share, two organisations never do. Failures are
not cached. The keys that one turn of the event loop asks for go to Redis as one MGET. A Redis that hangs
costs one timeout, then a breaker leaves it alone.
"""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from data.traffic.outputs import CACHE_PREFIX
from serving.breaker import Breaker

Level = Literal["l1", "l2", "miss"]

_L1_ITEMS, _L1_S = 10_000, 300
_L2_S, _L2_JITTER = 24 * 3600, 0.1
_L2_TIMEOUT_S = 0.05
_L2_FORMAT = b"\x02"  # the first byte of a value: a deploy meets the bytes of the one before, and misses
_MOST_KEYS_AT_ONCE = 256
_REDIS_AWAY = (RedisError, OSError, TimeoutError)


class CachedOutput(msgspec.Struct, frozen=True, array_like=True):
    """What answers a message again: `fields_json` is the answer's part of the JSON that no answer changes."""

    output_id: bytes  # of a UUID
    version: str
    fields_json: bytes


class Recent:
    """The outputs used last, each for at most `seconds` from when it came in."""

    def __init__(self, items: int = _L1_ITEMS, seconds: float = _L1_S) -> None:
        self._most, self._seconds = items, seconds
        self._items: OrderedDict[bytes, tuple[float, CachedOutput]] = OrderedDict()  # the next to leave first

    def get(self, name: bytes) -> CachedOutput | None:
        """The output, which is now the last to leave."""
        found = self._items.get(name)
        if found is None:
            return None
        if found[0] < time.monotonic():
            del self._items[name]
            return None
        self._items.move_to_end(name)
        return found[1]

    def put(self, name: bytes, output: CachedOutput) -> None:
        """Keep an output; the one longest unused makes room."""
        self._items[name] = (time.monotonic() + self._seconds, output)
        self._items.move_to_end(name)
        if len(self._items) > self._most:
            self._items.popitem(last=False)


def connect(redis_url: str | None) -> Redis | None:
    """A client that never waits longer than a hit may take; None without a URL."""
    if redis_url is None:
        return None
    return Redis(
        connection_pool=BlockingConnectionPool.from_url(
            redis_url,
            max_connections=32,
            timeout=_L2_TIMEOUT_S,
            socket_timeout=_L2_TIMEOUT_S,
            socket_connect_timeout=_L2_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
    )


class Cache:
    """L1 and L2 with their flights."""

    def __init__(self, redis: Redis | None) -> None:
        self.breaker = Breaker(failures=1, open_s=2.0)
        self._redis = redis
        self._l1 = Recent()
        self._flights: dict[bytes, asyncio.Task[tuple[CachedOutput, float]]] = {}
        self._asked: dict[bytes, list[asyncio.Future[CachedOutput | None]]] = {}
        self._told: dict[bytes, CachedOutput] = {}
        self._at_work: set[asyncio.Task[None]] = set()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(CachedOutput).decode

    def recall(self, name: bytes) -> CachedOutput | None:
        """The output of a key, if L1 has it."""
        return self._l1.get(name)

    def forget(self) -> None:
        """Empty L1: somebody was erased. What they had in Redis has left it by now."""
        self._l1 = Recent()

    async def get_or_make(
        self, name: bytes, make: Callable[[], Awaitable[tuple[CachedOutput, float]]]
    ) -> tuple[CachedOutput, Level, float]:
        """The output of a key, where it was found, and the seconds that the service took for it (0 for a
        hit).

        On a miss `make` runs once for all who ask meanwhile; they share its errors.
        """
        if (hit := self._l1.get(name)) is not None:
            return hit, "l1", 0.0
        flight = self._flights.get(name)
        if flight is None:
            if self._redis is not None and (hit := await self._read(name)) is not None:
                self._l1.put(name, hit)
                return hit, "l2", 0.0
            flight = self._flights.get(name)  # another may have taken off while Redis was asked
        if flight is None:
            flight = asyncio.create_task(self._fly(name, make))
            self._flights[name] = flight
        # Shielded: one client that leaves does not cancel the flight of the others.
        output, upstream_s = await asyncio.shield(flight)
        return output, "miss", upstream_s

    async def _fly(
        self, name: bytes, make: Callable[[], Awaitable[tuple[CachedOutput, float]]]
    ) -> tuple[CachedOutput, float]:
        try:
            made = await make()
            self._l1.put(name, made[0])
            self._write(name, made[0])
        finally:
            del self._flights[name]
        return made

    def _read(self, name: bytes) -> asyncio.Future[CachedOutput | None]:
        """What Redis has under a key, asked for together with all keys of this turn of the event loop."""
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_soon(self._send_reads)
        future: asyncio.Future[CachedOutput | None] = loop.create_future()
        self._asked.setdefault(name, []).append(future)
        return future

    def _send_reads(self) -> None:
        asked, self._asked = self._asked, {}
        names = list(asked)
        for start in range(0, len(names), _MOST_KEYS_AT_ONCE):
            part = {name: asked[name] for name in names[start : start + _MOST_KEYS_AT_ONCE]}
            self._start(self._read_all(part))

    async def _read_all(self, asked: dict[bytes, list[asyncio.Future[CachedOutput | None]]]) -> None:
        values: list[bytes | str | None] = [None] * len(asked)
        if self._redis is not None and self.breaker.allows():
            try:
                async with asyncio.timeout(_L2_TIMEOUT_S):
                    values = await self._redis.mget([CACHE_PREFIX + name for name in asked])
                self.breaker.succeeded()
            except _REDIS_AWAY:
                self.breaker.failed()
        for futures, value in zip(asked.values(), values, strict=True):
            output = self._understood(value)
            for future in futures:
                if not future.done():  # whoever asked may have gone
                    future.set_result(output)

    def _understood(self, value: bytes | str | None) -> CachedOutput | None:
        """A stored output; None also for foreign bytes under our key, which are overwritten then."""
        if not isinstance(value, bytes) or value[:1] != _L2_FORMAT:
            return None
        try:
            return self._decode(memoryview(value)[1:])
        except msgspec.DecodeError:
            return None

    def _write(self, name: bytes, output: CachedOutput) -> None:
        """Store in Redis, with all that this turn of the event loop stores; nobody waits for it."""
        if self._redis is None:
            return
        if not self._told:
            asyncio.get_running_loop().call_soon(self._send_writes)
        self._told[name] = output

    def _send_writes(self) -> None:
        told, self._told = self._told, {}
        self._start(self._write_all(told))

    async def _write_all(self, told: dict[bytes, CachedOutput]) -> None:
        if self._redis is None or not self.breaker.allows():
            return
        try:
            async with asyncio.timeout(_L2_TIMEOUT_S), self._redis.pipeline(transaction=False) as pipeline:
                for name, output in told.items():
                    # Jitter: what was stored together should not expire together.
                    ttl_s = int(_L2_S * (1 + _L2_JITTER * (2 * random.random() - 1)))
                    pipeline.set(CACHE_PREFIX + name, _L2_FORMAT + self._encode(output), ex=ttl_s)
                await pipeline.execute()
            self.breaker.succeeded()
        except _REDIS_AWAY:
            self.breaker.failed()

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._at_work.add(task)  # the loop itself would forget it
        task.add_done_callback(self._at_work.discard)

    async def close(self) -> None:
        """Wait for what is on its way to Redis."""
        await asyncio.gather(*self._at_work)
