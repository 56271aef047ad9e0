"""All pages in a real browser: signing in, and accessibility."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.accounts import PASSWORD
from tests.dashboards import Installation, SignIn, draft

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
    page = sign_in("experimenter", viewport={"width": width, "height": 844}, color_scheme=scheme)
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
        "/nothing",
    ):
        page.goto(path)
        assert page.locator("html").get_attribute("lang") == language
        violations = Axe().run(page).response["violations"]
        serious = [
            (violation["id"], violation["nodes"][0]["html"])
            for violation in violations
            if violation["impact"] in ("serious", "critical")
        ]
        assert serious == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
