"""NUL and lone surrogates, which Postgres or UTF-8 cannot hold, are refused in values and names of bodies,
in paths, queries and headers. A response to an error announces that the connection ends.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import Organisation
from serving.gateway import problems
from serving.gateway.app import create_app
from tests import gateways
from tests.logins import as_gateway
from tests.waiting import until_async

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # schemathesis's

BAD = ("\0", "a\0b", "\ud800", "a\udfffb")
BAD_BYTES = ("%00", "a%00b", "%ED%A0%80", "%FF")  # in a path or a query: the last two are no UTF-8
# Compared with what is stored or known, and not stored themselves: what does not fit opens nothing.
COMPARED = {"password": {401, 403}, "refresh_token": {401}, "receipt": {403}, "model": {404}}


@pytest.fixture
def operations(local: Settings) -> list[Any]:
    """What the gateway describes."""
    page = schemathesis.openapi.from_dict(create_app(as_gateway(local)).behind.openapi())
    return [result.ok() for result in page.get_all_operations()]


@pytest.fixture
def cases(operations: list[Any]) -> list[tuple[Any, Any]]:
    """Requests that fit the description. They are made before the gateway runs, whose event loop this would
    hold up.
    """
    made: list[tuple[Any, Any]] = []

    def draw_for(operation: Any) -> None:
        @given(operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
        @settings(
            max_examples=5,
            phases=[Phase.generate],
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        def draw(case: Any) -> None:
            made.append((operation, case))

        draw()

    for operation in operations:
        draw_for(operation)
    return made


@pytest.fixture
async def client(stack: Settings, engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may use every route, and sees the 500 of an error."""
    tenant = gateways.an_organisation(engine)
    with Session(engine) as session:
        ours = stack.model_copy(update={"organisation": session.get_one(Organisation, tenant).name})
    async with gateways.in_process(ours, engine) as front, gateways.client(front, raises=False) as client:
        client.headers.update(gateways.a_key(engine, tenant, "owner"))
        client.headers["Idempotency-Key"] = "key"
        yield client


async def send(client: httpx.AsyncClient, method: str, path: str, body: Any = None, **more: Any) -> int:
    """The status."""
    headers = {**more.pop("headers", {}), **({"Content-Type": "application/json"} if body else {})}
    content = json.dumps(body) if body else None
    return (await client.request(method, path, headers=headers, content=content, **more)).status_code


def spoiled(name: str, value: Any, bad: str) -> Iterator[tuple[str, Any]]:
    """Copies of a body, each with one string or one name that cannot be read, and what that stands for."""
    if isinstance(value, str):
        yield name, bad
        yield name, f"{value}{bad}"
    elif isinstance(value, dict):
        yield "", {**value, bad: 1}
        for inner, part in value.items():
            yield inner, {**value, inner: bad}
            for about, other in spoiled(inner, part, bad):
                yield about, {**value, inner: other}
    elif isinstance(value, list):
        for place, part in enumerate(value):
            for about, other in spoiled(name, part, bad):
                yield about, [*value[:place], other, *value[place + 1 :]]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_text_that_cannot_be_stored_is_422_in_every_body(
    cases: list[tuple[Any, Any]], client: httpx.AsyncClient
) -> None:
    tried = set()
    for operation, case in cases:
        if not (isinstance(case.body, dict) and case.body):
            continue
        for bad in BAD:
            for about, body in spoiled("", case.body, bad):
                status = await send(client, case.method, case.formatted_path, body)
                allowed = {422}
                if operation.path.startswith("/v1/"):  # in OpenAI's form; what it ignores is not stored
                    allowed = {400} if about in ("content", "text", "user") else {400, 200}
                elif operation.path == "/graphql":
                    allowed = {422, 200, 404}  # 200 with the errors of a document; an unknown document's id
                allowed |= COMPARED.get(about, set())
                assert status in allowed, (operation.path, status, body)
                tried.add((operation.path, about))
    assert len({path for path, _ in tried}) >= 14
    assert {"text", "user_id", "locale", "channel", "hypothesis", "reason", "name"} <= {
        about for _, about in tried
    }


@pytest.mark.parametrize("place", ["name", "value", "deep"])
@pytest.mark.parametrize("bad", BAD)
async def test_a_plan_with_unreadable_text_is_422(client: httpx.AsyncClient, bad: str, place: str) -> None:
    plan = {"name": {bad: 1}, "value": {"primary": bad}, "deep": {"ramp": [{"a": [bad, {bad: bad}]}]}}
    body = {"name": "x", "hypothesis": "x", "challengers": ["v2"], "plan": plan[place]}
    assert await send(client, "POST", "/api/v1/experiments", body) == 422


async def test_paths_and_queries_that_cannot_be_read_break_nothing(
    operations: list[Any], client: httpx.AsyncClient
) -> None:
    tried = 0
    for operation in operations:
        names = [parameter.name for parameter in operation.path_parameters]
        queries = [parameter.name for parameter in operation.query]
        for bad in BAD_BYTES:
            for name in names:
                path = operation.path.replace(f"{{{name}}}", bad)
                assert await send(client, operation.method.upper(), path) in {404, 422}, path
                tried += 1
            for query in [*queries, "unknown", bad]:
                plain = operation.path.replace("{", "").replace("}", "")
                status = await send(client, operation.method.upper(), f"{plain}?{query}={bad}")
                assert status < 500 or operation.path == "/readyz", (plain, query, bad)
                tried += 1
        for query in queries:
            for bad in ("%00", "a%00b"):
                status = await send(client, operation.method.upper(), f"{operation.path}?{query}={bad}")
                assert status == 422, (operation.path, query)
    assert tried > 300


@pytest.mark.parametrize("bad", [b"\0", b"a\0b", b"\xed\xa0\x80", b"\xff", b"\x7f", b"\n", b"x" * 201])
async def test_headers_that_cannot_be_read_break_nothing(client: httpx.AsyncClient, bad: bytes) -> None:
    body = {"text": "Fix it.", "transform_type": "soften", "intensity": 2}
    experiment = {"name": "x", "hypothesis": "x", "challengers": ["v2"]}
    for path, content in (
        ("/api/v1/transform", body),
        ("/api/v1/batch", {"items": [body]}),
        ("/api/v1/experiments", experiment),
    ):
        printable = bad == b"\xff"  # a letter in Latin-1
        for name in ("Idempotency-Key", "X-API-Key", "Authorization", "X-Request-Id", "Traceparent"):
            status = await send(client, "POST", path, content, headers={name: bad})
            expected = {"Idempotency-Key": 422, "X-API-Key": 401}.get(name)
            assert status < 500, (path, name, bad)
            assert expected is None or printable or status == expected, (path, name, bad, status)


def test_a_problem_can_say_anything() -> None:
    response = problems.problem(422, "x", "a\ud800b \0 日本", [{"field": "\udfff", "message": "x"}])
    body = json.loads(response.body)
    assert (body["detail"], body["errors"][0]["field"]) == ("a?b \0 日本", "?")
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_500_says_that_the_connection_ends() -> None:
    """Else a client keeps it in its pool, and its next request is lost."""
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    async def broken() -> None:
        raise RuntimeError("a test")

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
    serving = asyncio.create_task(server.serve())
    await until_async(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")  # up to its end
    writer.close()
    server.should_exit = True
    await serving
    assert head.startswith(b"HTTP/1.1 500")
    assert b"\r\nconnection: close" in head.lower()
    assert json.loads(body)["title"] == "Our mistake"
