"""The page History in a real browser."""

import csv
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from data.reasons import reason
from tests.serving.web import browsers
from tests.serving.web.browsers import VIEWS, signed_in
from tests.serving.web.people import give
from tests.webs import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_person_finds_corrects_and_copies_a_rewrite(site: Site, browser: Browser) -> None:
    ann, now = site.add_person(), datetime.now(UTC)
    give(site, ann, [f"Number {number}." for number in range(25)], now - timedelta(days=2))
    give(site, ann, ["Fix the login page."], now, rewrite="Could you fix the login page?")
    with signed_in(site, browser, ann, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.goto("/history")
        expect(page.get_by_role("article")).to_have_count(20)
        page.get_by_role("link", name="Older rewrites").click()
        expect(page.get_by_role("article")).to_have_count(6)
        page.get_by_role("link", name="Newer rewrites").click()
        page.get_by_label("Words in the message or the rewrite").fill("LOGIN")
        page.keyboard.press("Enter")
        article = page.get_by_role("article")
        expect(article).to_have_count(1)
        expect(article.locator("del").first).to_have_text("Fix")
        expect(article.locator("ins").first).to_have_text("Could you fix")
        article.get_by_role("button", name="Copy the rewrite").click()
        expect(article.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == "Could you fix the login page?"
        article.get_by_text("Correct it").click()
        article.get_by_label("The text as it should be").fill("Could you fix it, Ann?")
        article.get_by_role("button", name="Store my version").click()
        expect(article.get_by_role("status")).to_have_text("Your version is stored. You can change it.")
        expect(page.get_by_label("Words in the message or the rewrite")).to_have_value("LOGIN")
        expect(article.get_by_role("heading", name="Your version")).to_be_visible()
        expect(article.locator(".words")).to_have_text("Fix the login page.Could you fix it, Ann?")
        expect(article.locator("ins")).to_have_text("Could you fix it, Ann?")
        article.get_by_role("button", name="Copy your version").click()
        expect(article.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == "Could you fix it, Ann?"
        article.get_by_role("button", name="Good").click()
        expect(article.get_by_role("status")).to_have_text("Your vote is stored. You can change it.")
        expect(article.get_by_role("button", name="Good")).to_have_attribute("aria-pressed", "true")
        article.get_by_role("link", name="Rewrite again").click()
        expect(page.locator("#whole")).to_have_value("Could you fix it, Ann?")
        expect(page.locator("#correction")).to_have_value("Could you fix it, Ann?")
        expect(page.locator("#vote-up")).to_have_attribute("aria-pressed", "true")
        page.locator("#vote-4").click()
        expect(page.locator("#vote-4")).to_have_attribute("aria-pressed", "true")
        page.get_by_text("Comment", exact=True).click()
        page.locator("#comment").fill("Shorter, please.")
        page.locator("#vote-comment").click()
        expect(page.get_by_text("Your comment is stored.")).to_be_visible()
        page.goto("/history?q=login")
        expect(article.locator(".aspects")).to_contain_text("4 of 5")
        expect(article.locator(".aspects")).to_contain_text("Shorter, please.")


def test_a_day_is_one_of_the_readers_zone(site: Site, browser: Browser) -> None:
    ann = site.add_person()
    give(site, ann, ["It is the 11th in Tokyo."], datetime(2026, 11, 10, 15, 30, tzinfo=UTC))
    with signed_in(site, browser, ann, timezone_id="Asia/Tokyo") as page:
        page.goto("/history")
        for day, count in (("2026-11-10", 0), ("2026-11-11", 1)):
            page.get_by_label("From day").fill(day)
            page.get_by_label("To day").fill(day)
            page.get_by_role("button", name="Search").click()
            page.wait_for_url(f"**since={day}**")
            expect(page.get_by_role("article")).to_have_count(count)


def test_a_file_is_saved_and_a_history_deleted_without_a_script(site: Site, browser: Browser) -> None:
    ann = site.add_person()
    give(site, ann, ["=1+1"], rewrite="日本語")
    with signed_in(site, browser, ann, java_script_enabled=False) as page:
        page.goto("/history")
        with page.expect_download() as download:
            page.get_by_role("link", name="Table (CSV)").click()
        assert download.value.suggested_filename == f"tonebridge-{datetime.now(UTC):%Y-%m-%d}.csv"
        with download.value.path().open(encoding="utf-8-sig", newline="") as file:
            assert [(row["message"], row["rewrite"]) for row in csv.DictReader(file)] == [("'=1+1", "日本語")]
        page.get_by_text("Delete it", exact=True).click()
        page.locator("form[action='/history/erase'] [name=sure]").check()
        page.get_by_role("button", name="Delete my history now").click()
        expect(page.get_by_text("Nothing is deleted yet.")).to_be_visible()
        expect(page.get_by_role("button", name="Delete my history now")).to_have_count(0)


@pytest.mark.parametrize("has_script", [True, False])
def test_one_rewrite_is_deleted_with_a_confirmation(site: Site, browser: Browser, has_script: bool) -> None:
    ann = site.add_person()
    give(site, ann, ["This one goes.", "This one stays."])
    with signed_in(site, browser, ann, java_script_enabled=has_script) as page:
        page.goto("/history?q=one")
        goes = page.get_by_role("article").filter(has_text="This one goes.")
        goes.get_by_text("Delete this one").click()
        goes.get_by_role("button", name="Delete this rewrite now").click()
        expect(goes).to_have_count(1)  # the browser asks to tick the box
        goes.get_by_label("I understand that this cannot be undone.").check()
        goes.get_by_role("button", name="Delete this rewrite now").click()
        expect(page.get_by_role("status")).to_contain_text("is deleted within seconds")
        expect(page.get_by_role("article")).to_have_count(1)
        expect(page.get_by_role("article")).to_contain_text("This one stays.")


@pytest.mark.parametrize(("width", "scheme", "locale"), VIEWS)
def test_the_page_is_accessible_and_fits(
    site: Site, browser: Browser, width: int, scheme: str, locale: str
) -> None:
    ann = site.add_person()
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme, "locale": locale}
    with signed_in(site, browser, ann, **options) as page:
        page.goto("/history")
        browsers.check(page)
        give(site, ann, [f"{'x' * 300} https://example.com/{'y' * 300}"], rewrite="どうぞ" * 200)
        give(site, ann, ["Bonjour."], rewrite="Bonjour.", unchanged=reason("unchanged_intensity_zero"))
        said = [
            ("thumb", {"thumb_up": False}),
            ("rating", {"rating": 2}),
            ("edit", {"text": f"Could you, Ann? {'z' * 300}"}),
            ("comment", {"text": f"Too long.\n{'z' * 300}"}),
        ]
        give(site, ann, ["Fix it."], votes=said)
        page.reload()
        for summary in page.locator("summary").all():
            summary.click()
        browsers.check(page)
