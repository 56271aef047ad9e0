"""Requests that wait for one call, and clients who leave."""

import asyncio
from typing import Any

from sqlalchemy import Engine

from serving.gateway.online.front import PATH
from tests import gateways
from tests.streams import (
    Gate,
    Gateway,
    Send,
    Service,
    events_of,
    fresh,
    read,
    rows,
    start_experiment,
    text_of,
    until,
)


def waiting(gateway: Gateway) -> int:
    """Requests that wait for calls in progress."""
    return sum(call.waiting for call in gateway.parts.cache._calls.values())


async def test_followers_of_a_stream_get_the_one_answer(gateway: Gateway, service: Service) -> None:
    gate = service.scripts["v1"] = Gate()
    body = fresh()

    async def follow(accept: str) -> Any:
        async with gateway.post(body, Accept=accept) as response:
            return await (read(response) if accept.startswith("text") else response.json())

    async with gateway.post(body) as response:
        await gate.begun.wait()
        following = [asyncio.ensure_future(follow(a)) for a in ("text/event-stream", "application/json")]
        await until(lambda: waiting(gateway) == 3)
        gate.opened.set()
        *drafts, (_, first) = await read(response)
    assert text_of(drafts) == "Please wait."
    [(kind, second)], third = await asyncio.gather(*following)
    assert kind == "answer"
    assert {a["transformed_text"] for a in (first, second, third)} == {"Please wait."}
    assert len({a["answer_id"] for a in (first, second, third)}) == 3
    assert (len(service.streams), service.lists) == (1, 0)


async def test_who_leaves_takes_nothing_from_a_follower(gateway: Gateway, service: Service) -> None:
    gate = service.scripts["v1"] = Gate()
    body = fresh()

    async def follow() -> Any:
        async with gateway.post(body) as response:
            return await read(response)

    async with gateway.post(body) as response:
        await anext(events_of(response))
        following = asyncio.ensure_future(follow())
        await until(lambda: waiting(gateway) == 2)
        response.close()
    await until(lambda: gateway.metric("tonebridge_streams_abandoned_total") == 1)
    gate.opened.set()
    assert [kind for kind, _ in await following] == ["answer"]
    assert (len(service.streams), service.given_up) == (1, 0)


async def test_who_leaves_alone_ends_the_call_and_the_next_begins_another(
    gateway: Gateway, service: Service
) -> None:
    gate = service.scripts["v1"] = Gate()
    body = fresh()
    for number in range(1, 5):  # more than a replica's breaker allows to fail
        async with gateway.post(body) as response:
            await anext(events_of(response))
            response.close()
        await until(lambda number=number: service.given_up == number)  # type: ignore[misc]
    gate.opened.set()
    async with gateway.post(body) as response:
        assert (await read(response))[-1][0] == "answer"
    assert gateway.parts.inference.open_breakers == 0
    assert gateway.parts.upstream.waiting == 0


async def test_who_leaves_before_the_first_event_ends_the_call_too(
    gateway: Gateway, service: Service
) -> None:
    begun = asyncio.Event()

    async def think(send: Send, version: str) -> None:
        begun.set()
        await asyncio.sleep(60)

    service.scripts["v1"] = think
    asking = asyncio.ensure_future(gateway.session.post(PATH, json=fresh(stream=True), headers=gateway.key))
    await begun.wait()
    asking.cancel()
    await until(lambda: service.given_up == 1)
    await until(lambda: gateway.metric("tonebridge_streams_open") == 0)


async def test_a_draft_without_its_answer_counts_as_usage_and_exposure(
    gateway: Gateway, service: Service, engine: Engine, api_key: str
) -> None:
    service.scripts["v2"] = Gate()
    experiment_id = await start_experiment(engine, gateway)
    async with gateway.post(fresh(user_id="ann")) as response:
        await anext(events_of(response))
        response.close()
    await until(lambda: gateway.metric("tonebridge_streams_abandoned_total") == 1)
    query = "SELECT variant FROM exposures WHERE experiment_id = :id"
    assert await rows(engine, gateway, query, id=experiment_id) == [("challenger",)]
    assert (
        await rows(engine, gateway, "SELECT 1 FROM failures WHERE experiment_id = :id", id=experiment_id)
        == []
    )
    query = "SELECT organisation_id FROM api_keys WHERE id = :id"
    [(organisation_id,)] = await rows(engine, gateway, query, id=api_key.split("_")[1])
    assert gateways.usage(engine, organisation_id) == 1
