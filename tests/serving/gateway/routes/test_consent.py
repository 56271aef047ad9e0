"""The routes for consent: whose consent a caller may set, the default of an organisation, and that the next
snapshot follows.
"""

import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data.people import identities
from data.records import TransformType
from data.snapshots import votes
from data.tables import User, new_id
from data.traffic import feedback, outputs
from data.traffic.feedback import Thumb
from data.traffic.outputs import NewOutput
from data.traffic.receipts import Receipt
from serving.gateway.routes import consent
from tests import gateways

SECRET = b"a secret of at least 32 bytes, shared"


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, consent.router)


@pytest.fixture
def key(a_key: Callable[..., dict[str, str]]) -> dict[str, str]:
    return a_key("member")


def person(key: dict[str, str], name: str) -> uuid.UUID:
    """The id of whom a key names."""
    return identities.Identity(uuid.UUID(int=0), key["X-API-Key"].split("_")[1], "", b"", "").user(name)


async def a_token(pool: AsyncConnectionPool, organisation_id: uuid.UUID) -> dict[str, str]:
    kid = f"acme-{uuid.uuid4()}"
    async with pool.connection() as connection:
        await identities.add_signing_key(connection, organisation_id, kid, "HS256", SECRET, "member")
    signed = jwt.encode({"sub": "ann", "exp": time.time() + 600}, SECRET, "HS256", {"kid": kid})
    return {"Authorization": f"Bearer {signed}"}


async def vote(pool: AsyncConnectionPool, organisation_id: uuid.UUID, user: uuid.UUID) -> None:
    """A thumb of a person who may not be stored yet."""
    kind = TransformType.SOFTEN
    output = NewOutput(
        new_id(), organisation_id, f"Fix it, {user}", kind, 2, "Please.", [], "0" * 32, "v1", None, 1
    )
    receipt = Receipt(output.id, organisation_id, user, None, None, "champion", "v1", 1, 0)
    async with pool.connection() as connection:
        await outputs.store(connection, output)
        await feedback.record(connection, receipt, Thumb(receipt="r", kind="thumb", up=True))


def trains_on(engine: Engine, organisation_id: uuid.UUID) -> set[uuid.UUID]:
    """The people in the next snapshot of an organisation."""
    with engine.connect() as cold:
        return {row.user_id for row in votes.fetch(cold, organisation_id, votes.find_high_water(cold))}


async def test_a_person_withdraws_and_gives_consent_through_a_key(
    client: httpx.AsyncClient,
    pool: AsyncConnectionPool,
    engine: Engine,
    organisation_id: uuid.UUID,
    key: dict[str, str],
) -> None:
    ann, bob = person(key, "ann"), person(key, "bob")
    for user in (ann, bob):
        await vote(pool, organisation_id, user)
    consent_now = await client.get("/consent", params={"user_id": "ann"}, headers=key)
    assert (consent_now.status_code, consent_now.json()) == (
        200,
        {"training": True, "said_by": "organisation"},
    )
    assert trains_on(engine, organisation_id) == {ann, bob}
    for training, people in ((False, {bob}), (False, {bob}), (True, {ann, bob})):
        stored = await client.put("/consent", json={"training": training, "user_id": "ann"}, headers=key)
        assert (stored.status_code, stored.json()) == (200, {"training": training, "said_by": "person"})
        consent_now = await client.get("/consent", params={"user_id": "ann"}, headers=key)
        assert consent_now.json() == stored.json()
        assert trains_on(engine, organisation_id) == people


async def test_a_person_may_refuse_before_anything_is_stored_of_them(
    client: httpx.AsyncClient,
    pool: AsyncConnectionPool,
    engine: Engine,
    organisation_id: uuid.UUID,
    key: dict[str, str],
) -> None:
    ann = person(key, "ann")
    await client.put("/consent", json={"training": False, "user_id": "ann"}, headers=key)
    await vote(pool, organisation_id, ann)
    assert trains_on(engine, organisation_id) == set()
    with Session(engine) as session:
        row = session.get_one(User, ann)
        assert (row.organisation_id, row.key_id, row.external_id, row.consents_to_training) == (
            organisation_id,
            key["X-API-Key"].split("_")[1],
            "ann",
            False,
        )


async def test_a_name_is_scoped_to_its_key_and_a_subject_to_its_organisation(
    client: httpx.AsyncClient,
    pool: AsyncConnectionPool,
    engine: Engine,
    organisation_id: uuid.UUID,
    key: dict[str, str],
    owner: dict[str, str],
) -> None:
    token = await a_token(pool, organisation_id)
    assert (await client.put("/consent", json={"training": False}, headers=token)).status_code == 200
    named = await client.put("/consent", json={"training": False, "user_id": "ann"}, headers=token)
    assert named.status_code == 200, "its own subject"
    assert (await client.get("/consent", headers=token)).json() == {"training": False, "said_by": "person"}
    for other in (key, owner):
        consent_now = await client.get("/consent", params={"user_id": "ann"}, headers=other)
        assert consent_now.json()["said_by"] == "organisation"
    with Session(engine) as session:
        subject = identities.Identity(organisation_id, "", "", b"", "").subject("ann")
        assert session.get_one(User, subject).key_id is None


async def test_who_was_never_asked_has_the_organisations_default(
    client: httpx.AsyncClient,
    pool: AsyncConnectionPool,
    engine: Engine,
    organisation_id: uuid.UUID,
    key: dict[str, str],
    owner: dict[str, str],
) -> None:
    ann, bob = person(key, "ann"), person(key, "bob")
    for user in (ann, bob):
        await vote(pool, organisation_id, user)
    await client.put("/consent", json={"training": True, "user_id": "ann"}, headers=key)
    for default, people in ((False, {ann}), (True, {ann, bob})):
        decided = await client.put("/organisation", json={"trains_by_default": default}, headers=owner)
        assert decided.json() == {"trains_across": False, "trains_by_default": default}
        consent_now = await client.get("/consent", params={"user_id": "bob"}, headers=key)
        assert consent_now.json() == {"training": default, "said_by": "organisation"}
        assert trains_on(engine, organisation_id) == people


async def test_an_owner_opts_in_to_training_across_organisations_and_out_again(
    client: httpx.AsyncClient,
    pool: AsyncConnectionPool,
    engine: Engine,
    organisation_id: uuid.UUID,
    key: dict[str, str],
    owner: dict[str, str],
) -> None:
    ann = person(key, "ann")
    await vote(pool, organisation_id, ann)
    assert (await client.get("/organisation", headers=owner)).json() == {
        "trains_across": False,
        "trains_by_default": True,
    }
    another = uuid.uuid4()
    for across in (True, True, False):
        decided = await client.put("/organisation", json={"trains_across": across}, headers=owner)
        assert (decided.status_code, decided.json()) == (
            200,
            {"trains_across": across, "trains_by_default": True},
        )
        assert (await client.get("/organisation", headers=owner)).json() == decided.json()
        assert (ann in trains_on(engine, another)) is across


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_only_an_owner_decides_for_the_organisation(
    client: httpx.AsyncClient, a_key: Callable[..., dict[str, str]], method: str
) -> None:
    body = {"trains_across": False} if method == "PUT" else None
    assert (await client.request(method, "/organisation", json=body)).status_code == 401
    for role in ("member", "admin"):
        refused = await client.request(method, "/organisation", json=body, headers=a_key(role))
        assert refused.status_code == 403
        assert refused.headers["Content-Type"] == "application/problem+json"
    assert (
        await client.request(method, "/organisation", json=body, headers=a_key("owner"))
    ).status_code == 200


BAD = [
    ("/consent", {"user_id": "ann"}, "training: Field required"),
    ("/consent", {"user_id": "ann", "training": "yes"}, "training"),
    ("/consent", {"user_id": "ann", "training": 1}, "training"),
    ("/consent", {"training": True}, "name the person whose consent this is"),
    ("/consent", {"training": True, "user_id": ""}, "at least 1"),
    ("/consent", {"training": True, "user_id": "ann", "all": True}, "all"),
    ("/organisation", {"trains_across": "on"}, "trains_across"),
    ("/organisation", {"plan": "scale"}, "plan"),
]


@pytest.mark.parametrize(("path", "body", "message"), BAD, ids=lambda value: str(value)[:30])
async def test_bad_input_is_422_and_says_why(
    client: httpx.AsyncClient, owner: dict[str, str], path: str, body: dict[str, Any], message: str
) -> None:
    response = await client.put(path, json=body, headers=owner)
    assert response.status_code == 422, response.text
    assert message in response.json()["detail"]


async def test_nobody_speaks_for_another(
    client: httpx.AsyncClient, pool: AsyncConnectionPool, organisation_id: uuid.UUID, key: dict[str, str]
) -> None:
    assert (await client.put("/consent", json={"training": False})).status_code == 401
    token = await a_token(pool, organisation_id)
    for answer in (
        await client.put("/consent", json={"training": False, "user_id": "bob"}, headers=token),
        await client.get("/consent", params={"user_id": "bob"}, headers=token),
    ):
        assert answer.status_code == 422
        assert "its own subject" in answer.json()["detail"]
    assert (await client.get("/consent", headers=key)).status_code == 422


async def test_without_postgres_it_is_503(
    client: httpx.AsyncClient, pool: AsyncConnectionPool, owner: dict[str, str]
) -> None:
    assert (await client.get("/organisation", headers=owner)).status_code == 200
    await pool.close()
    for answer in (
        await client.get("/organisation", headers=owner),
        await client.put("/consent", json={"training": False, "user_id": "ann"}, headers=owner),
    ):
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers


async def test_the_page_says_that_what_was_learned_stays(client: httpx.AsyncClient) -> None:
    described = (await client.get("http://gateway/openapi.json")).json()["paths"]
    assert {(method.upper(), path) for path in described for method in described[path]} == {
        ("GET", "/api/v1/consent"),
        ("PUT", "/api/v1/consent"),
        ("GET", "/api/v1/organisation"),
        ("PUT", "/api/v1/organisation"),
    }
    assert "erasure" in described["/api/v1/consent"]["put"]["description"]
