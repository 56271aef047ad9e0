"""The page Profile in a real browser."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.serving.web import browsers
from tests.serving.web.browsers import VIEWS, signed_in
from tests.webs import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/26.0 Mobile/15E148 Safari/604.1"
)


def test_a_phone_is_signed_out_from_another_device(site: Site, browser: Browser) -> None:
    ann = site.add_person()
    with signed_in(site, browser, ann) as page, signed_in(site, browser, ann, user_agent=_IPHONE) as phone:
        page.goto("/profile")
        here = page.get_by_role("listitem").filter(has_text="this one")
        expect(here.get_by_text(re.compile("Chrome on "))).to_be_visible()
        page.get_by_role("button", name="Sign out there Safari on iPhone").click()
        expect(page.get_by_text("Signed out there.")).to_be_visible()
        expect(page.get_by_role("listitem")).to_have_count(1)
        for _ in range(100):  # it takes a heartbeat of the gateway
            phone.goto("/history")
            if "/sign-in" in phone.url:
                break
            phone.wait_for_timeout(50)
        expect(phone).to_have_url(re.compile(r"/sign-in\?to=/history$"))


def test_language_defaults_and_consent_without_a_script(site: Site, browser: Browser) -> None:
    with signed_in(site, browser, java_script_enabled=False) as page:
        page.goto("/profile")
        page.get_by_label("No", exact=False).and_(page.locator("[value=no]")).check()
        page.locator("section", has=page.locator("#consent")).get_by_role("button", name="Save").click()
        expect(page.get_by_text("You decided: no.")).to_be_visible()
        page.get_by_label("Kind of rewrite").select_option(label="Make it shorter")
        page.get_by_label("How much?").select_option(label="A lot")
        page.locator("section", has=page.locator("#defaults")).get_by_role("button", name="Save").click()
        expect(page.get_by_label("Kind of rewrite")).to_have_value("summarize")
        page.get_by_label("Language of the pages").select_option("ja")
        page.locator("section", has=page.locator("#language-title")).get_by_role("button").click()
        expect(page.get_by_role("heading", name="プロフィール")).to_be_visible()
        page.goto("/rewrite")
        expect(page.locator("[name=transform_type]:checked")).to_have_value("summarize")
        expect(page.locator("[name=intensity]:checked")).to_have_value("3")


@pytest.mark.parametrize(("width", "scheme", "locale"), VIEWS)
def test_the_page_is_accessible_and_fits(
    site: Site, browser: Browser, width: int, scheme: str, locale: str
) -> None:
    ann = site.add_person()
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme, "locale": locale}
    with signed_in(site, browser, ann), signed_in(site, browser, ann, **options) as page:
        page.goto("/profile")
        expect(page.get_by_role("listitem")).to_have_count(2)
        browsers.check(page)
