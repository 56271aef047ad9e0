"""The objects that every site's process is made of."""

from dataclasses import dataclass

import redis
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from configs.settings import Settings
from data import redis_meter
from data.redis_meter import Meter
from serving.sites.api import GatewayClient
from serving.sites.session import Sessions
from serving.sites.words import contained, isolated

_TIMEOUT_S = 2.0  # of Redis


@dataclass(frozen=True, slots=True)
class SiteParts:
    """One of each, safe to use from any thread."""

    settings: Settings
    gateway: GatewayClient
    redis: redis.Redis
    meter: Meter  # of that client
    sessions: Sessions
    templates: Environment

    def close(self) -> None:
        """Close all connections."""
        self.gateway.close()
        self.redis.close()


def make(settings: Settings, package: str, meter: Meter | None = None) -> SiteParts:
    """The parts of the site whose pages are the templates of a package; nothing is connected yet. `meter`
    counts the process's commands to Redis, a new one if None. ValueError when a setting is missing.
    """
    if not settings.redis_url:
        raise ValueError(
            "this process needs TONEBRIDGE_REDIS_URL; `make up` starts everything with local servers"
        )
    gateway = GatewayClient(settings.gateway_url, settings.secret("service_token"))
    meter = meter or Meter(settings.redis_commands_a_day)
    client = redis_meter.connect(
        settings.redis_url, meter, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
    )
    secret = settings.secret("service_token") if meter.has_budget else None
    sessions = Sessions(client, gateway, secret)
    return SiteParts(settings, gateway, client, meter, sessions, templates(package))


def templates(package: str) -> Environment:
    """The templates of a site, and behind them those that all sites share."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("serving.sites")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: contained(value) if type(value) is str else value,  # Markup is our own HTML
    )
    environment.filters["isolated"] = isolated
    return environment
