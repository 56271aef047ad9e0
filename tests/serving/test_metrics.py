"""Requests are counted by the template of their route, not by address. The metrics need a token."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import SecretStr

from configs.settings import Settings
from serving.metrics import Measured, Metrics
from serving.observability import spans
from tests.collectors import Collector, values_of

TOKEN = "m" * 32


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Settings(metrics_token=SecretStr(TOKEN)))


@pytest.fixture
def client(metrics: Metrics, tmp_path: Any) -> httpx.AsyncClient:
    app, inner = FastAPI(), FastAPI()
    (tmp_path / "a.css").write_text("a")

    @app.get("/jobs/{job_id}")
    def show(job_id: str) -> str:
        return job_id

    @app.get("/broken")
    def fail() -> None:
        raise ZeroDivisionError

    @inner.get("/oauth/{platform}")
    def inside(platform: str) -> str:
        return platform

    app.mount("/static", StaticFiles(directory=tmp_path))
    app.mount("", inner)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(Measured(app, metrics), raise_app_exceptions=False), base_url="http://x"
    )


def counted(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Requests by route and status."""
    return {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "tonebridge_http_request_seconds_count"
    }


async def test_requests_are_counted_by_route_and_status(metrics: Metrics, client: httpx.AsyncClient) -> None:
    for path in (
        "/jobs/1",
        "/jobs/2",
        "/oauth/slack",
        "/static/a.css",
        "/static/none",
        "/a",
        "/b",
        "/broken",
    ):
        await client.get(path)
    assert counted(metrics) == {
        ("/jobs/{job_id}", "200"): 2,
        ("/oauth/{platform}", "200"): 1,
        ("/static", "200"): 1,
        ("/static", "404"): 1,
        ("unknown", "404"): 2,
        ("/broken", "500"): 1,
    }


async def test_the_metrics_are_for_who_shows_the_token(metrics: Metrics, client: httpx.AsyncClient) -> None:
    await client.get("/jobs/1")
    answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'tonebridge_http_request_seconds_count{route="/jobs/{job_id}",status="200"} 1.0' in answer.text
    assert "process_resident_memory_bytes" in answer.text
    for authorization in ("", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer"):
        refused = await client.get("/metrics", headers={"Authorization": authorization})
        assert refused.status_code == 401
        assert "TONEBRIDGE_METRICS_TOKEN" in refused.text
        assert "tonebridge_http" not in refused.text
    assert all(route != "/metrics" for route, _ in counted(metrics)), "they do not count themselves"


async def test_without_a_token_they_are_off() -> None:
    metrics = Metrics(Settings(metrics_token=None))
    transport = httpx.ASGITransport(Measured(FastAPI(), metrics))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        for headers in ({}, {"Authorization": "Bearer None"}, {"Authorization": "Bearer "}):
            answer = await client.get("/metrics", headers=headers)
            assert answer.status_code == 404
            assert "TONEBRIDGE_METRICS_TOKEN" in answer.text


async def test_requests_have_spans_with_their_route_and_not_with_their_address(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    parent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    await client.get("/jobs/planted?q=planted", headers=parent)
    for path in ("/oauth/planted", "/broken", "/planted", "/static/a.css", "/metrics"):
        await client.get(path)
    spans.stop()
    made = {(values["route"], values["status"]): span for span, values in _pages(collector)}
    assert made.keys() == {
        ("/jobs/{job_id}", 200),
        ("/oauth/{platform}", 200),
        ("/broken", 500),
        ("unknown", 404),
    }
    continued = made["/jobs/{job_id}", 200]
    assert continued.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert continued.parent_span_id.hex() == "b7ad6b7169203331"
    assert len({span.trace_id for span in made.values()}) == 4
    assert b"planted" not in b"".join(collector.bodies)


def _pages(collector: Collector) -> list[tuple[Span, dict[str, Any]]]:
    return [(span, values_of(span)) for span in collector.named("GET")]
