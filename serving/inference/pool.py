"""The versions in memory: loaded on demand, the least recently used unloaded first, answering in batches."""

import asyncio
import ctypes
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from configs.settings import Device
from data.records import Engine, Spec, TransformType
from models.preview import Preview
from serving.inference import engines
from serving.inference.client import FormDiffers, Item, Rewritten

MAX_BATCH = 32
_CONCURRENT_BATCHES = 2  # of one version: while they run, the next batch fills

Key = tuple[str, Engine]


class Pool:
    """At most `limit` loaded versions, each under its (version, engine).

    `find` returns a version's folder or raises. Belongs to one event loop; the work is done in threads.
    """

    def __init__(
        self,
        limit: int,
        find: Callable[[str], Path],
        device: Device = "auto",
        on_abandoned: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_abandoned` is called when a generation has ended whose reader had left."""
        self._limit = limit
        self._on_abandoned = on_abandoned
        self._find = find
        self._device = device
        self._resident: OrderedDict[Key, _Resident] = OrderedDict()  # least recently used first
        self._loading = asyncio.Lock()
        # A thread for each batch that can run, and one to load versions: neither waits for the other.
        self._threads = ThreadPoolExecutor(limit * _CONCURRENT_BATCHES + 1)

    @property
    def loaded(self) -> list[Key]:
        """The versions that can answer, least recently used first."""
        return list(self._resident)

    async def rewrite(
        self, spec: Spec, items: Sequence[Item], preview: Preview | None = None
    ) -> list[Rewritten]:
        """Rewrites of items in their order, in one batch with other items for the same spec. Items that are
        sampled with a seed are in a batch of their own. FormDiffers when the version writes another form than
        the spec names.

        `preview` shows the draft of a single item. Cancel the call when its reader leaves: that ends the
        draft, too.
        """
        assert preview is None or len(items) == 1, len(items)
        resident = await self._lease((spec.version, spec.engine))
        try:
            _check_form(resident, spec)
            if spec.temperature > 0 and any(item.seed is not None for item in items):
                return await resident.rewrite_alone(spec, items, preview)
            return await asyncio.gather(*(resident.rewrite(spec, item, preview) for item in items))
        finally:
            resident.release()

    async def prepare(self, spec: Spec) -> None:
        """Return when the spec's version can answer; errors as `rewrite`."""
        resident = await self._lease((spec.version, spec.engine))
        try:
            _check_form(resident, spec)
        finally:
            resident.release()

    async def load(self, key: Key) -> None:
        """Return when the version can answer."""
        (await self._lease(key)).release()

    async def _lease(self, key: Key) -> "_Resident":
        """The version, kept in memory until `release` is called."""
        if resident := self._resident.get(key):
            self._resident.move_to_end(key)
            resident.hold()
            return resident
        # A task of its own: loading goes on when the request that started it is cancelled.
        loading = asyncio.ensure_future(self._load_and_hold(key))
        try:
            return await asyncio.shield(loading)
        except asyncio.CancelledError:
            loading.add_done_callback(_release_result)
            raise

    async def _load_and_hold(self, key: Key) -> "_Resident":
        """Load a version unless it is loaded by now; one at a time, in the order of the requests."""
        async with self._loading:
            resident = self._resident.get(key)
            if resident is None:
                loop = asyncio.get_running_loop()
                folder = await loop.run_in_executor(self._threads, self._find, key[0])
                while len(self._resident) >= self._limit:  # after `find`: a missing version unloads none
                    await self._unload_one()
                engine = await loop.run_in_executor(self._threads, _load, folder, *key, self._device)
                resident = self._resident[key] = _Resident(engine, self._threads, self._on_abandoned)
            self._resident.move_to_end(key)
            resident.hold()
            return resident

    async def _unload_one(self) -> None:
        """Unload the least recently used version, an idle one if possible, after its last request."""
        idle = (key for key, resident in self._resident.items() if not resident.leases)
        resident = self._resident.pop(next(idle, next(iter(self._resident))))
        await resident.idle.wait()
        await asyncio.get_running_loop().run_in_executor(self._threads, _unload, resident.engine)


class _Batch:
    """Items that are generated together, some with a preview. An item becomes None when its request is
    cancelled.
    """

    def __init__(self) -> None:
        self.items: list[Item | None] = []
        self.previews: list[Preview | None] = []
        self.done: asyncio.Future[dict[int, Rewritten]]


class _Resident:
    """A loaded version: its engine, the number of requests and batches that use it, and its open batches."""

    def __init__(
        self, engine: engines.AnyEngine, threads: ThreadPoolExecutor, on_abandoned: Callable[[], None]
    ):
        self.engine = engine
        self._on_abandoned = on_abandoned
        self.leases = 0
        self.idle = asyncio.Event()
        self._threads = threads
        self._slots = asyncio.Semaphore(_CONCURRENT_BATCHES)
        self._open: dict[Spec, _Batch] = {}

    def hold(self) -> None:
        self.leases += 1
        self.idle.clear()

    def release(self) -> None:
        self.leases -= 1
        if not self.leases:
            self.idle.set()

    async def rewrite(self, spec: Spec, item: Item, preview: Preview | None = None) -> Rewritten:
        """Join the open batch of the spec, or open one."""
        batch = self._open.get(spec)
        if batch is None or len(batch.items) == MAX_BATCH:
            batch = self._open[spec] = _Batch()
            batch.done = asyncio.ensure_future(self._run(spec, batch))
        index = len(batch.items)
        batch.items.append(item)
        batch.previews.append(preview)
        try:
            return (await asyncio.shield(batch.done))[index]
        except asyncio.CancelledError:
            batch.items[index] = None
            if preview is not None:
                preview.abandon()
            raise

    async def rewrite_alone(
        self, spec: Spec, items: Sequence[Item], preview: Preview | None = None
    ) -> list[Rewritten]:
        """Rewrite these items in a batch of their own; `preview` is that of a single item."""
        batch = _Batch()
        batch.items += items
        batch.previews += [preview] * len(items)
        batch.done = asyncio.ensure_future(self._run(spec, batch))
        try:
            done = await asyncio.shield(batch.done)
            return [done[i] for i in range(len(items))]
        except asyncio.CancelledError:
            batch.items = [None] * len(items)
            if preview is not None:
                preview.abandon()
            raise

    async def _run(self, spec: Spec, batch: _Batch) -> dict[int, Rewritten]:
        """Generate the batch as soon as one may start. It fills while others run, as gateways send lists."""
        self.hold()  # a generation goes on when its client disconnects
        try:
            async with self._slots:
                if self._open.get(spec) is batch:
                    del self._open[spec]
                items = {i: item for i, item in enumerate(batch.items) if item is not None}
                if not items:
                    return {}
                previews = [batch.previews[i] for i in items]
                rewrites = await asyncio.get_running_loop().run_in_executor(
                    self._threads, self.engine.generate, spec, list(items.values()), previews
                )
                for preview in previews:
                    if preview is not None and preview.is_abandoned:
                        self._on_abandoned()
                return dict(zip(items, rewrites, strict=True))
        finally:
            self.release()


def _check_form(resident: _Resident, spec: Spec) -> None:
    if resident.engine.form != spec.form:
        raise FormDiffers(spec.version, resident.engine.form, spec.form)


def _load(folder: Path, version: str, engine: Engine, device: Device) -> engines.AnyEngine:
    """Load and warm up: a version in memory has generated once. RuntimeError when that failed."""
    loaded = engines.load(folder, engine, device)
    hello = Item(text="Hello", transform_type=TransformType.SOFTEN, intensity=0)
    spec = Spec(version=version, form=loaded.form, engine=engine, max_new_tokens=loaded.warm_up_tokens)
    [rewritten] = loaded.generate(spec, [hello])
    if rewritten.failure is not None:
        loaded.close()
        raise RuntimeError(f"{version} cannot answer: {rewritten.failure}")
    return loaded


def _unload(engine: engines.AnyEngine) -> None:
    engine.close()
    if sys.platform == "linux":  # glibc keeps freed memory until it is trimmed
        ctypes.CDLL(None).malloc_trim(0)


def _release_result(loading: "asyncio.Future[_Resident]") -> None:
    if not loading.cancelled() and loading.exception() is None:
        loading.result().release()
