"""A route that is to be removed: its headers, its description, its counter and the log."""

import json
import logging
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from fastapi import APIRouter, Depends
from sqlalchemy import Engine

from configs.settings import Settings
from data.traffic.routing import Routing
from serving.gateway.dependencies import Admitted, admitted
from serving.gateway.deprecation import deprecated, headers_of
from serving.gateway.online import completions
from serving.gateway.online.front import PATH
from serving.gateway.online.protocol import HotProtocol
from serving.gateway.problems import NotFoundError
from serving.gateway.refusals import refuses
from serving.gateway.routes import completions as completion_routes
from serving.gateway.routes import rewriting
from serving.observability.lines import JsonLines
from serving.protocol import GuardedProtocol
from tests import gateways, streams
from tests.streams import V1, Gateway, Service, fresh

DATES = {"since": date(2026, 12, 1), "sunset": date(2027, 7, 1)}
HEADERS = {
    "Deprecation": "@1796083200",
    "Sunset": "Thu, 01 Jul 2027 00:00:00 GMT",
    "Link": '</docs#/jobs/read_old>; rel="deprecation"; type="text/html"',
}


@pytest.fixture
async def gateway(
    local: Settings, engine: Engine, api_key: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A gateway with a route that is to be removed."""
    router = APIRouter(prefix="/api/v1/old", tags=["jobs"])

    @router.get(
        "/{name}",
        responses=refuses((NotFoundError, "unknown_job")),
        **deprecated(**DATES, instead="`GET /api/v1/jobs`"),  # type: ignore[arg-type]
    )
    async def read_old(name: str, caller: Admitted) -> dict[str, str]:
        """Read something old."""
        if name == "gone":
            raise NotFoundError("unknown_job")
        return {"name": name}

    monkeypatch.setattr("serving.gateway.app.health.router", _with(router))
    gateways.publish(engine, Routing(champion=V1))
    settings = local.model_copy(update={"inference_urls": (service.url,)})
    async with streams.listening(settings, api_key, HotProtocol) as gateway:
        yield gateway


def _with(router: APIRouter) -> APIRouter:
    from serving.gateway.routes import health

    both = APIRouter()
    both.include_router(health.router)
    both.include_router(router, dependencies=[Depends(admitted)])
    return both


async def read(gateway: Gateway, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    url = f"http://127.0.0.1:{gateway.port}{path}"
    async with gateway.session.get(url, headers={**gateway.key, **headers}) as response:
        await response.read()
        return response.status, {name: response.headers[name] for name in HEADERS if name in response.headers}


@pytest.mark.parametrize(("path", "status"), [("/api/v1/old/thing", 200), ("/api/v1/old/gone", 404)])
async def test_each_answer_says_that_the_route_is_deprecated(
    gateway: Gateway, path: str, status: int
) -> None:
    assert await read(gateway, path) == (status, HEADERS)


async def test_a_stranger_hears_of_it_too(gateway: Gateway) -> None:
    assert await read(gateway, "/api/v1/old/thing", **{"X-API-Key": "tb_0000_0123456789abcdef"}) == (
        401,
        HEADERS,
    )


@pytest.mark.parametrize("path", ["/api/v1/old/thing", "/api/v1/old/gone"])
async def test_a_web_page_may_read_it(gateway: Gateway, path: str) -> None:
    own = f"http://127.0.0.1:{gateway.port}"
    async with gateway.session.get(own + path, headers={**gateway.key, "Origin": own}) as response:
        assert response.headers["Access-Control-Allow-Origin"] == own
        assert set(HEADERS) <= set(response.headers["Access-Control-Expose-Headers"].split(", "))


async def test_other_routes_say_nothing(gateway: Gateway) -> None:
    assert await read(gateway, "/api/v1/jobs") == (200, {})
    assert await read(gateway, "/nowhere") == (404, {})


async def test_the_operator_sees_who_still_calls_it(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "tonebridge.requests"):
        await read(gateway, "/api/v1/old/thing", **{"X-Request-Id": "r-1"})
        await read(gateway, "/api/v1/jobs")
    (line,) = [json.loads(JsonLines().format(record)) for record in caplog.records]
    _, me = await _me(gateway)
    assert (line["route"], line["request_id"]) == ("/api/v1/old/{name}", "r-1")
    assert line["organisation"] == me["organisation_id"]
    counted = gateway.parts.telemetry.metrics().decode()
    assert 'tonebridge_deprecated_requests_total{route="/api/v1/old/{name}"} 1.0' in counted


async def _me(gateway: Gateway) -> tuple[int, dict[str, Any]]:
    url = f"http://127.0.0.1:{gateway.port}/api/v1/auth/me"
    async with gateway.session.get(url, headers=gateway.key) as response:
        return response.status, await response.json()


async def test_the_description_says_it(gateway: Gateway) -> None:
    operation = gateway.front.behind.openapi()["paths"]["/api/v1/old/{name}"]["get"]
    assert operation["deprecated"] is True
    assert (
        "**Deprecated** since 2026-12-01, and removed on 2027-07-01 at the earliest. Use `GET"
        in (operation["description"])
    )
    assert operation["responses"]["200"]["headers"].keys() >= {"Deprecation", "Sunset"}
    assert operation["x-sunset"] == "2027-07-01"


def test_a_removal_that_comes_too_soon_is_refused() -> None:
    with pytest.raises(ValueError, match="choose 2027-06-02 or later"):
        deprecated(since=date(2026, 12, 1), sunset=date(2027, 3, 1), instead="x")


def test_no_route_has_no_headers() -> None:
    assert headers_of(None) == []


OF_REWRITES = {**HEADERS, "Link": '</docs#/rewrites/transform>; rel="deprecation"; type="text/html"'}
Received = tuple[int, str, dict[str, str]]


@pytest.fixture(params=[HotProtocol, GuardedProtocol])
async def rewriter(
    local: Settings,
    engine: Engine,
    api_key: str,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Gateway]:
    """A gateway whose route of rewrites is to be removed, with both protocols: one answers it by itself, the
    other by ASGI.
    """
    (route,) = [route for route in rewriting.router.routes if getattr(route, "path", "") == PATH]
    extra = deprecated(**DATES, instead="`POST /api/v2/transform`")["openapi_extra"]  # type: ignore[arg-type]
    monkeypatch.setattr(route, "openapi_extra", extra)
    gateways.publish(engine, Routing(champion=V1))
    settings = local.model_copy(update={"inference_urls": (service.url,)})
    async with streams.listening(settings, api_key, request.param) as gateway:
        yield gateway


async def rewrite(gateway: Gateway, body: Any, path: str = PATH, **headers: str) -> Received:
    """Status, type, and the headers of a deprecation."""
    url = f"http://127.0.0.1:{gateway.port}{path}"
    async with gateway.session.post(url, json=body, headers={**gateway.key, **headers}) as response:
        await response.read()
        shown = {name: response.headers[name] for name in HEADERS if name in response.headers}
        return response.status, response.content_type, shown


async def test_each_answer_of_the_hot_path_says_that_it_is_deprecated(
    rewriter: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    body = fresh()
    json_, stream, problem = "application/json", "text/event-stream", "application/problem+json"
    with caplog.at_level(logging.WARNING, "tonebridge.requests"):
        assert await rewrite(rewriter, body) == (200, json_, OF_REWRITES), "a miss"
        assert await rewrite(rewriter, body) == (200, json_, OF_REWRITES), "a hit"
        key = {"Idempotency-Key": body["text"]}
        for _ in range(2):
            assert await rewrite(rewriter, body, **key) == (200, json_, OF_REWRITES)
        assert await rewrite(rewriter, fresh(), Accept=stream) == (200, stream, OF_REWRITES)
        assert await rewrite(rewriter, fresh(intensity=9)) == (422, problem, OF_REWRITES)
        stranger = {"X-API-Key": "tb_0000_0123456789abcdef", "X-Request-Id": "r-9"}
        assert await rewrite(rewriter, body, **stranger) == (401, problem, OF_REWRITES)
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    called = [line for line in lines if line.get("route") == PATH]
    assert [line["key"] is not None for line in called] == [True] * 6 + [False]
    assert called[-1]["request_id"] == "r-9"
    counted = rewriter.parts.telemetry.metrics().decode()
    assert f'tonebridge_deprecated_requests_total{{route="{PATH}"}} 7.0' in counted


async def test_routes_beside_the_hot_path_say_nothing(rewriter: Gateway) -> None:
    """The rewrites of a batch, and those in another form, are other operations."""
    assert await rewrite(rewriter, {"items": [fresh()]}, "/api/v1/batch") == (200, "application/json", {})
    completion = {"model": "tonebridge/soften-2", "messages": [{"role": "user", "content": fresh()["text"]}]}
    assert await rewrite(rewriter, completion, completions.PATH) == (200, "application/json", {})
    assert "tonebridge_deprecated_requests_total{" not in rewriter.parts.telemetry.metrics().decode()


async def test_a_hot_route_in_another_form_can_be_deprecated_by_itself(
    local: Settings, engine: Engine, api_key: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    (route,) = [
        route for route in completion_routes.router.routes if getattr(route, "path", "") == completions.PATH
    ]
    extra = deprecated(**DATES, instead="`POST /api/v1/transform`")["openapi_extra"]  # type: ignore[arg-type]
    monkeypatch.setattr(route, "openapi_extra", extra)
    gateways.publish(engine, Routing(champion=V1))
    settings = local.model_copy(update={"inference_urls": (service.url,)})
    completion = {"model": "tonebridge/soften-2", "messages": [{"role": "user", "content": fresh()["text"]}]}
    async with streams.listening(settings, api_key, HotProtocol) as gateway:
        _, _, shown = await rewrite(gateway, completion, completions.PATH)
        assert shown == {
            **HEADERS, "Link": '</docs#/openai/create_chat_completion>; rel="deprecation"; type="text/html"',
        }  # fmt: skip
        assert (await rewrite(gateway, fresh()))[2] == {}
