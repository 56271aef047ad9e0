"""A caller of a gateway, and a gateway on a port, over a scripted inference service."""

import uuid
from collections.abc import AsyncIterator
from functools import partial

import pytest
from sqlalchemy import Engine

from configs.settings import Settings
from data import database
from data.people import identities
from data.traffic.routing import Routing
from serving.gateway import heartbeat, rate
from serving.gateway.online import upstream
from serving.gateway.online.protocol import HotProtocol
from serving.gateway.realtime import feed
from serving.protocol import GuardedProtocol
from tests import gateways, streams
from tests.streams import V1, Gateway, Service


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway of this process waits for what a busy machine does late. A test about a wait says how long it
    is.
    """
    waits = [(heartbeat, "_SILENT_S"), (rate, "_READ_USAGE_S"), (upstream, "_TIMEOUT_S"),
             (feed, "_CONNECT_S"), (feed, "_READ_S")]  # fmt: skip
    for module, name in waits:
        monkeypatch.setattr(module, name, gateways.PATIENT_S)
    waits_long = partial(database.online_pool, timeout_s=gateways.PATIENT_S)
    monkeypatch.setattr(database, "online_pool", waits_long)


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
