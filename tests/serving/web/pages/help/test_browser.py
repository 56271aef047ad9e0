"""The page Help in a real browser."""

import pytest
from playwright.sync_api import Browser, expect

from tests.serving.web import browsers
from tests.serving.web.browsers import VIEWS, settle, signed_in
from tests.webs import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("has_script", [True, False])
def test_feedback_is_sent_from_the_foot_of_a_page_by_keyboard(
    site: Site, browser: Browser, has_script: bool
) -> None:
    with signed_in(site, browser, java_script_enabled=has_script) as page:
        page.goto("/dictionary")
        page.get_by_role("link", name="Feedback on this app").press("Enter")
        page.wait_for_url("**/help#feedback")
        settle(page)
        page.get_by_role("radio", name="A problem").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.type("The list is slow.")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Thank you. Your admins can read it now.")).to_be_visible()
        expect(page.get_by_label("In your words")).to_have_value("")


@pytest.mark.parametrize(("width", "scheme", "locale"), VIEWS)
def test_the_page_is_accessible_and_fits(
    site: Site, browser: Browser, width: int, scheme: str, locale: str
) -> None:
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme, "locale": locale}
    with signed_in(site, browser, **options) as page:
        page.goto("/help")
        browsers.check(page)
        page.locator("[name=about]").first.check()
        page.locator("[name=comment]").fill("Donaudampfschifffahrtsgesellschaft" * 50)
        page.locator("[name=may_answer]").first.check()
        page.locator("#feedback ~ form button").click()
        expect(page.locator(".done")).to_be_visible()
        browsers.check(page)
