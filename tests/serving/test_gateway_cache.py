"""The cache: keys that never collide, levels, one flight per key, and a Redis that fails in every way."""

import asyncio
import socket
import time
import unicodedata
import uuid
from collections.abc import AsyncIterator

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from configs.settings import Settings
from data.records import TransformType
from serving.gateway.cache import Cache, CachedOutput, key

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
    assert (key(*one) == key(*other)) == same


@given(parts, st.integers(1, 10))
def test_moving_text_between_parts_changes_the_key(part: tuple, cut: int) -> None:  # type: ignore[type-arg]
    organisation, spec, dictionary, kind, intensity, text = part
    if text[:cut]:
        assert key(*part) != key(organisation, spec, dictionary + text[:cut], kind, intensity, text[cut:])


def test_two_spellings_of_one_text_share_a_key() -> None:
    ids = (uuid.uuid4(), "a", "", TransformType.SOFTEN, 1)
    assert key(*ids, "Zoé") == key(*ids, "Zoe\u0301")


def an_output(text: str = "rewritten") -> CachedOutput:
    return CachedOutput(uuid.uuid4(), text, ["42"], "v1")


@pytest.fixture
async def cache(local: Settings) -> AsyncIterator[Cache]:
    cache = Cache(local.redis_url)
    yield cache
    await cache.close()


async def test_miss_then_l1_then_l2_from_another_gateway(cache: Cache, local: Settings) -> None:
    name, made = uuid.uuid4().hex, an_output()

    async def make() -> CachedOutput:
        return made

    async def never() -> CachedOutput:
        raise AssertionError("asked the service for what is cached")

    assert await cache.get_or_make(name, make) == (made, "miss")
    assert await cache.get_or_make(name, never) == (made, "l1")
    await asyncio.sleep(0.05)
    other = Cache(local.redis_url)
    assert await other.get_or_make(name, never) == (made, "l2")
    assert await other.get_or_make(name, never) == (made, "l1")
    await other.close()


async def test_one_flight_for_all_who_ask_meanwhile(cache: Cache) -> None:
    name, calls = uuid.uuid4().hex, 0

    async def make() -> CachedOutput:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.05)
        return an_output()

    first = asyncio.create_task(cache.get_or_make(name, make))
    others = [asyncio.create_task(cache.get_or_make(name, make)) for _ in range(20)]
    await asyncio.sleep(0.01)
    first.cancel()  # the client that started the flight leaves; the others still get their answer
    answers = await asyncio.gather(*others)
    assert calls == 1
    assert len({answer.output_id for answer, _ in answers}) == 1


async def test_failures_reach_all_and_are_not_cached(cache: Cache) -> None:
    name = uuid.uuid4().hex

    async def fail() -> CachedOutput:
        await asyncio.sleep(0.01)
        raise ValueError("no model")

    results = await asyncio.gather(*(cache.get_or_make(name, fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 3

    async def make() -> CachedOutput:
        return an_output()

    assert (await cache.get_or_make(name, make))[1] == "miss"


async def test_foreign_bytes_under_our_key_are_a_miss(cache: Cache, local: Settings) -> None:
    name = uuid.uuid4().hex
    assert local.redis_url is not None
    with redis.Redis.from_url(local.redis_url) as client:
        client.set(f"tonebridge:output:1:{name}", b"\x81\xa1x\x01 not ours")

    async def make() -> CachedOutput:
        return an_output()

    assert (await cache.get_or_make(name, make))[1] == "miss"


@pytest.mark.parametrize("accepts", [True, False], ids=["hangs", "refuses"])
async def test_a_redis_that_is_away_costs_one_timeout_then_nothing(accepts: bool) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if accepts:
            listener.listen(64)  # accepts, and never answers
        cache = Cache(f"redis://127.0.0.1:{listener.getsockname()[1]}/0")

        async def make() -> CachedOutput:
            return an_output()

        began = time.perf_counter()
        assert (await cache.get_or_make("a", make))[1] == "miss"
        assert time.perf_counter() - began < 0.5
        began = time.perf_counter()
        for name in map(str, range(50)):
            assert (await cache.get_or_make(name, make))[1] == "miss"
        assert time.perf_counter() - began < 0.5, "each call waited for Redis although the breaker is open"
        assert (await cache.get_or_make("a", make))[1] == "l1"
        await cache.close()
