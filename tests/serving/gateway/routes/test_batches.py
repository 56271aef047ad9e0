"""The routes of batches. No worker runs: jobs stay as the API leaves them."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text

from serving.gateway.routes import batches, jobs
from tests import gateways

MESSAGE = {"text": "Fix it.", "transform_type": "soften", "intensity": 2}
Key = dict[str, str]


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, batches.router, jobs.router)


@pytest.fixture
def organisation_id(engine: Engine) -> uuid.UUID:
    return gateways.an_organisation(engine)


async def send(client: httpx.AsyncClient, key: Key, messages: int = 2, **headers: str) -> httpx.Response:
    items = {"items": [{**MESSAGE, "text": f"Fix it {n}."} for n in range(messages)]}
    return await client.post("/jobs/batches", headers={**key, **headers}, json=items)


async def test_a_batch_is_accepted_and_can_be_followed(
    client: httpx.AsyncClient, a_key: Callable[..., Key]
) -> None:
    key = a_key()
    response = await send(client, key)
    assert response.status_code == 202
    batch = response.json()
    assert (batch["messages"], batch["waiting"], batch["done"]) == (2, 2, 0)
    location = response.headers["Location"].removeprefix("/api/v1")
    assert (await client.get(location, headers=key)).json() == batch
    assert (await client.get("/jobs/batches", headers=key)).json() == [batch]
    listed = (await client.get(f"/jobs?batch_id={batch['id']}", headers=key)).json()
    assert [job["place"] for job in listed] == [1, 0]
    assert "payload" not in listed[0]
    results = await client.get(f"{location}/results", headers=key)
    assert results.text.count('"state": "waiting"') == 2


async def test_a_repeated_request_makes_no_second_batch(
    client: httpx.AsyncClient, a_key: Callable[..., Key]
) -> None:
    key, colleague = a_key(), a_key()
    name = {"Idempotency-Key": "monday"}
    first, second = await send(client, key, **name), await send(client, key, **name)
    assert first.json() == second.json()
    other = await send(client, key, 3, **name)
    assert (other.status_code, other.json()["title"]) == (422, "Idempotency-Key used twice")
    assert (await send(client, colleague, **name)).json()["id"] != first.json()["id"]


async def test_only_the_requester_and_admins_see_a_batch(
    client: httpx.AsyncClient, a_key: Callable[..., Key], owner: Key, stranger: Key
) -> None:
    key, colleague = a_key(), a_key("experimenter")
    batch = (await send(client, key)).json()
    (job, _) = (await client.get("/jobs", headers=key)).json()
    for other in (colleague, stranger):
        for path in (
            f"/jobs/batches/{batch['id']}",
            f"/jobs/batches/{batch['id']}/results",
            f"/jobs/{job['id']}",
        ):
            assert (await client.get(path, headers=other)).status_code == 404
        assert (await client.post(f"/jobs/batches/{batch['id']}/cancel", headers=other)).status_code == 404
        assert (await client.post(f"/jobs/{job['id']}/replay", headers=other)).status_code == 404
        assert (await client.get("/jobs", headers=other)).json() == []
        assert (await client.get("/jobs/batches", headers=other)).json() == []
    assert (await client.get(f"/jobs/batches/{batch['id']}", headers=owner)).status_code == 200


async def test_lists_have_pages(client: httpx.AsyncClient, a_key: Callable[..., Key]) -> None:
    key = a_key()
    ids = [(await send(client, key, 1)).json()["id"] for _ in range(3)]
    first = (await client.get("/jobs/batches?limit=2", headers=key)).json()
    rest = (await client.get(f"/jobs/batches?before={first[-1]['id']}", headers=key)).json()
    assert [batch["id"] for batch in first + rest] == ids[::-1]


async def test_batches_are_found_by_the_states_of_their_messages_and_by_time(
    client: httpx.AsyncClient, engine: Engine, a_key: Callable[..., Key]
) -> None:
    key = a_key()
    made = [(await send(client, key)).json() for _ in range(3)]
    states = [("done", "dead"), ("done", "done"), ("waiting", "waiting")]
    with engine.begin() as connection:
        for batch, of_messages in zip(made, states, strict=True):
            for place, state in enumerate(of_messages):
                connection.execute(
                    text("UPDATE jobs SET state = :state WHERE batch_id = :batch AND place = :place"),
                    {"state": state, "batch": batch["id"], "place": place},
                )
    first, second, third = (batch["id"] for batch in made)

    async def find(**query: Any) -> list[str]:
        response = await client.get("/jobs/batches", params=query, headers=key)
        assert response.status_code == 200, response.text
        return [batch["id"] for batch in response.json()]

    assert await find(state="dead") == [first]
    assert await find(state="done") == [second, first]
    assert await find(state=["dead", "waiting"]) == [third, first]
    assert await find(state="cancelled") == []
    assert await find(since=made[1]["created_at"]) == [third, second]
    assert await find(until=made[1]["created_at"]) == [first]
    assert await find(since=made[1]["created_at"], until=made[2]["created_at"]) == [second]
    assert await find(state="done", until=made[1]["created_at"]) == [first]
    colleague = a_key()
    assert (await client.get("/jobs/batches?state=done", headers=colleague)).json() == []
    page = await client.get("/jobs/batches?state=done&limit=1", headers=key)
    assert "state=done" in page.headers["link"]
    for query in ("state=burning", "since=yesterday", "until=2026-11-30T09:00:00"):
        refused = await client.get(f"/jobs/batches?{query}", headers=key)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, query.partition("=")[0])


async def test_a_batch_waits_for_its_time(client: httpx.AsyncClient, a_key: Callable[..., Key]) -> None:
    key, items = a_key(), {"items": [MESSAGE]}
    at = datetime.now(UTC) + timedelta(hours=2)
    response = await client.post("/jobs/batches", params={"run_at": at.isoformat()}, headers=key, json=items)
    assert response.status_code == 202
    (job,) = (await client.get("/jobs", headers=key)).json()
    assert datetime.fromisoformat(job["available_at"]) == at
    odd = {"run_at": "0836-10-07T06:48:22-18:24"}  # an offset that Postgres does not know
    assert (await client.post("/jobs/batches", params=odd, headers=key, json=items)).status_code == 202
    for wrong in ((at + timedelta(days=40)).isoformat(), "2027-01-01T10:00:00", "soon"):
        response = await client.post("/jobs/batches", params={"run_at": wrong}, headers=key, json=items)
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "run_at"


async def test_a_plan_bounds_what_waits(
    client: httpx.AsyncClient, pool: AsyncConnectionPool, engine: Engine, a_key: Callable[..., Key]
) -> None:
    free = gateways.an_organisation(engine, "free")
    key = a_key("member", free)
    assert (await send(client, key, 1500)).status_code == 202
    full = await send(client, key, 501)
    assert (full.status_code, full.headers["Retry-After"]) == (429, "60")
    assert "1,500 are waiting" in full.json()["detail"]
    gateways.use_up(engine, free, 400)
    month = await send(client, key, 101)  # 400 answers and 1,500 waiting messages leave 100
    assert month.status_code == 429
    assert "of which 100 are left" in month.json()["detail"]
    assert (await send(client, key, 100)).status_code == 202


async def test_a_token_speaks_for_its_own_subject(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID
) -> None:
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id), "ada")
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    items: dict[str, Any] = {"items": [{**MESSAGE, "user_id": "bob"}]}
    response = await client.post("/jobs/batches", headers=token, json=items)
    assert response.status_code == 422
    assert (await send(client, token)).status_code == 202


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv", b"text,transform_type,intensity\nFix it.,soften,2\n"),
        ("application/x-ndjson", b'{"text":"Fix it.","transform_type":"soften","intensity":2}\n'),
    ],
)
async def test_a_file_is_a_batch(
    client: httpx.AsyncClient, a_key: Callable[..., Key], content_type: str, body: bytes
) -> None:
    headers = {**a_key(), "Content-Type": content_type}
    response = await client.post("/jobs/batches", headers=headers, content=body)
    assert (response.status_code, response.json()["messages"]) == (202, 1)


async def test_a_mistake_in_a_file_stores_nothing(
    client: httpx.AsyncClient, a_key: Callable[..., Key]
) -> None:
    key = a_key()
    body = b"text,transform_type,intensity\nFix it.,soften,2\nFix it.,shout,2\n"
    response = await client.post("/jobs/batches", headers={**key, "Content-Type": "text/csv"}, content=body)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["field"], error["part"]) == ("file", "line 3, transform_type")
    assert (await client.get("/jobs", headers=key)).json() == []
