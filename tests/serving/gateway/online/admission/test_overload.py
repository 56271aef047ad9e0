"""A gateway over a service of known capacity that gets more than it can do."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import Engine

from configs.settings import Settings
from data.traffic.routing import Routing
from serving.gateway.online.admission import IN_FLIGHT
from serving.gateway.online.protocol import HotProtocol
from serving.request_counts import LEFT, Kind
from tests import gateways, streams
from tests.streams import V1, Gateway, Service, fresh, until

_BATCH, _BATCH_S = 16, 0.2
_PATIENCE_S = 2.0


class Limited(Service):
    """Takes lists in turn, 16 messages in 0.2 s; while it may not `run`, it takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self._turn, self.run = asyncio.Lock(), asyncio.Event()
        self.run.set()
        self.texts: list[str] = []

    async def rewrite(self, request: web.Request) -> web.Response:
        """`POST /rewrite`."""
        body = await request.json()
        async with self._turn:
            await self.run.wait()
            await asyncio.sleep(_BATCH_S * len(body["items"]) / _BATCH)
        self.texts += [item["text"] for item in body["items"]]
        document = streams.reply(["Please wait."] * len(body["items"]), body["spec"]["version"])
        return web.json_response(document)


@pytest.fixture
async def limited() -> AsyncIterator[Limited]:
    service = Limited()
    async with streams.serving(service):
        yield service


@pytest.fixture
async def gateway(local: Settings, engine: Engine, api_key: str, limited: Limited) -> AsyncIterator[Gateway]:
    """A gateway whose messages wait at most two seconds."""
    gateways.publish(engine, Routing(champion=V1))
    changed = {"inference_urls": (limited.url,), "rewrite_wait_s": _PATIENCE_S}
    async with streams.listening(local.model_copy(update=changed), api_key, HotProtocol) as gateway:
        yield gateway


def ask(gateway: Gateway, body: dict[str, Any]) -> Any:
    return gateway.post(body, Accept="application/json")


async def test_a_client_who_leaves_before_their_turn_is_not_computed(
    gateway: Gateway, limited: Limited
) -> None:
    limited.run.clear()
    room = IN_FLIGHT // 4  # as long as nothing is known
    first, second, *others = (fresh() for _ in range(room + 2))

    async def send(body: dict[str, Any]) -> int:
        async with ask(gateway, body) as response:
            return int(response.status)

    busy = [asyncio.create_task(send(body)) for body in others]
    await until(lambda: gateway.parts.upstream.waiting == room)
    leaving = [asyncio.create_task(send(body)) for body in (first, second)]
    await until(lambda: gateway.parts.upstream.queued == 2)
    staying = asyncio.create_task(send(first))  # it joins the first who leaves
    calls = gateway.parts.cache._calls
    await until(lambda: sum(call.waiting for call in calls.values()) == room + 3)
    for task in leaving:
        task.cancel()
    await until(lambda: gateway.parts.upstream.queued == 1)
    limited.run.set()
    assert await asyncio.gather(*busy, staying) == [200] * (room + 1)
    assert first["text"] in limited.texts
    assert second["text"] not in limited.texts
    left = (Kind.REWRITE, LEFT, 2)
    await until(lambda: left in set(gateway.front.counts))


@pytest.mark.slow
async def test_three_times_the_capacity(gateway: Gateway, limited: Limited) -> None:
    """Who is accepted is answered, who is refused learns when to come back, who leaves costs nothing."""
    known, outcomes = fresh(), Counter[str]()
    left: list[str] = []
    async with ask(gateway, known) as response:
        assert response.status == 200

    async def send(body: dict[str, Any], leaves: bool) -> None:
        request = ask(gateway, body)
        try:
            async with asyncio.timeout(0.3 if leaves else None), request as response:
                document = await response.json()
        except TimeoutError:
            left.append(body["text"])
            return
        if response.status == 503:
            assert int(response.headers["Retry-After"]) >= 1
            assert document["reasons"][0]["code"] == "too_many_waiting"
        outcomes[f"{response.status} {document.get('cache', '')}"] += 1

    asked = []
    for number in itertools.islice(itertools.count(), 900):  # 16 in 0.2 s are 80 a second
        asked.append(asyncio.create_task(send(fresh(), leaves=number % 10 == 0)))
        if number % 20 == 0:
            asked.append(asyncio.create_task(send(known, leaves=False)))
        await asyncio.sleep(1 / 240)
    await asyncio.gather(*asked)
    assert outcomes.keys() == {"200 miss", "200 l1", "503 "}
    assert outcomes["200 l1"] == 45, "a hit waits for nothing"
    assert outcomes["503 "] > 0
    assert outcomes["200 miss"] > 0
    upstream, inference = gateway.parts.upstream, gateway.parts.inference
    await until(lambda: upstream.waiting == 0)
    # What was computed was answered, but for those who left when it had begun, by then at most as many as
    # may be at the service at a time.
    assert len(limited.texts) - 1 - outcomes["200 miss"] <= len(left)
    assert (inference.open_breakers, upstream.queued) == (0, 0)
    assert upstream.shed >= outcomes["503 "]
    async with ask(gateway, fresh()) as response:
        assert response.status == 200, "nothing is left over"
