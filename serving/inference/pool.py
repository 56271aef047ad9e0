"""The versions in memory: loaded on demand, least recently used leaves first, answering in batches."""

import asyncio
import ctypes
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data.records import Engine, Spec, TransformType
from serving.inference import engines
from serving.inference.client import Item, Rewritten

LINGER_S = 0.005  # how long the first request of a batch waits for company
MAX_BATCH = 32
_BATCHES_AT_ONCE = 2  # of one version: while one runs, the next gathers

Key = tuple[str, Engine]


class Pool:
    """At most `limit` loaded versions, each under its (version, engine).

    `find` names a version's folder or raises. Belongs to one event loop; the work is done in threads.
    """

    def __init__(self, limit: int, find: Callable[[str], Path]) -> None:
        self._limit = limit
        self._find = find
        self._resident: OrderedDict[Key, _Resident] = OrderedDict()  # least recently used first
        self._coming = asyncio.Lock()
        # A thread for each batch that can run, and one to load: neither waits for the other.
        self._threads = ThreadPoolExecutor(limit * _BATCHES_AT_ONCE + 1)

    @property
    def loaded(self) -> list[Key]:
        """What can answer, least recently used first."""
        return list(self._resident)

    async def rewrite(self, spec: Spec, items: Sequence[Item]) -> list[Rewritten]:
        """Rewrites of items in their order, generated with whatever else is asked under the same spec."""
        resident = await self._lease((spec.version, spec.engine))
        try:
            return await asyncio.gather(*(resident.rewrite(spec, item) for item in items))
        finally:
            resident.release()

    async def load(self, key: Key) -> None:
        """Return when the version can answer."""
        (await self._lease(key)).release()

    async def _lease(self, key: Key) -> "_Resident":
        """The version, held in memory until it is released."""
        if resident := self._resident.get(key):
            self._resident.move_to_end(key)
            resident.hold()
            return resident
        # A task of its own: what is on its way in arrives even when the one who asked for it has gone.
        coming = asyncio.ensure_future(self._bring_in(key))
        try:
            return await asyncio.shield(coming)
        except asyncio.CancelledError:
            coming.add_done_callback(_release_result)
            raise

    async def _bring_in(self, key: Key) -> "_Resident":
        """Load a version unless another request just has; one at a time, in the order of asking."""
        async with self._coming:
            resident = self._resident.get(key)
            if resident is None:
                loop = asyncio.get_running_loop()
                folder = await loop.run_in_executor(self._threads, self._find, key[0])
                while len(self._resident) >= self._limit:  # nothing leaves for a version that does not exist
                    await self._let_go()
                engine = await loop.run_in_executor(self._threads, _load, folder, *key)
                resident = self._resident[key] = _Resident(engine, self._threads)
            self._resident.move_to_end(key)
            resident.hold()
            return resident

    async def _let_go(self) -> None:
        """Unload the least recently used version, an idle one if possible, after its last request."""
        idle = (key for key, resident in self._resident.items() if not resident.leases)
        resident = self._resident.pop(next(idle, next(iter(self._resident))))
        await resident.idle.wait()
        await asyncio.get_running_loop().run_in_executor(self._threads, _unload, resident.engine)


class _Batch:
    """Items that are generated together. A place is emptied when the one who asked has gone."""

    def __init__(self) -> None:
        self.items: list[Item | None] = []
        self.done: asyncio.Future[dict[int, Rewritten]]


class _Resident:
    """A loaded version: its engine, how many requests and batches use it, and its open batches."""

    def __init__(
        self, engine: engines.CTranslate2Engine | engines.TransformersEngine, threads: ThreadPoolExecutor
    ):
        self.engine = engine
        self.leases = 0
        self.idle = asyncio.Event()
        self._threads = threads
        self._slots = asyncio.Semaphore(_BATCHES_AT_ONCE)
        self._open: dict[Spec, _Batch] = {}

    def hold(self) -> None:
        self.leases += 1
        self.idle.clear()

    def release(self) -> None:
        self.leases -= 1
        if not self.leases:
            self.idle.set()

    async def rewrite(self, spec: Spec, item: Item) -> Rewritten:
        """Join the open batch of the spec, or open one."""
        batch = self._open.get(spec)
        if batch is None or len(batch.items) == MAX_BATCH:
            batch = self._open[spec] = _Batch()
            batch.done = asyncio.ensure_future(self._run(spec, batch))
        place = len(batch.items)
        batch.items.append(item)
        try:
            return (await asyncio.shield(batch.done))[place]
        except asyncio.CancelledError:
            batch.items[place] = None
            raise

    async def _run(self, spec: Spec, batch: _Batch) -> dict[int, Rewritten]:
        """Let the batch gather until it may start, then generate it."""
        self.hold()  # a generation outlives a client that has gone
        try:
            await asyncio.sleep(LINGER_S)
            async with self._slots:
                if self._open.get(spec) is batch:
                    del self._open[spec]
                wanted = {place: item for place, item in enumerate(batch.items) if item is not None}
                if not wanted:
                    return {}
                rewrites = await asyncio.get_running_loop().run_in_executor(
                    self._threads, self.engine.generate, spec, list(wanted.values())
                )
                return dict(zip(wanted, rewrites, strict=True))
        finally:
            self.release()


def _load(
    folder: Path, version: str, engine: Engine
) -> engines.CTranslate2Engine | engines.TransformersEngine:
    """Load and warm up, so that a version which is in memory has answered once."""
    loaded = engines.load(folder, engine)
    hello = Item(text="Hello", transform_type=TransformType.SOFTEN, intensity=0)
    loaded.generate(Spec(version=version, engine=engine, max_new_tokens=1), [hello])
    return loaded


def _unload(engine: engines.CTranslate2Engine | engines.TransformersEngine) -> None:
    engine.close()
    if sys.platform == "linux":  # glibc keeps freed memory unless told
        ctypes.CDLL(None).malloc_trim(0)


def _release_result(coming: "asyncio.Future[_Resident]") -> None:
    if not coming.cancelled() and coming.exception() is None:
        coming.result().release()
