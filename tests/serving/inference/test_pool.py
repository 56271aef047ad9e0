import asyncio
import threading

import pytest

from data.records import Spec, TransformType
from models.preview import Preview
from serving.inference import engines
from serving.inference.client import FormDiffers, Item, VersionUnknown
from serving.inference.pool import MAX_BATCH, Pool
from tests.waiting import until_async as until

RED, GREEN = Spec(version="red", max_new_tokens=4), Spec(version="green", max_new_tokens=4)


@pytest.fixture
def pool_of(folder):
    def find(version):
        if version not in ("red", "green"):
            raise VersionUnknown(version, ["red", "green"])
        return folder

    return lambda limit: Pool(limit, find)


class Watched:
    """The real engine, with a gate before each generation; a version's first one is its warm-up."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[tuple[str, int]] = []
        self.closed = 0


@pytest.fixture
def watched(monkeypatch):
    watch = Watched()
    generate, close = engines.CTranslate2Engine.generate, engines.CTranslate2Engine.close

    def generate_behind_the_gate(self, spec, items, previews=()):
        if spec.max_new_tokens > 1:  # not the warm-up
            watch.batches.append((spec.version, len(items)))
            watch.gate.wait()
        return generate(self, spec, items, previews)

    def close_and_count(self):
        watch.closed += 1
        close(self)

    monkeypatch.setattr(engines.CTranslate2Engine, "generate", generate_behind_the_gate)
    monkeypatch.setattr(engines.CTranslate2Engine, "close", close_and_count)
    yield watch
    watch.gate.set()


def items(count):
    return [Item(text=f"Message {i}", transform_type=TransformType.SOFTEN, intensity=1) for i in range(count)]


def resident(pool):
    return pool._resident["red", "ctranslate2"]


async def test_concurrent_requests_of_a_spec_are_generated_together(pool_of, watched):
    pool = pool_of(2)
    await pool.load(("red", "ctranslate2"))
    other = RED.model_copy(update={"max_new_tokens": 5})
    replies = await asyncio.gather(
        *(pool.rewrite(RED, [item]) for item in items(6)), *(pool.rewrite(other, [item]) for item in items(2))
    )
    assert sorted(watched.batches) == [("red", 2), ("red", 6)]
    assert all(len(reply) == 1 for reply in replies)


async def test_batches_are_bounded_and_keep_the_order(pool_of, watched):
    pool = pool_of(2)
    messages = items(MAX_BATCH + 3)
    together = await pool.rewrite(RED, messages)
    assert sorted(size for _, size in watched.batches) == [3, MAX_BATCH]
    alone = [(await pool.rewrite(RED, [item]))[0] for item in messages[-3:]]
    assert together[-3:] == alone


async def test_what_arrives_while_batches_run_gathers_into_the_next(pool_of, watched):
    pool = pool_of(2)
    await pool.load(("red", "ctranslate2"))
    watched.gate.clear()
    asking = []
    for running in (1, 2):
        asking.append(asyncio.ensure_future(pool.rewrite(RED, items(1))))
        await until(lambda running=running: len(watched.batches) == running)
    asking += [asyncio.ensure_future(pool.rewrite(RED, items(1))) for _ in range(5)]
    await until(lambda: RED in resident(pool)._open and len(resident(pool)._open[RED].items) == 5)
    assert watched.batches == [("red", 1), ("red", 1)]
    watched.gate.set()
    await asyncio.gather(*asking)
    assert watched.batches == [("red", 1), ("red", 1), ("red", 5)]


async def test_a_request_that_is_given_up_while_it_waits_is_not_generated(pool_of, watched):
    pool = pool_of(2)
    await pool.load(("red", "ctranslate2"))
    leaving = asyncio.ensure_future(pool.rewrite(RED, items(5)))
    staying = asyncio.ensure_future(pool.rewrite(RED, items(2)))
    await asyncio.sleep(0)  # both have joined the batch, which still waits for company
    leaving.cancel()
    assert len(await staying) == 2
    assert watched.batches == [("red", 2)]


async def test_a_version_in_use_leaves_only_after_its_last_generation(pool_of, watched):
    pool = pool_of(1)
    await pool.load(("red", "ctranslate2"))
    watched.gate.clear()
    given_up = asyncio.ensure_future(pool.rewrite(RED, items(1)))
    await until(lambda: watched.batches)
    given_up.cancel()  # which ends no generation that has begun
    green = asyncio.ensure_future(pool.rewrite(GREEN, items(1)))
    await until(lambda: not pool.loaded)  # it waits for the place of red
    assert not green.done()
    assert watched.closed == 0
    watched.gate.set()
    await green
    assert watched.closed == 1
    assert pool.loaded == [("green", "ctranslate2")]


async def test_an_idle_version_leaves_before_a_busy_one(pool_of, watched):
    pool = pool_of(2)
    await pool.load(("red", "ctranslate2"))
    await pool.load(("green", "ctranslate2"))
    watched.gate.clear()
    busy = asyncio.ensure_future(pool.rewrite(RED, items(1)))
    await until(lambda: watched.batches)
    await pool.load(("green", "ctranslate2"))  # red is now the least recently used
    await pool.load(("red", "transformers"))
    assert pool.loaded == [("red", "ctranslate2"), ("red", "transformers")]
    watched.gate.set()
    await busy


async def test_two_versions_take_turns_in_a_place_for_one(pool_of, watched):
    pool = pool_of(1)
    replies = await asyncio.gather(*(pool.rewrite(spec, items(1)) for _ in range(8) for spec in (RED, GREEN)))
    assert len(replies) == 16
    assert len(pool.loaded) == 1


async def test_a_version_that_is_unknown_costs_none_its_place(pool_of, watched):
    pool = pool_of(1)
    await pool.load(("red", "ctranslate2"))
    with pytest.raises(VersionUnknown):
        await pool.load(("blue", "ctranslate2"))
    assert pool.loaded == [("red", "ctranslate2")]


async def test_what_was_on_its_way_arrives_for_the_next_who_asks(pool_of, watched):
    pool = pool_of(1)
    impatient = asyncio.ensure_future(pool.load(("red", "ctranslate2")))
    await asyncio.sleep(0)
    impatient.cancel()
    await until(lambda: pool.loaded)
    await pool.load(("green", "ctranslate2"))  # nobody holds red
    assert pool.loaded == [("green", "ctranslate2")]


async def test_a_generation_that_fails_fails_its_requests_and_no_others(pool_of, watched, monkeypatch):
    pool = pool_of(1)
    await pool.load(("red", "ctranslate2"))
    with monkeypatch.context() as patched:
        patched.setattr(engines.CTranslate2Engine, "generate", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await pool.rewrite(RED, items(1))
    assert len(await pool.rewrite(RED, items(2))) == 2
    await pool.load(("green", "ctranslate2"))


async def test_a_preview_shows_the_draft_of_an_item_in_a_batch(pool_of, watched):
    pool = pool_of(1)
    await pool.load(("red", "ctranslate2"))
    seen = []
    preview = Preview(lambda: seen.append(preview.text))
    [shown], [other] = await asyncio.gather(
        pool.rewrite(RED, items(1), preview), pool.rewrite(RED, [items(2)[1]])
    )
    assert watched.batches == [("red", 2)]
    assert shown.text.startswith(seen[-1])
    assert [other] == await pool.rewrite(RED, [items(2)[1]])


@pytest.mark.parametrize("seed", [None, 3], ids=["greedy", "seeded"])
async def test_a_reader_who_leaves_ends_the_generation(folder, seed):
    """The spec has 512 tokens; the reader leaves at the first of them, for which the generation waits."""
    loop, ended, left = asyncio.get_running_loop(), [], threading.Event()
    pool = Pool(1, lambda _: folder, on_abandoned=lambda: ended.append(True))
    begun = asyncio.Event()
    preview = Preview(lambda: (loop.call_soon_threadsafe(begun.set), left.wait()))
    long = RED.model_copy(update={"max_new_tokens": 512, "temperature": 0.0 if seed is None else 1.0})
    asking = asyncio.ensure_future(
        pool.rewrite(long, [items(1)[0].model_copy(update={"seed": seed})], preview)
    )
    await begun.wait()
    asking.cancel()
    try:
        await until(lambda: preview.is_abandoned)
    finally:
        left.set()
    await until(lambda: ended)
    await until(lambda: not resident(pool).leases)
    assert len(preview.text) < 512, "it ended long before its last token"


async def test_a_reader_who_leaves_before_the_batch_begins_costs_nothing(pool_of, watched):
    pool = pool_of(1)
    await pool.load(("red", "ctranslate2"))
    watched.gate.clear()
    busy = [asyncio.ensure_future(pool.rewrite(RED, items(1)))]
    await until(lambda: watched.batches)
    busy.append(asyncio.ensure_future(pool.rewrite(RED, items(1))))
    await until(lambda: len(watched.batches) == 2)
    waiting = asyncio.ensure_future(pool.rewrite(RED, items(1), Preview()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    watched.gate.set()
    await asyncio.gather(*busy, waiting, return_exceptions=True)
    assert watched.batches == [("red", 1), ("red", 1)]


async def test_a_seeded_request_that_is_given_up_keeps_its_version_until_it_ends(pool_of, watched):
    pool = pool_of(1)
    await pool.load(("red", "ctranslate2"))
    watched.gate.clear()
    seeded = [items(1)[0].model_copy(update={"seed": 1})]
    given_up = asyncio.ensure_future(pool.rewrite(RED.model_copy(update={"temperature": 1.0}), seeded))
    await until(lambda: watched.batches)
    given_up.cancel()
    green = asyncio.ensure_future(pool.rewrite(GREEN, items(1)))
    await until(lambda: not pool.loaded)  # it waits for the place of red
    assert watched.closed == 0
    watched.gate.set()
    await green
    assert watched.closed == 1


async def test_a_spec_is_checked_before_anything_is_generated(pool_of, watched):
    pool = pool_of(1)
    await pool.prepare(RED)
    assert pool.loaded == [("red", "ctranslate2")]
    with pytest.raises(FormDiffers):
        await pool.prepare(Spec(version="red", form="edits"))
    with pytest.raises(VersionUnknown):
        await pool.prepare(Spec(version="blue"))
    assert not resident(pool).leases
