"""A gateway on a port, by its own protocol and by ASGI, over a scripted inference service."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from data.traffic.routing import Routing
from serving.gateway.online.protocol import HotProtocol
from serving.protocol import GuardedProtocol
from tests import gateways, streams
from tests.streams import V1, Gateway, Service


@pytest.fixture(params=[HotProtocol, GuardedProtocol], ids=["hot", "guarded"])
def protocol(request: Any) -> Any:
    return request.param


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with streams.serving() as service:
        yield service


@pytest.fixture
async def gateway(
    local: Settings, engine: Engine, api_key: str, service: Service, protocol: type[GuardedProtocol]
) -> AsyncIterator[Gateway]:
    """A gateway over the scripted service."""
    gateways.publish(engine, Routing(champion=V1))
    settings = local.model_copy(update={"inference_urls": (service.url,)})
    async with streams.listening(settings, api_key, protocol) as gateway:
        yield gateway
