"""Rewrites the messages of batches as the gateway would: the same arms, cache, outputs, answers and receipts.

Output, answer and the end of the job are one transaction, so that each message is answered and counted once.
"""

import asyncio
import json
import logging
import math
import random
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from data.jobs import queue
from data.jobs.config import JobsConfig
from data.jobs.queue import ClaimedJob, Failure, Kind
from data.reasons import Reason, ReasonedError, reason
from data.traffic import answers, outputs
from data.traffic.answers import AnswerWriter
from data.traffic.outputs import NewOutput
from serving.gateway.heartbeat import Directory
from serving.gateway.online import queued
from serving.gateway.online.answering import Online, Prepared
from serving.gateway.online.placement import PlacedPerson
from serving.gateway.problems import InvalidError, UnavailableError
from serving.gateway.rate import Plan, fetch_usage
from serving.observability import job_spans
from serving.worker.loop import Work

log = logging.getLogger(__name__)


class Rewrites:
    """The handler of jobs of kind `rewrite`. Belongs to one event loop."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        directory: Directory,
        online: Online,
        writer: AnswerWriter,
        plans: Mapping[str, Plan],
        config: JobsConfig,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`clock` gives seconds, and `uniform` a random number between two bounds."""
        self._pool, self._directory, self._online, self._writer = pool, directory, online, writer
        self._plans, self._config, self._clock, self._uniform = plans, config, clock, uniform
        self.most, self.lists_at_once, self.most_attempts = config.list_jobs, 1, config.most_attempts
        self._refused_lists = 0  # in a row: the service was not called for them, or it refused them
        self._resumes_at = -math.inf

    @property
    def is_ready(self) -> bool:
        """Whether the routing is known, and no pause lasts. After a list of which the service took nothing,
        no further one is claimed for a while, however many jobs wait.
        """
        return self._directory.is_ready and self._clock() >= self._resumes_at

    async def __call__(self, claimed: Sequence[ClaimedJob]) -> Work:
        """Rewrite the messages at the same time; equal ones once."""
        with job_spans.attempt(Kind.REWRITE, claimed) as span:
            work = await self._rewrite(claimed)
            job_spans.conclude(span, [*work.results, *work.failures])
        return work

    async def _rewrite(self, claimed: Sequence[ClaimedJob]) -> Work:
        within_quota, failures = await self._split_by_quota(claimed)
        made: dict[bytes, NewOutput] = {}
        people: dict[uuid.UUID | None, PlacedPerson] = {}
        rewrites = [
            self._online.prepare(
                people.setdefault(job.user_id, queued.read_person(job)),
                queued.read_message(job.payload),
                made,
            )
            for job in within_quota
        ]
        prepared: dict[uuid.UUID, Prepared] = {}
        outcomes = await asyncio.gather(*rewrites, return_exceptions=True)
        for job, outcome in zip(within_quota, outcomes, strict=True):
            if isinstance(outcome, Prepared):
                prepared[job.id] = outcome
            elif isinstance(outcome, Exception):
                failures.append(self._explain(job, outcome))
            else:
                raise outcome
        self._pause(outcomes, has_written=bool(made))
        await self._writer.ensure_partitions()

        async def store(connection: AsyncConnection, held: Collection[uuid.UUID]) -> None:
            rows = [prepared[id].answer for id in held]
            used = {row.output_id for row in rows}
            if new := [output for id, output in made.items() if id in used]:
                await outputs.store(connection, *new)
            if rows:
                await answers.store(connection, rows, quotas=self._writer.quotas)

        def stored(held: Collection[uuid.UUID]) -> None:
            for id in held:
                self._online.keep(prepared[id])

        results = [(job, json.loads(prepared[job.id].body)) for job in within_quota if job.id in prepared]
        return Work(results, failures, store, stored)

    async def _split_by_quota(
        self, claimed: Sequence[ClaimedJob]
    ) -> tuple[Sequence[ClaimedJob], list[Failure]]:
        """The jobs within the organisation's answers of this month, and the failures of the others."""
        async with self._pool.connection() as connection:
            plan, used = await fetch_usage(connection, claimed[0].organisation_id)
        limit = self._plans[plan].answers_a_month
        if limit is None:
            return claimed, []
        left = max(0, limit - used)
        why = [reason("plan_quota", plan=plan, limit=limit, left=0)]
        return claimed[:left], [Failure(job, why, None) for job in claimed[left:]]

    def _explain(self, job: ClaimedJob, error: Exception) -> Failure:
        """What is the caller's fault ends the job. What the service failed on is tried again, some times. A
        message that the service was not called for (its breaker is open), or that would have waited too long
        for it, says nothing about the job, so that attempt is not counted.
        """
        config = self._config
        if isinstance(error, InvalidError):
            return Failure(job, list(error.by_field.values()), None)
        reasons: Sequence[Reason] = [reason("job_failed")]
        if isinstance(error, ReasonedError):
            reasons = error.reasons
        else:
            log.error("a message of a batch cannot be rewritten", exc_info=error)
        if type(error) is UnavailableError:
            return Failure(job, reasons, self._draw_wait_s(error.retry_after_s), is_counted=False)
        delay_s = queue.compute_delay_s(job.failures, config.first_retry_s, config.longest_retry_s)
        return Failure(job, reasons, delay_s if job.attempts < config.most_attempts else None)

    def _pause(self, outcomes: Sequence[Prepared | BaseException], has_written: bool) -> None:
        """Claim nothing for a while if the service took no message of a list. Answers of the cache do not
        show that it works.
        """
        if has_written or any(isinstance(outcome, InvalidError) for outcome in outcomes):
            self._refused_lists = 0
        elif waits_s := [each.retry_after_s for each in outcomes if type(each) is UnavailableError]:
            self._resumes_at = self._clock() + self._draw_wait_s(max(waits_s))
            self._refused_lists += 1

    def _draw_wait_s(self, retry_after_s: float) -> float:
        """Seconds until the service is tried again: what it asks for, and full jitter that grows with each
        list that it refuses.
        """
        config = self._config
        jitter_s = queue.compute_delay_s(
            self._refused_lists, config.first_retry_s, config.longest_pause_s, self._uniform
        )
        return max(retry_after_s, config.poll_s) + jitter_s
