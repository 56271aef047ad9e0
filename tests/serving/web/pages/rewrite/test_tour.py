"""The tour on the page Rewrite: for whom it is, how it is closed and comes again; it covers nothing."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.testclient import TestClient

from tests.dashboards import csrf_token
from tests.serving.dashboard.texts import text_of
from tests.serving.web import browsers
from tests.serving.web.browsers import VIEWS, signed_in
from tests.serving.web.people import ask, until
from tests.webs import Site

slow = [pytest.mark.slow, pytest.mark.timeout(300)]


def send(client: TestClient, **fields: str) -> httpx.Response:
    """The page after a button of the tour."""
    form = {"csrf": csrf_token(client, "/rewrite"), "transform_type": "clarify", "intensity": "1"}
    return client.post("/rewrite/tour", data=form | fields)


def has_tour(page: str) -> bool:
    return 'id="tour"' in page


def test_it_is_for_people_who_have_never_rewritten_anything(site: Site) -> None:
    with site.client() as client:
        page = client.get("/rewrite").text
        assert has_tour(page)
        for step in ("1. Write", "2. See what changed, and choose", "3. Say what you think"):
            assert step in text_of(page)
        posted = client.post(
            "/rewrite?tour=1",
            data={
                "csrf": csrf_token(client, "/rewrite"),
                "text": "Fix the page.",
                "transform_type": "soften",
                "intensity": "2",
            },
        )
        assert has_tour(posted.text), "without a script it stays while they try"
        until(lambda: not has_tour(client.get("/rewrite").text))  # an answer is stored within a second
        assert has_tour(client.get("/rewrite?tour=1").text)


def test_it_is_closed_for_good_on_all_devices_and_comes_again_by_a_link(site: Site) -> None:
    ann = site.add_person()
    with site.client(ann) as client, site.client(ann) as other:
        assert has_tour(other.get("/rewrite").text)
        page = send(client, tour="close", text="Half of a\r\nmessage")
        assert not has_tour(page.text)
        assert ">Half of a\nmessage</textarea>" in page.text, "what is typed stays"
        assert re.search(r'name="transform_type" value="clarify" checked', page.text)
        assert not has_tour(other.get("/rewrite").text)
        assert 'href="/rewrite?tour=1"' in other.get("/profile").text
        assert has_tour(other.get("/rewrite?tour=1").text)
        other.post("/profile/defaults", data={"csrf": csrf_token(other, "/profile"), "intensity": "3"})
        preferred = {"language": None, "transform_type": None, "intensity": 3, "tour_closed": True}
        assert ask(client, "GET", "/preferences") == preferred
        assert not has_tour(client.get("/rewrite").text), "other preferences leave it closed"


@pytest.mark.parametrize(("training", "sentence"), [("yes", "You decided: yes."), ("no", "You decided: no.")])
def test_the_last_step_has_the_choice_of_consent(site: Site, training: str, sentence: str) -> None:
    with site.client() as client:
        page = client.get("/rewrite").text
        assert "You have not decided, so your organisation's default holds:" in text_of(page)
        assert page.count('aria-pressed="true"') == 0, "nobody is led to an answer"
        page = send(client, training=training, text="Half a message").text
        assert sentence in text_of(page)
        assert has_tour(page)
        assert "Half a message</textarea>" in page
        assert page.count('aria-pressed="true"') == 1
        assert ask(client, "GET", "/consent") == {"training": training == "yes", "said_by": "person"}


def test_a_form_of_another_site_closes_nothing(site: Site) -> None:
    with site.client() as client:
        for fields in ({"tour": "close"}, {"training": "no"}):
            assert client.post("/rewrite/tour", data={"csrf": "forged", **fields}).status_code == 403
        assert ask(client, "GET", "/preferences")["tour_closed"] is None
        assert ask(client, "GET", "/consent")["said_by"] == "organisation"


@pytest.fixture
def page(site: Site, browser: Browser) -> Iterator[Page]:
    with signed_in(site, browser) as page:
        page.goto("/rewrite")
        yield page


def place(page: Page) -> str:
    return page.locator("#tour-place").inner_text()


class TestInABrowser:
    pytestmark = slow

    def test_it_goes_step_by_step_and_moves_nothing(self, page: Page) -> None:
        field = page.locator("#text")
        expect(page.locator("#tour-said")).to_contain_text("Step 1 of 3. 1. Write. Write or paste")
        field.fill("Half a message")
        top = field.bounding_box()
        expect(page.get_by_role("button", name="Back", exact=True)).to_be_disabled()
        expect(page.get_by_role("heading", name="3. Say what you think")).to_be_hidden()
        page.get_by_role("button", name="Next").press("Enter")
        expect(page.locator("#tour-said")).to_contain_text("Step 2 of 3. 2. See what changed")
        page.get_by_role("button", name="Next").press("Enter")
        assert place(page) == "Step 3 of 3"
        expect(page.get_by_role("heading", name="3. Say what you think")).to_be_visible()
        page.get_by_role("button", name="No", exact=True).press("Enter")
        expect(page.get_by_role("button", name="No", exact=True)).to_be_focused()
        expect(page.locator("#tour-said")).to_have_text("You decided: no.")
        page.get_by_role("button", name="Back", exact=True).press("Enter")
        page.get_by_role("button", name="Back", exact=True).press("Enter")
        expect(page.get_by_role("button", name="Next")).to_be_focused()
        assert field.bounding_box() == top
        expect(field).to_have_value("Half a message")

    @pytest.mark.parametrize("width", [390, 1280])
    def test_its_script_moves_nothing_when_it_starts(self, site: Site, browser: Browser, width: int) -> None:
        options = {"viewport": {"width": width, "height": 844}, "service_workers": "block"}
        with signed_in(site, browser, **options) as page:
            page.goto("/rewrite")
            expect(page.locator("#tour-said")).to_contain_text("Step 1 of 3")
            top = page.locator("#text").bounding_box()
            page.route("**/tour.js", lambda route: route.fulfill(content_type="text/javascript", body=""))
            page.reload()
            expect(page.locator("#tour-said")).to_be_empty()
            assert page.locator("#text").bounding_box() == top

    def test_done_closes_it_and_the_message_stays(self, page: Page) -> None:
        page.locator("#text").fill("Half a message")
        for name in ("Next", "Next", "Done"):
            page.get_by_role("button", name=name).click()
        expect(page.locator("#tour")).to_have_count(0)
        expect(page.get_by_role("status").first).to_have_text(
            "The tour is closed. The page Profile shows it again."
        )
        expect(page.locator("#text")).to_be_focused()
        expect(page.locator("#text")).to_have_value("Half a message")
        page.goto("/rewrite")
        expect(page.locator("#tour")).to_have_count(0)
        page.goto("/profile")
        page.get_by_role("link", name="Show the tour again").click()
        expect(page.locator("#tour")).to_be_visible()
        page.get_by_role("button", name="Close the tour").click()
        expect(page.locator("#tour")).to_have_count(0)
        expect(page).to_have_url(re.compile("/rewrite$"))

    def test_enter_in_the_form_rewrites_and_does_not_close_it(self, page: Page) -> None:
        page.locator("#text").fill("Fix the page.")
        page.locator("[name=transform_type]:checked").press("Enter")
        expect(page.get_by_role("status").first).to_have_text("The rewrite is ready.", timeout=30_000)
        expect(page.locator("#tour")).to_be_visible()

    def test_without_a_script_it_is_three_cards(self, site: Site, browser: Browser) -> None:
        with signed_in(site, browser, java_script_enabled=False) as page:
            page.goto("/rewrite")
            for name in ("1. Write", "2. See what changed, and choose", "3. Say what you think"):
                expect(page.get_by_role("heading", name=name)).to_be_visible()
            expect(page.get_by_role("button", name="Next")).to_be_hidden()
            page.locator("#text").fill("Half a message")
            page.get_by_role("button", name="Yes, they may learn").click()
            expect(page.get_by_text("You decided: yes.")).to_be_visible()
            expect(page.locator("#text")).to_have_value("Half a message")
            page.get_by_role("button", name="Close the tour").click()
            expect(page.locator("#tour")).to_have_count(0)
            expect(page.locator("#text")).to_have_value("Half a message")

    @pytest.mark.parametrize(("width", "scheme", "locale"), VIEWS)
    def test_it_is_accessible_and_fits(
        self, site: Site, browser: Browser, width: int, scheme: str, locale: str
    ) -> None:
        options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme, "locale": locale}
        with signed_in(site, browser, **options) as page:
            page.goto("/rewrite")
            for _ in range(3):
                browsers.check(page)
                tour, field = page.locator("#tour").bounding_box(), page.locator("#text").bounding_box()
                assert tour is not None
                assert field is not None
                assert tour["y"] + tour["height"] <= field["y"], "it covers nothing"
                if page.locator("#tour-next").inner_text() in ("Next", "次へ"):
                    page.locator("#tour-next").click()
