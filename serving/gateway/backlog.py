"""The jobs of the queue and the open erasures for Prometheus, counted in Postgres when somebody asks.

Every gateway counts those of all organisations, so all gateways export the same numbers.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import psycopg
from prometheus_client import CollectorRegistry, Gauge
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data.erasure import work_orders
from data.jobs import listing
from data.jobs.listing import Count
from data.jobs.queue import Kind, State

log = logging.getLogger(__name__)

_FRESH_S = 5.0  # that a count is exported before the jobs are counted again
_COUNTED = (State.WAITING, State.RUNNING, State.DEAD)


class Backlog:
    """The gauges of the queue and of erasures. They are empty until Postgres has answered once."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        registry: CollectorRegistry,
        clock: Callable[[], float] = time.monotonic,
        wait_s: float = 1.0,
    ) -> None:
        """`renew` waits at most `wait_s` for a count."""
        self._pool, self._clock, self._wait_s = pool, clock, wait_s
        self._task: asyncio.Task[None] | None = None
        self._begun_at = float("-inf")
        self._jobs = Gauge(
            "tonebridge_jobs",
            "Jobs of the queue, of all organisations; every gateway has the same number",
            ["kind", "state"],
            registry=registry,
        )
        self._oldest = Gauge(
            "tonebridge_jobs_oldest_seconds",
            "Seconds that the oldest waiting job has been due; 0 when none is due",
            ["kind"],
            registry=registry,
        )
        self._erasures = Gauge(
            "tonebridge_erasures_open",
            "Erasures that are not finished, of all organisations; every gateway has the same number",
            ["state"],
            registry=registry,
        )
        self._oldest_erasure = Gauge(
            "tonebridge_erasures_oldest_seconds",
            "Seconds since the oldest erasure in a state was requested; 0 when there is none",
            ["state"],
            registry=registry,
        )

    async def renew(self) -> None:
        """Count the jobs again if the last count is too old. A slow Postgres delays this by `wait_s` at most.
        While Postgres is unavailable, the last numbers stay.
        """
        if self._task is None or self._task.done():
            if self._clock() - self._begun_at < _FRESH_S:
                return
            self._begun_at = self._clock()
            self._task = asyncio.create_task(self._count(), name="backlog")
        await asyncio.wait({self._task}, timeout=self._wait_s)

    async def stop(self) -> None:
        """Stop counting."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _count(self) -> None:
        try:
            async with self._pool.connection() as connection:
                counts = await listing.count(connection)
                erasures = await work_orders.count_open(connection)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            log.warning("jobs and erasures could not be counted: %s", error)
        else:
            self._export(counts)
            for each in erasures:
                self._erasures.labels(each.state).set(each.erasures)
                self._oldest_erasure.labels(each.state).set(each.oldest_s)

    def _export(self, counts: Sequence[Count]) -> None:
        kinds = {*map(str, Kind), *(count.kind for count in counts)}
        numbers = {(kind, state.value): 0 for kind in kinds for state in _COUNTED}
        oldest = dict.fromkeys(kinds, 0.0)
        for count in counts:
            numbers[count.kind, count.state] = count.jobs
            if count.oldest_s is not None:
                oldest[count.kind] = count.oldest_s
        self._jobs.clear()  # of the kinds of another release that have no jobs any more
        self._oldest.clear()
        for (kind, state), number in numbers.items():
            self._jobs.labels(kind, state).set(number)
        for kind, age_s in oldest.items():
            self._oldest.labels(kind).set(age_s)
