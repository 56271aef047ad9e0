"""The routes for origins, and keys for pages: who may change them, what they accept and show."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from data.people import origins
from serving.gateway.routes import keys
from serving.gateway.routes import origins as routes
from tests import gateways

APP, OTHER = "https://app.example.org", "https://*.other.example"

Headers = dict[str, str]


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, routes.router, keys.router)


async def make(client: httpx.AsyncClient, headers: Headers, **fields: Any) -> str:
    response = await client.post("/keys", json={"name": "x", **fields}, headers=headers)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/origins", None),
        ("PUT", "/origins", {"origins": [APP]}),
        ("GET", "/keys/abcd/origins", None),
        ("PUT", "/keys/abcd/origins", {"origins": [APP]}),
    ],
)
async def test_every_route_is_for_owners_and_admins(
    client: httpx.AsyncClient, a_key: Callable[..., Headers], method: str, path: str, body: Any
) -> None:
    assert (await client.request(method, path, json=body)).status_code == 401
    for role in ("member", "viewer", "experimenter"):
        refused = await client.request(method, path, json=body, headers=a_key(role))
        assert refused.status_code == 403
    for role in ("admin", "owner"):
        answer = await client.request(method, path, json=body, headers=a_key(role))
        assert answer.status_code == (404 if "abcd" in path else 200 if method == "GET" else 204)


async def test_an_organisation_and_a_key_have_lists(client: httpx.AsyncClient, owner: Headers) -> None:
    async def of(key_id: str) -> Any:
        return (await client.get(f"/keys/{key_id}/origins", headers=owner)).json()

    plain, own = await make(client, owner), await make(client, owner, origins=[OTHER])
    assert (await client.get("/origins", headers=owner)).json() == {"origins": []}
    put = await client.put("/origins", json={"origins": [APP, OTHER]}, headers=owner)
    assert (put.status_code, put.content) == (204, b"")
    assert (await client.get("/origins", headers=owner)).json() == {"origins": [APP, OTHER]}
    assert await of(plain) == {"origins": None, "in_force": [APP, OTHER]}
    assert await of(own) == {"origins": [OTHER], "in_force": [OTHER]}
    for body, expected in (([APP], [APP]), ([], []), (None, [APP, OTHER])):
        put = await client.put(f"/keys/{own}/origins", json={"origins": body}, headers=owner)
        assert put.status_code == 204
        assert await of(own) == {"origins": body, "in_force": expected}
    changes = (await client.get("/keys/changes?limit=4", headers=owner)).json()
    assert [(change["action"], change["key_id"], change["origins"]) for change in changes] == [
        ("key_origins_changed", own, None),
        ("key_origins_changed", own, []),
        ("key_origins_changed", own, [APP]),
        ("origins_changed", None, [APP, OTHER]),
    ]
    assert {change["changed_by"] for change in changes} == {f"api_key:{owner['X-API-Key'].split('_')[1]}"}
    listed = {key["id"]: key for key in (await client.get("/keys", headers=owner)).json()}
    assert [(listed[id]["browser"], listed[id]["origins"]) for id in (plain, own)] == [(False, None)] * 2


async def test_a_key_for_pages_is_made_with_a_page(client: httpx.AsyncClient, owner: Headers) -> None:
    body = {"name": "page", "browser": True}
    refused = await client.post("/keys", json=body, headers=owner)
    assert (refused.status_code, refused.json()["reasons"][0]["code"]) == (409, "browser_key_without_origins")
    key_id = await make(client, owner, browser=True, origins=[APP])
    [listed] = [key for key in (await client.get("/keys", headers=owner)).json() if key["id"] == key_id]
    assert (listed["browser"], listed["origins"], listed["role"]) == (True, [APP], "member")
    for path in ("secrets", "signatures"):
        method = "POST" if path == "secrets" else "PUT"
        refused = await client.request(
            method, f"/keys/{key_id}/{path}", json={"required": True}, headers=owner
        )
        assert (refused.status_code, refused.json()["reasons"][0]["code"]) == (409, "browser_key_unsigned")
    await client.put("/origins", json={"origins": [APP]}, headers=owner)
    assert await make(client, owner, browser=True)
    refused = await client.post("/keys", json={**body, "origins": []}, headers=owner)
    assert refused.status_code == 409, "its own list is empty"


@pytest.mark.parametrize("role", ["viewer", "admin", "owner"])
async def test_a_key_for_pages_is_a_members(client: httpx.AsyncClient, owner: Headers, role: str) -> None:
    body = {"name": "page", "browser": True, "role": role, "origins": [APP]}
    for sent in (body, dict(reversed(body.items()))):
        refused = await client.post("/keys", json=sent, headers=owner)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "role"
        assert refused.json()["reasons"] == [{"code": "browser_key_role", "values": {}}]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (["*"], "origin_of_everybody"),
        (["null"], "origin_of_everybody"),
        ([APP, "http://app.example.org"], "origin_without_tls"),
        (["https://*.org"], "origin_too_wide"),
        ([APP, "https://*.github.io"], "origin_of_many_owners"),
        (["https://app.example.org:443"], "origin_port_wrong"),
        (["https://bücher.example"], "origin_malformed"),
        ([None], "invalid_string_type"),
        ([APP] * (origins.MOST + 1), "invalid_too_long"),
        (APP, "invalid_list_type"),
        ({}, "invalid_list_type"),
    ],
)
async def test_what_cannot_be_listed_is_422_with_a_reason(
    client: httpx.AsyncClient, owner: Headers, value: Any, code: str
) -> None:
    key_id = await make(client, owner)
    for method, path, body in (
        ("PUT", "/origins", {}),
        ("PUT", f"/keys/{key_id}/origins", {}),
        ("POST", "/keys", {"name": "x"}),
    ):
        refused = await client.request(method, path, json={**body, "origins": value}, headers=owner)
        assert refused.status_code == 422, refused.text
        [error] = refused.json()["errors"]
        assert (error["field"], error["reason"]["code"]) == ("origins", code)
        assert "https://*.example.org" in error["allowed"]
    assert (await client.get("/origins", headers=owner)).json() == {"origins": []}


async def test_the_list_of_the_organisation_is_not_null(client: httpx.AsyncClient, owner: Headers) -> None:
    for body in ({"origins": None}, {}, {"origins": [], "more": 1}):
        assert (await client.put("/origins", json=body, headers=owner)).status_code == 422


async def test_the_lists_of_others_are_not_reached(
    client: httpx.AsyncClient, a_key: Callable[..., Headers], owner: Headers, stranger: Headers
) -> None:
    key_id = await make(client, owner, role="owner")
    for headers in (stranger, a_key("admin")):
        refused = await client.put(f"/keys/{key_id}/origins", json={"origins": [APP]}, headers=headers)
        assert refused.status_code == 404
    assert (await client.get(f"/keys/{key_id}/origins", headers=stranger)).status_code == 404
    assert (await client.put("/origins", json={"origins": [APP]}, headers=stranger)).status_code == 204
    of_key = (await client.get(f"/keys/{key_id}/origins", headers=owner)).json()
    assert of_key == {"origins": None, "in_force": []}
    assert (await client.get(f"/keys/{uuid.uuid4()}/origins", headers=owner)).status_code == 404
