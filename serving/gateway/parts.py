"""The objects that one gateway process is made of: made, started and stopped here.

A route reaches them by the dependency `InjectedParts`, everything else by `parts_of(app)`.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from prometheus_client import ProcessCollector
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from configs.settings import Settings
from data import database
from data.inbound import config as inbound_config
from data.inbound.config import InboundConfig
from data.jobs import config
from data.jobs.config import JobsConfig
from data.redis_meter import Meter
from data.rules import matching
from data.traffic import comparisons
from data.traffic.answers import AnswerWriter
from data.traffic.comparisons import CompareConfig
from data.traffic.receipts import FormerSecret
from data.webhooks import config as webhooks_config
from data.webhooks.config import WebhooksConfig
from experiments import own_metrics
from serving.gateway import guessing, rate
from serving.gateway.auth import Authenticator
from serving.gateway.backlog import Backlog
from serving.gateway.cors import Cors
from serving.gateway.dictionaries import Dictionaries
from serving.gateway.guessing import Guard, Passwords
from serving.gateway.heartbeat import Directory
from serving.gateway.idempotency import Idempotency
from serving.gateway.online import cache
from serving.gateway.online.admission import IN_FLIGHT, Admission
from serving.gateway.online.answering import Online
from serving.gateway.online.cache import Cache
from serving.gateway.online.telemetry import Telemetry
from serving.gateway.online.upstream import Upstream
from serving.gateway.rate import Limiter, Plan
from serving.gateway.signatures import Signatures
from serving.inference.client import InferenceClient
from serving.metrics import RedisCommands


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each. They belong to the event loop that `running` runs in."""

    settings: Settings
    pool: AsyncConnectionPool
    redis: Redis | None
    meter: Meter
    authenticator: Authenticator
    cors: Cors
    signatures: Signatures
    limiter: Limiter
    plans: Mapping[str, Plan]
    directory: Directory
    dictionaries: Dictionaries
    cache: Cache
    answers: AnswerWriter
    inference: InferenceClient
    upstream: Upstream
    online: Online
    idempotency: Idempotency
    telemetry: Telemetry
    backlog: Backlog
    passwords: Passwords
    guard: Guard
    compare: CompareConfig
    jobs: JobsConfig
    webhooks: WebhooksConfig
    inbound: InboundConfig
    receipt_secret: bytes
    former_receipt_secrets: Sequence[FormerSecret]
    is_draining: Callable[[], bool]  # whether this gateway got SIGTERM and finishes its requests


def check(settings: Settings) -> None:
    """ValueError when a setting is missing without which no gateway starts; ConfigError for a metric of one's
    own that is not valid.
    """
    database.url_of(settings)
    own_metrics.load(settings.metrics_file)
    for secret in ("receipt_secret", "session_secret", "service_token"):
        settings.secret(secret)


def make(
    settings: Settings,
    pool: AsyncConnectionPool,
    redis: Redis | None,
    meter: Meter,
    is_draining: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Parts:
    """All parts over these connections, not started yet; `meter` is that of `redis`, `clock` as in `Online`.
    ValueError as `check`.
    """
    url = database.url_of(settings)
    session_secret, service_token = settings.secret("session_secret"), settings.secret("service_token")
    receipt_secret = settings.secret("receipt_secret").encode()
    authenticator = Authenticator(pool, session_secret)
    plans = rate.plans()
    # Outputs and rates would use up a budget within minutes. Without Redis there is L1, and each gateway has
    # rates of its own.
    frequent = None if meter.has_budget else redis
    limiter = Limiter(plans, frequent, pool, redis_timeout_s=settings.redis_timeout_s)
    guesses = Limiter(guessing.PLANS, frequent, redis_timeout_s=settings.redis_timeout_s)
    # `online` is made below, since it reads the routing of `directory`.
    dictionaries = Dictionaries(pool)

    def forget() -> None:
        online.forget()
        matching.forget()

    directory = Directory(pool, url, authenticator, limiter, dictionaries, forget)
    outputs = Cache(frequent, settings.redis_timeout_s)
    answers = AnswerWriter(pool, {name: plan.answers_a_month for name, plan in plans.items()})
    inference = InferenceClient(settings.inference_urls, service_token)
    telemetry = Telemetry(settings.sampled_share)
    at_service = IN_FLIGHT * len(settings.inference_urls)
    admission = Admission(settings.rewrite_wait_s, at_service)
    upstream = Upstream(inference, count=telemetry.rewritten, admission=admission)
    compare = comparisons.load()
    online = Online(
        pool,
        directory,
        dictionaries,
        outputs,
        upstream,
        answers,
        receipt_secret,
        compare.evidence_share,
        clock,
    )
    parts = Parts(
        settings=settings,
        pool=pool,
        redis=redis,
        meter=meter,
        authenticator=authenticator,
        cors=Cors(settings.public_url, settings.extensions),
        signatures=Signatures(redis, settings.public_url, settings.redis_timeout_s),
        limiter=limiter,
        plans=plans,
        directory=directory,
        dictionaries=dictionaries,
        cache=outputs,
        answers=answers,
        inference=inference,
        upstream=upstream,
        online=online,
        idempotency=Idempotency(pool),
        telemetry=telemetry,
        backlog=Backlog(pool, telemetry.registry),
        passwords=Passwords(),
        guard=Guard(guesses, session_secret, service_token),
        compare=compare,
        jobs=config.load(),
        webhooks=webhooks_config.load(),
        inbound=inbound_config.load(),
        receipt_secret=receipt_secret,
        former_receipt_secrets=[
            FormerSecret(former.secret.get_secret_value().encode(), former.until.timestamp())
            for former in settings.former_receipt_secrets
        ],
        is_draining=is_draining,
    )
    ProcessCollector(registry=parts.telemetry.registry)
    parts.telemetry.registry.register(RedisCommands(meter))
    for name, meaning, value in _gauges(parts):
        parts.telemetry.watch(name, meaning, value)
    return parts


def _gauges(parts: Parts) -> list[tuple[str, str, Callable[[], float]]]:
    """Name, help text and source of each number that a part keeps and Prometheus reads."""
    cache, limiter, online = parts.cache, parts.limiter, parts.online
    return [
        (
            "tonebridge_unflushed_answers",
            "Answer rows that are not in Postgres yet",
            lambda: parts.answers.waiting,
        ),
        (
            "tonebridge_misses_waiting",
            "Messages that wait for the inference service",
            lambda: parts.upstream.waiting,
        ),
        (
            "tonebridge_misses_queued",
            "Messages that wait in this gateway, since the inference service has as many as it works on",
            lambda: parts.upstream.queued,
        ),
        (
            "tonebridge_shed",
            "Messages refused because they would have waited too long for the inference service, or had",
            lambda: parts.upstream.shed,
        ),
        (
            "tonebridge_service_breakers_open",
            "Replicas of the inference service whose circuit breaker is open",
            lambda: parts.inference.open_breakers,
        ),
        (
            "tonebridge_variant_breakers_open",
            "Experiment arms whose circuit breaker is open",
            lambda: online.open_breakers,
        ),
        (
            "tonebridge_variant_breaker_trips",
            "Circuit breakers of experiment arms that have opened, in all",
            lambda: online.arm_failures.trips,
        ),
        (
            "tonebridge_redis_breaker_open",
            "1 while the cache does not call Redis, since it failed",
            lambda: cache.breaker.is_open,
        ),
        (
            "tonebridge_limits_breaker_open",
            "1 while this gateway limits rates by itself, since Redis failed",
            lambda: limiter.breaker.is_open,
        ),
        (
            "tonebridge_nonces_breaker_open",
            "1 while this gateway refuses signed requests, since Redis failed",
            lambda: parts.signatures.breaker.is_open,
        ),
        (
            "tonebridge_routing_age_seconds",
            "Seconds since the last heartbeat that reached Postgres",
            lambda: parts.directory.age_s,
        ),
    ]


@asynccontextmanager
async def running(
    settings: Settings, is_draining: Callable[[], bool], clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[Parts]:
    """The parts, started; stopped in the reverse order at the end. Starting needs neither Postgres nor Redis
    nor the inference service.
    """
    async with AsyncExitStack() as stack:
        pool: AsyncConnectionPool = database.online_pool_of(settings)
        stack.push_async_callback(pool.close)
        await pool.open(wait=False)
        meter = Meter(settings.redis_commands_a_day)
        redis = cache.connect(settings.redis_url, settings.redis_timeout_s, meter)
        if redis is not None:
            stack.push_async_callback(redis.connection_pool.disconnect)
            stack.push_async_callback(redis.aclose)
        parts = make(settings, pool, redis, meter, is_draining, clock)
        stack.push_async_callback(parts.cache.close)
        stack.push_async_callback(parts.inference.close)
        stack.push_async_callback(parts.online.arm_failures.close)
        stack.push_async_callback(parts.backlog.stop)
        await parts.signatures.start()
        for part in (parts.telemetry, parts.answers, parts.directory):
            part.start()
            stack.push_async_callback(part.stop)
        yield parts


def parts_of(app: FastAPI) -> Parts:
    """The parts of an application whose lifespan has begun."""
    parts: Parts = app.state.parts
    return parts


async def _parts(request: Request) -> Parts:
    return parts_of(request.app)


InjectedParts = Annotated[Parts, Depends(_parts)]
