"""People who sign in by a password."""

import uuid

import httpx
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data.people import accounts
from data.people.identities import Role
from data.tables import Account, new_id
from serving.gateway.parts import Parts

PASSWORD = "a password for tests"


def add_account(
    engine: Engine, organisation_id: uuid.UUID, role: Role = "viewer", password: str | None = PASSWORD
) -> Account:
    """A new account. With no password, nobody can sign in to it, and no time goes into a hash."""
    account = Account(
        id=new_id(),
        organisation_id=organisation_id,
        user_id=new_id(),
        email=f"{role}-{new_id()}@example.org",
        name="",
        role=role,
        password_hash=accounts.hash_password(password) if password else "",
    )
    with Session(engine, expire_on_commit=False) as session, session.begin():
        session.add(account)
    return account


async def open_session(engine: Engine, organisation_id: uuid.UUID, parts: Parts) -> dict[str, str]:
    """The header that shows an access token of a new account's session, by the parts of a gateway."""
    account = add_account(engine, organisation_id, password=None)
    async with parts.pool.connection() as connection:
        opened = await accounts.open_session(connection, account.id, b"here")
    return {"X-API-Key": parts.authenticator.access_token(opened.session_id, account.id)}


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    """The gateway's answer to an address and a password."""
    return await client.post("/auth/login", json={"email": email, "password": password})
