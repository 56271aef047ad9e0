"""Nobody gets the stored response of another person, or votes on it."""

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from tests import gateways

ASK = {"text": "Fix PAY-123 by Friday.", "transform_type": "soften", "intensity": 2}
API = "/api/v1"


async def post(client: httpx.AsyncClient, path: str, body: Any, who: dict[str, str], key: str = "") -> Any:
    headers = {**who, "Idempotency-Key": key} if key else who
    return await client.post(f"{API}{path}", json=body, headers=headers)


def thumb(answered: Any, up: bool = True) -> dict[str, Any]:
    return {"receipt": answered.json()["receipt"], "kind": "thumb", "up": up}


# --- Idempotency-Key -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/transform", "/batch"])
async def test_the_same_key_and_text_of_another_token_is_a_request_of_its_own(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, path: str
) -> None:
    kid = gateways.a_signing_key(engine, organisation_id)
    body = ASK if path == "/transform" else {"items": [ASK]}
    answers = [
        await post(client, path, body, gateways.a_token(kid, name), "deploy")
        for name in ("ann", "bob", "ann", "bob")
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    ann, bob, ann_again, bob_again = (answer.content for answer in answers)
    assert ann != bob, "bob was given ann's answer and receipt"
    assert (ann_again, bob_again) == (ann, bob)


async def test_the_same_key_and_text_under_another_api_key_is_a_request_of_its_own(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    keys = [gateways.a_key(engine, organisation_id) for _ in range(2)]
    first, second = [await post(client, "/transform", ASK, key, "deploy") for key in keys]
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["receipt"] != second.json()["receipt"]


async def test_people_whom_one_api_key_names_do_not_meet_under_an_idempotency_key(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    key = gateways.a_key(engine, organisation_id)
    bodies = [{**ASK, "user_id": name} for name in ("ann", "bob")]
    first = [await post(client, "/transform", body, key, "deploy") for body in bodies]
    assert [answer.status_code for answer in first] == [200, 200]
    assert first[0].json()["receipt"] != first[1].json()["receipt"]
    again = [await post(client, "/transform", body, key, "deploy") for body in bodies]
    assert [answer.content for answer in again] == [answer.content for answer in first]
    other = await post(client, "/transform", {**bodies[0], "text": "Something else."}, key, "deploy")
    assert (other.status_code, other.json()["title"]) == (422, "Idempotency-Key used twice")


async def test_a_token_and_a_key_that_names_the_same_person_do_not_meet(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id), "ann")
    key = gateways.a_key(engine, organisation_id)
    body = {**ASK, "user_id": "ann"}
    by_token, by_key = [await post(client, "/transform", body, who, "deploy") for who in (token, key)]
    assert (by_token.status_code, by_key.status_code) == (200, 200)
    assert by_token.json()["receipt"] != by_key.json()["receipt"]


async def test_a_vote_under_an_idempotency_key_is_the_persons_own(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    """Two people send votes under one key: neither is told that the other's vote was stored for theirs."""
    kid = gateways.a_signing_key(engine, organisation_id)
    stored = []
    for name in ("ann", "bob"):
        who = gateways.a_token(kid, name)
        answered = await post(client, "/transform", ASK, who)
        voted = await post(client, "/feedback", thumb(answered), who, "vote")
        assert voted.status_code == 201, voted.text
        stored.append(voted.json()["feedback_id"])
    with engine.connect() as connection:
        people = text("SELECT count(DISTINCT user_id) FROM feedback WHERE id = ANY(:ids)")
        assert connection.execute(people, {"ids": [uuid.UUID(id) for id in stored]}).scalar_one() == 2


# --- receipts ------------------------------------------------------------------------------------------


async def refused(client: httpx.AsyncClient, vote: dict[str, Any], who: dict[str, str]) -> str:
    response = await post(client, "/feedback", vote, who)
    assert (response.status_code, response.json()["title"]) == (403, "Not your receipt"), response.text
    return str(response.json()["detail"])


async def test_who_signs_in_votes_with_their_own_receipts_only(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    kid = gateways.a_signing_key(engine, organisation_id)
    ann, bob = (gateways.a_token(kid, name) for name in ("ann", "bob"))
    vote = thumb(await post(client, "/transform", ASK, ann))
    assert "another person" in await refused(client, vote, bob)
    assert (await post(client, "/feedback", vote, ann)).status_code == 201
    elsewhere = gateways.a_token(gateways.a_signing_key(engine, organisation_id), "ann")
    assert (await post(client, "/feedback", vote, elsewhere)).status_code == 201, "she is one person"


async def test_a_token_takes_no_receipt_that_was_issued_to_an_api_key(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id), "ann")
    key = gateways.a_key(engine, organisation_id)
    for body in (ASK, {**ASK, "user_id": "ann"}):
        vote = thumb(await post(client, "/transform", body, key))
        await refused(client, vote, token)
        assert (await post(client, "/feedback", vote, key)).status_code == 201


async def test_an_api_key_takes_no_receipt_of_a_person_who_signed_in(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    ann = gateways.a_token(gateways.a_signing_key(engine, organisation_id), "ann")
    owner = gateways.a_key(engine, organisation_id, "owner")
    batch = await post(client, "/batch", {"items": [ASK]}, ann)
    answered = [
        (await post(client, "/transform", ASK, ann)).json(),
        (await post(client, "/transform", ASK, ann)).json(),  # from memory
        batch.json()["items"][0]["answer"],
    ]
    for answer in answered:
        assert "receipt" in answer, answer
        vote = {"receipt": answer["receipt"], "kind": "thumb", "up": True}
        assert "signed in" in await refused(client, vote, owner)
        assert (await post(client, "/feedback", vote, ann)).status_code == 201


@pytest.mark.parametrize("path", ["/compare", "/comparisons/next"])
async def test_a_comparison_is_voted_on_by_whom_it_was_shown_to(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, path: str
) -> None:
    kid = gateways.a_signing_key(engine, organisation_id)
    ann, bob = (gateways.a_token(kid, name) for name in ("ann", "bob"))
    key = gateways.a_key(engine, organisation_id)
    response = await post(client, path, ASK, ann)
    assert response.status_code == 200, response.text
    vote = {"receipt": response.json()["receipt"], "kind": "comparison", "preferred": "second"}
    for who in (bob, key):
        await refused(client, vote, who)
    assert (await post(client, "/feedback", vote, ann)).status_code == 201
    by_key = await post(client, path, {**ASK, "user_id": "ann"}, key)
    vote = {"receipt": by_key.json()["receipt"], "kind": "comparison", "preferred": "first"}
    await refused(client, vote, ann)
    assert (await post(client, "/feedback", vote, key)).status_code == 201


async def test_an_app_votes_with_the_receipts_of_the_key_that_its_new_one_replaced(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    old, new = (gateways.a_key(engine, organisation_id) for _ in range(2))
    vote = thumb(await post(client, "/transform", {**ASK, "user_id": "ann"}, old))
    first = await post(client, "/feedback", vote, old)
    again = await post(client, "/feedback", {**vote, "up": False}, new)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json(), "it is the same person's vote, which is counted once"
