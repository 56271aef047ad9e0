"""The gateway's first page: what it links to, that it needs no key, and that it can be read by everybody."""

import base64
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from sqlalchemy import Engine

from configs.settings import Settings
from tests import gateways


@pytest.mark.parametrize("api_docs", [True, False])
async def test_it_links_to_the_dashboard_and_to_the_api_where_that_is_shown(
    stack: Settings, engine: Engine, api_docs: bool
) -> None:
    settings = stack.model_copy(update={"api_docs": api_docs})
    async with gateways.in_process(settings, engine) as front, gateways.client(front) as client:
        page = await client.get("/")
        links = re.findall(r'<a href="([^"]+)"', page.text)
        assert page.status_code == 200
        assert "This is the gateway" in page.text
        assert links == ["docs"] * api_docs + [f"http://127.0.0.1:{stack.dashboard_port}"]
        assert (await client.get("/docs")).status_code == (200 if api_docs else 404)
        assert "/" not in front.behind.openapi()["paths"]
        assert (await client.post("/")).status_code == 405


async def test_it_needs_no_key_counts_against_no_plan_and_shows_no_secret(
    stack: Settings, engine: Engine
) -> None:
    key = gateways.a_key(engine, gateways.an_organisation(engine, "free"))
    async with gateways.in_process(stack, engine) as front, gateways.client(front) as client:
        for headers in ({}, key, {"X-API-Key": "no key"}):
            page = await client.get("/", headers=headers)
            assert page.status_code == 200
            assert "ratelimit" not in page.headers
    for name in ("receipt_secret", "session_secret", "service_token", "metrics_token"):
        assert stack.secret(name) not in page.text  # type: ignore[arg-type]


async def test_its_headers_allow_its_own_style_and_nothing_else(stack: Settings, engine: Engine) -> None:
    async with gateways.in_process(stack, engine) as front, gateways.client(front) as client:
        page = await client.get("/")
    [style] = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.fixture(scope="module")
def address(stack: Settings) -> Iterator[str]:
    with gateways.listening(stack) as address:
        yield address


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it_in_both_schemes(
    address: str, browser: Browser, scheme: Literal["light", "dark"], width: int
) -> None:
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.goto(f"{address}/")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(251, 252, 253)", "dark": "rgb(18, 24, 31)"}[scheme]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in requests if not url.startswith("data:")] == [f"{address}/"]
    assert errors == []
    assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []
    page.get_by_role("link", name="API reference").click()
    page.get_by_text("/api/v1/transform").wait_for(timeout=60_000)
    page.close()
