"""Rewrites and votes by GraphQL: the same answers, refusals, limits and counts as by REST."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from data.people import identities
from serving.gateway.online.front import PATH
from tests import gateways, streams
from tests.serving.gateway.graph.test_queries import codes
from tests.streams import Gateway, Service, fresh

TRANSFORM = """mutation($input: TransformInput!) {
    transform(input: $input) {
        answerId receipt transformedText variant version cache fallback factsMissing unchanged { code }
    }
}"""
FEEDBACK = "mutation($input: FeedbackInput!) { feedback(input: $input) { feedbackId } }"


async def post(gateway: Gateway, document: str, key: dict[str, str] | None = None, **variables: Any) -> Any:
    """What `/graphql` answers, as JSON."""
    body = {"query": document, "variables": variables}
    async with gateway.session.post("/graphql", json=body, headers=key or gateway.key) as response:
        assert response.status == 200, await response.text()
        return await response.json()


def an_input(**changes: Any) -> dict[str, Any]:
    """An input for a text that is new."""
    message = fresh()
    return {"text": message["text"], "transformType": "SOFTEN", "intensity": 2, **changes}


async def test_a_rewrite_is_that_of_the_rest_route(
    gateway: Gateway, service: Service, engine: Engine
) -> None:
    wanted = an_input(userId="ann", locale="en", channel="chat")
    first = (await post(gateway, TRANSFORM, input=wanted))["data"]["transform"]
    assert (first["transformedText"], first["cache"]) == (service.list_text, "miss")
    body = {"text": wanted["text"], "transform_type": "soften", "intensity": 2, "user_id": "ann"}
    async with gateway.session.post("/api/v1/transform", json=body, headers=gateway.key) as response:
        again = await response.json()
    assert (again["transformed_text"], again["cache"]) == (first["transformedText"], "l1")
    assert (again["variant"], again["version"]) == (first["variant"], first["version"])
    organisation_id = identity_of(engine, gateway)
    await streams.until(lambda: gateways.usage(engine, organisation_id) == 2)
    assert gateway.metric("tonebridge_request_seconds_count") == 2


def identity_of(engine: Engine, gateway: Gateway) -> uuid.UUID:
    """The organisation of the gateway's key."""
    key_id = identities.parse_key(gateway.key["X-API-Key"])
    assert key_id is not None
    with engine.connect() as connection:
        found: uuid.UUID = connection.execute(
            text("SELECT organisation_id FROM api_keys WHERE id = :id"), {"id": key_id[0]}
        ).scalar_one()
    return found


async def test_an_invalid_rewrite_is_refused_in_the_same_words(gateway: Gateway) -> None:
    refused = await post(gateway, TRANSFORM, input=an_input(intensity=7, locale="?"))
    (error,) = refused["errors"]
    body = {"text": "x", "transform_type": "soften", "intensity": 7, "locale": "?"}
    async with gateway.session.post("/api/v1/transform", json=body, headers=gateway.key) as response:
        problem = await response.json()
    assert refused["data"] is None
    assert error["message"] == problem["detail"]
    extensions = error["extensions"]
    assert {name: extensions[name] for name in ("status", "title", "reasons", "errors")} == {
        name: problem[name] for name in ("status", "title", "reasons", "errors")
    }
    assert extensions["code"] == problem["reasons"][0]["code"]


async def test_an_idempotency_key_answers_once(gateway: Gateway, service: Service) -> None:
    wanted = an_input(idempotencyKey="monday")
    first, second = await post(gateway, TRANSFORM, input=wanted), await post(gateway, TRANSFORM, input=wanted)
    assert first == second
    other = await post(gateway, TRANSFORM, input={**wanted, "text": "Another one."})
    assert other["errors"][0]["extensions"]["title"] == "Idempotency-Key used twice"
    assert service.lists == 1


async def test_a_service_that_fails_says_when_to_retry(gateway: Gateway, service: Service) -> None:
    service.list_status = 500
    refused = await post(gateway, TRANSFORM, input=an_input())
    extensions = refused["errors"][0]["extensions"]
    assert (extensions["status"], extensions["retry_after_s"]) == (503, 2)


async def test_the_month_and_the_rate_of_rewrites_hold(gateway: Gateway, engine: Engine) -> None:
    tenant = gateways.an_organisation(engine, "free")
    key = gateways.a_key(engine, tenant)
    gateways.use_up(engine, tenant, 2000)
    refused = await post(gateway, TRANSFORM, key, input=an_input())
    assert codes(refused) == ["plan_quota"]
    assert refused["errors"][0]["path"] == ["transform"]
    assert refused["errors"][0]["extensions"]["retry_after_s"] > 0
    limiter = gateway.parts.limiter
    caller = await gateway.parts.authenticator.identify(gateway.key["X-API-Key"])
    before = limiter.headers(caller, PATH)
    await post(gateway, TRANSFORM, input=an_input())
    assert before != limiter.headers(caller, PATH)  # a token of the route of rewrites was taken


async def test_a_mutation_takes_one_place_at_a_time(gateway: Gateway, engine: Engine) -> None:
    """The plan `free` has eight places for concurrent requests: eight rewrites by GraphQL fit, too."""
    key = gateways.a_key(engine, gateways.an_organisation(engine, "free"))
    answered = await asyncio.gather(*(post(gateway, TRANSFORM, key, input=an_input()) for _ in range(8)))
    assert not [answer for answer in answered if "errors" in answer]


async def test_a_vote_is_stored_and_replaced(gateway: Gateway) -> None:
    answer = (await post(gateway, TRANSFORM, input=an_input()))["data"]["transform"]
    vote = {"receipt": answer["receipt"], "kind": "thumb", "up": True}
    first = await post(gateway, FEEDBACK, input=vote)
    second = await post(gateway, FEEDBACK, input={**vote, "up": False})
    assert first["data"]["feedback"] == second["data"]["feedback"]
    async with gateway.session.post("/api/v1/feedback", json=vote, headers=gateway.key) as response:
        assert (await response.json())["feedback_id"] == first["data"]["feedback"]["feedbackId"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"kind": "thumb"}, 422),
        ({"kind": "rating", "stars": 6}, 422),
        ({"kind": "nothing"}, 422),
        ({"kind": "comparison", "preferred": "first"}, 409),
        ({"kind": "comment", "text": "Good.", "receipt": "forged"}, 403),
    ],
)
async def test_a_wrong_vote_is_refused_as_by_rest(
    gateway: Gateway, changes: dict[str, Any], status: int
) -> None:
    answer = (await post(gateway, TRANSFORM, input=an_input()))["data"]["transform"]
    vote = {"receipt": answer["receipt"], **changes}
    refused = (await post(gateway, FEEDBACK, input=vote))["errors"][0]
    async with gateway.session.post("/api/v1/feedback", json=vote, headers=gateway.key) as response:
        problem = await response.json()
    assert (refused["extensions"]["status"], refused["message"]) == (status, problem["detail"])
    assert problem["status"] == status


async def test_another_organisation_cannot_use_a_receipt(
    gateway: Gateway, engine: Engine, a_key: Callable[..., dict[str, str]]
) -> None:
    answer = (await post(gateway, TRANSFORM, input=an_input()))["data"]["transform"]
    vote = {"receipt": answer["receipt"], "kind": "thumb", "up": True}
    other = a_key("owner", gateways.an_organisation(engine))
    assert codes(await post(gateway, FEEDBACK, other, input=vote)) == ["receipt_foreign_organisation"]
