"""Feedback on the app itself: who may say it and how often, who reads it, and whose name is shown."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text

from data.people.app_feedback import MOST_A_DAY
from serving.gateway.parts import parts_of
from serving.gateway.routes import app_feedback
from tests import gateways
from tests.accounts import open_session
from tests.serving.gateway.routes.test_answers import person

Key = dict[str, str]
IDEA = {"about": "idea", "comment": "A bigger button."}


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, app_feedback.router)


@pytest.fixture
def organisation_id(engine: Engine) -> uuid.UUID:
    """One of the test's own, so that its list has only what the test has sent."""
    return gateways.an_organisation(engine)


@pytest.fixture
def key(a_key: Callable[..., Key]) -> Key:
    return a_key("member")


async def give(client: httpx.AsyncClient, caller: Key, **changes: Any) -> httpx.Response:
    return await client.post("/app-feedback", headers=caller, json={**IDEA, **changes})


async def listed(client: httpx.AsyncClient, caller: Key) -> Any:
    response = await client.get("/app-feedback", headers=caller)
    assert response.status_code == 200, response.text
    return response.json()


def move_back(engine: Engine, person_id: uuid.UUID, seconds: int) -> None:
    """Let what a person has said be older by some seconds."""
    with engine.begin() as owner:
        statement = (
            "UPDATE app_feedback SET created_at = created_at - make_interval(secs => :s) WHERE user_id = :id"
        )
        owner.execute(text(statement), {"s": seconds, "id": person_id})


async def test_admins_read_it_and_see_who_wrote_it_only_if_they_may_answer(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, key: Key, owner: Key, stranger: Key
) -> None:
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id), "ben")
    signed_in = await open_session(engine, organisation_id, parts_of(client.app))  # type: ignore[attr-defined]
    given = [
        await give(client, key, user_id="ann", about="problem", comment="  It is slow.\n", may_answer=True),
        await give(client, token),
        await give(client, signed_in, about="praise", comment="Good.", may_answer=True),
    ]
    assert [response.status_code for response in given] == [201] * 3
    rows = await listed(client, owner)
    assert rows == [response.json() for response in reversed(given)]
    assert [(row["about"], row["comment"], row["may_answer"]) for row in rows] == [
        ("praise", "Good.", True),
        ("idea", "A bigger button.", False),
        ("problem", "It is slow.", True),
    ]
    assert [row["author"] for row in rows[1:]] == [None, "ann"]
    assert "@" in rows[0]["author"]
    assert await listed(client, stranger) == []
    for caller in (key, token):
        refused = await client.get("/app-feedback", headers=caller)
        assert (refused.status_code, "admin" in refused.json()["detail"]) == (403, True)


async def test_who_has_no_account_any_more_has_no_name(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, owner: Key
) -> None:
    signed_in = await open_session(engine, organisation_id, parts_of(client.app))  # type: ignore[attr-defined]
    with engine.begin() as administrator:  # as accounts are made since migration 0015
        own = "UPDATE accounts SET user_id = id WHERE organisation_id = :id"
        administrator.execute(text(own), {"id": organisation_id})
    given = (await give(client, signed_in, may_answer=True)).json()
    assert "@" in given["author"]
    with engine.begin() as administrator:
        for statement in (
            "DELETE FROM account_sessions WHERE account_id IN"
            " (SELECT id FROM accounts WHERE organisation_id = :id)",
            "DELETE FROM accounts WHERE organisation_id = :id",
        ):
            administrator.execute(text(statement), {"id": organisation_id})
    assert await listed(client, owner) == [{**given, "author": None}]


async def test_a_person_sends_one_a_minute_and_twenty_a_day(
    client: httpx.AsyncClient, engine: Engine, key: Key, owner: Key
) -> None:
    ann = person(key, "ann")
    assert (await give(client, key, user_id="ann")).status_code == 201
    refused = await give(client, key, user_id="ann")
    assert (refused.status_code, refused.json()["reasons"][0]["code"]) == (429, "app_feedback_too_often")
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert (await give(client, key, user_id="ben")).status_code == 201, "others are not held up"
    for _ in range(MOST_A_DAY - 1):
        move_back(engine, ann, 60)
        assert (await give(client, key, user_id="ann")).status_code == 201
    move_back(engine, ann, 60)
    refused = await give(client, key, user_id="ann")
    assert refused.status_code == 429
    assert 86_400 - MOST_A_DAY * 60 - 60 < int(refused.headers["retry-after"]) <= 86_400 - MOST_A_DAY * 60
    assert len(await listed(client, owner)) == MOST_A_DAY + 1
    move_back(engine, ann, 86_400 - MOST_A_DAY * 60)
    assert (await give(client, key, user_id="ann")).status_code == 201


async def test_two_at_the_same_moment_are_one(client: httpx.AsyncClient, key: Key, owner: Key) -> None:
    responses = await asyncio.gather(*(give(client, key, user_id="ann") for _ in range(4)))
    assert sorted(response.status_code for response in responses) == [201, 429, 429, 429]
    assert len(await listed(client, owner)) == 1


async def test_admins_delete_what_is_dealt_with_and_only_in_their_organisation(
    client: httpx.AsyncClient, key: Key, owner: Key, stranger: Key
) -> None:
    address = f"/app-feedback/{(await give(client, key, user_id='ann')).json()['id']}"
    for caller, status in ((stranger, 404), (key, 403), (owner, 204), (owner, 404)):
        assert (await client.delete(address, headers=caller)).status_code == status
    assert await listed(client, owner) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"about": "complaint"}, "about"),
        ({"comment": ""}, "comment"),
        ({"comment": " \n "}, "comment"),
        ({"comment": "x" * 2001}, "comment"),
        ({"comment": "a\x00b"}, "comment"),
        ({"may_answer": "yes"}, "may_answer"),
        ({"page": "/rewrite?text=secret"}, "page"),
    ],
)
async def test_what_is_no_feedback_is_refused(
    client: httpx.AsyncClient, key: Key, owner: Key, body: dict[str, Any], field: str
) -> None:
    refused = await give(client, key, user_id="ann", **body)
    assert (refused.status_code, [error["field"] for error in refused.json()["errors"]]) == (422, [field])
    assert await listed(client, owner) == []
    assert (await give(client, key, user_id="ann", comment="x" * 2000)).status_code == 201


async def test_a_caller_says_whose_feedback_it_is(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, key: Key
) -> None:
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id), "ann")
    for caller, named in ((key, {}), (token, {"user_id": "ben"})):
        assert (await give(client, caller, **named)).status_code == 422
    assert (await client.post("/app-feedback", json=IDEA)).status_code == 401
