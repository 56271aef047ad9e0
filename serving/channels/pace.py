"""How fast a platform may be called: a token bucket for each workspace and method.

A platform that is called too fast anyway says for how long to wait, and is not called before.

The buckets are in Redis, shared by all processes. Each process has its own, too, and asks Redis only when its
own one has a token. So while Redis is unavailable, or has lost its data, each process keeps to the limits by
itself, and to the pauses that it knows: n processes call up to n times as often.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from configs.settings import Settings
from data import redis_meter
from data.redis_meter import Meter
from serving.breaker import Breaker

log = logging.getLogger(__name__)

_MOST = 10_000  # buckets in memory; a full one is like none
_PREFIX = "tonebridge:pace:"
_TIMEOUT_S = 0.25  # of Redis; platforms wait for three seconds
_REDIS_ERRORS = (RedisError, OSError, TimeoutError)

# A bucket is one number: the time (milliseconds) at which it will be full again. No key: it is full now.
_READ = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
local each, burst = 1000 / ARGV[1], tonumber(ARGV[2])
"""
_WRITE = """
redis.call('SET', KEYS[1], full_at, 'PX', math.max(1, math.ceil(full_at - now)))
return 0
"""
# Takes a token. Returns the milliseconds to wait when there is none.
_TAKE = f"""{_READ}
full_at = math.max(full_at, now) + each
local wait = full_at - now - burst * each
if wait > 0 then return math.ceil(wait) end
{_WRITE}"""
# Leaves one token, in so many milliseconds; nothing changes if there is none for longer.
_PAUSE = f"""{_READ}
full_at = math.max(full_at, now + ARGV[3] + (burst - 1) * each)
{_WRITE}"""


class SharedBuckets:
    """The buckets of all processes, in Redis. Belongs to one event loop."""

    def __init__(
        self, redis: Redis, timeout_s: float = _TIMEOUT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """A call to Redis may take `timeout_s`; `clock` gives its breaker the time in seconds."""
        self._redis, self._timeout_s = redis, timeout_s
        self._breaker = Breaker(failures=1, open_s=2.0, clock=clock)
        self._take, self._pause = redis.register_script(_TAKE), redis.register_script(_PAUSE)

    async def take(self, bucket: str, per_s: float, burst: int) -> float:
        """Take a token. The seconds to wait when there is none; 0 while Redis is unavailable."""
        return await self._call(self._take, bucket, per_s, burst) / 1000

    async def pause(self, bucket: str, per_s: float, burst: int, seconds: float) -> None:
        """Let nobody take a token for so long; then one."""
        await self._call(self._pause, bucket, per_s, burst, seconds * 1000)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _call(self, script: Callable[..., Awaitable[Any]], bucket: str, *arguments: float) -> int:
        if not self._breaker.allows():
            return 0
        was_open = self._breaker.is_open
        try:
            async with asyncio.timeout(self._timeout_s):
                wait_ms = await script([_PREFIX + bucket], arguments)
        except _REDIS_ERRORS as error:
            self._breaker.failed()
            if not was_open:
                log.warning("this process limits its calls of platforms by itself, without Redis: %r", error)
            return 0
        except asyncio.CancelledError:
            self._breaker.inconclusive()
            raise
        self._breaker.succeeded()
        if was_open:
            log.info("this process shares the limits of platforms with others again")
        return int(wait_ms)


class Pace:
    """Token buckets of `burst` calls, refilled by `per_s` a second; in `shared`, and of this process."""

    def __init__(
        self,
        per_s: float = 1.0,
        burst: int = 20,
        shared: SharedBuckets | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives the seconds of this process's buckets."""
        self._per_s, self._burst, self._shared, self._clock = per_s, burst, shared, clock
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, and as of when

    async def take(self, workspace: str, method: str) -> float:
        """Take a token. The seconds to wait when there is none."""
        bucket = _name(workspace, method)
        tokens, now = self._fill(bucket)
        if tokens < 1:
            return (1 - tokens) / self._per_s
        self._keep(bucket, tokens - 1, now)
        if self._shared is None:
            return 0.0
        wait_s = await self._shared.take(bucket, self._per_s, self._burst)
        if wait_s:
            self._wait(bucket, wait_s)
        return wait_s

    async def pause(self, workspace: str, method: str, seconds: float) -> None:
        """Let nobody call for so long, as the platform demands; then one call, and more as it fills."""
        bucket = _name(workspace, method)
        self._wait(bucket, seconds)
        if self._shared is not None:
            await self._shared.pause(bucket, self._per_s, self._burst, seconds)

    def _wait(self, bucket: str, seconds: float) -> None:
        tokens, now = self._fill(bucket)
        self._keep(bucket, min(tokens, 1 - seconds * self._per_s), now)

    def _fill(self, bucket: str) -> tuple[float, float]:
        now = self._clock()
        tokens, since = self._buckets.get(bucket, (float(self._burst), now))
        return min(float(self._burst), tokens + (now - since) * self._per_s), now

    def _keep(self, bucket: str, tokens: float, now: float) -> None:
        if len(self._buckets) >= _MOST:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[bucket] = (tokens, now)


def connect(settings: Settings, meter: Meter) -> SharedBuckets | None:
    """The buckets in the Redis of the settings, whose commands `meter` counts; None without Redis, or with a
    daily budget of commands, which leaves limits to each process.
    """
    if settings.redis_url is None or meter.has_budget:
        return None
    client = redis_meter.connect_async(
        settings.redis_url,
        meter,
        max_connections=8,
        timeout=_TIMEOUT_S,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    return SharedBuckets(client)


def _name(workspace: str, method: str) -> str:
    """The name of a bucket, without the ids of people that those of chats contain."""
    return sha256(f"{workspace} {method}".encode()).hexdigest()
