"""People who sign in by a password."""

import uuid

import httpx
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data.people import accounts
from data.people.identities import Role
from data.tables import Account, new_id

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


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    """The gateway's answer to an address and a password."""
    return await client.post("/auth/login", json={"email": email, "password": password})
