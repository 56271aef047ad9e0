"""The gateway's process: the raw handler in front, FastAPI for the other routes. `python -m
serving.gateway.app` serves it with uvicorn.
"""

import asyncio
import gc
import logging
import resource
import signal
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import FrameType
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, Request, Response
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, Field

from configs.settings import Settings
from data import database
from data.traffic import feedback, receipts
from data.traffic.answers import AnswerWriter
from data.traffic.feedback import Vote
from data.traffic.receipts import FormerSecret, Receipt
from serving import source
from serving.gateway import auth, guessing, manual, problems, rate
from serving.gateway.auth import Authenticator, Caller
from serving.gateway.heartbeat import Directory
from serving.gateway.idempotency import Idempotency
from serving.gateway.online import cache, telemetry
from serving.gateway.online.answering import Answer, Compared, Online
from serving.gateway.online.bodies import BatchRequest, CompareRequest, TransformRequest
from serving.gateway.online.front import PATH, Front
from serving.gateway.online.protocol import HotProtocol
from serving.gateway.online.upstream import Upstream
from serving.gateway.rate import Limiter
from serving.gateway.routes import accounts, comparisons, consent, experiments, keys
from serving.gateway.routes.rewriting import Batch, rewrite_all
from serving.inference.client import InferenceClient
from serving.protocol import Door, GuardedProtocol

_DRAIN_S = 1.0  # after SIGTERM: not ready, and still answering, so that whoever sends can turn away


class FeedbackStored(BaseModel):
    """Where a vote was stored; voting again keeps the id."""

    feedback_id: uuid.UUID


class Ready(BaseModel):
    """Whether this gateway can answer, and by which epoch."""

    ready: bool
    detail: str


IdempotencyKey = Annotated[
    str | None, Header(description="makes sending the same request again harmless, for a day")
]


async def admitted(
    request: Request, response: Response, caller: Annotated[Caller, Depends(auth.caller)]
) -> AsyncIterator[Caller]:
    """Who asks, when their plan has room: tokens of the route's rate, one place among those in flight."""
    limiter: Limiter = request.app.state.limiter
    route = request.scope["route"].path
    cost = rate.cost(route)
    if not limiter.try_take(caller, route, cost):
        await limiter.take(caller, route, cost)
    limiter.enter(caller)
    try:
        policy, left = limiter.headers(caller, route)
        response.headers["RateLimit-Policy"], response.headers["RateLimit"] = policy.decode(), left.decode()
        yield caller
    finally:
        limiter.leave(caller)


Admitted = Annotated[Caller, Depends(admitted)]


def create_app(settings: Settings) -> Front:
    """The application; it starts and heals whether Postgres, Redis and the service are there or not."""
    if settings.database_url is None:
        raise ValueError("TONEBRIDGE_DATABASE_URL is not set; `make up` starts everything with local servers")
    url = settings.database_url
    secret = settings.secret("receipt_secret").encode()
    former_secrets = [
        FormerSecret(former.secret.get_secret_value().encode(), former.until.timestamp())
        for former in settings.former_receipt_secrets
    ]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool: AsyncConnectionPool = database.online_pool(url)
        await pool.open(wait=False)
        redis = cache.connect(settings.redis_url)
        authenticator = Authenticator(pool, settings.secret("session_secret"))
        limiter = Limiter(rate.plans(), redis, pool)
        directory = Directory(pool, url, authenticator, limiter, lambda: online.forget())
        outputs, answers = cache.Cache(redis), AnswerWriter(pool)
        inference = InferenceClient(settings.inference_urls, settings.secret("service_token"))
        upstream = Upstream(inference)
        online = Online(pool, directory, outputs, upstream, answers, secret)
        seen = telemetry.Telemetry(settings.sampled_share)
        seen.watch("tonebridge_unflushed_answers", "Answers that wait for Postgres", lambda: answers.waiting)
        seen.watch("tonebridge_misses_waiting", "That wait for the service", lambda: upstream.waiting)
        seen.watch("tonebridge_shed", "Misses refused, since too many waited", lambda: upstream.shed)
        seen.watch("tonebridge_service_breakers_open", "Replicas left alone", lambda: inference.left_alone)
        seen.watch("tonebridge_variant_breakers_open", "Variants left alone", lambda: online.left_alone)
        seen.watch("tonebridge_variant_breaker_trips", "How often one broke", lambda: online.variants.trips)
        seen.watch("tonebridge_redis_breaker_open", "1: it is left alone", lambda: outputs.breaker.is_open)
        seen.watch("tonebridge_limits_breaker_open", "1: limits are local", lambda: limiter.breaker.is_open)
        seen.watch("tonebridge_routing_age_seconds", "Since Postgres was heard", lambda: directory.age_s)
        idempotency, state = Idempotency(pool), app.state
        state.pool, state.directory, state.online, state.telemetry = pool, directory, online, seen
        state.authenticator, state.limiter, state.idempotency = authenticator, limiter, idempotency
        state.organisation, state.passwords = settings.organisation, guessing.Passwords()
        state.guard = guessing.Guard(
            Limiter(guessing.PLANS, redis),
            settings.secret("session_secret"),
            settings.secret("service_token"),
        )
        front.serve_with(authenticator, limiter, online, idempotency, seen)
        for part in (directory, answers, seen):
            part.start()
        yield
        for part in (directory, answers, seen):
            await part.stop()
        await online.variants.close()
        await inference.close()
        await outputs.close()
        if redis is not None:
            await redis.aclose()
            await redis.connection_pool.disconnect()
        await pool.close()

    app = FastAPI(
        title="ToneBridge",
        description="Rewrites workplace messages, and learns from what people think of the rewrites.",
        version="0.1.0",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.api_docs else None,
        # FastAPI's own spans are of every request, with its whole address; ours say what is worth keeping.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    front = Front(app)
    problems.install(app)
    source.trust_proxies(app, settings.trusted_proxies)
    if settings.api_docs:
        manual.install(app)
    app.include_router(accounts.router)
    for part in (
        accounts.account_router, keys.router, comparisons.router, consent.router, experiments.router,
    ):  # fmt: skip
        app.include_router(part, dependencies=[Depends(admitted)])

    @app.post(PATH)
    async def transform(
        body: TransformRequest,
        caller: Annotated[Caller, Depends(auth.caller)],
        idempotency_key: IdempotencyKey = None,
    ) -> Answer:
        """Rewrite a message."""
        raise AssertionError("this route is for the API's page; serving/gateway/online/front.py answers it")

    @app.post("/api/v1/batch", response_model=Batch)
    async def batch(
        request: Request,
        response: Response,
        body: BatchRequest,
        caller: Admitted,
        idempotency_key: IdempotencyKey = None,
    ) -> Any:
        """Rewrite up to a hundred messages, each for itself: one may fail where another succeeds."""
        limiter: Limiter = request.app.state.limiter
        if len(body.items) > 1 and not limiter.try_take(caller, "/api/v1/batch", len(body.items) - 1):
            await limiter.take(caller, "/api/v1/batch", len(body.items) - 1)

        async def do() -> tuple[int, bytes]:
            return await rewrite_all(request.app.state.online, caller, body)

        return await _once(request, response, caller, idempotency_key, body, do)

    @app.post("/api/v1/compare")
    async def compare(request: Request, body: CompareRequest, caller: Admitted) -> Compared:
        """Rewrite a message twice, for a person to choose."""
        online: Online = request.app.state.online
        return await online.compare(caller, body.message(caller), body.policy)

    @app.post("/api/v1/feedback", status_code=201, response_model=FeedbackStored)
    async def give_feedback(
        request: Request,
        response: Response,
        body: Annotated[Vote, Field(discriminator="kind")],
        caller: Admitted,
        idempotency_key: IdempotencyKey = None,
    ) -> Any:
        """Say what an output is worth. A second vote of a kind replaces the first."""
        receipt = receipts.read(body.receipt, secret, former_secrets)
        _check_may_use(caller, receipt)
        request.app.state.directory.must_hear()

        async def do() -> tuple[int, bytes]:
            async with request.app.state.pool.connection() as connection:
                vote = await feedback.record(connection, receipt, body, caller.key_id)
                stored = FeedbackStored(feedback_id=vote)
            return 201, stored.model_dump_json().encode()

        return await _once(request, response, caller, idempotency_key, body, do)

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        """The process runs."""
        return {"status": "alive"}

    @app.get("/readyz", responses={503: {"model": Ready}})
    async def readyz(request: Request, response: Response) -> Ready:
        """A version is released, and the newest routing is known to be in force here."""
        directory: Directory = request.app.state.directory
        if front.is_draining:
            detail = "this gateway is stopping"
        elif directory.is_ready:
            return Ready(ready=True, detail=f"epoch {directory.current()[0]}")
        elif directory.age_s > 5:
            age = f"was last heard {directory.age_s:.0f} s ago" if directory.age_s < 1e6 else "is not heard"
            detail = f"Postgres {age}"
        else:
            detail = "no version has been released yet"
        response.status_code = 503
        return Ready(ready=False, detail=detail)

    @app.get("/metrics")
    async def metrics(
        request: Request, authorization: Annotated[str, Header(description="Bearer and the token")] = ""
    ) -> Response:
        """Everything that is counted here, for Prometheus, which shows `TONEBRIDGE_METRICS_TOKEN`."""
        telemetry.check_may_read(settings.metrics_token, authorization)
        return Response(request.app.state.telemetry.metrics(), media_type="text/plain; version=0.0.4")

    return front


def _check_may_use(caller: Caller, receipt: Receipt) -> None:
    """ForeignReceiptError when a receipt is not the caller's to vote with.

    Who signs in votes for themselves, and nobody votes for them. What was issued to an API key, any key of
    the organisation may hand in: an app has several, it replaces them while receipts are out, and it vouches
    for its people with each of them.
    """
    if receipt.organisation_id != caller.identity.organisation_id:
        raise problems.ForeignReceiptError("the receipt was issued to another organisation")
    if caller.subject is not None and receipt.user_id != caller.user(None)[0]:
        raise problems.ForeignReceiptError(
            "the receipt was issued to another person; vote with one that came with your own answer"
        )
    if caller.subject is None and receipt.is_personal:
        raise problems.ForeignReceiptError(
            "the receipt was issued to a person who signed in; only they can vote with it, with their token"
        )


async def _once(
    request: Request,
    response: Response,
    caller: Caller,
    key: str | None,
    body: BaseModel,
    do: Callable[[], Awaitable[tuple[int, bytes]]],
) -> Response:
    """What `do` answers; under an Idempotency-Key, what it answered this caller the first time."""
    if key is None:
        status, content = await do()
    else:
        idempotency: Idempotency = request.app.state.idempotency
        asked = request.scope["route"].path.encode() + b"\0" + body.model_dump_json().encode()
        status, content = await idempotency.once(caller, None, key.encode("latin-1", "replace"), asked, do)
    return Response(content, status, dict(response.headers), "application/json")


class _Server(uvicorn.Server):
    """uvicorn, which drains: after SIGTERM it says that it is not ready and goes on answering for a while,
    each connection once more; then it takes no more and finishes what it has.
    """

    def __init__(self, front: Front, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._front = front
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        connections = self.server_state.connections
        self._front.behind.state.telemetry.watch(
            "tonebridge_connections", "Open connections", lambda: len(connections)
        )
        gc.collect()
        gc.freeze()  # what is here now stays: full collections need not look at it again
        # What a request leaves is freed by counting; looking for cycles every 700 objects is mostly in vain.
        gc.set_threshold(20_000, 20, 20)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or self._front.is_draining or self._loop is None:
            super().handle_exit(sig, frame)
            return
        self._front.is_draining = True
        exit_ = super().handle_exit
        self._loop.call_soon_threadsafe(self._loop.call_later, _DRAIN_S, exit_, sig, frame)


def main() -> None:
    """Serve until SIGTERM; requests in flight are finished."""
    settings = Settings()
    handler = logging.StreamHandler()
    handler.setFormatter(telemetry.JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    if settings.otlp_endpoint is not None:
        telemetry.export_spans(settings.otlp_endpoint)
    front = create_app(settings)
    config = uvicorn.Config(
        front,
        host="127.0.0.1",
        port=settings.gateway_port,
        loop="uvloop",
        http=partial(HotProtocol if settings.hot_protocol else GuardedProtocol, Door(settings)),  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=75,
        backlog=4096,
        timeout_graceful_shutdown=20,
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    _Server(front, config).run()


if __name__ == "__main__":
    main()
