"""The gateway's process: the raw handler in front, FastAPI for the other routes. `python -m
serving.gateway.app` serves it with uvicorn.
"""

import asyncio
import gc
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import FrameType

import uvicorn
from fastapi import Depends, FastAPI

from configs.settings import Settings
from data import startup
from serving import listening, source
from serving.gateway import conditional, home, manual, parts, problems
from serving.gateway.dependencies import admitted
from serving.gateway.description import document
from serving.gateway.graph import endpoint
from serving.gateway.graph.endpoint import GraphQLRequest
from serving.gateway.graph.sockets import Subscriptions
from serving.gateway.message_files import Messages
from serving.gateway.online import completions as openai_form
from serving.gateway.online.front import GRAPHQL_PATH, Front
from serving.gateway.online.protocol import HotProtocol
from serving.gateway.realtime import sockets
from serving.gateway.routes import (
    accounts,
    analysis,
    answers,
    app_feedback,
    batches,
    comparisons,
    completions,
    consent,
    dictionary,
    erasures,
    experiments,
    feedback,
    health,
    inbound_webhooks,
    jobs,
    keys,
    metrics,
    origins,
    preferences,
    realtime,
    rewriting,
    rules,
    sessions,
    webhooks,
)
from serving.observability.start import start
from serving.protocol import Door, GuardedProtocol

_DRAIN_S = 1.0  # from SIGTERM on: not ready, and still answering, so that a load balancer can turn away


def create_app(settings: Settings, clock: Callable[[], float] = time.monotonic) -> Front:
    """The application. It starts and recovers whether Postgres, Redis and the inference service are available
    or not. ValueError when a setting is missing. `clock` gives the breakers of experiment arms the time in
    seconds.
    """
    parts.check(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            parts.running(settings, lambda: front.is_draining, clock) as running,
            sockets.running(running, front) as opened,
        ):
            app.state.parts = running
            app.state.subscriptions = subscriptions = Subscriptions(running, front, opened)
            front.inject(
                running.authenticator,
                running.cors,
                running.signatures,
                running.limiter,
                running.online,
                running.idempotency,
                running.telemetry,
                opened,
            )
            yield
            await subscriptions.stop()

    app = FastAPI(
        **document.ABOUT,
        lifespan=lifespan,
        generate_unique_id_function=document.name_operation,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.api_docs else None,
        # FastAPI would make a span of every request, with its whole address; `Telemetry` samples them.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    front = Front(app, codecs={openai_form.PATH: openai_form.Exchange})
    problems.install(app)
    document.install(app, GraphQLRequest, Messages)
    conditional.install(app)
    endpoint.install(app, front)
    source.trust_proxies(app, settings.trusted_proxies)
    home.install(app, settings)
    if settings.api_docs:
        manual.install(app)
    app.include_router(accounts.router)
    # `batches` before `jobs`, whose addresses have an id where those of batches have that word.
    for router in (
        accounts.account_router, sessions.router, keys.router, origins.router, comparisons.router,
        consent.router, preferences.router, analysis.router,
        dictionary.router, experiments.router, batches.router, jobs.router, webhooks.router, metrics.router,
        inbound_webhooks.router,
        answers.router, erasures.router, rules.router, app_feedback.router,
    ):  # fmt: skip
        app.include_router(router, dependencies=[Depends(admitted)])
    # These take `Admitted` in the routes that count against a plan.
    for router in (
        rewriting.router, completions.router, feedback.router, realtime.router, health.router,
        endpoint.router,
    ):  # fmt: skip
        app.include_router(router)
    return front


def make_door(settings: Settings, front: Front) -> Door:
    """What all connections of a gateway share: limits, and the paths of its WebSockets."""

    def subscribe(connection: GuardedProtocol, head: bytes) -> asyncio.Protocol:
        opened: asyncio.Protocol = front.behind.state.subscriptions.open(connection, head)
        return opened

    upgrades = {sockets.PATH.encode(): front.open_socket, GRAPHQL_PATH.encode(): subscribe}
    return Door(settings, upgrades, front.counts)


class _Server(uvicorn.Server):
    """uvicorn with a drain: after SIGTERM the gateway reports that it is not ready and closes each connection
    after its next answer. After `_DRAIN_S` uvicorn stops: no new requests, and those in progress end.
    """

    def __init__(self, front: Front, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._front = front
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        connections = self.server_state.connections
        parts.parts_of(self._front.behind).telemetry.watch(
            "tonebridge_connections", "Open connections", lambda: len(connections)
        )
        gc.collect()
        gc.freeze()  # what exists now stays: full collections skip it
        # Reference counts free what a request leaves; a search for cycles every 700 objects finds few.
        gc.set_threshold(20_000, 20, 20)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or self._front.is_draining or self._loop is None:
            super().handle_exit(sig, frame)
            return
        self._front.is_draining = True
        exit_ = super().handle_exit
        self._loop.call_soon_threadsafe(self._loop.call_later, _DRAIN_S, exit_, sig, frame)


def main() -> None:
    """Serve until SIGTERM, and finish the requests in progress."""
    settings = Settings()
    start(settings, "gateway")
    front = create_app(settings)
    startup.check_gateway(settings)
    config = uvicorn.Config(
        front,
        loop="uvloop",
        http=partial(HotProtocol if settings.hot_protocol else GuardedProtocol, make_door(settings, front)),  # type: ignore[arg-type]
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
    listening.serve(_Server(front, config), settings.host, settings.gateway_port)


if __name__ == "__main__":
    main()
