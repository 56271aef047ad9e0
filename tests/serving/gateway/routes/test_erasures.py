"""The routes for erasures: who may ask for whose, that an order is stored once and takes effect at once, and
what its person sees of it.
"""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session

from data import database
from data.people import identities
from data.tables import Erasure, User, Version, VersionOrder
from serving.gateway.routes import consent, erasures
from tests import gateways

Key = dict[str, str]
EVERYTHING = {"erase": "everything"}
FIELDS = ("answers", "texts", "votes", "comparisons", "jobs", "terms", "snapshots")


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, erasures.router, consent.router)


@pytest.fixture
def key(a_key: Callable[..., Key]) -> Key:
    return a_key("member")


def person(key: Key, name: str) -> uuid.UUID:
    """The id of whom a key names."""
    return identities.Identity(uuid.UUID(int=0), key["X-API-Key"].split("_")[1], "", b"", "").user(name)


async def request(client: httpx.AsyncClient, caller: Key, **named: str) -> dict[str, Any]:
    response = await client.post("/erasures", headers=caller, json={**EVERYTHING, **named})
    assert response.status_code == 202, response.text
    return dict(response.json())


async def listed(client: httpx.AsyncClient, caller: Key, **query: Any) -> list[dict[str, Any]]:
    response = await client.get("/erasures", headers=caller, params=query)
    assert response.status_code == 200, response.text
    return list(response.json())


def change(engine: Engine, erasure: dict[str, Any], **values: Any) -> None:
    """Let an erasure be as far as if it had been carried out."""
    with Session(engine) as session, session.begin():
        session.execute(update(Erasure).where(Erasure.id == uuid.UUID(erasure["id"])).values(**values))


async def test_an_order_is_stored_with_the_person_and_withdraws_consent(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, key: Key
) -> None:
    await client.put("/consent", headers=key, json={"training": True, "user_id": "ann"})
    erasure = await request(client, key, user_id="ann")
    assert (erasure["state"], erasure["finished_at"], erasure["versions_left"]) == ("waiting", None, 0)
    assert erasure["removed"] == dict.fromkeys(FIELDS, 0)
    now = await client.get("/consent", headers=key, params={"user_id": "ann"})
    assert now.json() == {"training": False, "said_by": "person"}
    with Session(engine) as session:
        order = session.get_one(Erasure, uuid.UUID(erasure["id"]))
        assert (order.organisation_id, order.user_id) == (organisation_id, person(key, "ann"))
        assert order.keeps_account
        assert session.get_one(User, order.user_id).external_id is None


async def test_a_person_of_whom_nothing_is_stored_keeps_the_key_that_named_them(
    client: httpx.AsyncClient, engine: Engine, key: Key
) -> None:
    """The votes of all the people of one key are capped in a snapshot: without it theirs would not be."""
    await request(client, key, user_id="new")
    with Session(engine) as session:
        assert session.get_one(User, person(key, "new")).key_id == key["X-API-Key"].split("_")[1]


async def test_who_asks_twice_has_one_order_until_it_is_finished(
    client: httpx.AsyncClient, engine: Engine, key: Key
) -> None:
    both = await asyncio.gather(*(request(client, key, user_id="ann") for _ in range(4)))
    assert len({erasure["id"] for erasure in both}) == 1
    change(engine, both[0], purged_at=func.now())
    assert (await request(client, key, user_id="ann"))["id"] == both[0]["id"]
    change(engine, both[0], finished_at=func.now())
    later = await request(client, key, user_id="ann")
    assert later["id"] != both[0]["id"]
    assert [erasure["id"] for erasure in await listed(client, key, user_id="ann")] == [
        later["id"],
        both[0]["id"],
    ]


async def test_an_order_of_the_operator_still_takes_the_account(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, key: Key
) -> None:
    with Session(engine) as session, session.begin():
        database.read_for(session, organisation_id)
        ordered = session.scalar(select(func.request_erasure(person(key, "ann"), None, False)))
    erasure = await request(client, key, user_id="ann")
    assert erasure["id"] == str(ordered)
    with Session(engine) as session:
        assert not session.get_one(Erasure, uuid.UUID(erasure["id"])).keeps_account


async def test_the_person_sees_how_far_it_is(client: httpx.AsyncClient, engine: Engine, key: Key) -> None:
    erasure = await request(client, key, user_id="ann")
    counts = {"answers": 7, "outputs": 5, "feedback": 3, "files of exports": 2}
    change(engine, erasure, purged_at=func.now(), counts=counts)
    [shown] = await listed(client, key, user_id="ann")
    assert (shown["state"], shown["finished_at"]) == ("history_removed", None)
    removed = {name: count for name, count in shown["removed"].items() if count}
    assert removed == {"answers": 7, "texts": 5, "votes": 3}, "the exports are the organisation's"
    version = f"v-{uuid.uuid4()}"
    with Session(engine) as session, session.begin():
        session.add(
            Version(name=version, run_id=version, method="sft", metrics={}, accepted=True, reasons=[])
        )
        session.flush()
        session.add(VersionOrder(erasure_id=uuid.UUID(erasure["id"]), version=version, action="retrain"))
    change(engine, erasure, finished_at=func.now())
    [shown] = await listed(client, key, user_id="ann")
    assert (shown["state"], shown["versions_left"]) == ("finished", 1)
    assert shown["finished_at"] is not None
    with Session(engine) as session, session.begin():
        session.execute(
            update(VersionOrder).where(VersionOrder.version == version).values(done_at=func.now())
        )
    assert (await listed(client, key, user_id="ann"))[0]["versions_left"] == 0


async def test_pages_follow_each_other(client: httpx.AsyncClient, engine: Engine, key: Key) -> None:
    ids = []
    for _ in range(3):
        erasure = await request(client, key, user_id="ann")
        change(engine, erasure, purged_at=func.now(), finished_at=func.now())
        ids.append(erasure["id"])
    first = await client.get("/erasures", headers=key, params={"user_id": "ann", "limit": 2})
    assert [erasure["id"] for erasure in first.json()] == ids[:0:-1]
    second = await client.get(f"http://gateway{first.links['next']['url']}", headers=key)
    assert [erasure["id"] for erasure in second.json()] == ids[:1]
    assert "next" not in second.links


async def test_a_token_asks_for_its_subject_and_sees_only_their_own(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, key: Key
) -> None:
    kid = gateways.a_signing_key(engine, organisation_id)
    ann, bob = gateways.a_token(kid, "ann"), gateways.a_token(kid, "bob")
    erasure = await request(client, ann)
    assert (await request(client, ann, user_id="ann"))["id"] == erasure["id"], "its own subject"
    assert [row["id"] for row in await listed(client, ann)] == [erasure["id"]]
    assert await listed(client, bob) == []
    assert await listed(client, key, user_id="ann") == [], "the key's own ann"
    for refused in (
        await client.post("/erasures", headers=bob, json={**EVERYTHING, "user_id": "ann"}),
        await client.get("/erasures", headers=bob, params={"user_id": "ann"}),
    ):
        assert refused.status_code == 422
        assert "its own subject" in refused.json()["detail"]


async def test_a_name_reaches_nobody_behind_another_key_or_in_another_organisation(
    client: httpx.AsyncClient, engine: Engine, key: Key, owner: Key, stranger: Key
) -> None:
    await request(client, key, user_id="ann")
    for other in (owner, stranger):
        assert await listed(client, other, user_id="ann") == []
        await request(client, other, user_id="ann")
    with Session(engine) as session:
        for each in (key, owner, stranger):
            theirs = select(func.count()).where(Erasure.user_id == person(each, "ann"))
            assert session.scalar(theirs) == 1


BAD = [
    ({"user_id": "ann"}, "erase: Field required"),
    ({"erase": "all", "user_id": "ann"}, "allowed: everything"),
    ({"erase": True, "user_id": "ann"}, "allowed: everything"),
    ({"erase": "everything"}, "name the person whose data to erase"),
    ({"erase": "everything", "user_id": ""}, "at least 1"),
    ({"erase": "everything", "user_id": "ann", "account": True}, "account"),
]


@pytest.mark.parametrize(("body", "message"), BAD, ids=lambda value: str(value)[:30])
async def test_nothing_is_erased_by_accident(
    client: httpx.AsyncClient, engine: Engine, key: Key, body: dict[str, Any], message: str
) -> None:
    response = await client.post("/erasures", headers=key, json=body)
    assert response.status_code == 422, response.text
    assert message in response.json()["detail"]
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM erasures WHERE user_id = :id")
        assert connection.execute(query, {"id": person(key, "ann")}).scalar_one() == 0


async def test_it_takes_a_caller_and_a_person(client: httpx.AsyncClient, key: Key) -> None:
    assert (await client.post("/erasures", json=EVERYTHING)).status_code == 401
    assert (await client.get("/erasures")).status_code == 401
    assert (await client.get("/erasures", headers=key)).status_code == 422


async def test_without_postgres_it_is_503(
    client: httpx.AsyncClient, pool: AsyncConnectionPool, key: Key
) -> None:
    assert await listed(client, key, user_id="ann") == []
    await pool.close()
    answer = await client.post("/erasures", headers=key, json={**EVERYTHING, "user_id": "ann"})
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
