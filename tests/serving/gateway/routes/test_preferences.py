"""What a person prefers: whose preferences a caller may set, and that they replace each other whole."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data.tables import User
from serving.gateway.parts import parts_of
from serving.gateway.routes import consent, preferences
from tests import gateways
from tests.accounts import open_session
from tests.serving.gateway.routes.test_answers import person

Key = dict[str, str]
NONE = {"language": None, "transform_type": None, "intensity": None, "tour_closed": None}
ALL = {"language": "ja", "transform_type": "soften", "intensity": 0, "tour_closed": True}


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, preferences.router, consent.router)


@pytest.fixture
def key(a_key: Callable[..., Key]) -> Key:
    return a_key("member")


async def preferred(client: httpx.AsyncClient, caller: Key, **query: str) -> Any:
    response = await client.get("/preferences", headers=caller, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def prefer(client: httpx.AsyncClient, caller: Key, **body: Any) -> Any:
    response = await client.put("/preferences", headers=caller, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_preferences_replace_each_other_whole(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, key: Key
) -> None:
    assert await preferred(client, key, user_id="ann") == NONE, "before anything is stored of the person"
    assert await prefer(client, key, user_id="ann", **ALL) == ALL
    assert await preferred(client, key, user_id="ann") == ALL
    await client.put("/consent", headers=key, json={"training": False, "user_id": "ann"})
    assert await preferred(client, key, user_id="ann") == ALL
    english = {**NONE, "language": "en"}
    assert await prefer(client, key, user_id="ann", language="en") == english
    assert await preferred(client, key, user_id="ann") == english
    assert await prefer(client, key, user_id="ann", **NONE) == NONE
    assert await preferred(client, key, user_id="ann") == NONE
    with Session(engine) as session:
        row = session.get_one(User, person(key, "ann"))
        assert (row.organisation_id, row.external_id, row.consents_to_training) == (
            organisation_id,
            "ann",
            False,
        )


async def test_each_person_has_their_own(
    client: httpx.AsyncClient,
    engine: Engine,
    organisation_id: uuid.UUID,
    a_key: Callable[..., Key],
    key: Key,
    owner: Key,
    stranger: Key,
) -> None:
    kid = gateways.a_signing_key(engine, organisation_id, "owner")
    token = gateways.a_token(kid, "ann")
    parts = parts_of(client.app)  # type: ignore[attr-defined]
    signed_in = await open_session(engine, organisation_id, parts)
    await prefer(client, key, user_id="ann", language="ja")
    await prefer(client, token, intensity=1)
    await prefer(client, signed_in, transform_type="clarify")
    assert await preferred(client, key, user_id="ann") == {**NONE, "language": "ja"}
    assert await preferred(client, token) == {**NONE, "intensity": 1}
    assert await preferred(client, token, user_id="ann") == {**NONE, "intensity": 1}, "its own subject"
    assert await preferred(client, signed_in) == {**NONE, "transform_type": "clarify"}
    others: list[tuple[Key, dict[str, str]]] = [
        (key, {"user_id": "bob"}),
        (a_key(), {"user_id": "ann"}),
        (owner, {"user_id": "ann"}),
        (stranger, {"user_id": "ann"}),
        (gateways.a_token(kid, "bob"), {}),
    ]
    for caller, query in others:
        assert await preferred(client, caller, **query) == NONE


async def test_a_caller_says_whose_preferences(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, key: Key
) -> None:
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id), "ann")
    for caller, name, why in ((key, None, "name the person"), (token, "bob", "its own subject")):
        named = {"user_id": name} if name else {}
        for response in (
            await client.get("/preferences", headers=caller, params=named),
            await client.put("/preferences", headers=caller, json={**ALL, **named}),
        ):
            assert (response.status_code, why in response.json()["detail"]) == (422, True)
    assert (await client.get("/preferences")).status_code == 401
    assert (await client.put("/preferences", json=ALL)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"language": "de"},
        {"language": ""},
        {"transform_type": "shout"},
        {"intensity": 4},
        {"intensity": "2"},
        {"intensity": True},
        {"tour_closed": "yes"},
        {"theme": "dark"},
    ],
)
async def test_what_is_no_preference_is_refused(
    client: httpx.AsyncClient, key: Key, body: dict[str, Any]
) -> None:
    response = await client.put("/preferences", headers=key, json={"user_id": "ann", **body})
    assert (response.status_code, [error["field"] for error in response.json()["errors"]]) == (422, [*body])
    assert await preferred(client, key, user_id="ann") == NONE
