"""The page Dictionary in a real browser."""

import pytest
from playwright.sync_api import Browser, expect

from data.people.identities import Role
from tests.serving.web import browsers
from tests.serving.web.browsers import VIEWS, settle, signed_in
from tests.webs import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_terms_are_added_changed_and_deleted_by_keyboard(site: Site, browser: Browser) -> None:
    with signed_in(site, browser) as page:
        page.goto("/dictionary")
        wording = page.get_by_label("The explanation, or what to say instead")
        expect(wording).to_be_hidden()
        page.get_by_label("Word or phrase").fill("SLO")
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowDown")
        expect(page.get_by_label("Explain as")).to_be_checked()
        page.keyboard.press("Tab")
        expect(wording).to_be_focused()
        page.keyboard.type("our promise")
        page.keyboard.press("Enter")
        expect(page.get_by_text("The term is added.")).to_be_visible()
        expect(page.get_by_role("listitem")).to_contain_text("SLO is explained as our promise")
        settle(page)
        page.get_by_role("link", name="Change SLO").press("Enter")
        page.get_by_role("listitem").get_by_label("Never change").check()
        expect(page.get_by_role("listitem").get_by_label("The explanation")).to_be_hidden()
        settle(page)
        page.get_by_role("button", name="Save").press("Enter")
        expect(page.get_by_role("listitem")).to_contain_text("SLO is never changed")
        settle(page)
        page.get_by_role("link", name="Change SLO").press("Enter")
        delete = page.get_by_role("button", name="Delete this term")
        expect(delete).to_be_visible()
        settle(page)
        delete.press("Enter")
        expect(page.get_by_text("The term is deleted.")).to_be_visible()
        expect(page.get_by_role("listitem")).to_have_count(0)


def test_it_works_without_a_script(site: Site, browser: Browser) -> None:
    with signed_in(site, browser, java_script_enabled=False) as page:
        page.goto("/dictionary")
        page.get_by_label("Word or phrase").fill("user")
        page.get_by_role("radio", name="Say instead").check()
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("what to say instead")
        expect(page.get_by_label("Word or phrase")).to_have_value("user")
        page.get_by_label("The explanation, or what to say instead").fill("customer")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("listitem")).to_contain_text("user is replaced by customer")


@pytest.mark.parametrize(("width", "scheme", "locale"), VIEWS)
def test_the_page_is_accessible_and_fits(
    site: Site, browser: Browser, width: int, scheme: str, locale: str
) -> None:
    admin = site.add_person(Role.ADMIN, site.add_organisation())
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme, "locale": locale}
    with signed_in(site, browser, admin, **options) as page:
        page.goto("/dictionary")
        for place in range(2):
            form = page.locator("form.term").nth(place)
            if not form.is_visible():
                page.locator("details.add summary").nth(place).click()
            browsers.check(page)
            form.locator("[name=term]").fill("Donaudampfschifffahrtsgesellschaft" * 2)
            form.locator("[value=replace]").check()
            form.locator("[name=wording]").fill("船" * 120)
            form.locator("button").click()
        browsers.check(page)
        page.locator(".terms a").first.click()
        browsers.check(page)
