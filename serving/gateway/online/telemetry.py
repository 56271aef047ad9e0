"""How a gateway is observed: Prometheus metrics, Server-Timing, sampled JSON logs, and spans.

The whole time of a hit is the gateway's own overhead; that of a miss is split into the upstream's part and
the rest. The span of a request (OpenTelemetry) is made after the answer, and only for misses and sampled
requests: a span costs eight microseconds, a whole hit twenty.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping

import uuid_utils
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector
from pydantic import SecretStr

from data.people.identities import Identity
from serving.gateway.auth import Caller
from serving.gateway.online.answering import EncodedAnswer
from serving.gateway.problems import NotFoundError, UnavailableError, UnknownKeyError
from serving.inference.client import Rewritten
from serving.metrics import is_token
from serving.observability import spans
from serving.request_counts import RequestCounts

log = logging.getLogger("tonebridge.requests")

_BUCKETS_S = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    30,
)  # fmt: skip
_CHECK_EVERY_S = 0.05
_OVERLOADED_S = 0.5  # that the event loop is late; past it new requests are refused


class _Requests(Collector):
    """All requests, as they are counted when somebody reads the metrics."""

    def __init__(self, counts: RequestCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """One counter."""
        family = CounterMetricFamily(
            "tonebridge_requests",
            "All requests, by what they asked for and by the status of the answer",
            labels=["kind", "status"],
        )
        for kind, status, requests in self._counts:
            family.add_metric([kind, str(status)], requests)
        yield family


class Telemetry:
    """The counters of one gateway, and the lateness of its event loop."""

    def __init__(self, sampled_share: float) -> None:
        self._sampled_share = sampled_share
        self._late_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self.registry = CollectorRegistry()
        requests = Histogram(
            "tonebridge_request_seconds",
            "Time to answer a transform, by the level that its output came from",
            ["cache"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._answered = {level: requests.labels(level) for level in ("l1", "l2", "miss", "repeated")}
        self._overhead = Histogram(
            "tonebridge_miss_overhead_seconds",
            "The gateway's own part of the time to answer a miss",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._upstream = Histogram(
            "tonebridge_miss_upstream_seconds",
            "The inference service's part of the time to answer a miss",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._first_token = Histogram(
            "tonebridge_first_token_seconds",
            "Time to the first piece of a streamed draft",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._streams = Gauge("tonebridge_streams_open", "Streams that are open", registry=self.registry)
        self._abandoned = Counter(
            "tonebridge_streams_abandoned",
            "Streams whose client left before the answer",
            registry=self.registry,
        )
        self._fallbacks = Counter(
            "tonebridge_fallbacks",
            "Answers by the champion because an arm could not answer",
            registry=self.registry,
        )
        self._tokens = Counter(
            "tonebridge_tokens",
            "Tokens that a version has read (prompt) and written, for all drafts",
            ["version", "kind"],
            registry=self.registry,
        )
        self._cost = Counter(
            "tonebridge_cost_usd",
            "What vendors take for the tokens of a version, in US dollars",
            ["version"],
            registry=self.registry,
        )
        self._failures = Counter(
            "tonebridge_failed_rewrites",
            "Messages that a version failed on while the inference service answered",
            ["version"],
            registry=self.registry,
        )
        self.preflights = Counter(
            "tonebridge_preflights", "Preflights of browsers that were answered", registry=self.registry
        )
        self._others = Histogram(
            "tonebridge_other_request_seconds",
            "Time of refused transforms and of requests to all other routes",
            ["route", "status"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._deprecated = Counter(
            "tonebridge_deprecated_requests",
            "Requests to routes that are to be removed",
            ["route"],
            registry=self.registry,
        )
        self.watch(
            "tonebridge_event_loop_late_seconds", "Seconds that the event loop is late", lambda: self._late_s
        )

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Export a number that another part keeps, as a gauge."""
        Gauge(name, meaning, registry=self.registry).set_function(value)

    def export(self, counts: RequestCounts) -> None:
        """Export the counts of all requests."""
        self.registry.register(_Requests(counts))

    def metrics(self) -> bytes:
        """All metrics, in Prometheus' text format."""
        return generate_latest(self.registry)

    def start(self) -> None:
        """Start to measure the event loop's lateness."""
        self._task = asyncio.create_task(self._measure(), name="telemetry")

    async def stop(self) -> None:
        """Stop measuring."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _measure(self) -> None:
        while True:
            due = time.monotonic() + _CHECK_EVERY_S
            await asyncio.sleep(_CHECK_EVERY_S)
            # It decays slowly, so that waiting clients are admitted little by little.
            self._late_s = max(time.monotonic() - due, 0.8 * self._late_s)

    @property
    def is_overloaded(self) -> bool:
        """Whether the event loop is so late that one more request would only be later."""
        return self._late_s > _OVERLOADED_S

    def refuse_when_overloaded(self) -> None:
        """UnavailableError while `is_overloaded`."""
        if self.is_overloaded:
            raise UnavailableError("overloaded")

    @staticmethod
    def request_id(headers: dict[bytes, bytes]) -> bytes:
        """The client's X-Request-Id, if it is a plain short one, or a new one."""
        sent = headers.get(b"x-request-id", b"")
        if 0 < len(sent) <= 64 and sent.replace(b"-", b"").replace(b"_", b"").isalnum():
            return sent
        return str(uuid_utils.uuid7()).encode()

    @staticmethod
    def timing(answer: EncodedAnswer | None, total_s: float) -> bytes:
        """The value of Server-Timing, in milliseconds: the gateway's own part, and the upstream's."""
        if answer is None or not answer.work.upstream_s:
            return b"gateway;dur=%.3f" % (total_s * 1000)
        own_s = max(total_s - answer.work.upstream_s, 0.0)
        return b"gateway;dur=%.3f, upstream;dur=%.3f" % (own_s * 1000, answer.work.upstream_s * 1000)

    def answered(
        self,
        answer: EncodedAnswer | None,
        total_s: float,
        identity: Identity,
        request_id: bytes,
        headers: dict[bytes, bytes],
    ) -> None:
        """Count a transform that was answered; `answer` is None when a stored one was repeated."""
        level = answer.cache if answer is not None else "repeated"
        self._answered[level].observe(total_s)
        is_sampled = random.random() < self._sampled_share
        if answer is not None and level == "miss":
            self._upstream.observe(answer.work.upstream_s)
            self._overhead.observe(max(total_s - answer.work.upstream_s, 0.0))
            self._fallbacks.inc(answer.fell_back)
        elif not is_sampled:
            return
        fields: dict[str, str | float] = {
            "request_id": request_id.decode(),
            "organisation": str(identity.organisation_id),
            "cache": level,
            "ms": round(total_s * 1000, 3),
            "upstream_ms": round(answer.work.upstream_s * 1000, 3) if answer is not None else 0,
            "fallback": answer is not None and answer.fell_back,
        }
        if spans.is_on():
            self._span(fields, total_s, headers)
        if is_sampled:
            log.info("answered", extra={"fields": fields})

    def stream_began(self) -> None:
        """Count an open stream."""
        self._streams.inc()

    def stream_ended(self, first_token_s: float | None, was_abandoned: bool) -> None:
        """Count a stream that was open: the time to its first piece, if it had one, and whether its client
        left before the answer.
        """
        self._streams.dec()
        self._abandoned.inc(was_abandoned)
        if first_token_s is not None:
            self._first_token.observe(first_token_s)

    def rewritten(self, version: str, rewritten: Rewritten) -> None:
        """Count a rewrite of the inference service, whether it reaches a person or not."""
        self._tokens.labels(version, "prompt").inc(rewritten.prompt_tokens)
        self._tokens.labels(version, "written").inc(rewritten.tokens)
        self._cost.labels(version).inc(rewritten.cost_usd)
        if rewritten.failure is not None:
            self._failures.labels(version).inc()

    def refused(self, route: str, status: int, total_s: float, request_id: bytes) -> None:
        """Count a transform that was refused, or a request to another route."""
        self._others.labels(route, status).observe(total_s)
        if status >= 500 or random.random() < self._sampled_share:
            fields = {
                "request_id": request_id.decode(),
                "route": route,
                "status": status,
                "ms": round(total_s * 1000, 3),
            }
            log.info("answered", extra={"fields": fields})

    def handed_on(
        self,
        method: str,
        route: str,
        status: int,
        total_s: float,
        request_id: bytes,
        headers: dict[bytes, bytes],
    ) -> None:
        """Make the span of a request to another route: of each that writes, and of a sampled share."""
        if spans.is_on() and (method not in ("GET", "HEAD") or random.random() < self._sampled_share):
            fields: dict[str, str | float] = {
                "request_id": request_id.decode(),
                "route": route,
                "status": status,
            }
            self._span(fields, total_s, headers, method)

    def deprecated(self, route: str, caller: Caller | None, request_id: bytes) -> None:
        """Count and log a request to a route that is to be removed, with the organisation that sent it."""
        self._deprecated.labels(route).inc()
        fields = {
            "request_id": request_id.decode(),
            "route": route,
            "organisation": str(caller.identity.organisation_id) if caller else None,
            "key": caller.identity.key_id if caller else None,
        }
        log.warning("a deprecated route was called", extra={"fields": fields})

    def _span(
        self,
        fields: Mapping[str, str | float],
        total_s: float,
        headers: dict[bytes, bytes],
        name: str = "transform",
    ) -> None:
        end_ns = time.time_ns()
        begin_ns = end_ns - int(total_s * 1e9)
        spans.end_request(name, begin_ns, end_ns, spans.trace_headers(headers), **fields)


def check_may_read(token: SecretStr | None, authorization: str) -> None:
    """UnknownKeyError unless a request for the metrics has the token; NotFoundError when none is set."""
    if token is None:
        raise NotFoundError("metrics_off")
    if not is_token(token, authorization):
        raise UnknownKeyError("metrics_token_needed")
