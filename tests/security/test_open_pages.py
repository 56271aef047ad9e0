"""Metrics are for callers with the token. The page of the API loads nothing from other hosts."""

import re
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright
from pydantic import SecretStr, ValidationError
from sqlalchemy import Engine

from configs.settings import Settings
from pipelines.environments import environment
from tests import gateways

ASK = {"text": "Fix PAY-123 by Friday.", "transform_type": "soften", "intensity": 2}
NOSNIFF = "x-content-type-options"


async def test_the_metrics_are_for_who_shows_their_token(
    stack: Settings, client: httpx.AsyncClient, engine: Engine, organisation_id: Any
) -> None:
    token = stack.secret("metrics_token")
    for authorization in (f"Bearer {token}", f"bearer  {token}"):
        response = await client.get("/metrics", headers={"Authorization": authorization})
        assert response.status_code == 200
        assert "tonebridge_request_seconds" in response.text
    wrong = ("", token, f"Basic {token}", f"Bearer {token}x", f"Bearer {token[:-1]}", "Bearer", "Bearer \xe9")
    for authorization in wrong:
        headers = {"Authorization": authorization.encode("latin-1")}
        refused = await client.get("/metrics", headers=headers)
        assert refused.status_code == 401, authorization
        assert "TONEBRIDGE_METRICS_TOKEN" in refused.json()["detail"]
        assert "tonebridge_" not in refused.text
    owner = gateways.a_key(engine, organisation_id, "owner")
    assert (await client.get("/metrics", headers=owner)).status_code == 401, (
        "a key is no token of the metrics"
    )


async def test_without_a_token_the_metrics_are_closed_and_say_what_opens_them(
    stack: Settings, engine: Engine
) -> None:
    closed = stack.model_copy(update={"metrics_token": None})
    async with gateways.in_process(closed, engine) as front, gateways.client(front) as client:
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
            refused = await client.get("/metrics", headers=headers)
            assert refused.status_code == 404
            assert "TONEBRIDGE_METRICS_TOKEN" in refused.json()["detail"]


def test_a_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ValidationError, match="metrics_token"):
        Settings(metrics_token=SecretStr("short"))


def test_a_gateway_that_is_started_has_the_token(local: Settings) -> None:
    assert environment(local, "gateway")["TONEBRIDGE_METRICS_TOKEN"] == local.secret("metrics_token")
    assert Settings(api_docs=environment(local)["TONEBRIDGE_API_DOCS"]).api_docs is True


async def test_every_answer_but_a_rewrite_forbids_to_guess_its_type(
    client: httpx.AsyncClient, engine: Engine, organisation_id: Any
) -> None:
    key = gateways.a_key(engine, organisation_id)
    answers = [
        await client.get(path, headers=key)
        for path in (
            "/livez",
            "/metrics",
            "/docs",
            "/docs/start.js",
            "/openapi.json",
            "/nothing",
            "/api/v1/keys",
        )
    ]
    answers += [
        await client.post(path, json=body, headers=headers)
        for path, body, headers in (
            ("/api/v1/transform", ASK, {}),
            ("/api/v1/transform", {"text": "<script>"}, key),
            ("/api/v1/compare", ASK, key),
            ("/api/v1/batch", {"items": [ASK]}, key),
        )
    ]
    for answer in answers:
        assert answer.headers.get_list(NOSNIFF) == ["nosniff"], answer.url
    rewrite = await client.post("/api/v1/transform", json=ASK, headers=key)
    assert rewrite.status_code == 200
    assert rewrite.headers["content-type"] == "application/json"


async def test_the_page_of_the_api_names_no_other_origin(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert sorted(addresses) == [
        "data:,",
        "docs/start.js",
        "docs/swagger-ui-bundle.js",
        "docs/swagger-ui.css",
    ]
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", page.text), "something stands inline"
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    for address in addresses[1:]:
        assert (await client.get(f"/{address}")).status_code == 200
    for gone in ("/redoc", "/docs/redoc.standalone.js", "/docs/../app.py", "/docs/%2e%2e/core.py"):
        assert (await client.get(gone)).status_code == 404


async def test_the_page_of_the_api_can_be_closed(stack: Settings, engine: Engine) -> None:
    closed = stack.model_copy(update={"api_docs": False})
    async with gateways.in_process(closed, engine) as front, gateways.client(front) as client:
        for path in ("/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js", "/openapi.json", "/redoc"):
            assert (await client.get(path)).status_code == 404


@pytest.fixture
def served(stack: Settings) -> Iterator[str]:
    """The address of a gateway that listens, in a thread."""
    with gateways.listening(stack) as url:
        yield url


@pytest.mark.slow
def test_a_browser_shows_the_api_and_asks_nobody_else(served: str) -> None:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no browser: apt install chromium")
    requests: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{served}/docs")
        page.get_by_text("/api/v1/transform").wait_for(timeout=60_000)
        page.get_by_text("/api/v1/transform").click()
        page.get_by_role("button", name="Try it out").wait_for(timeout=60_000)
        browser.close()
    assert {address for address in requests if not address.startswith((f"{served}/", "data:"))} == set()
    assert f"{served}/openapi.json" in requests
    assert complaints == []
