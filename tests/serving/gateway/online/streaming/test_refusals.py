"""What is refused before a stream begins."""

import json
from contextlib import AsyncExitStack

from sqlalchemy import Engine

from tests import gateways
from tests.streams import Gate, Gateway, Service, fresh, until


async def test_what_is_refused_is_a_problem_and_no_stream(gateway: Gateway, engine: Engine) -> None:
    for body, sent, status in (
        (fresh(), {"X_API_Key": "hunter2"}, 401),
        (fresh(intensity=7), {}, 422),
        (fresh(stream="yes"), {}, 422),
        (fresh(colour="red"), {}, 422),
        (fresh(text="x" * 200_000), {}, 413),
        (fresh(), {"Idempotency_Key": "x" * 201}, 422),
    ):
        async with gateway.post(body, **sent) as response:
            problem = json.loads(await response.read())
            assert (response.status, problem["status"]) == (status, status)
            assert response.content_type == "application/problem+json"
    assert [gateway.metric(f"tonebridge_streams_{name}") for name in ("open", "abandoned_total")] == [0, 0]
    gateways.stop_refills(gateway.parts.limiter)
    free = gateways.a_key(engine, gateways.an_organisation(engine, "free"))
    body = fresh()
    codes = []
    for _ in range(30):
        async with gateway.post(body, X_API_Key=free["X-API-Key"]) as response:
            codes.append(response.status)
            await response.read()
    assert {*codes} == {200, 429}
    spent = gateways.an_organisation(engine, "free")
    gateways.use_up(engine, spent, 3000)
    async with gateway.post(fresh(), X_API_Key=gateways.a_key(engine, spent)["X-API-Key"]) as response:
        assert (response.status, int(response.headers["Retry-After"]) > 0) == (429, True)


async def test_a_token_speaks_for_its_own_subject(gateway: Gateway, engine: Engine) -> None:
    kid = gateways.a_signing_key(engine, gateways.an_organisation(engine))
    token = gateways.a_token(kid, "ann")["Authorization"]
    for user_id, status in ((None, 200), ("ann", 200), ("bob", 422)):
        async with gateway.post(fresh(user_id=user_id), X_API_Key="", Authorization=token) as response:
            assert response.status == status


async def test_a_stream_keeps_its_place_until_it_ends(
    gateway: Gateway, service: Service, engine: Engine
) -> None:
    gate = service.scripts["v1"] = Gate()
    key = gateways.a_key(engine, gateways.an_organisation(engine, "free"))["X-API-Key"]  # 8 at a time
    async with AsyncExitStack() as open_streams:
        for _ in range(8):
            response = await open_streams.enter_async_context(gateway.post(fresh(), X_API_Key=key))
            assert response.status == 200
        async with gateway.post(fresh(), X_API_Key=key) as response:
            assert response.status == 429
            assert (await response.json(content_type=None))["reasons"][0]["code"] == "plan_concurrent"
        gate.opened.set()
    await until(lambda: gateway.metric("tonebridge_streams_open") == 0)
    async with gateway.post(fresh(), X_API_Key=key) as response:
        assert response.status == 200
