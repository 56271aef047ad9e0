"""What the HTTP processes count for Prometheus, and `/metrics`, where it reads that; and their spans.

The dashboard, the web app, channels and the worker share this. The gateway counts by itself, since its hot
path may cost no more (`serving.gateway.online.telemetry`), and BentoML counts its own requests.
"""

import hmac
import time
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from configs.settings import Settings
from data.reasons import reason
from data.redis_meter import Meter
from serving.observability import spans

PATH = "/metrics"
_CONTENT_TYPE = "text/plain; version=0.0.4"
_BUCKETS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_UNTRACED = frozenset({"/livez", "/static", "/static/shared"})  # they lead to nothing
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class RedisCommands(Collector):
    """The Redis commands of a process, as they are counted when somebody reads the metrics."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        """The commands by purpose, and whether the budget of the installation is used up."""
        sent = CounterMetricFamily(
            "tonebridge_redis_commands",
            "Commands sent to Redis, with those that scripts call at most, by what they are for",
            labels=["purpose"],
        )
        for purpose, commands in self._meter.sent.items():
            sent.add_metric([purpose], commands)
        yield sent
        yield GaugeMetricFamily(
            "tonebridge_redis_budget_used_up",
            "1 while this process does without Redis, since the commands of the day are used up",
            value=float(self._meter.is_spent),
        )


class Metrics:
    """The metrics of one process: its requests, its memory and CPU, and what else is registered."""

    def __init__(self, settings: Settings, registry: CollectorRegistry | None = None) -> None:
        """`registry` has what the process counts already; without it this one is the first to count."""
        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
        self.registry, self._token = registry, settings.metrics_token
        self._requests = Histogram(
            "tonebridge_http_request_seconds",
            "Time until an answer is complete, by the template of its route and by its status",
            ["route", "status"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(route, status).observe(seconds)

    async def answer(self, authorization: str) -> PlainTextResponse:
        """All metrics, or why they are refused."""
        if self._token is None:
            return _text(f"{reason('metrics_off')}\n", 404)
        if not is_token(self._token, authorization):
            return _text(f"{reason('metrics_token_needed')}\n", 401)
        content = await run_in_threadpool(generate_latest, self.registry)  # a collector may ask Postgres
        return PlainTextResponse(content, headers=_HEADERS, media_type=_CONTENT_TYPE)


def _text(line: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(line, status, headers=_HEADERS)


def is_token(token: SecretStr, authorization: str) -> bool:
    """Whether the header Authorization of a request for metrics has the operator's token."""
    scheme, _, credential = authorization.partition(" ")
    fits = hmac.compare_digest(credential.strip().encode(), token.get_secret_value().encode())
    return scheme.lower() == "bearer" and fits


class Measured:
    """ASGI middleware that counts each request and makes its span, and answers those for `/metrics`."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == PATH and scope["method"] == "GET":
            headers = dict(scope["headers"])
            response = await self._metrics.answer(headers.get(b"authorization", b"").decode("latin-1"))
            await response(scope, receive, send)
            return
        began, status = time.perf_counter(), 500  # of an application that fails before it answers
        headers = spans.trace_headers(dict(scope["headers"]))

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with spans.joined(headers):
            try:
                await self._app(scope, receive, send_counted)
            finally:
                route, seconds = route_of(scope), time.perf_counter() - began
                self._metrics.count(route, status, seconds)
                if route not in _UNTRACED:
                    end_ns = time.time_ns()
                    begin_ns = end_ns - int(seconds * 1e9)
                    spans.end_request(scope["method"], begin_ns, end_ns, headers, route=route, status=status)


def route_of(scope: Scope) -> str:
    """The template of the route that has answered a request, such as `/jobs/{job_id}`, or `unknown`. So a
    stranger who tries addresses makes no series of their own.
    """
    route: Any = scope.get("route")
    if route is not None:
        return str(route.path)
    return "/static" if scope["path"].startswith("/static/") else "unknown"
