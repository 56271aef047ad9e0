"""Requests that wait for one call, and clients who leave."""

import asyncio
import uuid
from typing import Any

import pytest
from sqlalchemy import Engine, text

from serving.gateway.online import upstream
from serving.gateway.online.front import PATH
from serving.request_counts import LEFT, Kind
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


# --- requests for JSON ---------------------------------------------------------------------------------


def ask(gateway: Gateway, body: Any) -> "asyncio.Task[Any]":
    """A request for JSON, and its document."""

    async def read_document() -> Any:
        async with gateway.post(body, Accept="application/json") as response:
            return await response.json()

    return asyncio.create_task(read_document())


async def test_who_leaves_a_request_for_json_alone_ends_the_call(
    gateway: Gateway, service: Service, engine: Engine
) -> None:
    service.list_gate, body = asyncio.Event(), fresh()
    for number in range(1, 5):  # more than a replica's breaker allows to fail
        asking = ask(gateway, body)
        await until(lambda number=number: service.lists == number)  # type: ignore[misc]
        asking.cancel()
        await until(lambda number=number: service.given_up == number)  # type: ignore[misc]
    await until(lambda: gateway.parts.upstream.waiting == 0)
    assert (Kind.REWRITE, LEFT, 4) in set(gateway.front.counts)
    assert await rows(engine, gateway, "SELECT 1 FROM outputs WHERE message = :m", m=body["text"]) == []
    service.list_gate.set()
    assert (await ask(gateway, body))["cache"] == "miss"
    assert gateway.parts.inference.open_breakers == 0


async def test_who_leaves_a_request_for_json_takes_nothing_from_a_follower(
    gateway: Gateway, service: Service
) -> None:
    service.list_gate, body = asyncio.Event(), fresh()
    leaving = ask(gateway, body)
    await until(lambda: service.lists == 1)
    staying = ask(gateway, body)
    await until(lambda: waiting(gateway) == 2)
    leaving.cancel()
    await until(lambda: waiting(gateway) == 1)
    service.list_gate.set()
    assert (await staying)["transformed_text"] == "Please wait."
    assert (service.lists, service.given_up) == (1, 0)


async def test_who_leaves_a_list_ends_their_message_and_no_other(
    gateway: Gateway, service: Service, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "_LINGER_S", 1.0)  # so that both are in one list on any machine
    service.list_gate, body = asyncio.Event(), fresh()
    leaving, staying = ask(gateway, body), ask(gateway, fresh())
    await until(lambda: len(service.items) == 2)
    leaving.cancel()
    await until(lambda: service.given_up_items)
    [(list_id, index)] = service.given_up_items
    assert [list_id] == service.list_ids
    assert service.items[index]["text"] == body["text"]
    service.list_gate.set()
    assert (await staying)["transformed_text"] == "Please wait."
    assert service.given_up == 0
    await until(lambda: gateway.parts.upstream.waiting == 0)
    assert await rows(engine, gateway, "SELECT 1 FROM outputs WHERE message = :m", m=body["text"]) == []


# --- other routes --------------------------------------------------------------------------------------

REWRITE_BY_GRAPHQL = "mutation($input: TransformInput!) { transform(input: $input) { answerId } }"


def by_graphql(body: dict[str, Any]) -> dict[str, Any]:
    """A document that rewrites the message."""
    wanted = {"text": body["text"], "transformType": "SOFTEN", "intensity": 2, "userId": body["user_id"]}
    return {"query": REWRITE_BY_GRAPHQL, "variables": {"input": wanted}}


def by_dry_run(body: dict[str, Any]) -> dict[str, Any]:
    """A trial of a rule that proposes another rewrite of the message."""
    rule = {
        "name": "Anything",
        "conditions": [{"kind": "keyword", "words": ["Friday"]}],
        "transform_type": "clarify",
        "intensity": 2,
    }
    return {"draft": rule, "rewrites": 1, "user_id": body["user_id"]}


@pytest.mark.parametrize(
    ("path", "ask_for"),
    [
        ("/api/v1/compare", lambda body: body),
        ("/api/v1/comparisons/next", lambda body: body),
        ("/api/v1/batch", lambda body: {"items": [body]}),
        ("/api/v1/rules/dry-run", by_dry_run),
        ("/graphql", by_graphql),
    ],
)
async def test_who_leaves_another_route_ends_its_calls(
    gateway: Gateway, service: Service, engine: Engine, path: str, ask_for: Any
) -> None:
    body = fresh(user_id="ann")
    outputs = "SELECT 1 FROM outputs WHERE message = :m"
    if ask_for is by_dry_run:
        await ask(gateway, body)  # the rule is tried on what the person had rewritten
    stored = await rows(engine, gateway, outputs, m=body["text"])
    answered = "SELECT 1 FROM answers"
    before, lists = await rows(engine, gateway, answered), service.lists
    service.list_gate = asyncio.Event()
    asking = asyncio.create_task(gateway.session.post(path, json=ask_for(body), headers=gateway.key))
    await until(lambda: service.lists > lists)
    asking.cancel()
    await until(lambda: service.given_up == 1)
    await until(lambda: (Kind.OTHER, LEFT, 1) in set(gateway.front.counts))
    assert gateway.parts.upstream.waiting == 0
    assert gateway.metric(f'tonebridge_other_request_seconds_count{{route="{path}",status="499"}}') == 1
    assert await rows(engine, gateway, outputs, m=body["text"]) == stored
    assert await rows(engine, gateway, answered) == before
    service.list_gate.set()  # nothing is left that would answer now
    async with gateway.session.post(path, json=ask_for(body), headers=gateway.key) as response:
        assert response.status in (200, 409), await response.text()  # two equal texts are no comparison
    assert service.lists == lists + 2 + (path == "/api/v1/comparisons/next")
    assert gateway.parts.inference.open_breakers == 0


async def test_a_vote_by_graphql_is_stored_though_its_client_leaves(gateway: Gateway, engine: Engine) -> None:
    """Only rewrites end: who sends a vote and leaves has voted."""
    receipt = (await ask(gateway, fresh()))["receipt"]
    document = "mutation($input: FeedbackInput!) { feedback(input: $input) { feedbackId } }"
    vote = {"receipt": receipt, "kind": "comment", "text": str(uuid.uuid4())}
    body = {"query": document, "variables": {"input": vote}}
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE feedback"))  # so that the vote waits until its client has left
        voting = asyncio.create_task(gateway.session.post("/graphql", json=body, headers=gateway.key))
        waits = text("SELECT count(*) FROM pg_locks WHERE relation = 'feedback'::regclass AND NOT granted")
        await until(lambda: connection.execute(waits).scalar_one())
        voting.cancel()
        await until(lambda: not gateway.server.server_state.connections)
    await until(lambda: (Kind.OTHER, 200, 1) in set(gateway.front.counts))
    assert await rows(engine, gateway, "SELECT 1 FROM feedback WHERE text = :t", t=vote["text"]) == [(1,)]


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
