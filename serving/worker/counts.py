"""What a worker counts for Prometheus: attempts at jobs by kind and outcome, their time, jobs in progress.

How many jobs wait, and for how long, every gateway counts in Postgres (`serving.gateway.backlog`).
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from data.jobs.queue import Failure, Kind

_OUTCOMES = ("done", "again", "postponed", "dead")
_BUCKETS_S = (0.01, 0.05, 0.25, 1, 5, 15, 60, 300)


class JobCounts:
    """The counts of one worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "tonebridge_job_attempts",
            "Attempts at jobs, by outcome: done, failed and to be tried again, postponed since nothing"
            " could be tried, or dead after the last one",
            ["kind", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "tonebridge_job_list_seconds",
            "Time from the claim of a list of jobs until its outcome is stored",
            ["kind"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._running = Gauge(
            "tonebridge_jobs_in_progress", "Jobs that this worker does now", ["kind"], registry=registry
        )

    def begin(self, kinds: Collection[Kind]) -> None:
        """Export zeros for the kinds of a worker: a rate needs a value before the first one."""
        for kind in kinds:
            self._running.labels(kind)
            self._seconds.labels(kind)
            for outcome in _OUTCOMES:
                self._attempts.labels(kind, outcome)

    @contextmanager
    def doing(self, kind: Kind, jobs: int) -> Iterator[None]:
        """Context manager: a list of so many jobs is done in it."""
        began = time.perf_counter()
        self._running.labels(kind).inc(jobs)
        try:
            yield
        finally:
            self._running.labels(kind).dec(jobs)
            self._seconds.labels(kind).observe(time.perf_counter() - began)

    def stored(self, kind: Kind, done: int, failures: Sequence[Failure]) -> None:
        """Count the outcome of a list whose transaction is committed. `done` jobs were finished; of failures
        all are counted, also those whose lease another worker has by now.
        """
        self._attempts.labels(kind, "done").inc(done)
        for failure in failures:
            self._attempts.labels(kind, failure.outcome).inc()
