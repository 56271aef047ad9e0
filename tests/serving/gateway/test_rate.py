"""Rates, places in flight and quotas: never more than is said, whatever gateways and Redis do."""

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from sqlalchemy import Engine, text

from configs.settings import Settings
from data.people.identities import Identity
from serving.gateway import rate
from serving.gateway.auth import Caller
from serving.gateway.online import cache
from serving.gateway.problems import TooLargeError, TooManyRequestsError
from serving.gateway.rate import Limiter, Plan

ROUTE = "/api/v1/transform"
FEEDBACK = "/api/v1/feedback"
# On a busy machine Redis may take longer than a gateway waits, and then each limiter has a bucket of its own.
PATIENT_S = 60.0
PatientLimiter = partial(Limiter, redis_timeout_s=PATIENT_S)


def a_plan(requests_per_s: float, burst: int, concurrent: int = 8, quota: int | None = None) -> Plan:
    return Plan(requests_per_s=requests_per_s, burst=burst, concurrent=concurrent, answers_a_month=quota)


def a_caller(
    plan: str = "free", organisation_id: uuid.UUID | None = None, key_id: str | None = None
) -> Caller:
    organisation_id = organisation_id or uuid.uuid4()
    return Caller(Identity(organisation_id, key_id or uuid.uuid4().hex[:16], "member", b"", plan))


@pytest.fixture
async def redis(local: Settings) -> AsyncIterator[Redis]:
    client = cache.connect(local.redis_url, PATIENT_S)
    assert client is not None
    yield client
    await asyncio.sleep(0.01)  # a block may be on its way
    await client.aclose()
    await client.connection_pool.disconnect()


class CountingRedis(Redis):
    """A client, and how often it has run a script."""

    scripts_run = 0

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        self.scripts_run += args[0] == "EVALSHA"
        return await super().execute_command(*args, **options)


@pytest.fixture
async def counting_redis(redis: Redis) -> CountingRedis:
    client = CountingRedis(connection_pool=redis.connection_pool)
    # The first run of a script on a server may be two: Redis has to load it.
    await PatientLimiter(rate.plans(), client).take(a_caller(), ROUTE)
    client.scripts_run = 0
    return client


def bucket_of(caller: Caller) -> str:
    """The Redis key of a caller's bucket."""
    return f"tonebridge:rate:{caller.identity.key_id}:{ROUTE}"


async def admits(limiter: Limiter, caller: Caller, route: str = ROUTE, cost: int = 1) -> bool:
    if limiter.try_take(caller, route, cost):
        return True
    try:
        await limiter.take(caller, route, cost)
    except TooManyRequestsError:
        return False
    return True


async def refusal(
    limiter: Limiter, caller: Caller, route: str = ROUTE, cost: int = 1
) -> TooManyRequestsError:
    with pytest.raises(TooManyRequestsError) as caught:
        await limiter.take(caller, route, cost)
    return caught.value


async def hammer(limiter: Limiter, caller: Caller, seconds: float) -> int:
    """Ask without pause from a few places at once; how many were admitted."""
    until = time.monotonic() + seconds

    async def one() -> int:
        admitted = 0
        while time.monotonic() < until:
            admitted += await admits(limiter, caller)
            await asyncio.sleep(0.0002)
        return admitted

    return sum(await asyncio.gather(*(one() for _ in range(4))))


# --- the bucket ----------------------------------------------------------------------------------------


def test_the_shipped_plans() -> None:
    plans = rate.plans()
    assert set(plans) == {"free", "team", "scale"}
    assert plans["free"] == a_plan(5, 20, 8, 2000).model_copy(update={"sockets": 20})
    assert plans["scale"].answers_a_month is None
    ordered = [plans[name].requests_per_s for name in ("free", "team", "scale")]
    assert ordered == sorted(ordered)


def test_a_plan_that_lets_nothing_through_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plans.yaml"
    file.write_text(Path("configs/plans.yaml").read_text().replace("burst: 20", "burst: 0"))
    with pytest.raises(ValueError, match=r"free\.burst"):
        rate.plans(file)


@pytest.mark.parametrize("gateways", [1, 2, 3])
async def test_gateways_together_admit_what_the_bucket_gives(redis: Redis, gateways: int) -> None:
    plan = a_plan(400, 60)
    caller = a_caller()
    limiters = [PatientLimiter({"free": plan}, redis) for _ in range(gateways)]
    began, admitted = time.monotonic(), 0
    while admitted < 4 * plan.burst:  # more than the burst: the bucket is filled again
        admitted += sum(await asyncio.gather(*(hammer(limiter, caller, 0.2) for limiter in limiters)))
        assert admitted <= plan.burst + plan.requests_per_s * (time.monotonic() - began)


async def test_a_steady_rate_below_the_plan_is_never_refused(redis: Redis) -> None:
    caller = a_caller()
    limiters = [PatientLimiter({"free": a_plan(100, 20)}, redis) for _ in range(2)]
    for turn in range(60):
        assert await admits(limiters[turn % 2], caller), turn
        await asyncio.sleep(0.0125)


async def test_hits_cost_no_round_trips(counting_redis: CountingRedis) -> None:
    limiter = PatientLimiter(rate.plans(), counting_redis, lease_s=PATIENT_S)
    caller = a_caller("scale")
    lease = limiter._lease(caller, ROUTE)
    assert not limiter.try_take(caller, ROUTE)
    await limiter.take(caller, ROUTE)
    waited = 0
    for turn in range(20_000):
        waited += not limiter.try_take(caller, ROUTE)
        if turn % 500 == 0:
            await asyncio.sleep(0.001)
            if lease.fetching is not None:  # Redis may be slow now
                await lease.fetching
    assert waited == 0, "a block was spent before the next one was fetched"
    assert 3 <= counting_redis.scripts_run <= 5, "of 10,000 tokens each"


async def test_the_bucket_in_memory_and_the_one_in_redis_agree(redis: Redis) -> None:
    plans = {"free": a_plan(0.01, 20)}  # so slow that the time between two draws gives no token
    in_redis, in_memory = PatientLimiter(plans, redis), Limiter(plans, None)
    caller = a_caller()
    draws = [
        (3, 1, 0),
        (10, 10, 0),
        (5, 2, 4),
        (10, 5, 0),
        (9, 8, 0),
        (4, 4, 2),
        (20, 1, 0),
        (1, 1, 0),
        (1, 1, 9),
    ]
    for draw in [*draws, *draws]:
        draws = [
            await limiter._draw(limiter._lease(caller, ROUTE), *draw) for limiter in (in_redis, in_memory)
        ]
        assert draws[0][:2] == draws[1][:2], draw
        assert draws[0][2] == pytest.approx(draws[1][2], abs=60)


async def test_a_bucket_is_a_key_and_a_route(redis: Redis) -> None:
    limiter = PatientLimiter({"free": a_plan(0.001, 2)}, redis)
    one, other = a_caller(), a_caller()
    for caller, route in ((one, ROUTE), (one, FEEDBACK), (other, ROUTE)):
        assert [await admits(limiter, caller, route) for _ in range(3)] == [True, True, False]


async def test_leases_expire_and_are_returned(redis: Redis) -> None:
    # A block is 100 tokens.
    limiter = PatientLimiter({"free": a_plan(0.01, 5000)}, redis, lease_s=0.1, block_s=10_000)
    other_gateway, caller = PatientLimiter({"free": a_plan(0.01, 5000)}, redis), a_caller()
    await limiter.take(caller, ROUTE)
    assert limiter.headers(caller, ROUTE)[1] == b'"burst";r=4999'
    await asyncio.sleep(0.11)
    assert not limiter.try_take(caller, ROUTE), "an old lease was spent"
    await limiter.take(caller, ROUTE)
    assert limiter.headers(caller, ROUTE)[1] == b'"burst";r=4998', "not returned"
    await other_gateway.take(caller, ROUTE)
    assert other_gateway.headers(caller, ROUTE)[1] == b'"burst";r=4898', "99 are leased"


async def test_a_clock_that_jumps_back_does_not_lock_anybody_out(redis: Redis) -> None:
    plans, caller = {"free": a_plan(0.01, 10)}, a_caller()
    await redis.set(bucket_of(caller), str(10**18))
    refused = await refusal(PatientLimiter(plans, redis), caller)
    assert 0 < int(refused.headers["Retry-After"]) <= 100
    await redis.set(bucket_of(caller), "not ours")
    assert await admits(PatientLimiter(plans, redis), caller)


# --- refusals ------------------------------------------------------------------------------------------


async def test_a_refusal_says_when_to_come_back_and_redis_is_left_alone_until_then(
    counting_redis: CountingRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter, caller = PatientLimiter({"free": a_plan(0.01, 2)}, counting_redis), a_caller()
    assert [await admits(limiter, caller) for _ in range(2)] == [True, True]
    refused = await refusal(limiter, caller)
    wait_s = int(refused.headers["Retry-After"])
    assert wait_s == pytest.approx(100, abs=60)  # the bucket is filled again meanwhile
    assert refused.headers == {
        "RateLimit-Policy": '"burst";q=2;w=200',
        "RateLimit": f'"burst";r=0;t={wait_s}',
        "Retry-After": f"{wait_s}",
    }
    await counting_redis.delete(bucket_of(caller))  # it is full
    before = counting_redis.scripts_run
    for _ in range(100):
        await refusal(limiter, caller)
    assert counting_redis.scripts_run == before
    monkeypatch.setattr(rate, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + wait_s))
    assert await admits(limiter, caller)


async def test_a_batch_that_must_wait_holds_up_no_single_request(redis: Redis) -> None:
    limiter, caller = PatientLimiter({"free": a_plan(0.01, 10)}, redis), a_caller()
    assert await admits(limiter, caller, cost=6)
    wait_s = int((await refusal(limiter, caller, cost=6)).headers["Retry-After"])
    assert wait_s == pytest.approx(200, abs=60)
    assert await admits(limiter, caller)
    assert not await admits(limiter, caller, cost=6)


@pytest.mark.parametrize("has_redis", [True, False])
async def test_more_than_the_burst_at_once_is_no_matter_of_waiting(redis: Redis, has_redis: bool) -> None:
    limiter = PatientLimiter({"free": a_plan(5, 20)}, redis if has_redis else None)
    caller = a_caller()
    with pytest.raises(TooLargeError, match="20 messages through at once, not 21"):
        await limiter.take(caller, ROUTE, 21)
    await limiter.take(caller, ROUTE, 20)


async def test_headers_count_down(redis: Redis) -> None:
    limiter = PatientLimiter({"free": a_plan(0.1, 20, quota=2000), "scale": a_plan(100, 100)}, redis)
    caller = a_caller()
    assert limiter.headers(caller, ROUTE) == (
        b'"burst";q=20;w=200, "month";q=2000',
        b'"burst";r=20, "month";r=2000',
    )
    await limiter.take(caller, ROUTE, 3)
    assert limiter.headers(caller, ROUTE)[1] == b'"burst";r=17, "month";r=1997'
    assert limiter.headers(caller, FEEDBACK) == (b'"burst";q=20;w=200', b'"burst";r=20')
    assert limiter.headers(a_caller("scale"), ROUTE)[0] == b'"burst";q=100;w=1'


async def test_a_new_plan_is_a_new_lease(redis: Redis) -> None:
    limiter = PatientLimiter({"free": a_plan(0.001, 1), "team": a_plan(0.001, 50)}, redis)
    caller = a_caller()
    assert [await admits(limiter, caller) for _ in range(2)] == [True, False]
    promoted = a_caller("team", caller.identity.organisation_id, caller.identity.key_id)
    assert sum([await admits(limiter, promoted) for _ in range(60)]) >= 40


async def test_memory_is_bounded() -> None:
    limiter = Limiter({"free": a_plan(5, 20, quota=10)}, None, max_leases=10)
    for _ in range(25):
        caller = a_caller()
        assert await admits(limiter, caller)
        limiter.enter(caller)
        limiter.leave(caller)
    limiter._active.clear()  # as a heartbeat does
    assert len(limiter._leases) <= 10
    assert len(limiter._quotas) <= 10
    assert not limiter._in_flight


# --- Redis away ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("accepts", [True, False], ids=["hangs", "refuses"])
async def test_a_redis_that_is_away_costs_one_timeout_and_leaves_a_bucket_here(accepts: bool) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if accepts:
            listener.listen(64)  # accepts, and never answers
        client = cache.connect(f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        assert client is not None
        plan, caller = a_plan(200, 20), a_caller()
        limiter = Limiter({"free": plan}, client, clock=lambda: 0.0)
        draw, calls = limiter._draw_in_redis, 0

        async def counted(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            return await draw(*arguments)  # type: ignore[misc]

        limiter._draw_in_redis = counted  # type: ignore[assignment]
        began = time.monotonic()
        assert await admits(limiter, caller)
        assert limiter.breaker.is_open
        for _ in range(20):
            assert await admits(limiter, a_caller())
        admitted = 1
        while admitted < 2 * plan.burst:  # more than the burst: the bucket is filled again
            admitted += await hammer(limiter, caller, 0.1)
            assert admitted <= plan.burst + plan.requests_per_s * (time.monotonic() - began)
        assert calls == 1, "a request waited for Redis although the breaker is open"
        await client.aclose()
        await client.connection_pool.disconnect()


async def test_redis_is_used_again_when_it_is_back(redis: Redis) -> None:
    skipped_s = 0.0
    limiter = PatientLimiter({"free": a_plan(0.01, 3)}, redis, clock=lambda: time.monotonic() + skipped_s)
    limiter.breaker.failed()
    caller = a_caller()
    assert await admits(limiter, caller)
    assert not await redis.exists(bucket_of(caller))
    skipped_s = 60.0
    assert await admits(limiter, caller)
    assert await redis.exists(bucket_of(caller))
    assert not limiter.breaker.is_open


# --- in flight -----------------------------------------------------------------------------------------


def test_places_in_flight_are_counted_by_key() -> None:
    limiter = Limiter({"free": a_plan(5, 20, concurrent=2)}, None)
    one, other = a_caller(), a_caller()
    limiter.enter(one)
    limiter.enter(one)
    with pytest.raises(TooManyRequestsError, match="2 requests in flight") as caught:
        limiter.enter(one)
    assert caught.value.headers["Retry-After"] == "1"
    limiter.enter(other)
    limiter.leave(one)
    limiter.enter(one)
    with pytest.raises(TooManyRequestsError):
        limiter.enter(one)


# --- quotas --------------------------------------------------------------------------------------------


def use(engine: Engine, organisation_id: uuid.UUID, answers: int, month: date) -> None:
    with engine.begin() as owner:
        owner.execute(
            text(
                "INSERT INTO usage VALUES (:id, :month, :answers)"
                " ON CONFLICT (organisation_id, month) DO UPDATE SET answers = excluded.answers"
            ),
            {"id": organisation_id, "month": month, "answers": answers},
        )


def this_month() -> date:
    return datetime.now(UTC).date().replace(day=1)


def until_next_month_s() -> float:
    now = datetime.now(UTC)
    end = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
    return (end - now).total_seconds()


async def renew(limiter: Limiter, pool: AsyncConnectionPool) -> None:
    async with pool.connection() as connection:
        await limiter.renew(connection)


async def test_a_quota_ends_rewriting_until_the_month_does(
    pool: AsyncConnectionPool, engine: Engine, organisation_id: uuid.UUID
) -> None:
    limiters = [Limiter({"free": a_plan(1000, 1000, quota=100)}, None) for _ in range(2)]
    one, colleague = a_caller("free", organisation_id), a_caller("free", organisation_id)
    stranger = a_caller()
    use(engine, organisation_id, 5000, date(2020, 1, 1))
    use(engine, organisation_id, 97, this_month())
    for limiter in limiters:
        assert await admits(limiter, one)
        await renew(limiter, pool)
        assert not await admits(limiter, one, cost=4), "a batch beyond what is left"
        assert [await admits(limiter, caller) for caller in (one, colleague, one, one)] == [True] * 3 + [
            False
        ]
        earliest = until_next_month_s()
        refused = await refusal(limiter, colleague)
        assert "100 answers a month, of which 0 are left" in str(refused)
        assert until_next_month_s() <= int(refused.headers["Retry-After"]) <= earliest + 2
        assert refused.headers["RateLimit"].endswith(', "month";r=0')
        assert ";t=" not in refused.headers["RateLimit"], "the seconds of a month are not the bucket's"
        assert await admits(limiter, one, FEEDBACK), "feedback makes no answers"
        assert await admits(limiter, stranger)

    # The answers were never given (the service was away): Postgres has the truth.
    await renew(limiters[0], pool)
    assert await admits(limiters[0], one, cost=3)

    # A new month: whoever was refused is looked up again.
    use(engine, organisation_id, 100, this_month())
    await renew(limiters[0], pool)
    assert not await admits(limiters[0], one)
    with engine.begin() as owner:
        owner.execute(text("DELETE FROM usage WHERE organisation_id = :id"), {"id": organisation_id})
    await renew(limiters[0], pool)
    assert await admits(limiters[0], one, cost=100)


async def test_only_those_who_ask_are_looked_up(
    pool: AsyncConnectionPool, organisation_id: uuid.UUID
) -> None:
    limiter = Limiter({"free": a_plan(1000, 1000, quota=100), "scale": a_plan(1000, 1000)}, None)
    assert await admits(limiter, a_caller("scale"))
    assert not limiter._active
    assert await admits(limiter, a_caller("free", organisation_id))
    assert [quota.organisation_id for quota in limiter._active] == [organisation_id]
    await renew(limiter, pool)
    assert not limiter._active
