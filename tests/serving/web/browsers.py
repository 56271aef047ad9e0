"""People in real browsers, in which they have signed in to a web app."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page

from data.tables import Account
from tests.accounts import PASSWORD
from tests.webs import Site

VIEWS = [(1280, "light", "en-GB"), (1280, "dark", "ja-JP"), (390, "light", "ja-JP"), (390, "dark", "en-GB")]


@contextmanager
def signed_in(site: Site, browser: Browser, person: Account | None = None, **options: Any) -> Iterator[Page]:
    """A page of a person, a new one without `person`; options go to the browser's context. Errors in the
    browser's console fail the test, except those about the status of a response.
    """
    errors: list[str] = []

    def collect(message: ConsoleMessage) -> None:
        if message.type == "error" and "status of" not in message.text:
            errors.append(message.text)

    options = {"locale": "en-GB", **options}
    with browser.new_context(base_url=site.url, **options) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", collect)
        page.goto("/sign-in")
        page.locator("[name=email]").fill((person or site.add_person()).email)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("[name=password]").press("Enter")
        page.locator("form[action='/sign-out']").first.wait_for()
        yield page
    assert errors == []


def settle(page: Page) -> None:
    """Wait until a page is loaded and painted: a browser that goes to the fragment of an address takes the
    focus away from what a test has focused before. A screenshot waits for the painted page, also where
    scripts are off.
    """
    page.wait_for_load_state("load")
    page.screenshot()


def check(page: Page) -> None:
    """Fail unless a page has no violation of accessibility and fits its window."""
    settle(page)  # a page that is half there has violations
    violations = Axe().run(page).response["violations"]
    found = [(violation["id"], violation["nodes"][0]["html"]) for violation in violations]
    assert not found, found
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
