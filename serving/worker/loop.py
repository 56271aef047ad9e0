"""Claims jobs, has them done in lists, and stores each list's results with its effects in one transaction.

A job that may have ended an earlier worker is done alone, after the others of its list, so that it cannot
take them along again.
"""

import asyncio
import contextlib
import logging
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import psycopg
from prometheus_client import CollectorRegistry
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data.database import transaction_of
from data.jobs import queue
from data.jobs.config import JobsConfig
from data.jobs.queue import ClaimedJob, Failure, Kind
from data.reasons import Reason, reason
from data.tables import new_id
from serving.observability import job_spans
from serving.worker.counts import JobCounts

log = logging.getLogger(__name__)

_CLAIMS, _BETWEEN_CLAIMS_S = 3, 0.02
_POSTGRES_ERRORS = (psycopg.OperationalError, PoolTimeout, OSError)


class Work(NamedTuple):
    """The outcome of a list of jobs: results, failures, and effects.

    `store` gets the connection of the transaction that ends the jobs, and the ids of the finished jobs that
    the worker still held. `stored` gets the same ids after the commit.
    """

    results: Sequence[tuple[ClaimedJob, Mapping[str, Any]]]
    failures: Sequence[Failure]
    store: Callable[[AsyncConnection, Collection[uuid.UUID]], Awaitable[None]]
    stored: Callable[[Collection[uuid.UUID]], None]


class Handler(Protocol):
    """Does jobs of one kind and one organisation, at most `most` in a list, and `lists_at_once` at the same
    time. Nothing is claimed for it unless `is_ready`. A job is dead after `most_attempts`. It stores nothing:
    see `Work`.
    """

    most: int
    lists_at_once: int
    most_attempts: int

    @property
    def is_ready(self) -> bool:
        """Whether it has what it needs."""

    async def __call__(self, claimed: Sequence[ClaimedJob]) -> Work:
        """The outcome of every job of a list."""


class Worker:
    """Does jobs until it is stopped. Belongs to one event loop."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        url: str,
        handlers: Mapping[Kind, Handler],
        config: JobsConfig,
        counts: JobCounts | None = None,
    ) -> None:
        """`url` is that of the database, for notices. Without `counts`, nobody reads what it counts."""
        self.id = new_id()
        self._pool, self._url, self._handlers, self._config = pool, url, handlers, config
        self._caps = {name: plan.running for name, plan in config.plans}
        self._noticed = {kind: asyncio.Event() for kind in handlers}
        self._stopping = asyncio.Event()
        self._counts = counts or JobCounts(CollectorRegistry())
        self._counts.begin(handlers)

    def stop(self) -> None:
        """Claim nothing more; `run` returns when the jobs in progress are done, or given back."""
        self._stopping.set()
        for event in self._noticed.values():
            event.set()

    async def run(self) -> None:
        """Do jobs until `stop`."""
        listener = asyncio.create_task(self._listen(), name="jobs-notices")
        loops = [
            asyncio.create_task(self._work(kind), name=f"jobs-{kind}")
            for kind, handler in self._handlers.items()
            for _ in range(handler.lists_at_once)
        ]
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait([stopped, *loops], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()  # a loop ends before `stop` only by an error of ours
            _, unfinished = await asyncio.wait(loops, timeout=self._config.drain_s)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        finally:
            for task in (listener, stopped, *loops):
                task.cancel()
            await asyncio.gather(listener, stopped, *loops, return_exceptions=True)

    async def _work(self, kind: Kind) -> None:
        while not self._stopping.is_set():
            self._noticed[kind].clear()
            claimed: list[ClaimedJob] = []
            if self._handlers[kind].is_ready:
                with _postgres_may_fail("no jobs can be claimed"):
                    claimed = await self._claim(kind)
            if claimed:
                with self._counts.doing(kind, len(claimed)):
                    await self._do(kind, claimed)
            elif not self._stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._config.poll_s):
                        await self._noticed[kind].wait()

    async def _claim(self, kind: Kind) -> list[ClaimedJob]:
        """Claim a list. An empty one is claimed again, at another moment than the other workers do."""
        for _ in range(_CLAIMS):
            if claimed := await self._claim_once(kind):
                return claimed
            await asyncio.sleep(random.uniform(0, _BETWEEN_CLAIMS_S))
        return []

    async def _claim_once(self, kind: Kind) -> list[ClaimedJob]:
        config = self._config
        async with self._pool.connection() as connection:
            most = self._handlers[kind].most
            return await queue.claim(connection, self.id, kind, config.lease_s, most, self._caps)

    async def _do(self, kind: Kind, claimed: Sequence[ClaimedJob]) -> None:
        suspects = [job for job in claimed if job.has_ended_a_worker]
        waiting = [[job for job in claimed if not job.has_ended_a_worker], *([job] for job in suspects)]
        waiting = [group for group in waiting if group]
        async with self._renewing(claimed):
            try:
                while waiting:
                    await self._do_together(kind, waiting[0])
                    del waiting[0]
            except asyncio.CancelledError:
                rest = [job for group in waiting for job in group]
                with _postgres_may_fail(f"{len(rest)} jobs wait for the end of their leases"):
                    async with self._transaction(rest[0].organisation_id) as connection:
                        await queue.release(connection, self.id, rest)
                raise

    async def _do_together(self, kind: Kind, group: Sequence[ClaimedJob]) -> None:
        """Do jobs and store the outcome; tried again while Postgres is unavailable. If the lease ends
        meanwhile, nothing is stored, and another worker does them.

        After an error that nobody expected each job is done alone, and the one with the error fails.
        """
        work: Work | None = None
        deadline = asyncio.get_running_loop().time() + self._config.lease_s
        while asyncio.get_running_loop().time() < deadline:
            with _postgres_may_fail(f"{len(group)} jobs are not done yet"):
                try:
                    work = work or await self._handle(kind, group)
                    await self._store(kind, work, group)
                except _POSTGRES_ERRORS:
                    raise
                except Exception:  # one job must not end the worker that serves all
                    if len(group) > 1:
                        for job in group:
                            await self._do_together(kind, [job])
                        return
                    log.exception("a job fails: %s", group[0].id)
                    work = self._fail(kind, group[0], reason("job_failed"))
                else:
                    return
            await asyncio.sleep(self._config.poll_s)

    async def _handle(self, kind: Kind, group: Sequence[ClaimedJob]) -> Work:
        handler = self._handlers[kind]
        if group[0].attempts > handler.most_attempts:  # alone, since it may have ended a worker
            return self._fail(kind, group[0], reason("job_ended_worker", attempts=group[0].attempts - 1))
        return await handler(group)

    def _fail(self, kind: Kind, job: ClaimedJob, why: Reason) -> Work:
        config = self._config
        delay_s = queue.compute_delay_s(job.failures, config.first_retry_s, config.longest_retry_s)
        is_last = job.attempts >= self._handlers[kind].most_attempts
        failure = Failure(job, [why], None if is_last else delay_s)
        with job_spans.attempt(kind, [job]) as span:  # its handler was not called, or could not say so
            job_spans.conclude(span, [failure])
        return Work([], [failure], _store_nothing, lambda _: None)

    async def _store(self, kind: Kind, work: Work, group: Sequence[ClaimedJob]) -> None:
        async with self._transaction(group[0].organisation_id) as connection:
            held = await queue.finish(connection, self.id, work.results)
            await queue.fail(connection, self.id, work.failures)
            await work.store(connection, held)
        work.stored(held)
        self._counts.stored(kind, len(held), work.failures)

    @contextlib.asynccontextmanager
    async def _renewing(self, claimed: Sequence[ClaimedJob]) -> AsyncIterator[None]:
        """Context manager: renews the leases of jobs at a third of their time."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(self._config.lease_s / 3)
                with _postgres_may_fail("leases cannot be renewed"):
                    async with self._transaction(claimed[0].organisation_id) as connection:
                        await queue.renew(connection, self.id, claimed, self._config.lease_s)

        task = asyncio.create_task(renew(), name="jobs-leases")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _transaction(self, organisation_id: uuid.UUID) -> AsyncIterator[AsyncConnection]:
        async with self._pool.connection() as connection, transaction_of(connection, organisation_id):
            yield connection

    async def _listen(self) -> None:
        """Claim as soon as jobs are enqueued; without notices, after `poll_s`."""
        while True:
            with _postgres_may_fail("no notices of new jobs"):
                async with await AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=2
                ) as connection:
                    await connection.execute(f'LISTEN "{queue.CHANNEL}"')
                    async for _ in connection.notifies():
                        for event in self._noticed.values():
                            event.set()
            await asyncio.sleep(self._config.poll_s)


async def _store_nothing(connection: AsyncConnection, held: Collection[uuid.UUID]) -> None:
    pass


@contextlib.contextmanager
def _postgres_may_fail(consequence: str) -> Iterator[None]:
    try:
        yield
    except _POSTGRES_ERRORS as error:
        log.warning("%s: %s", consequence, error)
