"""Spans of jobs of the queue: one when a job is requested, and one for each attempt of a worker at it.

All are in the trace of the job, which its id names, or of the batch for the messages of a batch. So a request
and its attempts find each other although the queue stores nothing for it.
"""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from data.jobs.queue import ClaimedJob, Failure, Kind
from data.reasons import catalogue
from serving.observability import spans
from serving.observability.spans import Thing

_DONE, _FAILED = "done", ("again", "dead")


def record_request(kind: Kind, ids: Iterable[UUID]) -> None:
    """Make the spans of jobs that what is done at the moment has enqueued."""
    for id in ids:
        spans.record(Thing.JOB, str(id), kind=kind)


@contextlib.contextmanager
def attempt(
    kind: Kind, jobs: Sequence[ClaimedJob], about: Iterable[tuple[Thing, str]] = (), **values: AttributeValue
) -> Iterator[Span]:
    """The span of an attempt at jobs that are done together. It has links to their requests, and to what it
    is `about`. `conclude` says in it how the attempt ended.

    It is in the trace of the first job: jobs of several batches that are done together cannot be in two.
    """
    if not spans.is_on():
        yield INVALID_SPAN
        return
    # An event's delivery is enqueued by Postgres, so no request has a span to link to.
    requests = [] if kind is Kind.WEBHOOK else map(_find_thing, jobs)
    with spans.span_of(
        *_find_thing(jobs[0]),
        "attempt",
        dict.fromkeys([*requests, *about]),
        SpanKind.CONSUMER,
        kind=kind,
        jobs=len(jobs),
        attempt=max(job.attempts for job in jobs),
        age_ms=round(1000 * max(job.age_s for job in jobs)),
        **values,
    ) as span:
        yield span


def conclude(span: Span, outcomes: Iterable[object]) -> None:
    """Note how an attempt ended: how many of its jobs are done, are tried again, wait without having been
    tried, or are dead, and the code of the first reason. An outcome that is no Failure is a result.
    """
    if not spans.is_on():
        return
    counted: Counter[str] = Counter()
    codes: list[str] = []
    for outcome in outcomes:
        counted[outcome.outcome if isinstance(outcome, Failure) else _DONE] += 1
        if isinstance(outcome, Failure):
            codes += [why.code for why in outcome.reasons]
    for name, jobs in counted.items():
        span.set_attribute(f"tonebridge.{name}", jobs)
    if codes and codes[0] in catalogue()["reasons"]:  # else it may be any text of another server
        span.set_attribute("tonebridge.reason", codes[0])
    if any(counted[name] for name in _FAILED):
        span.set_status(StatusCode.ERROR)


def _find_thing(job: ClaimedJob) -> tuple[Thing, str]:
    """Whose trace the attempts at a job are in."""
    return (Thing.JOB, str(job.id)) if job.batch_id is None else (Thing.BATCH, str(job.batch_id))
