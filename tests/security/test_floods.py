"""A flood of unknown callers resets no organisation's limits."""

import uuid

import pytest
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine

from configs.settings import Settings
from data.people.identities import Identity
from serving.gateway import rate
from serving.gateway.auth import Caller
from serving.gateway.online import cache
from serving.gateway.problems import TooManyRequestsError
from serving.gateway.rate import Limiter, Plan
from tests import gateways

ASK = {"text": "Fix PAY-123 by Friday.", "transform_type": "soften", "intensity": 2}


async def come_once(limiter: Limiter, strangers: int) -> None:
    """Callers whom nobody has seen before, each with a lease of its own."""
    for _ in range(strangers):
        identity = Identity(uuid.uuid4(), uuid.uuid4().hex, "member", b"", "free")
        await limiter.take(Caller(identity), "/api/v1/feedback")


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_used_up_quota_stays_used_up_after_a_flood_of_strangers(
    stack: Settings, engine: Engine
) -> None:
    tenant = gateways.an_organisation(engine, "free")
    key = gateways.a_key(engine, tenant)
    async with gateways.in_process(stack, engine) as front, gateways.client(front) as client:
        assert (await client.post("/api/v1/transform", json=ASK, headers=key)).status_code == 200
        gateways.use_up(engine, tenant)
        await front.behind.state.parts.directory.beat()
        assert (await client.post("/api/v1/transform", json=ASK, headers=key)).status_code == 429
        limiter: Limiter = front.behind.state.parts.limiter
        await come_once(limiter, rate._MAX_LEASES + 1000)
        assert len(limiter._leases) <= rate._MAX_LEASES
        answers = [await client.post("/api/v1/transform", json=ASK, headers=key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429] * 3
    assert "of which 0 are left" in answers[0].json()["detail"]


async def test_who_asks_all_the_time_keeps_their_leases() -> None:
    # A lease is fetched anew each time, as after a second.
    limiter = Limiter(rate.plans(), None, lease_s=0.0, max_leases=50)
    busy = Caller(Identity(uuid.uuid4(), "busy", "member", b"", "scale"))
    lease = limiter._lease(busy, "/api/v1/transform")
    for number in range(200):
        with_lapsed = limiter._leases.get(("busy", "/api/v1/transform"))
        assert with_lapsed is lease, f"after {number} strangers"
        await limiter._fetch(lease, 1)
        limiter._lease(Caller(Identity(uuid.uuid4(), f"{number}", "member", b"", "free")), "/livez")
    assert len(limiter._leases) == 50


async def test_a_bucket_that_is_empty_is_no_fuller_after_a_flood(local: Settings) -> None:
    """The lease is forgotten, the bucket in Redis is not."""
    redis = cache.connect(local.redis_url, timeout_s=60)
    assert redis is not None
    slow = Plan(requests_per_s=0.0001, burst=3, concurrent=8, answers_a_month=None)
    # On a stalled machine the limiter would count without Redis, after its usual time.
    limiter = Limiter({"free": slow}, redis, max_leases=50, redis_timeout_s=60)
    caller = Caller(Identity(uuid.uuid4(), uuid.uuid4().hex[:16], "member", b"", "free"))
    for _ in range(3):
        await limiter.take(caller, "/api/v1/feedback")
    await come_once(limiter, 60)
    assert (caller.identity.key_id, "/api/v1/feedback") not in limiter._leases
    with pytest.raises(TooManyRequestsError):
        await limiter.take(caller, "/api/v1/feedback")
    await redis.aclose()
    await redis.connection_pool.disconnect()


async def test_what_is_used_is_learned_before_the_first_answer(
    pool: AsyncConnectionPool, engine: Engine
) -> None:
    tenant = gateways.an_organisation(engine, "free")
    gateways.use_up(engine, tenant, 1999)
    limiter = Limiter(rate.plans(), None, pool)
    caller = Caller(Identity(tenant, uuid.uuid4().hex[:16], "member", b"", "free"))
    assert not limiter.try_take(caller, "/api/v1/transform"), "nobody knows yet"
    await limiter.take(caller, "/api/v1/transform")
    with pytest.raises(TooManyRequestsError, match="of which 0 are left"):
        await limiter.take(caller, "/api/v1/transform")


async def test_while_postgres_is_away_nothing_is_taken_as_used() -> None:
    """What is in memory is answered then, for a minute at most."""
    nowhere = AsyncConnectionPool("postgresql://nobody@127.0.0.1:1/none", open=False, timeout=0.1)
    limiter = Limiter(rate.plans(), None, nowhere)
    await limiter.take(Caller(Identity(uuid.uuid4(), "key", "member", b"", "free")), "/api/v1/transform")
