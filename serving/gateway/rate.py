"""How much a caller may ask, by the plan of the organisation: requests a second (by key and route), requests
in flight (by key), answers a month (by organisation).

The bucket of a key and route is in Redis, shared by all gateways. A gateway leases tokens from it in blocks
of a tenth of a second's worth and spends them by itself; at half a block it fetches the next one in the
background, so that a request costs no round trip. Tokens leave the bucket before they are spent: from a full
bucket all gateways together admit at most `burst + requests_per_s * t` in t seconds. In t seconds at any time
it is at most one and a half blocks a gateway more, leased before; a lease that is a second old is not spent,
but given back at the next fetch.

While Redis is away each gateway has a bucket of its own, full when it is first needed: n gateways let at most
`n * (burst + requests_per_s * t)` more through.

The monthly quota is held against the table `usage`, which is read at every heartbeat (0.25 s) and written
with the answers (0.2 s late): an organisation gets past it by what it is answered in 0.45 s. A gateway that
does not know an organisation's usage reads it before the first answer; while Postgres is away it takes
nothing as used until the next heartbeat.

Leases are bounded in number, and those not fetched for the longest time make room: who asks all the time
fetches one each second, whatever flood of strangers there is. A quota lasts as long as a lease points at it.
"""

import asyncio
import logging
import math
import time
import uuid
from collections import OrderedDict
from collections.abc import Collection, Mapping
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
from serving.breaker import Breaker
from serving.gateway.auth import Caller
from serving.gateway.problems import TooLargeError, TooManyRequestsError

log = logging.getLogger(__name__)

_PLANS = Path(__file__).parent.parent.parent / "configs" / "plans.yaml"
# The routes that are closed when the quota is used up, and how many texts a request has written; for each
# further message of a batch its route takes one more.
_WRITES = {
    "/api/v1/transform": 1,
    "/api/v1/batch": 1,
    "/api/v1/compare": 2,
    "/api/v1/comparisons/next": 2,
}
_PREFIX = "tonebridge:rate:"
_BLOCK_S = 0.1
_LEASE_S = 1.0
_TIMEOUT_S = 0.05
_LEARN_S = 0.5  # that a first request waits for Postgres to say what its organisation has used
_MOST_LEASES = 20_000
_REDIS_AWAY = (RedisError, OSError, TimeoutError)

# A bucket is one number: the moment (microseconds) at which it will be full again. No key: it is full now.
# Returns the tokens granted, those left, and the milliseconds until there are `need` if none was granted.
_DRAW = """
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local want, need, back = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each = 1000000 / rate
local full_at = tonumber(redis.call('GET', KEYS[1]) or now) or now
local missing = math.max(0, math.min(full_at - now - back * each, burst * each))
local there = math.floor(burst - missing / each + 1e-6)
local granted = there >= need and math.min(there, want) or 0
missing = missing + granted * each
redis.call('SET', KEYS[1], now + missing, 'PX', math.ceil(missing / 1000) + 1)
local wait = granted > 0 and 0 or math.ceil((need * each - burst * each + missing) / 1000)
return {granted, there - granted, wait}
"""


class Plan(StageConfig):
    """What a plan lets through; no quota without `answers_a_month`."""

    requests_per_s: Annotated[float, Field(gt=0)]
    burst: Annotated[int, Field(ge=1)]
    concurrent: Annotated[int, Field(ge=1)]
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
    """What an organisation may still be answered this month, as of the last heartbeat; nothing is answered
    before it is known.
    """

    __slots__ = ("__weakref__", "is_known", "learning", "left", "most", "organisation_id")

    def __init__(self, organisation_id: uuid.UUID, most: int) -> None:
        self.organisation_id, self.most, self.left = organisation_id, most, most
        self.is_known = False
        self.learning: asyncio.Task[None] | None = None


class _Lease:
    """Tokens of one key and route that this gateway may spend."""

    __slots__ = (
        "block", "bucket", "denied_cost", "denied_until", "fetching", "lapses_at", "left", "local_full_at",
        "low", "of", "plan", "plan_name", "policy", "quota", "tokens",
    )  # fmt: skip

    def __init__(self, of: tuple[str, str], plan_name: str, plan: Plan, quota: _Quota | None) -> None:
        self.of, self.plan_name, self.plan, self.quota = of, plan_name, plan, quota
        self.bucket = f"{_PREFIX}{of[0]}:{of[1]}"
        self.tokens, self.left = 0, plan.burst
        self.lapses_at = 0.0
        self.block = max(1, min(int(plan.requests_per_s * _BLOCK_S), plan.burst))
        # At a few requests a second round trips are few, and what lies here would be much of the rate.
        self.low = self.block // 2 if self.block >= 4 else -1
        self.denied_cost, self.denied_until = 0, 0.0
        self.local_full_at = 0.0
        self.fetching: asyncio.Task[None] | None = None
        self.policy = b'"burst";q=%d;w=%d' % (plan.burst, math.ceil(plan.burst / plan.requests_per_s))
        if quota is not None:
            self.policy += b', "month";q=%d' % quota.most

    def headers(self, reset_s: int | None = None) -> bytes:
        """The value of RateLimit: what is left, as far as this gateway knows; more in `reset_s` seconds."""
        value = b'"burst";r=%d' % (self.tokens + self.left)
        if reset_s is not None:
            value += b";t=%d" % reset_s
        if self.quota is not None:
            value += b', "month";r=%d' % max(0, self.quota.left)
        return value


class Limiter:
    """Admits or refuses; one per process."""

    def __init__(
        self, plans: Mapping[str, Plan], redis: Redis | None, pool: AsyncConnectionPool | None = None
    ) -> None:
        """Without `pool` nothing is taken as used before the first heartbeat."""
        self.breaker = Breaker(failures=1, open_s=2.0)
        self._plans, self._pool = plans, pool
        self._draw_in_redis = redis.register_script(_DRAW) if redis is not None else None
        self._leases: OrderedDict[tuple[str, str], _Lease] = OrderedDict()  # the last one fetched comes last
        self._quotas: WeakValueDictionary[uuid.UUID, _Quota] = WeakValueDictionary()
        self._asked: set[_Quota] = set()  # since the last heartbeat
        self._in_flight: dict[str, int] = {}

    def try_take(self, caller: Caller, route: str, cost: int = 1) -> bool:
        """Spend leased tokens. False when there are not enough: `take` knows why."""
        identity = caller.identity
        lease = self._leases.get((identity.key_id, route))
        if lease is None or lease.tokens < cost or lease.plan_name != identity.plan:
            return False
        now = time.monotonic()
        if now >= lease.lapses_at:
            return False
        quota = lease.quota
        if quota is not None:
            if quota.left < cost or not quota.is_known:
                return False
            quota.left -= cost
            self._asked.add(quota)
        lease.tokens -= cost
        if lease.tokens <= lease.low and lease.fetching is None and now >= lease.denied_until:
            lease.fetching = asyncio.create_task(self._fetch(lease, 1))
        return True

    def try_pass(self, caller: Caller, route: str) -> bool:
        """Spend a leased token on a request that is answered at once. False, and nothing spent, when there is
        none, or the key has too many in flight.
        """
        identity = caller.identity
        in_flight = self._in_flight.get(identity.key_id, 0)
        return in_flight < self._plans[identity.plan].concurrent and self.try_take(caller, route)

    async def take(self, caller: Caller, route: str, cost: int = 1) -> None:
        """Spend tokens, leasing them first if need be.

        Raises TooManyRequestsError when there are none, or the month's quota is used up, and TooLargeError
        when the plan never lets so many through at once.
        """
        while not self.try_take(caller, route, cost):
            lease = self._lease(caller, route)
            if lease.quota is not None and not lease.quota.is_known:
                if lease.quota.learning is None:
                    lease.quota.learning = asyncio.create_task(self._learn(lease.quota))
                await asyncio.shield(lease.quota.learning)
            self._refuse_if_over(lease, cost)
            if lease.fetching is None:
                lease.fetching = asyncio.create_task(self._fetch(lease, cost))
            await asyncio.shield(lease.fetching)  # one who leaves does not end it for the others

    def _refuse_if_over(self, lease: _Lease, cost: int) -> None:
        if cost > lease.plan.burst:
            raise TooLargeError(
                f"the plan {lease.plan_name} lets {lease.plan.burst} messages through at once, not {cost};"
                " send them in parts"
            )
        if lease.quota is not None and lease.quota.left < cost:
            self._asked.add(lease.quota)  # so that the next month is noticed
            detail = f"the plan {lease.plan_name} has {lease.quota.most:,} answers a month"
            left = max(0, lease.quota.left)
            retry_after_s = _until_next_month_s()
            raise _too_many(f"{detail}, of which {left:,} are left", retry_after_s, lease, lease.headers())
        wait_s = lease.denied_until - time.monotonic()
        if wait_s > 0 and cost >= lease.denied_cost:
            detail = f"the plan {lease.plan_name} has {lease.plan.requests_per_s:g} requests a second"
            detail += f" and at most {lease.plan.burst:,} at once"
            retry_after_s = math.ceil(wait_s)
            raise _too_many(detail, retry_after_s, lease, lease.headers(retry_after_s))

    def enter(self, caller: Caller) -> None:
        """Count a request in. Raises TooManyRequestsError when the key has too many in flight here; else call
        `leave` when it is answered.
        """
        identity = caller.identity
        count = self._in_flight.get(identity.key_id, 0)
        most = self._plans[identity.plan].concurrent
        if count >= most:
            raise TooManyRequestsError(
                f"the plan {identity.plan} has {most:,} requests in flight at once",
                retry_after_s=1,
                headers={},
            )
        self._in_flight[identity.key_id] = count + 1

    def leave(self, caller: Caller) -> None:
        """Count a request out."""
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
        """Read this month's usage of the organisations that have asked since the last time."""
        asked, self._asked = self._asked, set()
        if not asked:
            return
        used = await _used(connection, [quota.organisation_id for quota in asked])
        for quota in asked:
            quota.left, quota.is_known = quota.most - used.get(quota.organisation_id, 0), True

    async def _learn(self, quota: _Quota) -> None:
        """Read what an organisation has used this month; nothing, if that cannot be known now."""
        self._asked.add(quota)
        try:
            if self._pool is not None:
                async with asyncio.timeout(_LEARN_S), self._pool.connection() as connection:
                    used = await _used(connection, [quota.organisation_id])
                quota.left = quota.most - used.get(quota.organisation_id, 0)
        except (psycopg.Error, PoolTimeout, OSError) as error:  # a timeout is an OSError
            log.warning("what an organisation has used is not known: %s", error)
        quota.is_known = True

    def _lease(self, caller: Caller, route: str) -> _Lease:
        identity = caller.identity
        lease = self._leases.get((identity.key_id, route))
        if lease is None or lease.plan_name != identity.plan:
            if len(self._leases) >= _MOST_LEASES:
                self._leases.popitem(last=False)  # what it held is not given back: that errs on the safe side
            plan = self._plans[identity.plan]
            quota = self._quota(identity.organisation_id, plan.answers_a_month) if route in _WRITES else None
            of = (identity.key_id, route)
            lease = self._leases[of] = _Lease(of, identity.plan, plan, quota)
        return lease

    def _quota(self, organisation_id: uuid.UUID, most: int | None) -> _Quota | None:
        if most is None:
            return None
        quota = self._quotas.get(organisation_id)
        if quota is None or quota.most != most:
            quota = self._quotas[organisation_id] = _Quota(organisation_id, most)
        return quota

    async def _fetch(self, lease: _Lease, cost: int) -> None:
        """Lease what `cost` lacks, a block if there is as much; or learn until when there is not."""
        if self._leases.get(lease.of) is lease:
            self._leases.move_to_end(lease.of)
        back = 0
        if time.monotonic() >= lease.lapses_at:
            back, lease.tokens = lease.tokens, 0
        need = max(1, cost - lease.tokens)
        try:
            granted, left, wait_s = await self._draw(lease, max(need, lease.block), need, back)
        finally:
            lease.fetching = None
        lease.tokens += granted
        lease.left = left
        if granted:
            lease.lapses_at = time.monotonic() + _LEASE_S
        else:
            # Redis is not asked for this key before the client may come back, in whole seconds, unless the
            # bucket is full earlier: what would run over is lost.
            full_s = wait_s + (lease.plan.burst - need) / lease.plan.requests_per_s
            lease.denied_until = time.monotonic() + min(math.ceil(wait_s), full_s)
            lease.denied_cost = cost

    async def _draw(self, lease: _Lease, want: int, need: int, back: int) -> tuple[int, int, float]:
        """Tokens granted, tokens left, and seconds to wait if none was granted."""
        rate, burst = lease.plan.requests_per_s, lease.plan.burst
        if self._draw_in_redis is not None and self.breaker.allows():
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    granted, left, wait_ms = await self._draw_in_redis(
                        [lease.bucket], [rate, burst, want, need, back]
                    )
            except _REDIS_AWAY:
                self.breaker.failed()
            else:
                self.breaker.succeeded()
                return granted, left, wait_ms / 1000
        # The same arithmetic as in Redis, on a bucket of this gateway's own.
        now = time.monotonic()
        missing = max(0.0, min((lease.local_full_at - now) * rate - back, burst))
        there = math.floor(burst - missing + 1e-6)
        granted = min(there, want) if there >= need else 0
        lease.local_full_at = now + (missing + granted) / rate
        return granted, there - granted, 0.0 if granted else (need - burst + missing) / rate


async def _used(connection: AsyncConnection, organisation_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """The answers that organisations were given this month, of those that were given any."""
    cursor = await connection.execute(
        "SELECT organisation_id, answers FROM usage WHERE organisation_id = ANY(%s)"
        " AND month = date_trunc('month', now() AT TIME ZONE 'UTC')::date",
        (list(organisation_ids),),
    )
    return dict(await cursor.fetchall())


def _too_many(detail: str, retry_after_s: int, lease: _Lease, left: bytes) -> TooManyRequestsError:
    headers = {"RateLimit-Policy": lease.policy.decode(), "RateLimit": left.decode()}
    return TooManyRequestsError(detail, retry_after_s, headers)


def _until_next_month_s() -> int:
    now = datetime.now(UTC)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return math.ceil(((first + timedelta(days=32)).replace(day=1) - now).total_seconds())
