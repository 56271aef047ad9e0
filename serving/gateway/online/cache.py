"""Outputs in memory (L1) and in Redis (L2), and at most one call in progress per key in a process.

A hit makes a new answer of an old output. The key holds everything that determines an output, each part
length-prefixed, but not the arm: two arms with one spec share outputs, two organisations never do. Failures
are not cached. All keys that are read in one turn of the event loop go to Redis as one MGET. A Redis that
hangs costs one timeout; then a breaker stops the calls to it.
"""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from data import redis_meter
from data.redis_meter import Meter
from data.traffic.outputs import CACHE_PREFIX
from serving.breaker import Breaker

Level = Literal["l1", "l2", "miss"]

_L1_ITEMS, _L1_S = 10_000, 300
_L2_S, _L2_JITTER = 24 * 3600, 0.1
_TIMEOUT_S = 0.05  # of a call to Redis
_L2_FORMAT = b"\x03"  # the first byte of a value; values of another release's format count as misses
_MAX_KEYS = 256
_REDIS_ERRORS = (RedisError, OSError, TimeoutError)


class CachedOutput(msgspec.Struct, frozen=True, array_like=True):
    """An output that can answer its message again. `fields_json` are the fields of the answer's JSON that are
    the same in every answer with it, without the braces.
    """

    output_id: bytes  # of a UUID
    version: str
    fields_json: bytes


class Recent:
    """The most recently used outputs, up to `items`, each for at most `seconds` after it was stored."""

    def __init__(self, items: int = _L1_ITEMS, seconds: float = _L1_S) -> None:
        self._capacity, self._seconds = items, seconds
        self._items: OrderedDict[bytes, tuple[float, CachedOutput]] = (
            OrderedDict()
        )  # least recently used first

    def get(self, name: bytes) -> CachedOutput | None:
        """The output of a key, which is the most recently used now; None when there is none."""
        entry = self._items.get(name)
        if entry is None:
            return None
        expires_at, output = entry
        if expires_at < time.monotonic():
            del self._items[name]
            return None
        self._items.move_to_end(name)
        return output

    def put(self, name: bytes, output: CachedOutput) -> None:
        """Store an output; when full, the least recently used one is dropped."""
        self._items[name] = (time.monotonic() + self._seconds, output)
        self._items.move_to_end(name)
        if len(self._items) > self._capacity:
            self._items.popitem(last=False)


def connect(redis_url: str | None, timeout_s: float = _TIMEOUT_S, meter: Meter | None = None) -> Redis | None:
    """A client whose every wait ends after `timeout_s`, and whose commands `meter` counts; None without a
    URL.
    """
    if redis_url is None:
        return None
    return redis_meter.connect_async(
        redis_url,
        meter or Meter(),
        max_connections=32,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


class _Call:
    """A call in progress, and how many requests wait for it. It ends when the last of them is cancelled."""

    __slots__ = ("task", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.task: asyncio.Task[tuple[CachedOutput, float]]


class Cache:
    """L1, L2 and the calls in progress. Belongs to one event loop."""

    def __init__(self, redis: Redis | None, timeout_s: float = _TIMEOUT_S) -> None:
        """Redis is waited for `timeout_s`."""
        self.breaker = Breaker(failures=1, open_s=2.0)
        self._redis, self._timeout_s = redis, timeout_s
        self._l1 = Recent()
        self._calls: dict[bytes, _Call] = {}
        self._reads: dict[bytes, list[asyncio.Future[CachedOutput | None]]] = {}
        self._writes: dict[bytes, CachedOutput] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(CachedOutput).decode

    def recall(self, name: bytes) -> CachedOutput | None:
        """The output of a key, if L1 has it."""
        return self._l1.get(name)

    def forget(self) -> None:
        """Empty L1 after an erasure. The erasure itself has deleted the person's outputs from Redis."""
        self._l1 = Recent()

    async def get_or_make(
        self,
        name: bytes,
        make: Callable[[], Awaitable[tuple[CachedOutput, float]]],
        is_kept: bool = True,
    ) -> tuple[CachedOutput, Level, float]:
        """The output of a key, the level that it came from, and the seconds that the service took (0 for a
        hit).

        On a miss `make` runs once for all requests that wait for the key; they share its result and errors.
        It goes on when some of them are cancelled, and ends with the last of them. Without `is_kept` the
        caller keeps what `make` returned.
        """
        if (hit := self._l1.get(name)) is not None:
            return hit, "l1", 0.0
        call = self._calls.get(name)
        if call is None:
            if self._redis is not None and (hit := await self._read(name)) is not None:
                self._l1.put(name, hit)
                return hit, "l2", 0.0
            call = self._calls.get(name)  # one may have started while Redis was read
        if call is None:
            call = self._calls[name] = _Call()
            call.task = asyncio.create_task(self._make(name, call, make, is_kept))
        call.waiting += 1
        try:
            # Shielded: a client that disconnects does not cancel the call for the others.
            output, upstream_s = await asyncio.shield(call.task)
        except asyncio.CancelledError:
            if call.waiting == 1:
                self._end(name, call)  # at once, so that nobody joins a call that is being cancelled
                call.task.cancel()
            raise
        finally:
            call.waiting -= 1
        return output, "miss", upstream_s

    def keep(self, name: bytes, output: CachedOutput) -> None:
        """Store an output in L1, and in Redis in the background."""
        self._l1.put(name, output)
        self._write(name, output)

    async def _make(
        self,
        name: bytes,
        call: _Call,
        make: Callable[[], Awaitable[tuple[CachedOutput, float]]],
        is_kept: bool,
    ) -> tuple[CachedOutput, float]:
        try:
            made = await make()
            if is_kept:
                self.keep(name, made[0])
        finally:
            self._end(name, call)
        return made

    def _end(self, name: bytes, call: _Call) -> None:
        if self._calls.get(name) is call:
            del self._calls[name]

    def _read(self, name: bytes) -> asyncio.Future[CachedOutput | None]:
        """The value of a key in Redis, read together with all keys of this turn of the event loop."""
        loop = asyncio.get_running_loop()
        if not self._reads:
            loop.call_soon(self._send_reads)
        future: asyncio.Future[CachedOutput | None] = loop.create_future()
        self._reads.setdefault(name, []).append(future)
        return future

    def _send_reads(self) -> None:
        reads, self._reads = self._reads, {}
        names = list(reads)
        for start in range(0, len(names), _MAX_KEYS):
            part = {name: reads[name] for name in names[start : start + _MAX_KEYS]}
            self._start(self._read_all(part))

    async def _read_all(self, reads: dict[bytes, list[asyncio.Future[CachedOutput | None]]]) -> None:
        values: list[bytes | str | None] = [None] * len(reads)
        if self._redis is not None and self.breaker.allows():
            try:
                async with asyncio.timeout(self._timeout_s):
                    values = await self._redis.mget([CACHE_PREFIX + name for name in reads])
                self.breaker.succeeded()
            except _REDIS_ERRORS:
                self.breaker.failed()
        for futures, value in zip(reads.values(), values, strict=True):
            output = self._decoded(value)
            for future in futures:
                if not future.done():  # the client may have disconnected
                    future.set_result(output)

    def _decoded(self, value: bytes | str | None) -> CachedOutput | None:
        """A stored output; None also for bytes that this release did not write, which are overwritten."""
        if not isinstance(value, bytes) or value[:1] != _L2_FORMAT:
            return None
        try:
            return self._decode(memoryview(value)[1:])
        except msgspec.DecodeError:
            return None

    def _write(self, name: bytes, output: CachedOutput) -> None:
        """Store in Redis, together with all writes of this turn of the event loop, in the background."""
        if self._redis is None:
            return
        if not self._writes:
            asyncio.get_running_loop().call_soon(self._send_writes)
        self._writes[name] = output

    def _send_writes(self) -> None:
        writes, self._writes = self._writes, {}
        self._start(self._write_all(writes))

    async def _write_all(self, writes: dict[bytes, CachedOutput]) -> None:
        if self._redis is None or not self.breaker.allows():
            return
        try:
            async with asyncio.timeout(self._timeout_s), self._redis.pipeline(transaction=False) as pipeline:
                for name, output in writes.items():
                    # Jitter: outputs stored together should not expire together.
                    ttl_s = int(_L2_S * (1 + _L2_JITTER * (2 * random.random() - 1)))
                    pipeline.set(CACHE_PREFIX + name, _L2_FORMAT + self._encode(output), ex=ttl_s)
                await pipeline.execute()
            self.breaker.succeeded()
        except _REDIS_ERRORS:
            self.breaker.failed()

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)  # the event loop keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for the reads and writes in progress."""
        await asyncio.gather(*self._tasks)
