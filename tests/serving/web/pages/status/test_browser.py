"""The page Status in a real browser."""

import pytest
from playwright.sync_api import Browser, expect

from tests.serving.web import browsers
from tests.serving.web.browsers import VIEWS, signed_in
from tests.webs import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("width", "scheme", "locale"), VIEWS)
def test_the_page_is_accessible_and_fits(
    site: Site, browser: Browser, width: int, scheme: str, locale: str
) -> None:
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme, "locale": locale}
    with browser.new_context(base_url=site.url, **options) as context:
        page = context.new_page()
        page.goto("/status")
        expect(page.locator("dt")).to_have_count(4)
        browsers.check(page)


def test_it_is_reached_from_the_foot_of_a_page(site: Site, browser: Browser) -> None:
    with signed_in(site, browser) as page:
        page.goto("/history")
        page.get_by_role("link", name="Status").click()
        expect(page.get_by_role("heading", name="Status")).to_be_visible()
        expect(page.get_by_text("Works. Last seen to work:").first).to_be_visible()
