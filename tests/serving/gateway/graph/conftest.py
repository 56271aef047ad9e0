"""GraphQL over the routes of a gateway, and the SQL that it takes."""

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data.people.identities import Role
from data.tables import Organisation
from serving.gateway.graph import endpoint
from serving.gateway.online.front import Front
from serving.gateway.parts import parts_of
from serving.gateway.routes import (
    accounts,
    answers,
    app_feedback,
    batches,
    comparisons,
    consent,
    dictionary,
    erasures,
    inbound_webhooks,
    keys,
    origins,
    preferences,
    rules,
    sessions,
    webhooks,
)
from tests import gateways

Key = dict[str, str]
Ask = Callable[..., Any]


@pytest.fixture
def organisation_id(engine: Engine) -> uuid.UUID:
    return gateways.an_organisation(engine)


@pytest.fixture
async def app(pool: AsyncConnectionPool, engine: Engine, organisation_id: uuid.UUID) -> FastAPI:
    """The routes, in an installation that the organisation runs."""
    with Session(engine) as session:
        name = session.get_one(Organisation, organisation_id).name
    app = await gateways.app_of(
        pool, endpoint.router, batches.router, keys.router, accounts.account_router, webhooks.router,
        answers.router, dictionary.router, consent.router, comparisons.router, origins.router,
        erasures.router, preferences.router, sessions.router, rules.router, inbound_webhooks.router,
        app_feedback.router, organisation=name,
    )  # fmt: skip
    settings = parts_of(app).settings.model_copy(update={"inbound_secret": SecretStr("i" * 32)})
    gateways.replace_parts(app, settings=settings)
    endpoint.install(app, Front(app))
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with gateways.client(app) as client:
        yield client


@pytest.fixture
def ask(client: httpx.AsyncClient) -> Ask:
    """`await ask(key, document, **variables)`: what `/graphql` answers, as JSON."""

    async def ask(key: Key, document: str, **variables: Any) -> Any:
        body = {"query": document, "variables": variables}
        response = await client.post("/graphql", headers=key, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    return ask


@pytest.fixture
def a_key(engine: Engine, organisation_id: uuid.UUID) -> Callable[..., Key]:
    """`a_key(role)` makes a key and returns its header; `a_key(role, organisation_id)` for another
    organisation.
    """

    def make(role: Role = "member", organisation_id: uuid.UUID = organisation_id) -> Key:
        return gateways.a_key(engine, organisation_id, role)

    return make


@pytest.fixture
def owner(a_key: Callable[..., Key]) -> Key:
    return a_key("owner")


@pytest.fixture
def stranger(engine: Engine, a_key: Callable[..., Key]) -> Key:
    """The owner of another organisation."""
    return a_key("owner", gateways.an_organisation(engine))


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The SQL statements that are executed from now on."""
    executed: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def execute_noted(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        executed.append(query if isinstance(query, str) else query.as_string(None))
        return await execute(self, query, *args, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", execute_noted)
    return executed
