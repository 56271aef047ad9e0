"""The cache: keys that never collide, levels, one call per key, and a Redis that fails in every way."""

import asyncio
import socket
import unicodedata
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from configs.settings import Settings
from data.records import TransformType
from data.traffic.outputs import Namer
from serving.breaker import Breaker
from serving.gateway.online.cache import Cache, CachedOutput, Recent, connect
from tests.gateways import PATIENT_S
from tests.waiting import until_async

name_of = Namer().name
parts = st.tuples(
    st.uuids(),
    st.text("0123456789abcdef", max_size=32),
    st.text("0123456789abcdef", max_size=32),
    st.sampled_from(TransformType),
    st.integers(0, 3),
    st.text(max_size=40),
)


@given(parts, parts)
def test_keys_are_equal_only_when_every_part_is(one: tuple, other: tuple) -> None:  # type: ignore[type-arg]
    same = one[:5] == other[:5] and unicodedata.normalize("NFC", one[5]) == unicodedata.normalize(
        "NFC", other[5]
    )
    assert (name_of(*one) == Namer().name(*other)) == same


@given(parts, st.integers(1, 10))
def test_moving_text_between_parts_changes_the_key(part: tuple, cut: int) -> None:  # type: ignore[type-arg]
    organisation, spec, dictionary, kind, intensity, text = part
    if text[:cut]:
        assert name_of(*part) != name_of(
            organisation, spec, dictionary + text[:cut], kind, intensity, text[cut:]
        )


def test_two_spellings_of_one_text_share_a_key() -> None:
    ids = (uuid.uuid4(), "a", "", TransformType.SOFTEN, 1)
    assert name_of(*ids, "Zoé") == name_of(*ids, "Zoe\u0301")


def an_output() -> CachedOutput:
    return CachedOutput(uuid.uuid4().bytes, "v1", b'"transformed_text":"rewritten"')


def test_the_recently_used_stay_and_the_old_go() -> None:
    recent, output = Recent(items=2, seconds=60), an_output()
    recent.put(b"a", output)
    recent.put(b"b", output)
    assert recent.get(b"a") is output
    recent.put(b"c", output)
    assert [recent.get(name) is not None for name in (b"a", b"b", b"c")] == [True, False, True]
    stale = Recent(items=2, seconds=-1)
    stale.put(b"a", output)
    assert stale.get(b"a") is None


@pytest.fixture
async def cache(local: Settings) -> AsyncIterator[Cache]:
    async with connected(local.redis_url) as cache:
        yield cache


@asynccontextmanager
async def connected(redis_url: str | None, timeout_s: float = PATIENT_S) -> AsyncIterator[Cache]:
    redis_ = connect(redis_url, timeout_s)
    assert redis_ is not None
    cache = Cache(redis_, timeout_s)
    yield cache
    await cache.close()
    await redis_.aclose()
    await redis_.connection_pool.disconnect()


async def test_miss_then_l1_then_l2_from_another_gateway(cache: Cache, local: Settings) -> None:
    name, made = uuid.uuid4().bytes, an_output()

    async def make() -> tuple[CachedOutput, float]:
        return made, 0.5

    async def never() -> tuple[CachedOutput, float]:
        raise AssertionError("called the service for a cached output")

    assert await cache.get_or_make(name, make) == (made, "miss", 0.5)
    assert await cache.get_or_make(name, never) == (made, "l1", 0.0)
    await cache.close()  # it writes what waits
    async with connected(local.redis_url) as other:
        assert await other.get_or_make(name, never) == (made, "l2", 0.0)
        assert await other.get_or_make(name, never) == (made, "l1", 0.0)


async def test_keys_asked_for_together_go_to_redis_together(local: Settings) -> None:
    names = [uuid.uuid4().bytes for _ in range(600)]
    outputs = {name: an_output() for name in names}
    async with connected(local.redis_url) as cache, connected(local.redis_url) as other:

        async def make(name: bytes) -> tuple[CachedOutput, float]:
            return outputs[name], 0.0

        await asyncio.gather(*(cache.get_or_make(name, partial(make, name)) for name in names[:500]))
        await cache.close()
        assert local.redis_url is not None
        with redis.Redis.from_url(local.redis_url) as client:
            client.config_resetstat()
            results = await asyncio.gather(*(other.get_or_make(name, partial(make, name)) for name in names))
            calls = client.info("commandstats")
            ttl_s = client.ttl(b"tonebridge:output:" + names[0])
        assert [output for output, _, _ in results] == list(outputs.values())
        assert [level for _, level, _ in results] == ["l2"] * 500 + ["miss"] * 100
        assert calls["cmdstat_mget"]["calls"] <= 3
        assert "cmdstat_get" not in calls
        assert 0.9 * 86400 - 60 <= ttl_s <= 1.1 * 86400


async def test_one_client_that_leaves_does_not_take_the_answer_of_another(cache: Cache) -> None:
    async def make() -> tuple[CachedOutput, float]:
        return an_output(), 0.0

    first, second = (asyncio.create_task(cache.get_or_make(b"shared", make)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)[1] in ("l2", "miss")


async def test_one_flight_for_all_who_ask_meanwhile(cache: Cache) -> None:
    name, make = uuid.uuid4().bytes, Made()
    first = asyncio.create_task(cache.get_or_make(name, make))
    others = [asyncio.create_task(cache.get_or_make(name, make)) for _ in range(20)]
    await until_async(lambda: name in cache._calls and cache._calls[name].waiting == 21)
    first.cancel()  # the client that started the flight leaves; the others still get their answer
    make.opened.set()
    answers = await asyncio.gather(*others)
    assert make.began == 1
    assert len({answer.output_id for answer, _, _ in answers}) == 1


async def test_failures_reach_all_and_are_not_cached(cache: Cache) -> None:
    name = uuid.uuid4().bytes

    async def fail() -> tuple[CachedOutput, float]:
        await asyncio.sleep(0.01)
        raise ValueError("no model")

    results = await asyncio.gather(*(cache.get_or_make(name, fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 3

    async def make() -> tuple[CachedOutput, float]:
        return an_output(), 0.0

    assert (await cache.get_or_make(name, make))[1] == "miss"


@pytest.mark.parametrize("stored", [b"\x02 of an older format", b"\x03\x81\xa1x\x01 not ours", b""])
async def test_bytes_that_are_not_ours_are_a_miss(cache: Cache, local: Settings, stored: bytes) -> None:
    name = uuid.uuid4().bytes
    assert local.redis_url is not None
    with redis.Redis.from_url(local.redis_url) as client:
        client.set(b"tonebridge:output:" + name, stored)

    async def make() -> tuple[CachedOutput, float]:
        return an_output(), 0.0

    assert (await cache.get_or_make(name, make))[1] == "miss"


@pytest.mark.parametrize("accepts", [True, False], ids=["hangs", "refuses"])
async def test_a_redis_that_is_away_costs_one_timeout_then_nothing(
    accepts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if accepts:
            listener.listen(64)  # accepts, and never answers
        async with connected(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", 0.05) as cache:
            cache.breaker = Breaker(failures=1, open_s=2.0, clock=lambda: 0.0)
            assert cache._redis is not None
            execute, calls = cache._redis.execute_command, 0

            async def counted(*arguments: Any, **options: Any) -> Any:
                nonlocal calls
                calls += 1
                return await execute(*arguments, **options)

            async def make() -> tuple[CachedOutput, float]:
                return an_output(), 0.0

            monkeypatch.setattr(cache._redis, "execute_command", counted)
            for name in (bytes([n]) for n in range(50)):
                assert (await cache.get_or_make(name, make))[1] == "miss"
            assert calls == 1, "calls waited for Redis although the breaker is open"
            assert (await cache.get_or_make(b"a", make))[1] == "miss"
            assert (await cache.get_or_make(b"a", make))[1] == "l1"


class Made:
    """A call that waits until it is opened, and counts."""

    def __init__(self) -> None:
        self.began = self.ended_early = 0
        self.opened = asyncio.Event()

    async def __call__(self) -> tuple[CachedOutput, float]:
        self.began += 1
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.ended_early += 1
            raise
        return an_output(), 0.1


async def start(cache: Cache, make: Made, ends_unread: bool) -> asyncio.Task[tuple[CachedOutput, str, float]]:
    """A request that waits for a call by now."""
    request = asyncio.create_task(cache.get_or_make(b"n", make, ends_unread))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return request


async def leave(request: asyncio.Task[tuple[CachedOutput, str, float]]) -> None:
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await asyncio.sleep(0)


async def test_a_call_ends_with_the_last_who_waits_only_where_it_may() -> None:
    for ends_unread, ended in ((True, 1), (False, 0)):
        cache, make = Cache(None), Made()
        first, second = [await start(cache, make, ends_unread) for _ in range(2)]
        await leave(first)
        assert make.ended_early == 0
        await leave(second)
        assert (make.began, make.ended_early) == (1, ended)
        make.opened.set()
        await asyncio.sleep(0)
        assert (cache.recall(b"n") is None) == ends_unread


async def test_nobody_joins_a_call_that_is_being_cancelled() -> None:
    cache, make = Cache(None), Made()
    first = await start(cache, make, True)
    first.cancel()
    await asyncio.sleep(0)  # its request has been cancelled, the call not yet
    make.opened.set()
    output, level, _ = await cache.get_or_make(b"n", make, True)
    assert (output.version, level, make.began) == ("v1", "miss", 2)
    assert cache.recall(b"n") is output
