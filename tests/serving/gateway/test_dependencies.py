"""Handlers' parameters are released in time: a connection before the response is sent, the place among the
concurrent requests after it. And a body is validated before a handler takes a connection.
"""

import dataclasses
import uuid
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from psycopg_pool import AsyncConnectionPool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data import database
from serving.gateway.dependencies import Admitted, Connection
from serving.gateway.parts import Parts, parts_of
from serving.gateway.problems import UnavailableError
from serving.gateway.routes import accounts, comparisons, consent, feedback, keys, rewriting
from tests import gateways

router = APIRouter()
# Without the routes of experiments: Postgres knows who may decide on them, and that is checked first.
ROUTERS = [
    accounts.router, accounts.account_router, comparisons.router, consent.router, feedback.router,
    keys.router, rewriting.router,
]  # fmt: skip
ROUTES_WITH_A_BODY = [
    route for each in ROUTERS for route in each.routes if isinstance(route, APIRoute) and route.body_field
]


@router.get("/backend")
async def get_backend(connection: Connection) -> int:
    cursor = await connection.execute("SELECT pg_backend_pid()")
    [backend] = await cursor.fetchone() or []
    return int(backend)


@router.get("/fails")
async def fail(connection: Connection) -> None:
    raise UnavailableError("on purpose")


@router.get("/admitted")
async def get_admitted(caller: Admitted) -> str:
    return caller.identity.key_id


def in_use(pool: AsyncConnectionPool) -> int:
    stats = pool.get_stats()
    return stats["pool_size"] - stats["pool_available"]


class Probe:
    """An application that notes, when the first byte of a response is sent, what its parts still hold."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self.app, self.parts = app, parts
        self.connections: list[int] = []
        self.requests: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.connections.append(in_use(self.parts.pool))
                self.requests.append(sum(self.parts.limiter._in_flight.values()))
            await send(message)

        await self.app(scope, receive, noted)


@pytest.mark.parametrize(("path", "status"), [("/backend", 200), ("/fails", 503)])
async def test_a_connection_is_back_in_the_pool_before_the_response_is_sent(
    pool: AsyncConnectionPool, path: str, status: int
) -> None:
    app = await gateways.app_of(pool, router)
    probe = Probe(app, parts_of(app))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(probe), base_url="http://gateway") as client:
        for _ in range(3):
            assert (await client.get(path)).status_code == status
    assert probe.connections == [0, 0, 0]


async def test_a_request_counts_as_concurrent_until_its_response_is_sent(
    pool: AsyncConnectionPool, engine: Any, organisation_id: Any
) -> None:
    key = gateways.a_key(engine, organisation_id)
    app = await gateways.app_of(pool, router)
    probe = Probe(app, parts_of(app))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(probe), base_url="http://gateway") as client:
        assert (await client.get("/admitted", headers=key)).status_code == 200
    assert probe.requests == [1]
    assert not probe.parts.limiter._in_flight


@pytest.mark.parametrize("route", ROUTES_WITH_A_BODY, ids=lambda route: f"{min(route.methods)} {route.path}")
async def test_an_invalid_body_is_422_while_postgres_is_unavailable(
    pool: AsyncConnectionPool, engine: Any, organisation_id: uuid.UUID, route: APIRoute
) -> None:
    key = gateways.a_key(engine, organisation_id, "owner")
    app = await gateways.app_of(pool, *ROUTERS)
    away = database.online_pool("postgresql://localhost:1/none", timeout_s=0.1)
    app.state.parts = dataclasses.replace(parts_of(app), pool=away)
    path = route.path.format_map(dict.fromkeys(route.param_convertors, uuid.uuid4()))
    async with gateways.client(app) as client:
        response = await client.request(min(route.methods), path, json=["not", "an", "object"], headers=key)
    assert response.status_code == 422, response.text
