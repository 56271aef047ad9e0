"""The routes of inbound webhooks. Nothing is sent: tests/serving/channels/inbound has the messages."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr
from sqlalchemy import Engine

from data.inbound import config
from data.people.identities import MOST_KEYS
from serving.gateway import parts
from serving.gateway.routes import inbound_webhooks, keys
from tests import gateways

Key = dict[str, str]
URL = "https://chat.example.org/hooks/x?a=b"
PATH = "/inbound-webhooks"


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    few = config.load().model_copy(update={"most": 3})
    app = await gateways.app_of(pool, inbound_webhooks.router, keys.router, inbound=few)
    settings = parts.parts_of(app).settings.model_copy(update={"inbound_secret": SecretStr("i" * 32)})
    gateways.replace_parts(app, settings=settings)
    return app


@pytest.fixture
def organisation_id(engine: Engine) -> uuid.UUID:
    return gateways.an_organisation(engine)


async def create(client: httpx.AsyncClient, key: Key, **fields: Any) -> httpx.Response:
    body = {
        "name": "a tracker",
        "verification": "hub",
        "transform_type": "soften",
        "intensity": 2,
        "reply_url": URL,
        **fields,
    }
    return await client.post(PATH, headers=key, json=body)


async def test_an_inbound_webhook_is_created_shown_changed_and_deleted(
    client: httpx.AsyncClient, owner: Key
) -> None:
    made = await create(client, owner)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    id, secret = made.json()["id"], made.json()["secret"]
    address = f"{PATH}/{id}"
    assert (made.headers["location"], made.json()["path"]) == (f"/api/v1{address}", f"/inbound/{id}")
    response = await client.get(address, headers=owner)
    shown = response.json()
    assert (shown["text_pointer"], shown["reply_form"], shown["delivers_unchanged"]) == (
        "/text",
        "text",
        True,
    )
    assert (shown["waiting"], shown["dead"], shown["failures"]) == (0, 0, 0)
    assert secret not in response.text
    changes = {"text_pointer": "/comment/body", "intensity": 0, "delivers_unchanged": False}
    changed = (await client.patch(address, headers=owner, json=changes)).json()
    assert changed == {**shown, **changes}
    assert (await client.get(PATH, headers=owner)).json() == [changed]
    assert (await client.delete(address, headers=owner)).status_code == 204
    assert (await client.get(address, headers=owner)).status_code == 404
    assert (await client.delete(address, headers=owner)).status_code == 404


async def test_its_key_is_a_members_and_is_listed_until_it_is_deleted(
    client: httpx.AsyncClient, owner: Key
) -> None:
    address = f"{PATH}/{(await create(client, owner)).json()['id']}"
    key_id = (await client.get(address, headers=owner)).json()["key_id"]

    async def find() -> dict[str, Any]:
        listed = (await client.get("/keys", headers=owner)).json()
        return next(key for key in listed if key["id"] == key_id)

    key = await find()
    assert (key["name"], key["role"], key["revoked_at"]) == ("Inbound webhook a tracker", "member", None)
    await client.delete(address, headers=owner)
    assert (await find())["revoked_at"] is not None
    changes = (await client.get("/keys/changes", headers=owner)).json()
    assert [(change["action"], change["key_id"]) for change in changes] == [
        ("key_revoked", key_id),
        ("key_created", key_id),
    ]
    assert {change["changed_by"] for change in changes} == {f"api_key:{owner['X-API-Key'].split('_')[1]}"}


async def test_a_secret_is_made_or_taken_and_replaced(client: httpx.AsyncClient, owner: Key) -> None:
    made = (await create(client, owner, verification="standard")).json()
    assert made["secret"].startswith("whsec_")
    address = f"{PATH}/{made['id']}"
    new = await client.post(f"{address}/secret", headers=owner)
    assert (new.status_code, new.headers["cache-control"]) == (200, "no-store")
    assert new.json()["secret"] != made["secret"]
    assert (await client.get(address, headers=owner)).json()["former_secret_until"] is not None
    given = await client.post(f"{address}/secret", headers=owner, json={"secret": made["secret"]})
    assert given.json() == {"secret": None}, "whoever gave it has it"
    wrong = await client.post(f"{address}/secret", headers=owner, json={"secret": "x" * 30})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "secret")
    taken = await create(client, owner, verification="token", secret="abcdefghijklmnopqrstuvwxyz")
    assert (taken.status_code, taken.json()["secret"]) == (201, None)


async def test_only_admins_of_the_organisation_reach_it(
    client: httpx.AsyncClient, owner: Key, stranger: Key, a_key: Callable[..., Key]
) -> None:
    address = f"{PATH}/{(await create(client, owner)).json()['id']}"
    requests: list[tuple[str, str, Any]] = [
        ("GET", address, None),
        ("PATCH", address, {"name": "mine"}),
        ("DELETE", address, None),
        ("POST", f"{address}/secret", None),
    ]
    for method, path, body in requests:
        assert (await client.request(method, path, headers=stranger, json=body)).status_code == 404
        member = await client.request(method, path, headers=a_key("experimenter"), json=body)
        assert member.status_code == 403
    assert (await client.get(PATH, headers=stranger)).json() == []
    assert (await create(client, a_key("experimenter"))).status_code == 403
    assert (await client.get(address, headers=owner)).json()["name"] == "a tracker"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reply_url", "http://chat.example.org"),
        ("reply_url", "https://user:password@chat.example.org"),
        ("reply_url", "ftp://chat.example.org"),
        ("text_pointer", "text"),
        ("text_pointer", "/~2"),
        ("text_pointer", "/" + "x" * 1000),
        ("secret", "short"),
        ("secret", "with spaces in the middle"),
        ("verification", "none"),
        ("reply_form", "xml"),
        ("delivers_unchanged", "yes"),
        ("intensity", 4),
        ("name", ""),
    ],
)
async def test_what_is_not_allowed_is_explained(
    client: httpx.AsyncClient, owner: Key, field: str, value: Any
) -> None:
    response = await create(client, owner, **{field: value})
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert error["allowed_reason"]["code"] == f"allowed_{field}"
    if field not in ("verification", "secret"):
        made = (await create(client, owner)).json()
        changed = await client.patch(f"{PATH}/{made['id']}", headers=owner, json={field: value})
        assert changed.status_code == 422


async def test_an_organisation_has_few_of_them(client: httpx.AsyncClient, owner: Key) -> None:
    statuses = [(await create(client, owner)).status_code for _ in range(4)]
    assert statuses == [201, 201, 201, 409]


async def test_one_that_has_no_room_for_a_key_is_not_made(client: httpx.AsyncClient, owner: Key) -> None:
    for number in range(MOST_KEYS):
        made = await client.post("/keys", headers=owner, json={"name": str(number), "role": "member"})
        if made.status_code != 201:
            break
    refused = await create(client, owner)
    assert (refused.status_code, refused.json()["reasons"][0]["code"]) == (409, "too_many_keys")
    assert (await client.get(PATH, headers=owner)).json() == []


async def test_without_the_secret_of_the_installation_none_is_made(
    app: FastAPI, client: httpx.AsyncClient, owner: Key
) -> None:
    settings = parts.parts_of(app).settings.model_copy(update={"inbound_secret": None})
    gateways.replace_parts(app, settings=settings)
    refused = await create(client, owner)
    assert (refused.status_code, refused.json()["reasons"][0]["code"]) == (503, "inbound_off")


async def test_the_list_has_pages(client: httpx.AsyncClient, owner: Key) -> None:
    made = [(await create(client, owner, name=str(number))).json()["id"] for number in range(3)]
    page = await client.get(f"{PATH}?limit=2", headers=owner)
    assert [each["id"] for each in page.json()] == [made[2], made[1]]
    rest = await client.get(page.links["next"]["url"].removeprefix("/api/v1"), headers=owner)
    assert [each["id"] for each in rest.json()] == [made[0]]
