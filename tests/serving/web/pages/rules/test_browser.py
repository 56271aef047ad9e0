"""The page Rules, and what rules propose on the page Rewrite, in a real browser."""

import pytest
from playwright.sync_api import Browser, expect

from data.people.identities import Role
from tests.serving.web import browsers
from tests.serving.web.browsers import VIEWS, signed_in
from tests.webs import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_rule_is_added_by_keyboard_and_proposes_while_its_author_writes(
    site: Site, browser: Browser
) -> None:
    with signed_in(site, browser, timezone_id="Asia/Tokyo") as page:
        page.goto("/rules")
        form = page.locator("form.rule").first
        expect(form.locator("[name=time_zone]")).to_have_value("Asia/Tokyo")
        page.get_by_label("Name of the rule").first.fill("Kinder")
        page.keyboard.press("Tab")
        page.keyboard.type("asap")
        form.locator("[name=intensity]").select_option("3")
        page.get_by_role("button", name="Add", exact=True).first.press("Enter")
        expect(page.get_by_text("The rule is added.")).to_be_visible()
        expect(page.locator(".terms > li")).to_contain_text("suggests: Make it kinder · A lot")
        page.goto("/rewrite")
        page.locator("[name=transform_type][value=summarize]").check(force=True)
        page.get_by_label("Your message").press_sequentially("Fix it asap.")
        proposal = page.locator("#choose-by-rule")
        expect(proposal).to_have_text("Make it kinder · A lot")
        assert page.locator("#result .marked").count() == 0
        proposal.click()
        expect(page.locator("[name=transform_type][value=soften]")).to_be_checked()
        expect(page.locator("[name=transform_type][value=soften]")).to_be_focused()
        expect(page.locator("[name=intensity][value='3']")).to_be_checked()
        assert page.locator("#result .marked").count() == 0, "nothing is rewritten by itself"
        page.get_by_label("Your message").fill("Thank you so much for your help!")
        expect(proposal).to_have_count(0)
        page.goto("/rules")
        page.get_by_role("button", name="Turn off Kinder").press("Enter")
        expect(page.locator(".terms > li")).to_contain_text("Kinder (off)")


def test_it_works_without_a_script(site: Site, browser: Browser) -> None:
    with signed_in(site, browser, java_script_enabled=False) as page:
        page.goto("/rules")
        form = page.locator("form.rule").first
        form.locator("[name=name]").fill("Evening")
        form.get_by_label("Mon").check()
        form.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("alert").first).to_be_visible()
        expect(form.locator("[name=name]")).to_have_value("Evening")
        form.locator("[name=time_zone]").fill("Asia/Tokyo")
        form.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator(".terms > li")).to_contain_text("from 19:00 until 08:00 (Asia/Tokyo)")
        page.get_by_role("button", name="Try it Evening").click()
        expect(page.get_by_text("It fits 0 of your last 0 messages.")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme", "locale"), VIEWS)
def test_the_page_is_accessible_and_fits(
    site: Site, browser: Browser, width: int, scheme: str, locale: str
) -> None:
    admin = site.add_person(Role.ADMIN, site.add_organisation())
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme, "locale": locale}
    with signed_in(site, browser, admin, **options) as page:
        page.goto("/rewrite")
        page.locator("[name=text]").fill("Donaudampfschifffahrtsgesellschaft, asap!")
        page.locator("#go").click()
        page.locator("#result .words").first.wait_for()
        page.goto("/rules")
        for place in range(2):
            form = page.locator("form.rule").nth(place)
            if not form.is_visible():
                page.locator("details.add > summary").nth(place).click()
            form.locator("details > summary").click()
            browsers.check(page)
            form.locator("[name=name]").fill("Donaudampfschifffahrtsgesellschaft" * 3)
            form.locator("[name=words]").fill("asap\n" + "船" * 90)
            form.locator("[name=pattern]").fill("Donau(?:dampf|schiff)+fahrts" * 8 + "|asap")
            form.locator("button.main").click()
        browsers.check(page)
        page.locator(".terms button").first.click()
        page.locator("#trial").wait_for()
        browsers.check(page)
        page.goto("/rules")
        page.locator(".terms a").first.click()
        browsers.check(page)
        page.goto("/rewrite")
        page.locator("[name=text]").fill("asap!")
        page.locator("#read").click()
        browsers.check(page)
