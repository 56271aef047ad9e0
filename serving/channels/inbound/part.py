"""What the process `channels` has for inbound webhooks: the route that takes requests, and who does the jobs.
Nothing without the secret that encrypts their credentials.
"""

from collections.abc import Mapping
from typing import NamedTuple

from fastapi import APIRouter
from psycopg_pool import AsyncConnectionPool

from configs.settings import Settings
from data.inbound import config
from data.jobs.config import JobsConfig
from data.jobs.queue import Kind
from data.webhooks import config as webhooks_config
from serving.channels.gateway import Gateway
from serving.channels.inbound.door import Door
from serving.channels.inbound.replies import InboundReplies
from serving.channels.vault import Vault
from serving.worker.loop import Handler


class Inbound(NamedTuple):
    """The route, and the handlers of jobs."""

    router: APIRouter
    handlers: Mapping[Kind, Handler]


def make_inbound(
    settings: Settings, pool: AsyncConnectionPool, gateway: Gateway, jobs: JobsConfig
) -> Inbound:
    """What there is for inbound webhooks."""
    if settings.inbound_secret is None:
        return Inbound(APIRouter(), {})
    vault, inbound = Vault(settings.inbound_secret.get_secret_value()), config.load()
    replies = InboundReplies(
        pool, vault, gateway, inbound, jobs, webhooks_config.load(), settings.webhook_networks
    )
    return Inbound(Door(pool, vault, inbound, jobs).make_router(), {Kind.INBOUND: replies})
