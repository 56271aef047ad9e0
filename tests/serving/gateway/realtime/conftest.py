"""A gateway on a port, over a scripted inference service."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from data.traffic.routing import Routing
from serving.gateway.online.protocol import HotProtocol
from tests import gateways, streams
from tests.streams import V1, Gateway, Service


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with streams.serving() as service:
        yield service


@pytest.fixture
async def gateway(local: Settings, engine: Engine, api_key: str, service: Service) -> AsyncIterator[Gateway]:
    gateways.publish(engine, Routing(champion=V1))
    settings = local.model_copy(update={"inference_urls": (service.url,)})
    async with streams.listening(settings, api_key, HotProtocol) as gateway:
        yield gateway
