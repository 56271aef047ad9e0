"""The routes of dictionaries: who may read and change which terms, and what a term may be."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text

from data.people import dictionaries
from serving.gateway.parts import parts_of
from serving.gateway.routes import dictionary
from tests import gateways

SHARED = {"scope": "organisation", "term": "SLO", "rule": "explain", "wording": "our promise"}
OWN = {"scope": "own", "term": "user", "rule": "replace", "wording": "customer", "user_id": "ann"}


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, dictionary.router)


@pytest.fixture
def member(a_key: Callable[..., dict[str, str]]) -> dict[str, str]:
    return a_key("member")


async def add(client: httpx.AsyncClient, key: dict[str, str], **body: Any) -> dict[str, Any]:
    response = await client.post("/dictionary", json=body, headers=key)
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


async def list_terms(client: httpx.AsyncClient, key: dict[str, str], **query: Any) -> list[str]:
    response = await client.get("/dictionary", params=query, headers=key)
    assert response.status_code == 200, response.text
    return [term["term"] for term in response.json()]


async def test_an_admin_adds_changes_and_deletes_what_all_members_read(
    client: httpx.AsyncClient, owner: dict[str, str], member: dict[str, str], stranger: dict[str, str]
) -> None:
    added = await add(client, owner, **SHARED)
    assert {**added, "id": "", "created_at": ""} == {
        **SHARED, "id": "", "created_at": "", "created_by": f"api_key:{owner['X-API-Key'].split('_')[1]}",
    }  # fmt: skip
    [seen] = (await client.get("/dictionary", headers=member)).json()
    assert seen == {**added, "created_by": None}
    assert await list_terms(client, stranger) == []
    path = f"/dictionary/{added['id']}"
    for key, status in ((member, 403), (stranger, 404)):
        assert (await client.patch(path, json={"wording": "x"}, headers=key)).status_code == status
        assert (await client.delete(path, headers=key)).status_code == status
    assert (await client.post("/dictionary", json=SHARED, headers=member)).status_code == 403
    changed = await client.patch(path, json={"rule": "keep"}, headers=owner)
    assert (changed.json()["rule"], changed.json()["wording"]) == ("keep", "")
    assert (await client.delete(path, headers=owner)).status_code == 204
    assert (await client.delete(path, headers=owner)).status_code == 404


async def test_a_persons_own_terms_are_theirs_alone(
    client: httpx.AsyncClient,
    engine: Engine,
    organisation_id: uuid.UUID,
    owner: dict[str, str],
    member: dict[str, str],
) -> None:
    added = await add(client, member, **OWN)
    assert added["scope"] == "own"
    assert await list_terms(client, member, scope="own", user_id="ann") == ["user"]
    path = f"/dictionary/{added['id']}"
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id, "owner"), "ann")
    for key, query in ((member, {"user_id": "bob"}), (owner, {"user_id": "ann"}), (owner, {}), (token, {})):
        assert await list_terms(client, key) == []
        if query or key is token:
            assert await list_terms(client, key, scope="own", **query) == []
        assert (await client.delete(path, params=query, headers=key)).status_code == 404
    body = {"wording": "client", "user_id": "ann"}
    assert (await client.patch(path, json=body, headers=member)).json()["wording"] == "client"
    assert (await client.delete(path, params={"user_id": "ann"}, headers=member)).status_code == 204


async def test_a_token_speaks_for_its_subject_only(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id), f"eve-{uuid.uuid4()}")
    body = {key: value for key, value in OWN.items() if key != "user_id"}
    await add(client, token, **body)
    assert await list_terms(client, token, scope="own") == ["user"]
    refused = await client.post("/dictionary", json={**body, "user_id": "ann"}, headers=token)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "user_id")


async def test_a_person_with_terms_can_be_erased(
    client: httpx.AsyncClient, engine: Engine, member: dict[str, str]
) -> None:
    await add(client, member, **{**OWN, "user_id": "new"})
    with engine.connect() as connection:
        query = text("SELECT external_id FROM users WHERE key_id = :key")
        assert connection.scalar(query, {"key": member["X-API-Key"].split("_")[1]}) == "new"


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"term": "42"}, "term", "term_without_letter"),
        ({"term": " "}, "term", "term_without_letter"),
        ({"term": "a\nb"}, "term", None),
        ({"term": "x" * 101}, "term", None),
        ({"term": "\u0958" * 60}, "term", "too_long_in_nfc"),
        ({"wording": ""}, "wording", "wording_missing"),
        ({"wording": "x" * 301}, "wording", None),
        ({"wording": "a\u2028b"}, "wording", None),
        ({"rule": "keep"}, "wording", "wording_unused"),
        ({"rule": "drop"}, "rule", None),
        ({"scope": "all"}, "scope", None),
        ({"scope": "own"}, "user_id", "dictionary_person_missing"),
    ],
)
async def test_what_a_term_cannot_be(
    client: httpx.AsyncClient, owner: dict[str, str], changes: dict[str, str], field: str, code: str | None
) -> None:
    refused = await client.post("/dictionary", json=SHARED | changes, headers=owner)
    [error] = refused.json()["errors"]
    assert (refused.status_code, error["field"]) == (422, field)
    assert code in (None, error["reason"]["code"])


async def test_a_term_is_stored_tidily_and_once(client: httpx.AsyncClient, owner: dict[str, str]) -> None:
    added = await add(client, owner, **SHARED | {"term": " Cafe\u0301   Bar ", "wording": " a  place "})
    assert (added["term"], added["wording"]) == ("Café Bar", "a place")
    again = await client.post("/dictionary", json=SHARED | {"term": "CAFÉ BAR"}, headers=owner)
    assert (again.status_code, again.json()["reasons"][0]["code"]) == (409, "term_taken")
    other = await add(client, owner, **SHARED)
    renamed = await client.patch(f"/dictionary/{other['id']}", json={"term": "café bar"}, headers=owner)
    assert (renamed.status_code, renamed.json()["reasons"][0]["code"]) == (409, "term_taken")
    await add(client, owner, **SHARED | {"scope": "own", "user_id": "ann"})


async def test_a_dictionary_is_bounded_and_read_page_by_page(
    client: httpx.AsyncClient, owner: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dictionaries, "MOST_OF_ORGANISATION", 3)
    ids = [(await add(client, owner, **SHARED | {"term": f"T{number}"}))["id"] for number in range(3)]
    full = await client.post("/dictionary", json=SHARED, headers=owner)
    assert (full.status_code, full.json()["reasons"][0]["code"]) == (409, "too_many_terms")
    assert await list_terms(client, owner, limit=2) == ["T2", "T1"]
    assert await list_terms(client, owner, limit=2, before=ids[1]) == ["T0"]


async def test_the_gateway_that_answers_knows_the_change(
    client: httpx.AsyncClient, app: FastAPI, organisation_id: uuid.UUID, owner: dict[str, str]
) -> None:
    known = parts_of(app).dictionaries
    assert not (await known.get(organisation_id, None)).count
    added = await add(client, owner, **SHARED)
    assert (await known.get(organisation_id, None)).count == 1
    await client.delete(f"/dictionary/{added['id']}", headers=owner)
    assert not (await known.get(organisation_id, None)).count
