"""Signing in: what it opens, for how long, and that a stolen refresh token ends the session."""

import asyncio
import time
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from data.people import accounts
from data.people.identities import Role
from data.tables import Account, AccountSession, Organisation
from serving.gateway import guessing
from serving.gateway.auth import Authenticator, Caller
from serving.gateway.rate import Limiter
from serving.gateway.routes import accounts as routes
from tests import gateways
from tests.accounts import PASSWORD, sign_in

SECRET = "a secret of at least 32 characters"


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    # Buckets hardly refill: the machine may be slow, too.
    slower = {
        name: plan.model_copy(update={"requests_per_s": 0.001}) for name, plan in guessing.PLANS.items()
    }
    return await gateways.app_of(
        pool,
        routes.router,
        routes.account_router,
        authenticator=Authenticator(pool, SECRET),
        guard=guessing.Guard(Limiter(slower, None), SECRET, "a service token"),
    )


def an_address() -> str:
    return f"{uuid.uuid4()}@example.org"


async def an_account(client: httpx.AsyncClient, owner: dict[str, str], role: Role = "viewer") -> str:
    email = an_address()
    body = {"email": email, "password": PASSWORD, "role": role}
    response = await client.post("/auth/register", json=body, headers=owner)
    assert response.status_code == 201, response.text
    return email


def bearer(tokens: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def test_who_signs_in_is_known_by_role_and_organisation(
    client: httpx.AsyncClient, owner: dict[str, str], organisation_id: uuid.UUID
) -> None:
    email = await an_account(client, owner)
    response = await sign_in(client, email.upper())
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    tokens = response.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)
    me = (await client.get("/auth/me", headers=bearer(tokens))).json()
    assert (me["organisation_id"], me["role"], me["runs_this"]) == (str(organisation_id), "viewer", False)
    assert me["name"].startswith("account:")


async def test_what_is_theirs_is_found_by_the_account(
    client: httpx.AsyncClient, owner: dict[str, str], engine: Engine
) -> None:
    email = await an_account(client, owner)
    tokens = (await sign_in(client, email)).json()
    authenticator: Authenticator = client.app.state.parts.authenticator  # type: ignore[attr-defined]
    caller: Caller = await authenticator.identify(tokens["access_token"])
    with Session(engine) as session:
        account = session.scalars(select(Account).where(Account.email == email)).one()
    assert caller.user("ignored") == (account.user_id, str(account.id))
    assert caller.key_id is None


@pytest.mark.parametrize("known", [True, False])
async def test_a_wrong_password_and_an_unknown_address_are_the_same(
    client: httpx.AsyncClient, owner: dict[str, str], known: bool
) -> None:
    email = await an_account(client, owner) if known else an_address()
    response = await sign_in(client, email, "not the password")
    assert response.status_code == 401
    assert response.json()["detail"] == "there is no account with this address and password"


def test_a_password_is_stored_by_argon2id_and_an_unknown_one_takes_as_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = accounts.hash_password(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert accounts.opens_with(PASSWORD, stored)
    assert not accounts.opens_with(PASSWORD + " ", stored)
    verify, verified = accounts._hasher.verify, []

    def noted(hashed: str, password: str) -> bool:
        verified.append(hashed)
        return verify(hashed, password)

    monkeypatch.setattr(accounts, "_hasher", SimpleNamespace(verify=noted, hash=accounts._hasher.hash))
    for hashed in (None, stored):
        assert not accounts.opens_with("guess", hashed)
    assert [each.rsplit("$", 2)[0] for each in verified] == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2


async def test_guessing_an_address_is_slowed_down(client: httpx.AsyncClient, owner: dict[str, str]) -> None:
    email, other = await an_account(client, owner), await an_account(client, owner)
    tried = [(await sign_in(client, email, "a guess")).status_code for _ in range(12)]
    assert tried == [401] * 10 + [429] * 2
    refused = await sign_in(client, email.upper())
    assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (429, True)
    assert "tried too often" in refused.json()["detail"]
    assert (await sign_in(client, other)).status_code == 200


async def test_a_refresh_token_opens_once(client: httpx.AsyncClient, owner: dict[str, str]) -> None:
    first = (await sign_in(client, await an_account(client, owner))).json()
    second = await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert (await client.get("/auth/me", headers=bearer(second.json()))).status_code == 200


async def test_a_refresh_token_that_comes_twice_ends_the_session(
    client: httpx.AsyncClient, owner: dict[str, str], engine: Engine
) -> None:
    email = await an_account(client, owner)
    stolen = (await sign_in(client, email)).json()
    elsewhere = (await sign_in(client, email)).json()
    newest = (await client.post("/auth/refresh", json={"refresh_token": stolen["refresh_token"]})).json()
    assert (await client.get("/auth/me", headers=bearer(newest))).status_code == 200

    again = await client.post("/auth/refresh", json={"refresh_token": stolen["refresh_token"]})
    assert again.status_code == 401
    assert "used before" in again.json()["detail"]
    # Nobody can tell which of the two is the thief: the newest one is refused, too, and what it has opened.
    refused = await client.post("/auth/refresh", json={"refresh_token": newest["refresh_token"]})
    assert refused.status_code == 401
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    for tokens in (stolen, newest):
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
    assert (await client.get("/auth/me", headers=bearer(elsewhere))).status_code == 200
    with Session(engine) as session:
        why = session.scalars(
            select(AccountSession.ended_because)
            .join(Account, Account.id == AccountSession.account_id)
            .where(Account.email == email)
            .order_by(AccountSession.id)
        ).all()
    assert why == ["reused", None]


async def test_of_two_who_refresh_at_once_one_ends_the_session(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    tokens = (await sign_in(client, await an_account(client, owner))).json()
    body = {"refresh_token": tokens["refresh_token"]}
    both = await asyncio.gather(*(client.post("/auth/refresh", json=body) for _ in range(2)))
    assert sorted(response.status_code for response in both) == [200, 401]


@pytest.mark.parametrize("token", ["x", "tbr_" + "0" * 32 + "_" + "a" * 43, "tbr__"])
async def test_what_is_no_refresh_token_is_refused(client: httpx.AsyncClient, token: str) -> None:
    for path in ("/auth/refresh", "/auth/logout"):
        response = await client.post(path, json={"refresh_token": token})
        assert response.status_code == 401


async def test_signing_out_ends_the_access_token(client: httpx.AsyncClient, owner: dict[str, str]) -> None:
    tokens = (await sign_in(client, await an_account(client, owner))).json()
    assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 200
    out = await client.post("/auth/logout", json={"refresh_token": tokens["refresh_token"]})
    assert out.status_code == 204
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
    refused = await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refused.status_code == 401


async def test_an_access_token_is_ours_and_young(
    client: httpx.AsyncClient, owner: dict[str, str], engine: Engine
) -> None:
    email = await an_account(client, owner)
    tokens = (await sign_in(client, email)).json()
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    kid = {"kid": "tonebridge:accounts"}
    forged = jwt.encode(claims, "another secret of 32 characters and more", "HS256", kid)
    old = jwt.encode({**claims, "exp": int(time.time()) - 10}, SECRET, "HS256", kid)
    none = jwt.encode(claims, None, "none", kid)
    for token, why in ((forged, "signature"), (old, "expired"), (none, "alg")):
        response = await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 401
        assert why in response.json()["detail"]


async def test_a_changed_role_holds_at_once(
    client: httpx.AsyncClient, owner: dict[str, str], engine: Engine
) -> None:
    email = await an_account(client, owner, "experimenter")
    tokens = (await sign_in(client, email)).json()
    assert (await client.get("/auth/me", headers=bearer(tokens))).json()["role"] == "experimenter"
    with Session(engine) as session, session.begin():
        session.scalars(select(Account).where(Account.email == email)).one().role = "viewer"
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    assert (await client.get("/auth/me", headers=bearer(tokens))).json()["role"] == "viewer"


async def test_another_password_ends_every_session(client: httpx.AsyncClient, owner: dict[str, str]) -> None:
    email = await an_account(client, owner)
    here, elsewhere = [(await sign_in(client, email)).json() for _ in range(2)]
    body = {"password": "not mine", "new_password": "another horse battery"}
    refused = await client.put("/auth/password", json=body, headers=bearer(here))
    assert refused.status_code == 403
    body["password"] = PASSWORD
    changed = await client.put("/auth/password", json=body, headers=bearer(here))
    assert changed.status_code == 204
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    for tokens in (here, elsewhere):
        assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
    assert (await sign_in(client, email)).status_code == 401
    assert (await sign_in(client, email, "another horse battery")).status_code == 200
    by_key = await client.put("/auth/password", json=body, headers=owner)
    assert (by_key.status_code, "sign in" in by_key.json()["detail"]) == (403, True)


async def test_nobody_gives_more_than_they_have(
    client: httpx.AsyncClient, owner: dict[str, str], a_key: Callable[..., dict[str, str]]
) -> None:
    admin, viewer = a_key("admin"), a_key("viewer")
    new = {"email": an_address(), "password": PASSWORD, "role": "owner"}
    assert (await client.post("/auth/register", json=new, headers=admin)).status_code == 403
    assert (await client.post("/auth/register", json=new, headers=viewer)).status_code == 403
    assert (await client.post("/auth/register", json=new, headers=owner)).status_code == 201
    taken = await client.post("/auth/register", json={**new, "role": "member"}, headers=admin)
    assert (taken.status_code, "already" in taken.json()["detail"]) == (409, True)
    listed = (await client.get("/accounts", headers=admin)).json()
    assert [(account["email"], account["role"]) for account in listed] == [(new["email"], "owner")]
    assert not [name for name in listed[0] if "password" in name]
    for who, status in ((viewer, 403), (admin, 404), (owner, 204), (owner, 404)):
        removed = await client.delete(f"/accounts/{listed[0]['id']}", headers=who)
        assert removed.status_code == status


async def test_an_organisation_knows_its_own_accounts_only(
    client: httpx.AsyncClient, owner: dict[str, str], stranger: dict[str, str], engine: Engine
) -> None:
    email = await an_account(client, owner)
    with Session(engine, expire_on_commit=False) as session, session.begin():
        account = session.scalars(select(Account).where(Account.email == email)).one()
    assert (await client.get("/accounts", headers=stranger)).json() == []
    assert (await client.delete(f"/accounts/{account.id}", headers=stranger)).status_code == 404
    # Nor can the address be taken there: who signs in names no organisation.
    body = {"email": email, "password": PASSWORD}
    assert (await client.post("/auth/register", json=body, headers=stranger)).status_code == 409


async def test_a_removed_account_has_no_session(
    client: httpx.AsyncClient, owner: dict[str, str], engine: Engine
) -> None:
    email = await an_account(client, owner)
    tokens = (await sign_in(client, email)).json()
    account_id = (await client.get("/auth/me", headers=bearer(tokens))).json()["name"].partition(":")[2]
    assert (await client.delete(f"/accounts/{account_id}", headers=owner)).status_code == 204
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    assert (await client.get("/auth/me", headers=bearer(tokens))).status_code == 401
    assert (await sign_in(client, email)).status_code == 401


def test_the_first_account_is_made_once(engine: Engine) -> None:
    name = str(uuid.uuid4())
    with Session(engine) as session, session.begin():
        session.add(Organisation(name=name))
    email = f"Owner-{name}@localhost"
    password = accounts.bootstrap(engine, email, None, name)
    assert password is not None
    assert accounts.bootstrap(engine, email, None, name) is None
    with Session(engine) as session:
        account = session.scalars(select(Account).where(Account.email == email.lower())).one()
    assert account.role == "owner"
    assert accounts.opens_with(password, account.password_hash)
    assert account.user_id == account.id


async def account_id_of(client: httpx.AsyncClient, owner: dict[str, str], email: str) -> str:
    accounts = (await client.get("/accounts", headers=owner)).json()
    return next(str(account["id"]) for account in accounts if account["email"] == email)


async def test_an_administrator_changes_a_role_up_to_their_own(
    client: httpx.AsyncClient,
    owner: dict[str, str],
    stranger: dict[str, str],
    a_key: Callable[..., dict[str, str]],
) -> None:
    admin = a_key("admin")
    email = await an_account(client, owner, "viewer")
    tokens = (await sign_in(client, email)).json()
    path = f"/accounts/{await account_id_of(client, owner, email)}"
    for role, headers, status in (
        ("experimenter", a_key("experimenter"), 403),
        ("owner", admin, 403),
        ("king", admin, 422),
        ("experimenter", admin, 204),
    ):
        assert (await client.patch(path, json={"role": role}, headers=headers)).status_code == status, role
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    assert (await client.get("/auth/me", headers=bearer(tokens))).json()["role"] == "experimenter"
    assert (await client.patch(path, json={"role": "viewer"}, headers=stranger)).status_code == 404


async def test_an_organisation_keeps_an_owner(client: httpx.AsyncClient, owner: dict[str, str]) -> None:
    first, second = [await an_account(client, owner, "owner") for _ in range(2)]
    ids = [await account_id_of(client, owner, email) for email in (first, second)]
    body = {"role": "admin"}
    assert (await client.patch(f"/accounts/{ids[0]}", json=body, headers=owner)).status_code == 204
    refused = await client.patch(f"/accounts/{ids[1]}", json=body, headers=owner)
    assert refused.status_code == 409
    assert "only owner" in refused.json()["detail"]
    assert (
        await client.patch(f"/accounts/{ids[1]}", json={"role": "owner"}, headers=owner)
    ).status_code == 204
