"""No token can act for a person who signs in by password, even if it names that person's account."""

import uuid
from collections.abc import Callable

import httpx
import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text

from data import database
from data.people import accounts, identities
from data.people.identities import Identity
from serving.gateway.auth import Authenticator
from serving.gateway.online.front import Front
from serving.gateway.problems import UnknownKeyError
from tests import gateways, migrations
from tests.accounts import PASSWORD
from tests.logins import gateway_url


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def kid(engine: Engine, organisation_id: uuid.UUID) -> str:
    return gateways.a_signing_key(engine, organisation_id)


async def test_a_token_that_names_an_account_speaks_for_somebody_else(
    front: Front, kid: str, engine: Engine, organisation_id: uuid.UUID
) -> None:
    with engine.begin() as connection:
        query = text("SELECT name FROM organisations WHERE id = :id")
        organisation = connection.execute(query, {"id": organisation_id}).scalar_one()
    email = f"{uuid.uuid4()}@example.org"
    accounts.bootstrap(engine, email, PASSWORD, organisation)
    transport = httpx.ASGITransport(front)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway/api/v1") as client:
        login = await client.post("/auth/login", json={"email": email, "password": PASSWORD})
        mine = bearer(login.json()["access_token"])
        account_id = (await client.get("/auth/me", headers=mine)).json()["name"].partition(":")[2]
        response = await client.put("/consent", json={"training": False}, headers=mine)
        assert response.status_code == 200, response.text

        theirs = gateways.a_token(kid, account_id)
        spoken = await client.put("/consent", json={"training": True}, headers=theirs)
        assert spoken.status_code in (200, 401)
        assert (await client.get("/consent", headers=mine)).json()["training"] is False


async def test_accounts_from_before_keep_what_is_theirs_and_no_token_names_them(
    new_database: Callable[..., str],
) -> None:
    url = new_database("0014")
    tenant, account_id, removed_later, kid = uuid.uuid4(), uuid.uuid4(), uuid.uuid4(), "acme"
    identity = Identity(tenant, "", "member", b"", "free")
    person, other = identity.subject(str(account_id)), identity.subject(str(removed_later))
    somebody = identity.subject("ann")
    account = "INSERT INTO accounts (id, organisation_id, user_id, email, name, role, password_hash)"
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("INSERT INTO organisations (id, name) VALUES (%s, 'x')", (tenant,))
        for id, user in ((account_id, person), (removed_later, other)):
            owner.execute(f"{account} VALUES (%s, %s, %s, %s, '', 'viewer', '')", (id, tenant, user, str(id)))
        for user in (person, other, somebody):
            owner.execute(
                "INSERT INTO users (id, organisation_id, consents_to_training) VALUES (%s, %s, false)",
                (user, tenant),
            )
        rows = (
            "SELECT id, user_id FROM accounts ORDER BY id",
            "SELECT id, consents_to_training FROM users ORDER BY id",
        )
        before = [owner.execute(query).fetchall() for query in rows]
        for _ in range(2):
            database.migrate(url)
            assert [owner.execute(query).fetchall() for query in rows] == before
            assert {row[0] for row in owner.execute("SELECT user_id FROM reserved_people")} == {person, other}
            migrations.downgrade(url, "0014")
        database.migrate(url)
        owner.execute("DELETE FROM accounts WHERE id = %s", (removed_later,))
    async with database.online_pool(gateway_url(url)) as pool:
        authenticator = Authenticator(pool, "s" * 32)
        async with pool.connection() as connection:
            await identities.add_signing_key(connection, tenant, kid, "HS256", gateways.SECRET, "member")
            await authenticator.renew(connection)
            opened = await accounts.open_session(connection, account_id, b"here")
        signed_in = await authenticator.identify(authenticator.access_token(opened.session_id, account_id))
        assert signed_in.user(None) == (person, str(account_id)), "what they wrote is theirs still"
        for subject in (str(account_id), str(removed_later)):
            with pytest.raises(UnknownKeyError, match="sign in"):
                await authenticator.identify(gateways.sign_token(kid, subject))
        ann = await authenticator.identify(gateways.sign_token(kid, "ann"))
        assert ann.user(None)[0] == somebody, "people whom tokens name are who they were"


async def test_no_account_has_an_id_that_a_key_or_a_token_could_name(
    pool: AsyncConnectionPool, organisation_id: uuid.UUID, engine: Engine
) -> None:
    async with pool.connection() as connection:
        account_id = await accounts.add(
            connection, organisation_id, f"{uuid.uuid4()}@example.org", "", "member", "x"
        )
    with engine.connect() as owner:
        query = text("SELECT user_id FROM accounts WHERE id = :id")
        person = owner.execute(query, {"id": account_id}).scalar_one()
    identity = Identity(organisation_id, "0" * 16, "member", b"", "free")
    assert (person.version, identity.user("x").version, identity.subject("x").version) == (7, 8, 8)
