"""The versions in memory: loaded on demand, the least recently used unloaded first, answering in batches."""

import asyncio
import ctypes
import math
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from configs.settings import Device
from data.records import Engine, Spec, TransformType
from models.preview import Preview
from serving.inference import engines, replacements
from serving.inference.client import FormDiffers, Item, Rewritten

_THREADS = 2  # of one version: as many as an engine has concurrent batches, at most
_LATE = Rewritten(text="", facts_missing=[], tokens=0, finished=False, is_late=True)

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
        self._lists: dict[str, list[asyncio.Task[Rewritten]]] = {}  # their items in progress, by their ids
        # A thread for each batch that can run, and one to load versions: neither waits for the other.
        self._threads = ThreadPoolExecutor(limit * _THREADS + 1)

    @property
    def loaded(self) -> list[Key]:
        """The versions that can answer, least recently used first."""
        return list(self._resident)

    async def rewrite(
        self,
        spec: Spec,
        items: Sequence[Item],
        preview: Preview | None = None,
        deadlines: Sequence[float] | None = None,
        list_id: str | None = None,
    ) -> list[Rewritten]:
        """Rewrites of items in their order, in one batch with other items for the same spec. Items that are
        sampled with a seed are in a batch of their own. FormDiffers when the version writes another form than
        the spec names. An item whose batch has not begun by its deadline, by `time.monotonic`, is late.

        `preview` shows the draft of a single item. Cancel the call when its reader leaves: that ends the
        drafts of all its items. `give_up` ends one of them, by the id of the list, and it is late.
        """
        assert preview is None or len(items) == 1, len(items)
        deadlines = deadlines or [math.inf] * len(items)
        resident = await self._lease((spec.version, spec.engine))
        try:
            _check_form(resident, spec)
            if spec.temperature > 0 and any(item.seed is not None for item in items):
                return await resident.rewrite_alone(spec, items, preview, min(deadlines))
            each = [
                asyncio.ensure_future(resident.rewrite(spec, item, preview, deadline))
                for item, deadline in zip(items, deadlines, strict=True)
            ]
            if list_id is not None:
                self._lists[list_id] = each
            rewrites: list[Rewritten] = []
            for rewritten in await asyncio.gather(*each, return_exceptions=True):
                if isinstance(rewritten, asyncio.CancelledError):  # by `give_up`
                    rewritten = _LATE
                elif isinstance(rewritten, BaseException):
                    raise rewritten
                rewrites.append(rewritten)
            return rewrites
        finally:
            self._lists.pop(list_id or "", None)
            resident.release()

    def give_up(self, list_id: str, index: int) -> bool:
        """End the draft of one item of a list, whose others go on; False when it is not in progress."""
        items = self._lists.get(list_id, [])
        return index < len(items) and items[index].cancel()

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
    """Items that are generated together, each with the time by which it has to begin, and a preview where its
    draft can end early. An item becomes None when its request is cancelled.
    """

    def __init__(self) -> None:
        self.items: list[Item | None] = []
        self.previews: list[Preview | None] = []
        self.deadlines: list[float] = []
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
        self._slots = asyncio.Semaphore(engine.concurrent_batches)  # while they run, the next one fills
        self._open: dict[Spec, _Batch] = {}

    def hold(self) -> None:
        self.leases += 1
        self.idle.clear()

    def release(self) -> None:
        self.leases -= 1
        if not self.leases:
            self.idle.set()

    async def rewrite(self, spec: Spec, item: Item, preview: Preview | None, deadline: float) -> Rewritten:
        """Join the open batch of the spec, or open one."""
        preview = preview or self._unseen()
        batch = self._open.get(spec)
        if batch is None or len(batch.items) == self.engine.batch_size:
            batch = self._open[spec] = _Batch()
            batch.done = asyncio.ensure_future(self._run(spec, batch))
        index = len(batch.items)
        batch.items.append(item)
        batch.previews.append(preview)
        batch.deadlines.append(deadline)
        try:
            return (await asyncio.shield(batch.done))[index]
        except asyncio.CancelledError:
            batch.items[index] = None
            if preview is not None:
                preview.abandon()
            raise

    async def rewrite_alone(
        self, spec: Spec, items: Sequence[Item], preview: Preview | None, deadline: float
    ) -> list[Rewritten]:
        """Rewrite these items in a batch of their own; `preview` is that of a single item."""
        preview = preview or self._unseen()
        batch = _Batch()
        batch.items += items
        batch.previews += [preview] * len(items)
        batch.deadlines += [deadline] * len(items)
        batch.done = asyncio.ensure_future(self._run(spec, batch))
        try:
            done = await asyncio.shield(batch.done)
            return [done[i] for i in range(len(items))]
        except asyncio.CancelledError:
            batch.items = [None] * len(items)
            if preview is not None:
                preview.abandon()
            raise

    def _unseen(self) -> Preview | None:
        """A preview that shows nothing, by which a draft ends early. Edits take 10 ms, and are not ended."""
        return Preview(is_shown=False) if self.engine.form == "text" else None

    async def _run(self, spec: Spec, batch: _Batch) -> dict[int, Rewritten]:
        """Generate the batch as soon as one may start. It fills while others run, as gateways send lists."""
        self.hold()  # a generation goes on for a moment when its client has left
        try:
            async with self._slots:
                if self._open.get(spec) is batch:
                    del self._open[spec]
                wanted = {i: item for i, item in enumerate(batch.items) if item is not None}
                now = time.monotonic()
                items = {i: item for i, item in wanted.items() if batch.deadlines[i] > now}
                late = dict.fromkeys(wanted.keys() - items.keys(), _LATE)
                if not items:
                    return late
                previews = [batch.previews[i] for i in items]
                rewrites = await asyncio.get_running_loop().run_in_executor(
                    self._threads, replacements.generate, self.engine, spec, list(items.values()), previews
                )
                for preview in previews:
                    if preview is not None and preview.is_abandoned:
                        self._on_abandoned()
                return late | dict(zip(items, rewrites, strict=True))
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
