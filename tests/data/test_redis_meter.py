"""Commands of Redis are counted as Redis counts them, and stay within the budget of a day."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from data import redis_meter
from data.redis_meter import BudgetSpentError, Meter
from pipelines import local as processes

NOON = 1_795_953_600.0  # epoch seconds; 29 November 2026, 12:00 UTC
DAY_S = 86_400.0
BUDGET = 1000
Connect = Callable[[Meter], AsyncRedis]


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Valkey that nobody else uses, so that it counts this module's commands alone."""
    folder = tmp_path_factory.mktemp("valkey")
    with processes._valkey(folder, "p" * 32) as url:
        yield url


@pytest.fixture
def owner(server: str) -> Iterator[Redis]:
    """A client that is not counted, of an empty Valkey."""
    with Redis.from_url(server) as client:
        client.flushall()
        client.script_flush()
        yield client


@pytest.fixture
async def connect(server: str) -> AsyncIterator[Connect]:
    """`connect(meter)`: a client for event loops, closed at the end."""
    clients: list[AsyncRedis] = []

    def make(meter: Meter) -> AsyncRedis:
        clients.append(redis_meter.connect_async(server, meter, max_connections=4, timeout=30))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


def commands(owner: Redis) -> int:
    """The commands that this Valkey has had, as it counts them, but for those of `owner`."""
    stats = owner.info("commandstats")
    own = ("info", "flushall", "flushdb", "script|flush", "client|setinfo", "client|maint_notifications")
    return sum(row["calls"] for name, row in stats.items() if name.removeprefix("cmdstat_") not in own)


async def use_up(client: AsyncRedis, meanwhile: Callable[[int], Awaitable[object]] | None = None) -> None:
    """Send commands until the budget is used up, which it is after at most as many as it has."""
    for n in range(BUDGET + 1):
        try:
            await client.set("tonebridge:nonce:a", 1)
        except BudgetSpentError:
            return
        if meanwhile is not None:
            await meanwhile(n)
    pytest.fail("the budget has no end")


async def test_commands_are_counted_as_redis_counts_them(owner: Redis, connect: Connect) -> None:
    meter = Meter()
    before = commands(owner)
    client = connect(meter)
    await client.set("tonebridge:output:a", 1)
    await client.mget(["tonebridge:output:a", "tonebridge:output:b"])
    async with client.pipeline(transaction=False) as pipeline:
        for n in range(5):
            pipeline.set(f"tonebridge:output:{n}", n)
        await pipeline.execute()
    async with client.pipeline(transaction=True) as pipeline:
        pipeline.set("tonebridge:nonce:a", 1)
        await pipeline.execute()
    script = client.register_script("redis.call('SET', KEYS[1], 1) return redis.call('GET', KEYS[1])")
    await client.eval("return redis.call('GET', KEYS[1])", 1, "tonebridge:rate:x")
    await client.xread({"tonebridge:notices": "0-0"}, block=1)
    await client.ping()
    assert meter.sent == {
        "cache": 7,
        "rates": 2,
        "nonces": 1,
        "notices": 1,
        "sessions": 0,
        "budget": 0,
        "connection": 1 + 2 + 1,  # HELLO, MULTI and EXEC, PING
    }
    assert commands(owner) - before == sum(meter.sent.values())
    # The first EVALSHA fails, and the script is loaded; from then on it costs what it calls and itself.
    await script(["tonebridge:rate:x"])
    before, counted = commands(owner), sum(meter.sent.values())
    await script(["tonebridge:rate:x"])
    assert commands(owner) - before == sum(meter.sent.values()) - counted == 3


def test_commands_of_threads_and_of_locks_are_counted(owner: Redis, server: str) -> None:
    meter = Meter()
    with redis_meter.connect(server, meter) as client:
        with client.lock("tonebridge:session:a:renewing", timeout=20):
            pass  # the script that releases a lock is loaded now
        before, counted = commands(owner), sum(meter.sent.values())
        with client.lock("tonebridge:session:a:renewing", timeout=20):
            client.set("tonebridge:session:a", 1)
        assert meter.sent["sessions"] - counted + meter.sent["connection"] == 5  # SET, SET, EVALSHA: GET, DEL
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: client.get(f"tonebridge:session:{n}"), range(200)))
        assert commands(owner) - before == sum(meter.sent.values()) - counted


async def test_processes_share_the_budget_and_never_exceed_it(
    owner: Redis, server: str, connect: Connect
) -> None:
    """Event loops and threads send more than there is, and one process is killed with what it has leased."""
    clock, before = Clock(), commands(owner)
    meters = [Meter(BUDGET, clock) for _ in range(6)]
    outcomes: Counter[str] = Counter()

    async def send(client: AsyncRedis, many: int) -> None:
        for n in range(many):
            try:
                await client.set(f"tonebridge:nonce:{n}", 1)
                outcomes["sent"] += 1
            except BudgetSpentError:
                outcomes["refused"] += 1

    def send_by_thread(meter: Meter) -> None:
        with redis_meter.connect(server, meter) as client:
            for n in range(400):
                try:
                    client.get(f"tonebridge:session:{n}")
                    outcomes["sent"] += 1
                except BudgetSpentError:
                    outcomes["refused"] += 1

    killed, *gateways, site = meters
    await send(connect(killed), 3)
    await asyncio.gather(
        *(send(connect(meter), 300) for meter in gateways), asyncio.to_thread(send_by_thread, site)
    )
    assert outcomes["refused"] > 500
    total = sum(sum(meter.sent.values()) for meter in meters)
    assert commands(owner) - before == total <= BUDGET
    assert total > 0.9 * BUDGET, "little is lost"
    assert sum(meter.sent["budget"] for meter in meters) < 0.08 * total


async def test_processes_that_start_too_late_ask_once(owner: Redis, connect: Connect) -> None:
    clock, before = Clock(), commands(owner)
    await use_up(connect(Meter(BUDGET, clock)))
    for _ in range(20):
        late = Meter(BUDGET, clock)
        client = connect(late)
        for _ in range(5):
            with pytest.raises(RedisError):
                await client.get("tonebridge:nonce:a")
        assert late.sent["connection"] + late.sent["budget"] == sum(late.sent.values()) == 2
    assert commands(owner) - before <= BUDGET


async def test_what_connections_begin_with_is_paid_for(owner: Redis, connect: Connect) -> None:
    meter, before = Meter(BUDGET, Clock()), commands(owner)
    client = connect(meter)
    await use_up(client, lambda _: client.connection_pool.disconnect())
    assert meter.sent["connection"] > 0.4 * BUDGET
    assert commands(owner) - before == sum(meter.sent.values()) <= BUDGET


async def test_a_new_day_has_a_new_budget(
    owner: Redis, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    clock = Clock()
    meter = Meter(BUDGET, clock)
    client = connect(meter)
    await use_up(client)
    assert meter.is_spent
    sent = dict(meter.sent)
    await client.connection_pool.disconnect()
    with pytest.raises(BudgetSpentError):
        await client.get("tonebridge:nonce:a")
    assert meter.sent == sent, "it does not even connect"
    clock.now = NOON + DAY_S / 2 - 1
    assert meter.is_spent
    clock.now += 1.0
    assert not meter.is_spent
    await client.set("tonebridge:nonce:a", 1)
    spent, renewed = (record.getMessage() for record in caplog.records if record.name == redis_meter.__name__)
    assert "2026-11-29" in spent
    assert "a new day" in renewed
    lives = [owner.ttl(key) for key in owner.scan_iter("tonebridge:commands:*")]
    assert len(lives) == 2
    assert all(0 < life <= 2 * DAY_S for life in lives)


async def test_a_redis_that_lost_the_count_gets_it_back(owner: Redis, connect: Connect) -> None:
    meter, before = Meter(BUDGET, Clock()), commands(owner)
    client = connect(meter)

    async def empty(n: int) -> None:
        if n % 100 == 99:
            owner.flushdb()

    await use_up(client, empty)
    assert commands(owner) - before == sum(meter.sent.values()) <= BUDGET
    assert meter.sent["budget"] < 0.1 * BUDGET, "it gets it back at once"


async def test_a_large_pipeline_is_leased_as_a_whole(owner: Redis, connect: Connect) -> None:
    meter = Meter(BUDGET, Clock())
    client = connect(meter)
    for _ in range(3):
        async with client.pipeline(transaction=False) as pipeline:
            for n in range(100):
                pipeline.set(f"tonebridge:output:{n}", n)
            await pipeline.execute()
    assert meter.sent["cache"] == 300
    assert meter.sent["budget"] == 3 + 1, "an INCRBY for each, and the first EXPIRE"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 120), st.booleans()), max_size=60))
def test_no_order_of_work_and_restarts_exceeds_the_budget(
    owner: Redis, server: str, works: list[tuple[int, int, bool]]
) -> None:
    owner.flushdb()
    clock, before = Clock(), commands(owner)
    clients: dict[int, Redis] = {}
    meters: list[Meter] = []
    for process, many, restarts in works:
        if restarts and process in clients:
            clients.pop(process).close()
        if process not in clients:
            meters.append(Meter(BUDGET, clock))
            clients[process] = redis_meter.connect(server, meters[-1])
        for n in range(many):
            try:
                clients[process].get(f"tonebridge:session:{n}")
            except BudgetSpentError:
                break
    for client in clients.values():
        client.close()
    counted = sum(sum(meter.sent.values()) for meter in meters)
    assert commands(owner) - before == counted <= BUDGET
