"""The process of the chat platforms: `python -m serving.channels.app`.

It takes the requests of platforms, and does the jobs that these become. Several processes may run at once.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import NamedTuple

import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from psycopg_pool import AsyncConnectionPool

from configs.settings import Settings
from data import database, startup
from data.jobs import config
from data.jobs.queue import Kind
from data.redis_meter import Meter
from serving import listening, source
from serving.channels import pace
from serving.channels.discord import part as discord_part
from serving.channels.discord.calls import API as DISCORD_API
from serving.channels.discord.calls import PLATFORM as DISCORD
from serving.channels.gateway import Gateway
from serving.channels.inbound.part import make_inbound
from serving.channels.intake import Intake
from serving.channels.pace import SharedBuckets
from serving.channels.parts import Part
from serving.channels.replies import Replies
from serving.channels.site import create_site, parts_of
from serving.channels.slack import part as slack_part
from serving.channels.slack.calls import API as SLACK_API
from serving.channels.slack.calls import PLATFORM as SLACK
from serving.channels.teams.connector import PLATFORM as TEAMS
from serving.channels.teams.connector import PUBLIC, Addresses
from serving.channels.vault import Vault
from serving.channels.workspaces import Workspaces
from serving.metrics import Measured, Metrics, RedisCommands
from serving.observability.start import start
from serving.protocol import Door, GuardedProtocol
from serving.worker.counts import JobCounts
from serving.worker.loop import Worker

log = logging.getLogger(__name__)

UNAUTHENTICATED = "DANGEROUSLY_ALLOW_UNAUTHENTICATED_REQUESTS"


class Apis(NamedTuple):
    """The addresses of the platforms' APIs."""

    slack: str = SLACK_API
    discord: str = DISCORD_API
    teams: Addresses = PUBLIC


APIS = Apis()


def create_app(settings: Settings, apis: Apis = APIS) -> FastAPI:
    """The application. It starts and recovers whether Postgres and the gateway are available or not.
    ValueError when a setting is missing. A platform without secrets is off.
    """
    url, pool = database.url_of(settings), database.online_pool_of(settings)
    vault = Vault(settings.secret("channel_secret"))
    workspaces, gateway = Workspaces(pool, vault), Gateway(settings.gateway_url)
    meter = Meter(settings.redis_commands_a_day)
    shared = pace.connect(settings, meter)
    parts = _make_parts(settings, apis, gateway, pool, workspaces, vault, shared)
    jobs, metrics = config.load(), Metrics(settings)
    metrics.registry.register(RedisCommands(meter))
    replies = Replies(pool, workspaces, vault, gateway, {part.id: part.platform for part in parts}, jobs)
    inbound = make_inbound(settings, pool, gateway, jobs)
    worker = Worker(
        pool, url, {Kind.CHANNEL_REPLY: replies, **inbound.handlers}, jobs, JobCounts(metrics.registry)
    )
    connectors = [part.connector for part in parts if part.connector is not None]
    site = create_site(settings, workspaces, connectors, meter) if connectors else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await pool.open(wait=False)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(gateway.opened())
            for part in parts:
                await stack.enter_async_context(part.opened())
            work = asyncio.create_task(worker.run(), name="channel-replies")
            try:
                yield
            finally:
                worker.stop()
                await work
                await pool.close()
                if shared is not None:
                    await shared.close()
                if site is not None:
                    parts_of(site).close()

    app = FastAPI(
        title="ToneBridge channels",
        openapi_url=None,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # its spans hold what people write
    )
    source.trust_proxies(app, settings.trusted_proxies)
    app.add_middleware(Measured, metrics=metrics)

    @app.get("/livez")
    async def livez() -> PlainTextResponse:
        """The process runs."""
        return PlainTextResponse("alive")

    for router in (*(part.router for part in parts), inbound.router):
        if router is not None:
            app.include_router(router)
    if site is not None:
        app.mount("", site)
    return app


def _make_parts(
    settings: Settings,
    apis: Apis,
    gateway: Gateway,
    pool: AsyncConnectionPool,
    workspaces: Workspaces,
    vault: Vault,
    shared: SharedBuckets | None,
) -> list[Part]:
    """The platforms; those without their settings take no requests."""

    def intake(platform: str) -> Intake:
        return Intake(platform, pool, workspaces, vault)

    parts = [
        slack_part.make(settings, apis.slack, intake(SLACK), gateway, shared),
        discord_part.make(settings, apis.discord, intake(DISCORD), workspaces, shared),
    ]
    teams = _make_teams(settings, apis.teams, intake(TEAMS), shared)
    return parts if teams is None else [*parts, teams]


def _make_teams(
    settings: Settings, addresses: Addresses, intake: Intake, shared: SharedBuckets | None
) -> Part | None:
    """Teams, if it is set up. Without Microsoft's library the other platforms work on. ValueError when a
    setting is missing, or one of the library's is set that would let anybody in.
    """
    if settings.teams_app_id is None:
        return None
    if os.environ.get(UNAUTHENTICATED):
        raise ValueError(f"unset {UNAUTHENTICATED}: Microsoft's library takes requests of anybody with it")
    try:
        from serving.channels.teams import part
    except ImportError:
        log.exception("Microsoft Teams is off: install the extra `channels` again")
        return None
    return part.make(settings, addresses, intake, shared)


def main() -> None:
    """Serve until SIGTERM, and finish the jobs in progress."""
    settings = Settings()
    start(settings, "channels")
    startup.check_gateway(settings)
    config = uvicorn.Config(
        create_app(settings),
        http=partial(GuardedProtocol, Door(settings)),  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # `source.trust_proxies` reads them, of proxies that the settings name
        server_header=False,
    )
    listening.serve(uvicorn.Server(config), settings.host, settings.channels_port)


if __name__ == "__main__":
    main()
