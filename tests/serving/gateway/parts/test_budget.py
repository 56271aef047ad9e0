"""A gateway whose Redis commands have a budget, with the real Valkey."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from redis import Redis
from sqlalchemy import Engine

from configs.settings import Settings
from data.traffic.routing import Routing
from serving.gateway.online.front import PATH
from serving.gateway.online.protocol import HotProtocol
from tests import gateways, sockets, streams
from tests.serving.gateway.signatures.conftest import Signer, code_of
from tests.streams import V1, Gateway, Service, fresh

BUDGET = 1000
DAY_S = 86_400


@pytest.fixture
async def gateway(local: Settings, engine: Engine, api_key: str, service: Service) -> AsyncIterator[Gateway]:
    """A gateway on a day of which no command was used yet."""
    gateways.publish(engine, Routing(champion=V1))
    assert local.redis_url is not None
    with Redis.from_url(local.redis_url) as client:
        for key in client.scan_iter("tonebridge:commands:*"):
            client.delete(key)
    changed = {"inference_urls": (service.url,), "redis_timeout_s": 30.0, "redis_commands_a_day": BUDGET}
    async with streams.listening(local.model_copy(update=changed), api_key, HotProtocol) as gateway:
        yield gateway


async def test_only_signed_requests_send_commands(gateway: Gateway, api_key: str) -> None:
    voluntary = await Signer(gateway, api_key, "", "").make_secret()
    meter, levels = gateway.parts.meter, []
    before = dict(meter.sent)
    assert sum(before.values()) < 10, "what a start costs"
    async with sockets.opened(gateway) as socket:
        ready = await socket.ask("auth", token=api_key)
        assert ready["resumes"] == "here"
        await socket.ask("subscribe", channel="answers", user_id="ann")
        for _ in range(20):
            body = fresh(user_id="ann")
            for _ in range(3):
                levels.append((await voluntary.unsigned("POST", PATH, body))[2]["cache"])
        assert (await socket.receive())["type"] == "event", "notices come from Postgres"
    assert levels == ["miss", "l1", "l1"] * 20
    assert meter.sent == before
    for _ in range(10):
        assert (await voluntary.transform(body))[0] == 200
    assert meter.sent["nonces"] - before["nonces"] == 20


async def test_a_gateway_without_commands_does_what_it_does_without_redis(
    gateway: Gateway, api_key: str
) -> None:
    voluntary, body = await Signer(gateway, api_key, "", "").make_secret(), fresh()
    parts = gateway.parts
    answered = 0
    while (await voluntary.transform(body))[0] == 200:
        answered += 1
    assert 2 * answered > 0.85 * BUDGET, "each took two commands, and each lease of 20 one"
    assert sum(parts.meter.sent.values()) <= BUDGET
    for _ in range(5):
        refused = await voluntary.transform(body)
        assert code_of(refused) == (503, "nonce_uncheckable")
        assert "Retry-After" in refused[1]
    assert (await voluntary.unsigned("POST", PATH, body))[2]["cache"] == "l1"
    assert (await voluntary.unsigned("POST", PATH, fresh()))[2]["cache"] == "miss"
    sent = dict(parts.meter.sent)
    assert gateway.metric("tonebridge_redis_budget_used_up") == 1
    assert gateway.metric('tonebridge_redis_commands_total{purpose="nonces"}') == sent["nonces"]
    async with gateway.session.get("/readyz") as response:
        assert response.status == 200

    parts.meter._clock = lambda: time.time() + DAY_S
    assert gateway.metric("tonebridge_redis_budget_used_up") == 0
    assert parts.meter.sent == sent

    while (await voluntary.transform(body))[0] != 200:  # noqa: ASYNC110 (it comes back by itself)
        await asyncio.sleep(0.05)
    assert parts.meter.sent["nonces"] > sent["nonces"]
