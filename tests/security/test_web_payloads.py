"""What people write is text on every page of the web app, too: it runs nothing, loads nothing, turns nothing
around. The pages are those of the application, so a new page is opened without a change here.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from pipelines import local as processes
from serving.web.app import create_app
from tests.accounts import PASSWORD
from tests.dashboards import Installation
from tests.payloads import MARKUP, PAYLOADS, Watch, check

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # mlflow's
]


@pytest.fixture(scope="module")
def web(installation: Installation) -> Iterator[str]:
    """The address of a web app whose gateway answers."""
    url = f"http://127.0.0.1:{installation.settings.web_port}"
    with processes.running(installation.settings, "web") as started:
        started["web"].wait_until_ready(f"{url}/livez")
        yield url


def store(client: httpx.Client, payload: str) -> str:
    """Store a payload wherever the gateway takes it of a person; the id of an answer that is full of it."""
    asked = {"text": payload, "transform_type": "soften", "intensity": 2}
    answer = client.post("/transform", json=asked).json()
    for vote in ({"kind": "edit", "text": payload}, {"kind": "comment", "text": payload}):
        assert client.post("/feedback", json=vote | {"receipt": answer["receipt"]}).is_success
    term = {"scope": "own", "term": payload[:100], "rule": "replace", "wording": payload[:300]}
    assert client.post("/dictionary", json=term).status_code in (201, 409, 422)
    return str(answer["answer_id"])


def sign_in(page: "Page", email: str) -> None:
    page.goto("/sign-in")
    page.fill("[name=email]", email)
    page.fill("[name=password]", PASSWORD)
    page.click("button.main")
    page.get_by_role("button", name="Sign out").wait_for()


def pages_of(installation: Installation) -> list[str]:
    """The paths that a person can open, except those around the pages."""
    paths = create_app(installation.settings).behind.openapi()["paths"]
    around = ("/livez", "/manifest.webmanifest", "/service-worker.js", "/offline/")
    return sorted(path for path, methods in paths.items() if "get" in methods and not path.startswith(around))


def test_what_people_store_is_text_on_every_page_in_both_languages(
    installation: Installation, web: str, browser: "Browser"
) -> None:
    email = installation.account("member")
    with httpx.Client(base_url=f"{installation.settings.gateway_url}/api/v1", timeout=60) as client:
        tokens = client.post("/auth/login", json={"email": email, "password": PASSWORD}).json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        answers = {name: store(client, payload) for name, payload in PAYLOADS.items()}
        assert len(client.get("/dictionary?scope=own").json()) > 5
    context = browser.new_context(base_url=web, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watch = Watch(page, web)
    sign_in(page, email)
    for language in ("en", "ja"):
        context.add_cookies([{"name": "language", "value": language, "url": web}])
        for path in pages_of(installation):
            if "{" not in path:
                check(page, path, watch)
        for name, id in answers.items():
            html = check(page, f"/rewrite/{id}", watch)
            if name == "template":
                assert "{{7*7}}" in html
    context.close()


def test_what_a_form_gives_back_is_text(installation: Installation, web: str, browser: "Browser") -> None:
    context = browser.new_context(base_url=web, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watch = Watch(page, web)
    sign_in(page, installation.account("member"))
    page.goto("/rewrite")
    csrf = page.locator("[name=csrf]").first.get_attribute("value")
    for name, payload in PAYLOADS.items():
        form = {"csrf": csrf, "text": payload, "transform_type": "soften", "intensity": "2"}
        wrong = form | {"transform_type": payload[:20], "intensity": payload[:20]}
        for path, sent in (
            ("/rewrite", form), ("/rewrite", wrong), ("/rewrite/two", form), ("/rewrite/message", wrong),
            ("/rewrite/stream", form), ("/sign-in", {"email": payload[:300], "password": "p"}),
        ):  # fmt: skip
            answer = page.request.post(path, form=sent)
            assert answer.status < 500 or answer.status == 503, (name, path, answer.text()[:500])
            text = answer.text().replace("\\u003c", "<") if path.endswith("stream") else answer.text()
            assert not [markup for markup in MARKUP if markup in text], (name, path)
        shared = httpx.QueryParams({"title": payload[:200], "text": payload, "url": payload[:200]})
        check(page, f"/rewrite?{shared}", watch)
        check(page, f"/rewrite?{httpx.QueryParams({'transform_type': payload[:20]})}", watch)
        check(page, f"/sign-in?{httpx.QueryParams({'to': '/' + payload[:1000]})}", watch)
    context.close()


def test_a_rewrite_that_is_streamed_into_the_page_is_text(
    installation: Installation, web: str, browser: "Browser"
) -> None:
    context = browser.new_context(base_url=web, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watch = Watch(page, web)
    sign_in(page, installation.account("member"))
    for payload in PAYLOADS.values():
        page.goto("/rewrite")
        page.locator("textarea[name=text]").first.fill(payload)
        page.get_by_role("button", name=re.compile("^Rewrite$")).click()
        page.locator("#result > *").first.wait_for()
        assert page.locator("main script, main img[src], main base, main link, main style").count() == 0
        assert watch.seen == [], payload
    context.close()
