"""The route `/graphql`: who may send what, what it takes of the rate, and how it fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import graphql
import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import AsyncConnection
from psycopg_pool import PoolTimeout
from sqlalchemy import Engine

from serving.gateway.graph import trusted
from serving.gateway.graph.context import Context
from serving.gateway.graph.limits import measure
from serving.gateway.graph.schema import schema
from serving.gateway.parts import parts_of
from tests import gateways
from tests.serving.gateway.graph.conftest import Key
from tests.serving.gateway.graph.test_queries import codes
from tests.streams import Gateway

ME = "{ me { name } }"
INTROSPECTION = '{ __schema { queryType { name } } __type(name: "Job") { name } }'


async def test_strangers_are_refused_before_anything_is_parsed(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"X-API-Key": "tb_0123456789ab_" + "x" * 43}):
        for body in ({"query": ME}, {"query": "{"}, {"nothing": 1}):
            response = await client.post("/graphql", headers=headers, json=body)
            assert response.status_code == 401
            assert response.headers["Content-Type"] == "application/problem+json"
        unreadable = await client.post("/graphql", headers=headers, content=b"{")
        assert unreadable.status_code == 401


async def test_queries_come_by_post_and_one_at_a_time(client: httpx.AsyncClient, owner: Key) -> None:
    by_get = await client.get("/graphql", params={"query": ME}, headers=owner)
    assert by_get.status_code == 405
    for body in (
        [{"query": ME}],
        {},
        {"query": ME, "documentId": "0" * 64},
        {"query": ""},
        {"query": ME, "x": 1},
    ):
        refused = await client.post("/graphql", headers=owner, json=body)
        assert refused.status_code == 422, body
    as_form = await client.post("/graphql", headers=owner, data={"query": ME})
    assert as_form.status_code == 422


async def test_a_client_of_the_newer_media_type_gets_a_status(client: httpx.AsyncClient, owner: Key) -> None:
    newer = {**owner, "Accept": "application/graphql-response+json"}
    for query, status in (("{ nothing }", 400), ("{", 400), (ME, 200), ("{ jobs(first: 0) { id } }", 200)):
        response = await client.post("/graphql", headers=newer, json={"query": query})
        assert (response.status_code, response.headers["Content-Type"]) == (status, newer["Accept"])
        older = await client.post("/graphql", headers=owner, json={"query": query})
        assert (older.status_code, older.headers["Content-Type"]) == (200, "application/json")
        assert older.json() == response.json()


async def test_an_operation_is_chosen_by_its_name(client: httpx.AsyncClient, owner: Key) -> None:
    query = "query A { me { role } } query B { me { plan } }"
    chosen = await client.post("/graphql", headers=owner, json={"query": query, "operationName": "B"})
    assert chosen.json()["data"] == {"me": {"plan": "scale"}}
    unnamed = await client.post("/graphql", headers=owner, json={"query": query})
    assert codes(unnamed.json()) == ["graphql_operation_unknown"]
    unknown = await client.post("/graphql", headers=owner, json={"query": query, "operationName": "C"})
    assert (unknown.status_code, unknown.json()["reasons"][0]["code"]) == (422, "graphql_operation_unknown")


async def test_a_documents_cost_is_taken_from_the_rate(client: httpx.AsyncClient, engine: Engine) -> None:
    key = gateways.a_key(engine, gateways.an_organisation(engine, "free"))  # a burst of 20
    half = {"query": "{ jobs(first: 99) { id kind state attempts batchId } }"}  # costs 496: 10 tokens
    first = await client.post("/graphql", headers=key, json=half)
    assert (first.status_code, first.headers["RateLimit"]) == (200, '"burst";r=10')
    assert (await client.post("/graphql", headers=key, json=half)).status_code == 200
    refused = await client.post("/graphql", headers=key, json=half)
    assert refused.status_code == 429
    assert refused.json()["reasons"][0]["code"] == "plan_rate"
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["RateLimit-Policy"].startswith('"burst";q=20')


async def test_a_query_takes_a_place_for_concurrent_requests(
    app: FastAPI, client: httpx.AsyncClient, engine: Engine
) -> None:
    key = gateways.a_key(engine, gateways.an_organisation(engine, "free"))
    limiter = parts_of(app).limiter
    caller = await parts_of(app).authenticator.identify(key["X-API-Key"])
    for _ in range(8):
        limiter.enter(caller)
    refused = await client.post("/graphql", headers=key, json={"query": ME})
    assert (refused.status_code, refused.json()["reasons"][0]["code"]) == (429, "plan_concurrent")
    limiter.leave(caller)
    for _ in range(2):  # it leaves its place
        assert (await client.post("/graphql", headers=key, json={"query": ME})).status_code == 200


async def test_a_request_holds_one_connection_to_postgres(
    app: FastAPI, client: httpx.AsyncClient, owner: Key
) -> None:
    pool = parts_of(app).pool
    held: list[int] = [0]  # after each change

    class Counted:
        @asynccontextmanager
        async def connection(self) -> AsyncIterator[AsyncConnection]:
            async with pool.connection() as connection:
                held.append(held[-1] + 1)
                yield connection
                held.append(held[-1] - 1)

    gateways.replace_parts(app, pool=Counted())
    fields = " ".join(f"a{n}: jobs {{ id }} b{n}: experiments {{ id }}" for n in range(9))
    answered = await client.post("/graphql", headers=owner, json={"query": f"{{ {fields} }}"})
    assert "errors" not in answered.json(), answered.text
    assert (max(held), len(held)) == (1, 1 + 2 * 19)  # one of them for the caller's role


async def test_an_unexpected_error_shows_nothing_of_the_inside(
    client: httpx.AsyncClient, owner: Key, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Context) -> Any:
        raise ValueError("a secret of the inside")

    monkeypatch.setattr(Context, "connection", fail)
    answered = (await client.post("/graphql", headers=owner, json={"query": ME})).json()
    assert (answered["data"], codes(answered)) == ({"me": None}, ["internal"])
    assert answered["errors"][0]["extensions"]["status"] == 500
    assert "secret" not in str(answered)
    assert "a secret of the inside" in caplog.text


@pytest.mark.parametrize("error", [psycopg.OperationalError("gone"), PoolTimeout("none is free")])
async def test_a_field_that_needs_postgres_says_when_to_retry(
    client: httpx.AsyncClient, owner: Key, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: Context) -> Any:
        raise error

    monkeypatch.setattr(Context, "connection", fail)
    answered = (await client.post("/graphql", headers=owner, json={"query": ME})).json()
    extensions = answered["errors"][0]["extensions"]
    assert (extensions["status"], extensions["code"], extensions["retry_after_s"]) == (
        503,
        "part_unavailable",
        2,
    )


async def test_a_long_body_is_refused(gateway: Gateway) -> None:
    body = {"query": ME, "variables": {"long": "x" * 128 * 1024}}
    async with gateway.session.post("/graphql", json=body, headers=gateway.key) as response:
        assert response.status == 413
        assert (await response.json())["reasons"][0]["code"] == "body_too_long"


async def test_the_schema_is_shown_as_the_page_of_the_api_is(
    pool: Any, app: FastAPI, client: httpx.AsyncClient, owner: Key, engine: Engine, organisation_id: Any
) -> None:
    member = gateways.a_key(engine, organisation_id)

    async def asked(key: Key) -> Any:
        return (await client.post("/graphql", headers=key, json={"query": INTROSPECTION})).json()

    assert (await asked(member))["data"]["__type"] == {"name": "Job"}
    closed = parts_of(app).settings.model_copy(update={"api_docs": False})
    gateways.replace_parts(app, settings=closed)
    refused = await asked(member)
    assert (codes(refused), "data" in refused) == (["graphql_invalid"] * 3, False)
    assert (await asked(owner))["data"]["__type"] == {"name": "Job"}
    unknown = (await client.post("/graphql", headers=member, json={"query": "{ me { nam } }"})).json()
    assert "Did you mean" not in str(unknown)


async def test_trusted_documents_run_by_their_digest(
    app: FastAPI, client: httpx.AsyncClient, owner: Key
) -> None:
    me = trusted.documents()["me"]
    named = {"documentId": trusted.identify(me)}
    answered = await client.post("/graphql", headers=owner, json=named)
    assert answered.json()["data"]["me"]["role"] == "OWNER"
    unknown = await client.post("/graphql", headers=owner, json={"documentId": "0" * 64})
    assert (unknown.status_code, unknown.json()["reasons"][0]["code"]) == (404, "graphql_document_unknown")
    only_trusted = parts_of(app).settings.model_copy(update={"graphql_free_queries": False})
    gateways.replace_parts(app, settings=only_trusted)
    refused = await client.post("/graphql", headers=owner, json={"query": ME})
    assert (refused.status_code, refused.json()["reasons"][0]["code"]) == (403, "graphql_only_trusted")
    for allowed in (named, {"query": me}):
        assert (await client.post("/graphql", headers=owner, json=allowed)).status_code == 200


@pytest.mark.parametrize("name", trusted.documents())
def test_a_trusted_document_is_valid_and_within_the_limits(name: str) -> None:

    document = graphql.parse(trusted.documents()[name])
    assert graphql.validate(schema()._schema, document) == []
    assert measure(schema()._schema, document, {}).cost > 1
