"""The objects that one dashboard process is made of: made and closed here.

Pages reach them by `serving.dashboard.visit.Visit`, everything else by `parts_of(app)`.
"""

from dataclasses import dataclass
from typing import Annotated

import redis
from fastapi import Depends, FastAPI, Request
from sqlalchemy import Engine

from configs.settings import Settings
from data import database
from experiments import own_metrics
from serving.dashboard.api import GatewayClient
from serving.dashboard.attention import Attention
from serving.dashboard.session import Sessions

_TIMEOUT_S = 2.0  # of Redis


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each, safe to use from any thread."""

    settings: Settings
    engine: Engine
    gateway: GatewayClient
    redis: redis.Redis
    sessions: Sessions
    attention: Attention

    def close(self) -> None:
        """Close all connections."""
        self.gateway.close()
        self.redis.close()
        self.engine.dispose()


def make(settings: Settings) -> Parts:
    """The parts; nothing is connected yet. ValueError when a setting is missing; ConfigError for a metric of
    one's own that is not valid.
    """
    own_metrics.load(settings.metrics_file)
    if settings.database_url is None or not settings.redis_url:
        raise ValueError(
            "the dashboard needs TONEBRIDGE_DATABASE_URL and TONEBRIDGE_REDIS_URL; `make up` starts"
            " everything with local servers"
        )
    gateway = GatewayClient(settings.gateway_url, settings.secret("service_token"))
    client = redis.Redis.from_url(
        settings.redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
    )
    return Parts(
        settings=settings,
        engine=database.reading_engine(settings.database_url),
        gateway=gateway,
        redis=client,
        sessions=Sessions(client, gateway),
        attention=Attention(),
    )


def parts_of(app: FastAPI) -> Parts:
    """The parts of a dashboard's application."""
    parts: Parts = app.state.parts
    return parts


async def _parts(request: Request) -> Parts:
    return parts_of(request.app)


InjectedParts = Annotated[Parts, Depends(_parts)]
