"""A person's own sessions: who sees them, what they show, and that an ended one opens nothing."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from data.tables import Account, AccountSession
from serving.gateway.routes import accounts, sessions
from tests import gateways
from tests.accounts import PASSWORD, add_account

Key = dict[str, str]
FIREFOX, PHONE = "Firefox on Linux", "アプリ (iPhone)"


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, accounts.router, accounts.account_router, sessions.router)


@pytest.fixture
def email(engine: Engine, organisation_id: uuid.UUID) -> str:
    return add_account(engine, organisation_id).email


async def sign_in(client: httpx.AsyncClient, email: str, **device: Any) -> dict[str, Any]:
    """The tokens of a new session, and the header that shows its access token."""
    body = {"email": email, "password": PASSWORD, **device}
    response = await client.post("/auth/login", json=body)
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.json()
    return {**tokens, "header": {"Authorization": f"Bearer {tokens['access_token']}"}}


async def listed(client: httpx.AsyncClient, header: Key) -> list[dict[str, Any]]:
    response = await client.get("/auth/sessions", headers=header)
    assert response.status_code == 200, response.text
    sessions: list[dict[str, Any]] = response.json()
    return sessions


async def is_open(client: httpx.AsyncClient, tokens: dict[str, Any]) -> bool:
    """Whether a session's access token opens something, after the next heartbeat."""
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    status = (await client.get("/auth/me", headers=tokens["header"])).status_code
    assert status in (200, 401)
    return status == 200


async def test_a_person_sees_where_they_are_signed_in(client: httpx.AsyncClient, email: str) -> None:
    first = await sign_in(client, email)
    here = await sign_in(client, email, device=FIREFOX)
    await sign_in(client, email, device=PHONE)
    rows = await listed(client, here["header"])
    assert [(row["device"], row["is_current"]) for row in rows] == [
        (PHONE, False),
        (FIREFOX, True),
        (None, False),
    ]
    assert rows[0].keys() == {"id", "device", "signed_in_at", "last_used_at", "is_current"}
    now = datetime.now(UTC)
    for row in rows:
        assert now - datetime.fromisoformat(row["signed_in_at"]) < timedelta(minutes=1)
        assert row["last_used_at"] == row["signed_in_at"]
    await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    oldest = (await listed(client, first["header"]))[-1]
    assert oldest["is_current"]
    assert oldest["last_used_at"] > oldest["signed_in_at"] == rows[-1]["signed_in_at"]


async def test_sessions_that_have_ended_or_expired_are_not_listed(
    client: httpx.AsyncClient, engine: Engine, email: str
) -> None:
    here, out, old = [await sign_in(client, email) for _ in range(3)]
    await client.post("/auth/logout", json={"refresh_token": out["refresh_token"]})
    before = await listed(client, here["header"])
    with Session(engine) as session, session.begin():
        session.execute(
            update(AccountSession)
            .where(AccountSession.id == uuid.UUID(before[0]["id"]))
            .values(expires_at=datetime.now(UTC) - timedelta(seconds=1))
        )
    after = await listed(client, here["header"])
    assert (len(before), after) == (2, before[1:])
    assert not await is_open(client, old)
    gone = await client.delete(f"/auth/sessions/{before[0]['id']}", headers=here["header"])
    assert gone.status_code == 404, "it has expired"


async def test_an_ended_session_opens_nothing_after_a_heartbeat(
    client: httpx.AsyncClient, engine: Engine, email: str
) -> None:
    lost, here = await sign_in(client, email, device=PHONE), await sign_in(client, email)
    assert await is_open(client, lost)  # the gateway has it in memory now
    id = (await listed(client, here["header"]))[1]["id"]
    ended = await client.delete(f"/auth/sessions/{id}", headers=here["header"])
    assert (ended.status_code, ended.content) == (204, b"")
    assert not await is_open(client, lost)
    refused = await client.post("/auth/refresh", json={"refresh_token": lost["refresh_token"]})
    assert refused.status_code == 401
    assert await is_open(client, here)
    assert [row["is_current"] for row in await listed(client, here["header"])] == [True]
    again = await client.delete(f"/auth/sessions/{id}", headers=here["header"])
    assert (again.status_code, again.json()["reasons"][0]["code"]) == (404, "unknown_session")
    with Session(engine) as session:
        row = session.get_one(AccountSession, uuid.UUID(id))
        assert row.ended_because == "ended_elsewhere"


async def test_a_person_may_end_the_session_that_they_use(client: httpx.AsyncClient, email: str) -> None:
    here, other = await sign_in(client, email), await sign_in(client, email)
    id = (await listed(client, here["header"]))[1]["id"]
    assert (await client.delete(f"/auth/sessions/{id}", headers=here["header"])).status_code == 204
    assert not await is_open(client, here)
    assert await is_open(client, other)


async def test_all_other_sessions_end_at_once(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, email: str
) -> None:
    others = [await sign_in(client, email) for _ in range(3)]
    here = await sign_in(client, email)
    colleague = await sign_in(client, add_account(engine, organisation_id).email)
    for tokens in (*others, colleague):
        assert await is_open(client, tokens)
    await client.post("/auth/logout", json={"refresh_token": others[0]["refresh_token"]})
    ended = await client.delete("/auth/sessions", headers=here["header"])
    assert (ended.status_code, ended.json()) == (200, {"ended": 2}), "one had ended before"
    for tokens in others:
        assert not await is_open(client, tokens)
    assert await is_open(client, here)
    assert await is_open(client, colleague)
    again = await client.delete("/auth/sessions", headers=here["header"])
    assert again.json() == {"ended": 0}


async def test_nobody_sees_or_ends_the_session_of_another(
    client: httpx.AsyncClient, engine: Engine, organisation_id: uuid.UUID, email: str, owner: Key
) -> None:
    theirs = await sign_in(client, email, device=PHONE)
    (row,) = await listed(client, theirs["header"])
    colleague = await sign_in(client, add_account(engine, organisation_id, "owner").email)
    elsewhere = gateways.an_organisation(engine)
    stranger = await sign_in(client, add_account(engine, elsewhere, "owner").email)
    for caller in (colleague, stranger):
        assert len(await listed(client, caller["header"])) == 1
        for id in (row["id"], uuid.uuid4()):
            response = await client.delete(f"/auth/sessions/{id}", headers=caller["header"])
            assert (response.status_code, response.json()["reasons"][0]["code"]) == (404, "unknown_session")
    token = gateways.a_token(gateways.a_signing_key(engine, organisation_id, "owner"), "ann")
    for header in (owner, token):
        for method, path in (("GET", ""), ("DELETE", ""), ("DELETE", f"/{row['id']}")):
            response = await client.request(method, f"/auth/sessions{path}", headers=header)
            assert (response.status_code, "sign in" in response.json()["detail"]) == (403, True)
    assert (await client.get("/auth/sessions")).status_code == 401
    assert await is_open(client, theirs)
    # No list of accounts shows a device.
    assert PHONE not in (await client.get("/accounts", headers=owner)).text


@pytest.mark.parametrize("device", ["", "x" * 61, "a\0b", 1])
async def test_a_device_is_a_short_text(client: httpx.AsyncClient, email: str, device: Any) -> None:
    body = {"email": email, "password": PASSWORD, "device": device}
    response = await client.post("/auth/login", json=body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "device")
    for fits in ("x" * 60, None):
        await sign_in(client, email, device=fits)


async def test_of_a_device_nothing_is_stored_but_its_description(
    client: httpx.AsyncClient, engine: Engine, email: str
) -> None:
    """Neither the address nor the header `User-Agent`."""
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    body = {"email": email, "password": PASSWORD, "device": FIREFOX}
    response = await client.post(
        "/auth/login", json=body, headers={"User-Agent": agent, "X-Forwarded-For": "203.0.113.9"}
    )
    assert response.status_code == 200
    with Session(engine) as session:
        row = session.scalars(select(AccountSession).join(Account).where(Account.email == email)).one()
        stored = " ".join(str(getattr(row, column.name)) for column in AccountSession.__table__.columns)
    assert row.device == FIREFOX
    assert not any(part in stored for part in ("Mozilla", "Gecko", "203.0.113", "127.0.0.1"))
