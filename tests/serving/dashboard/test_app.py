"""All pages in a real browser: signing in, and accessibility."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from data.jobs.queue import State
from data.reasons import reason
from data.webhooks.events import SUBSCRIBABLE
from tests.accounts import PASSWORD
from tests.dashboards import Installation, SignIn, draft
from tests.serving.dashboard import webhooks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # mlflow's
]


def test_after_signing_in_again_the_browser_returns_to_the_requested_page(
    installation: Installation, sign_in: SignIn
) -> None:
    page = sign_in("viewer")
    page.get_by_role("button", name="Sign out").click()
    page.goto("/experiments?status=draft&q=soft")
    expect(page).to_have_url(re.compile("/sign-in"))
    page.get_by_label("E-mail").fill(installation.account("viewer"))
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("There is no account with this address and password.")
    page.get_by_label("E-mail").fill(installation.account("viewer"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/experiments\?status=draft&q=soft$"))
    page.goto("/sign-in?to=https://evil.example/")
    assert page.locator("[name=to]").last.get_attribute("value") == "/"


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_are_accessible_and_fit(
    installation: Installation, sign_in: SignIn, width: int, scheme: str, language: str
) -> None:
    page = sign_in("admin", viewport={"width": width, "height": 844}, color_scheme=scheme)
    log = f"/webhooks/{add_webhooks(installation)}"
    address = draft(page, f"Accessible at {width} {language}", "v3")
    page.context.add_cookies([{"name": "language", "value": language, "url": installation.url}])
    for path in (
        "/experiments",
        "/experiments?q=nothing",
        "/experiments/new",
        address,
        f"{address}/start",
        "/models",
        "/models/v2",
        "/data",
        "/calibration",
        "/operations",
        "/compare",
        "/webhooks",
        f"{log}?state=dead",
        log,
        "/accounts",
        "/nothing",
    ):
        page.goto(path)
        assert page.locator("html").get_attribute("lang") == language
        check_page(page, width)
        for summary in page.locator("main summary").all():
            summary.click()  # what a person opens has to fit, too
        check_page(page, width)


def add_webhooks(installation: Installation) -> uuid.UUID:
    """Webhooks in every state; the id of one with deliveries of every kind."""
    webhooks.clear(installation)
    now = datetime.now(UTC)
    refused = reason("receiver_status", status=500)
    webhooks.add(installation, *SUBSCRIBABLE, description="every event", skipped=3)
    webhooks.add(installation, disabled_at=now)
    webhooks.add(installation, url=f"{webhooks.URL}?{'x' * 300}", disabled_at=now, disabled_reason=refused)
    id = webhooks.add(installation, failing_since=now - timedelta(days=2), failures=4)
    for state in State:
        webhooks.deliver(installation, id, state.value, refused, refused)
    return id


def check_page(page: Page, width: int) -> None:
    """Whether axe finds nothing serious and the page fits."""
    violations = Axe().run(page).response["violations"]
    serious = [
        (violation["id"], violation["nodes"][0]["html"])
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == [], page.url
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url


def test_a_secret_is_copied_and_gone_after_a_reload_and_the_keyboard_deletes_its_webhook(
    installation: Installation, sign_in: SignIn
) -> None:
    webhooks.clear(installation)
    page = sign_in("admin", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_role("textbox", name=re.compile("^Address")).fill("https://example.org/hook")
    page.get_by_role("checkbox", name="job.done").check()
    page.get_by_role("button", name="Add", exact=True).click()
    secret = page.get_by_role("textbox", name="The secret of this webhook")
    expect(secret).to_have_value(re.compile("^whsec_"))
    check_page(page, 1280)
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret.input_value()
    page.reload()
    expect(page.get_by_role("heading", name="https://example.org/hook")).to_be_visible()
    expect(secret).to_have_count(0)
    assert len(webhooks.read_all(installation)) == 1, "the reload did not send the form again"
    page.locator("summary", has_text="Delete").focus()
    for key in ("Enter", "Tab", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_text("Your organisation has no webhook yet.")).to_be_visible()
