"""Limits by the plan of the organisation: requests a second (by key and route), concurrent requests (by key),
answers a month (by organisation). And rewrites a day of a key that is in web pages, where everybody reads it.

The bucket of a key and route is in Redis, shared by all gateways. A gateway leases tokens from it in blocks
of a tenth of a second's worth and spends them by itself. At half a block it fetches the next one in the
background, so that a request costs no round trip. Tokens leave the bucket before they are spent: from a full
bucket all gateways together admit at most `burst + requests_per_s * t` in t seconds. In any other t seconds
each gateway can add the one and a half blocks that it had leased before. A lease that is a second old is not
spent, but returned at the next fetch.

While Redis is unavailable each gateway has a bucket of its own, full at first: n gateways admit at most
`n * (burst + requests_per_s * t)` more.

The monthly quota is compared with the table `usage`, which is read at every heartbeat (0.25 s) and written
with the answers (0.2 s late): an organisation can exceed it by its answers of 0.45 s. A gateway that does not
know an organisation's usage reads it before the first answer. While Postgres is unavailable it takes the
usage as zero until the next heartbeat.

The rewrites of a day (UTC) are counted in Redis as they are leased. So all gateways together admit no more,
and fewer by what each has leased and does not spend, a hundredth of the quota at most. While Redis is
unavailable each gateway goes on from the count that it knows, by itself: n gateways admit at most n quotas
more. What they admitted is added when Redis is back. A request counts when it is admitted, also one that is
then refused for what it says.

The number of leases is bounded; the ones fetched the longest time ago are dropped. A caller that sends all
the time fetches one each second, so a flood of strangers does not drop theirs. A quota is kept as long as a
lease refers to it.
"""

import asyncio
import logging
import math
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from weakref import WeakValueDictionary

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import Field
from redis.asyncio import Redis
from redis.exceptions import RedisError

import configs
from configs import StageConfig
from data.people.identities import Identity
from serving.breaker import Breaker
from serving.gateway.auth import Caller
from serving.gateway.problems import TooLargeError, TooManyRequestsError

log = logging.getLogger(__name__)

_PLANS = Path(__file__).parent.parent.parent / "configs" / "plans.yaml"
# The routes that count against the quota, and how many rewrites one request makes. A batch takes one more for
# each further message.
_WRITES = {
    "/api/v1/transform": 1,
    "/api/v1/batch": 1,
    "/api/v1/compare": 2,
    "/api/v1/comparisons/next": 2,
}
_PREFIX = "tonebridge:rate:"
_BLOCK_S = 0.1
_LEASE_S = 1.0
_DAY_S = 86_400
_DAY_BLOCKS = 100  # parts of a quota of a day; a gateway leases one at a time
_DAY_DENIED_S = 10.0  # until Redis is asked again whether other gateways have returned rewrites of the day
_READ_USAGE_S = 0.5  # that the first request of an organisation waits for its usage
_MAX_LEASES = 20_000
_REDIS_ERRORS = (RedisError, OSError, TimeoutError)

# A bucket is one number: the time (microseconds) at which it will be full again. No key: it is full now.
# Returns the tokens granted, those left, and if none was granted the milliseconds until `need` are there.
_DRAW = """
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local want, need, returned = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each = 1000000 / rate
local full_at = tonumber(redis.call('GET', KEYS[1]) or now) or now
local missing = math.max(0, math.min(full_at - now - returned * each, burst * each))
local available = math.floor(burst - missing / each + 1e-6)
local granted = available >= need and math.min(available, want) or 0
missing = missing + granted * each
redis.call('SET', KEYS[1], now + missing, 'PX', math.ceil(missing / 1000) + 1)
local wait = granted > 0 and 0 or math.ceil((need * each - burst * each + missing) / 1000)
return {granted, available - granted, wait}
"""


class Plan(StageConfig):
    """The limits of a plan; no quota without `answers_a_month`."""

    requests_per_s: Annotated[float, Field(gt=0)]
    burst: Annotated[int, Field(ge=1)]
    concurrent: Annotated[int, Field(ge=1)]
    sockets: Annotated[int, Field(ge=0)] = 0
    answers_a_month: Annotated[int, Field(ge=0)] | None


class Plans(StageConfig):
    """The plans by name; `organisations.plan` knows no others."""

    free: Plan
    team: Plan
    scale: Plan


def plans(path: Path = _PLANS) -> dict[str, Plan]:
    """The plans of a yaml file by name."""
    return dict(configs.load(Plans, path))


def cost(route: str) -> int:
    """The tokens that a request to a route takes."""
    return _WRITES.get(route, 1)


class _Quota:
    """The answers that an organisation has left this month, as of the last heartbeat. Nothing is answered
    before its usage is known.
    """

    __slots__ = ("__weakref__", "is_known", "left", "limit", "organisation_id", "reading")

    def __init__(self, organisation_id: uuid.UUID, limit: int) -> None:
        self.organisation_id, self.limit, self.left = organisation_id, limit, limit
        self.is_known = False
        self.reading: asyncio.Task[None] | None = None


class _Day:
    """The rewrites that all gateways have leased for a key today, as far as this gateway knows.

    `unreported` are those of `used` that the counter in Redis does not have yet.
    """

    __slots__ = ("__weakref__", "number", "unreported", "used")

    def __init__(self) -> None:
        self.number, self.used, self.unreported = 0, 0, 0

    def begin(self, number: int) -> None:
        """Begin again if it is another day; days are counted from 1970."""
        if number != self.number:
            self.number, self.used, self.unreported = number, 0, 0

    def add(self, rewrites: int) -> None:
        """Count rewrites that Redis has not counted; fewer than 0 were not made."""
        self.used += rewrites
        self.unreported += rewrites


class _Lease:
    """Tokens of one key and route that this gateway may spend. With a quota of the day each of them has been
    counted as a rewrite on the day `drawn_on`.
    """

    __slots__ = (
        "block", "bucket", "day", "day_denied_until", "denied_cost", "denied_until", "drawn_on", "expires_at",
        "fetching", "key", "left", "local_full_at", "low", "plan", "plan_name", "policy", "quota",
        "rewrites_a_day", "tokens",
    )  # fmt: skip

    def __init__(
        self,
        key: tuple[str, str],
        identity: Identity,
        plan: Plan,
        quota: _Quota | None,
        day: _Day | None,
        block_s: float,
    ) -> None:
        self.key, self.plan_name, self.plan, self.quota = key, identity.plan, plan, quota
        self.rewrites_a_day, self.day = identity.rewrites_a_day, day
        self.day_denied_until, self.drawn_on = 0.0, 0
        self.bucket = f"{_PREFIX}{key[0]}:{key[1]}"
        self.tokens, self.left = 0, plan.burst  # here, and in the bucket
        self.expires_at = 0.0
        self.block = max(1, min(int(plan.requests_per_s * block_s), plan.burst))
        if day is not None:
            self.block = max(1, min(self.block, self.day_limit // _DAY_BLOCKS))
        # At a few requests a second round trips are few, and a leased block would be much of the rate.
        self.low = self.block // 2 if self.block >= 4 else -1
        self.denied_cost, self.denied_until = 0, 0.0
        self.local_full_at = 0.0
        self.fetching: asyncio.Task[None] | None = None
        self.policy = b'"burst";q=%d;w=%d' % (plan.burst, math.ceil(plan.burst / plan.requests_per_s))
        if day is not None:
            self.policy += b', "day";q=%d' % self.day_limit
        if quota is not None:
            self.policy += b', "month";q=%d' % quota.limit

    @property
    def day_limit(self) -> int:
        """The quota of the day, for a lease that has one."""
        assert self.rewrites_a_day is not None, self.key
        return self.rewrites_a_day

    @property
    def left_today(self) -> int:
        """The rewrites that the key has left today, with those leased here."""
        assert self.day is not None, self.key
        return max(0, self.day_limit - self.day.used) + self.tokens

    def headers(self, reset_s: int | None = None) -> bytes:
        """The value of RateLimit: the tokens left, as this gateway knows them; more in `reset_s` seconds."""
        value = b'"burst";r=%d' % (self.tokens + self.left)
        if reset_s is not None:
            value += b";t=%d" % reset_s
        if self.day is not None:
            value += b', "day";r=%d' % self.left_today
        if self.quota is not None:
            value += b', "month";r=%d' % max(0, self.quota.left)
        return value


class Limiter:
    """Admits or refuses requests; one per process."""

    def __init__(
        self,
        plans: Mapping[str, Plan],
        redis: Redis | None,
        pool: AsyncConnectionPool | None = None,
        lease_s: float = _LEASE_S,
        block_s: float = _BLOCK_S,
        max_leases: int = _MAX_LEASES,
        clock: Callable[[], float] = time.monotonic,
        redis_timeout_s: float = 0.05,
        epoch_s: Callable[[], float] = time.time,
    ) -> None:
        """Without `pool` the usage of an organisation is zero before the first heartbeat. A block has the
        tokens of `block_s`, and a lease can be spent for `lease_s`. `clock` gives the breaker of Redis the
        time in seconds; a call to Redis may take `redis_timeout_s`. `epoch_s` gives the seconds since 1970:
        days begin by it.
        """
        self.breaker = Breaker(failures=1, open_s=2.0, clock=clock)
        self._plans, self._pool, self._max_leases = plans, pool, max_leases
        self._lease_s, self._block_s = lease_s, block_s
        self._redis, self._redis_timeout_s, self._epoch_s = redis, redis_timeout_s, epoch_s
        self._draw_in_redis = redis.register_script(_DRAW) if redis is not None else None
        self._leases: OrderedDict[tuple[str, str], _Lease] = OrderedDict()  # last fetched at the end
        self._quotas: WeakValueDictionary[uuid.UUID, _Quota] = WeakValueDictionary()
        self._days: WeakValueDictionary[str, _Day] = WeakValueDictionary()
        self._active: set[_Quota] = set()  # since the last heartbeat
        self._in_flight: dict[str, int] = {}

    def try_take(self, caller: Caller, route: str, cost: int = 1) -> bool:
        """Spend leased tokens. False when there are not enough; `take` leases more, or says why not."""
        identity = caller.identity
        lease = self._leases.get((identity.key_id, route))
        if (
            lease is None
            or lease.tokens < cost
            or lease.plan_name != identity.plan
            or lease.rewrites_a_day != identity.rewrites_a_day
        ):
            return False
        now = time.monotonic()
        if now >= lease.expires_at:
            return False
        quota = lease.quota
        if quota is not None:
            if quota.left < cost or not quota.is_known:
                return False
            quota.left -= cost
            self._active.add(quota)
        lease.tokens -= cost
        if lease.tokens <= lease.low and lease.fetching is None and now >= lease.denied_until:
            lease.fetching = asyncio.create_task(self._fetch(lease, 1))
        return True

    def try_pass(self, caller: Caller, route: str) -> bool:
        """Spend a leased token on a request that is answered at once. False, and nothing spent, when there is
        none, or the key has too many concurrent requests.
        """
        identity = caller.identity
        in_flight = self._in_flight.get(identity.key_id, 0)
        return in_flight < self._plans[identity.plan].concurrent and self.try_take(caller, route)

    async def take(self, caller: Caller, route: str, cost: int = 1) -> None:
        """Spend tokens, leasing them first if necessary.

        Raises TooManyRequestsError when there are none, or the quota of the month or of the key's day is used
        up, and TooLargeError when the plan never admits so many at once.
        """
        while not self.try_take(caller, route, cost):
            lease = self._lease(caller, route)
            if lease.quota is not None and not lease.quota.is_known:
                if lease.quota.reading is None:
                    lease.quota.reading = asyncio.create_task(self._read_usage(lease.quota))
                await asyncio.shield(lease.quota.reading)
            self._refuse_if_over(lease, cost)
            if lease.fetching is None:
                lease.fetching = asyncio.create_task(self._fetch(lease, cost))
            await asyncio.shield(lease.fetching)  # a client that disconnects does not cancel it

    def _refuse_if_over(self, lease: _Lease, cost: int) -> None:
        if cost > lease.plan.burst:
            raise TooLargeError("plan_burst", plan=lease.plan_name, burst=lease.plan.burst, cost=cost)
        if lease.quota is not None and lease.quota.left < cost:
            self._active.add(lease.quota)  # so that the next month is noticed
            error = TooManyRequestsError(
                "plan_quota",
                plan=lease.plan_name,
                limit=lease.quota.limit,
                left=max(0, lease.quota.left),
            )
            raise error.until(until_next_month_s(), _headers(lease, lease.headers()))
        if lease.day is not None:
            self._refuse_if_over_day(lease, lease.day, cost)
        wait_s = lease.denied_until - time.monotonic()
        if wait_s > 0 and cost >= lease.denied_cost:
            retry_after_s = math.ceil(wait_s)
            error = TooManyRequestsError(
                "plan_rate",
                plan=lease.plan_name,
                rate=lease.plan.requests_per_s,
                burst=lease.plan.burst,
            )
            raise error.until(retry_after_s, _headers(lease, lease.headers(retry_after_s)))

    def _refuse_if_over_day(self, lease: _Lease, day: _Day, cost: int) -> None:
        now_s = self._epoch_s()
        day.begin(int(now_s // _DAY_S))
        if time.monotonic() < lease.day_denied_until and lease.left_today < cost:
            error = TooManyRequestsError("key_quota", limit=lease.day_limit, left=lease.left_today)
            raise error.until(math.ceil(_DAY_S - now_s % _DAY_S), _headers(lease, lease.headers()))

    def enter(self, caller: Caller) -> None:
        """Count a request that starts. TooManyRequestsError when the key has too many here. Otherwise call
        `leave` when the request ends.
        """
        identity = caller.identity
        count = self._in_flight.get(identity.key_id, 0)
        limit = self._plans[identity.plan].concurrent
        if count >= limit:
            raise TooManyRequestsError("plan_concurrent", plan=identity.plan, limit=limit)
        self._in_flight[identity.key_id] = count + 1

    def leave(self, caller: Caller) -> None:
        """Count a request that ends."""
        key_id = caller.identity.key_id
        count = self._in_flight[key_id] - 1
        if count:
            self._in_flight[key_id] = count
        else:
            del self._in_flight[key_id]

    def headers(self, caller: Caller, route: str) -> tuple[bytes, bytes]:
        """The values of RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers)."""
        lease = self._lease(caller, route)
        return lease.policy, lease.headers()

    async def renew(self, connection: AsyncConnection) -> None:
        """Read this month's usage of the organisations that sent requests since the last time."""
        active, self._active = self._active, set()
        if not active:
            return
        used = await _used(connection, [quota.organisation_id for quota in active])
        for quota in active:
            quota.left, quota.is_known = quota.limit - used.get(quota.organisation_id, 0), True

    async def _read_usage(self, quota: _Quota) -> None:
        """Read the usage of an organisation this month; zero if it cannot be read now."""
        self._active.add(quota)
        try:
            if self._pool is not None:
                async with asyncio.timeout(_READ_USAGE_S), self._pool.connection() as connection:
                    used = await _used(connection, [quota.organisation_id])
                quota.left = quota.limit - used.get(quota.organisation_id, 0)
        except (psycopg.Error, PoolTimeout, OSError) as error:  # a timeout is an OSError
            log.warning("the usage of an organisation cannot be read: %s", error)
        quota.is_known = True

    def _lease(self, caller: Caller, route: str) -> _Lease:
        identity = caller.identity
        lease = self._leases.get((identity.key_id, route))
        if (
            lease is None
            or lease.plan_name != identity.plan
            or lease.rewrites_a_day != identity.rewrites_a_day
        ):
            if len(self._leases) >= self._max_leases:
                self._leases.popitem(last=False)  # its tokens are not returned, which admits fewer, not more
            plan = self._plans[identity.plan]
            key, quota, day = (identity.key_id, route), None, None
            if route in _WRITES:
                quota = self._quota(identity.organisation_id, plan.answers_a_month)
                if identity.rewrites_a_day is not None:
                    day = self._days.setdefault(identity.key_id, _Day())
            lease = self._leases[key] = _Lease(key, identity, plan, quota, day, self._block_s)
        return lease

    def _quota(self, organisation_id: uuid.UUID, limit: int | None) -> _Quota | None:
        if limit is None:
            return None
        quota = self._quotas.get(organisation_id)
        if quota is None or quota.limit != limit:
            quota = self._quotas[organisation_id] = _Quota(organisation_id, limit)
        return quota

    async def _fetch(self, lease: _Lease, cost: int) -> None:
        """Lease a block, or at least the tokens that `cost` lacks. If the bucket has too few, note until
        when.
        """
        if self._leases.get(lease.key) is lease:
            self._leases.move_to_end(lease.key)
        returned = 0
        if time.monotonic() >= lease.expires_at:
            returned, lease.tokens = lease.tokens, 0
        if lease.day is not None:
            lease.day.begin(int(self._epoch_s() // _DAY_S))
            if lease.drawn_on == lease.day.number:
                lease.day.add(-returned)
        need = max(1, cost - lease.tokens)
        try:
            granted, left, wait_s = await self._draw(lease, max(need, lease.block), need, returned)
            is_in_bucket = granted > 0
            if lease.day is not None and is_in_bucket:
                granted = await self._count(lease, lease.day, granted, need)
        finally:
            lease.fetching = None
        lease.tokens += granted
        lease.left = left
        if granted:
            lease.expires_at = time.monotonic() + self._lease_s
        elif is_in_bucket:
            lease.day_denied_until = time.monotonic() + _DAY_DENIED_S
        else:
            # Redis is not called for this key before the client may retry, in whole seconds. If the bucket is
            # full earlier, it is called then: tokens that a full bucket would get are lost.
            full_s = wait_s + (lease.plan.burst - need) / lease.plan.requests_per_s
            lease.denied_until = time.monotonic() + min(math.ceil(wait_s), full_s)
            lease.denied_cost = cost

    async def _draw(self, lease: _Lease, want: int, need: int, returned: int) -> tuple[int, int, float]:
        """Tokens granted, tokens left, and seconds to wait if none was granted."""
        rate, burst = lease.plan.requests_per_s, lease.plan.burst
        if self._draw_in_redis is not None and self.breaker.allows():
            try:
                async with asyncio.timeout(self._redis_timeout_s):
                    granted, left, wait_ms = await self._draw_in_redis(
                        [lease.bucket], [rate, burst, want, need, returned]
                    )
            except _REDIS_ERRORS:
                self.breaker.failed()
            else:
                self.breaker.succeeded()
                return granted, left, wait_ms / 1000
        # The same arithmetic as in Redis, on a bucket of this gateway's own.
        now = time.monotonic()
        missing = max(0.0, min((lease.local_full_at - now) * rate - returned, burst))
        available = math.floor(burst - missing + 1e-6)
        granted = min(available, want) if available >= need else 0
        lease.local_full_at = now + (missing + granted) / rate
        return granted, available - granted, 0.0 if granted else (need - burst + missing) / rate

    async def _count(self, lease: _Lease, day: _Day, drawn: int, need: int) -> int:
        """How many of the tokens that were drawn are within the quota of the day, and are counted now; none
        when they are fewer than `need`.
        """
        unreported, day.unreported = day.unreported, 0
        used = await self._add_up(lease, day.number, drawn + unreported)
        if used is None:
            day.unreported += unreported
            day.add(drawn)
            used = day.used
        else:
            day.used = used + day.unreported  # of another route's lease, meanwhile
        within = drawn - max(0, used - lease.day_limit)
        granted = within if within >= need else 0
        day.add(granted - drawn)  # Redis is told with the next block
        lease.drawn_on = day.number
        return granted

    async def _add_up(self, lease: _Lease, day_number: int, rewrites: int) -> int | None:
        """The rewrites of a key on a day by the counter in Redis, after adding some; None without Redis."""
        if self._redis is None or not self.breaker.allows():
            return None
        name = f"{_PREFIX}{lease.key[0]}:day:{day_number}"
        try:
            async with (
                asyncio.timeout(self._redis_timeout_s),
                self._redis.pipeline(transaction=False) as calls,
            ):
                calls.incrby(name, rewrites)
                calls.expire(name, 2 * _DAY_S)
                used: int = (await calls.execute())[0]
        except _REDIS_ERRORS:
            self.breaker.failed()
            return None
        self.breaker.succeeded()
        return used


async def fetch_usage(connection: AsyncConnection, organisation_id: uuid.UUID) -> tuple[str, int]:
    """The plan of an organisation, and its answers of this month."""
    cursor = await connection.execute("SELECT plan FROM organisations WHERE id = %s", (organisation_id,))
    row = await cursor.fetchone()
    assert row is not None, "an organisation is never deleted"
    return row[0], (await _used(connection, [organisation_id])).get(organisation_id, 0)


async def _used(connection: AsyncConnection, organisation_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """The answers of this month by organisation; those without answers are missing."""
    cursor = await connection.execute(
        "SELECT organisation_id, answers FROM usage WHERE organisation_id = ANY(%s)"
        " AND month = date_trunc('month', now() AT TIME ZONE 'UTC')::date",
        (list(organisation_ids),),
    )
    return dict(await cursor.fetchall())


def _headers(lease: _Lease, left: bytes) -> dict[str, str]:
    return {"RateLimit-Policy": lease.policy.decode(), "RateLimit": left.decode()}


def until_next_month_s() -> int:
    """Seconds until the first day of the next month, UTC, when quotas begin again."""
    now = datetime.now(UTC)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return math.ceil(((first + timedelta(days=32)).replace(day=1) - now).total_seconds())
