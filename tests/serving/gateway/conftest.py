"""A caller of a gateway, and a gateway on a port, over a scripted inference service."""

import uuid
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from data.people import identities
from data.traffic.routing import Routing
from serving.gateway.online.protocol import HotProtocol
from serving.protocol import GuardedProtocol
from tests import gateways, streams
from tests.streams import V1, Gateway, Service


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway of this process waits for what a busy machine does late. A test about a wait says how long it
    is.
    """
    gateways.be_patient(monkeypatch)


@pytest.fixture
def api_key(engine: Engine) -> str:
    """A key of the owner of an organisation of the test's own."""
    key = identities.generate_key()
    identities.bootstrap(engine, key, f"org-{uuid.uuid4()}")
    return key


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with streams.serving() as service:
        yield service


@pytest.fixture
def protocol() -> type[GuardedProtocol]:
    return HotProtocol


@pytest.fixture
async def gateway(
    local: Settings, engine: Engine, api_key: str, service: Service, protocol: type[GuardedProtocol]
) -> AsyncIterator[Gateway]:
    """A gateway over the scripted service."""
    gateways.publish(engine, Routing(champion=V1))
    settings = local.model_copy(update={"inference_urls": (service.url,)})
    async with streams.listening(settings, api_key, protocol) as gateway:
        yield gateway
