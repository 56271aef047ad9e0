"""The page Rewrite in a real browser: it streams, stops, and works by keys alone."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from data.tables import Comparison, Feedback, Output
from data.traffic import receipts
from tests.accounts import PASSWORD
from tests.serving.web.scripted import LOSES, POLITE, SAME, Writer
from tests.webs import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def site(scripted: tuple[Site, Writer]) -> Site:
    return scripted[0]


@pytest.fixture
def writer(scripted: tuple[Site, Writer]) -> Iterator[Writer]:
    yield scripted[1]
    scripted[1].is_held = False


class People:
    """Browsers in which new people have signed in."""

    def __init__(self, site: Site, browser: Browser) -> None:
        self._site, self._browser = site, browser
        self.contexts: list[BrowserContext] = []
        self.errors: list[str] = []

    def _collect(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "status of" not in message.text:
            self.errors.append(message.text)

    def enter(self, **options: Any) -> Page:
        """The page Rewrite of a new person; options go to the browser's context."""
        options = {"locale": "en-GB", **options}
        context = self._browser.new_context(base_url=self._site.url, **options)
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._collect)
        page.goto("/sign-in?to=/rewrite")
        page.locator("[name=email]").fill(self._site.add_person().email)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("[name=password]").press("Enter")
        page.locator("#rewrite").wait_for()
        page.wait_for_load_state()  # its script has run
        return page


@pytest.fixture
def people(site: Site, browser: Browser) -> Iterator[People]:
    people = People(site, browser)
    yield people
    for context in people.contexts:
        context.close()
    assert people.errors == []


def fresh(text: str = "Fix PAY-123 by Friday.") -> str:
    """A message that nobody has sent."""
    return f"{text} {uuid.uuid4()}"


def rewritten(page: Page) -> str:
    """The text of the result, without marks."""
    return page.locator("#whole").input_value()


def test_a_rewrite_is_seen_while_it_is_written(people: People, writer: Writer) -> None:
    page, message = people.enter(), fresh()
    writer.is_held = True
    page.get_by_label("Your message").fill(message)
    page.get_by_role("button", name="Rewrite", exact=True).click()
    draft = page.locator("#draft .words")
    expect(draft).to_have_text("Could")
    expect(page.get_by_role("status").first).to_have_text("Writing …")
    writer.is_held = False
    expect(page.locator("#result ins").first).to_have_text(f"{POLITE} ")
    expect(page.locator("#result .marked u").first).to_have_text("PAY-123")
    expect(draft).to_be_hidden()
    expect(page.get_by_role("status").first).to_have_text("The rewrite is ready.")
    page.get_by_text("Just the text").click()
    expect(page.locator("#result ins").first).to_be_hidden()
    expect(page.locator("#result .plain")).to_have_text(f"{POLITE} {message}")


def test_escape_stops_a_rewrite_and_the_service_stops_writing(people: People, writer: Writer) -> None:
    page = people.enter()
    writer.is_held = True
    given_up = writer.given_up
    page.get_by_label("Your message").fill(fresh())
    page.keyboard.press("Control+Enter")
    expect(page.locator("#draft .words")).to_have_text("Could")
    page.keyboard.press("Escape")
    expect(page.get_by_role("status").first).to_have_text("Stopped.")
    expect(page.locator("#draft")).to_be_hidden()
    for _ in range(300):
        if writer.given_up > given_up:
            break
        page.wait_for_timeout(100)
    assert writer.given_up == given_up + 1


def test_typing_on_replaces_the_rewrite_that_is_being_written(people: People, writer: Writer) -> None:
    page, message = people.enter(), fresh()
    page.get_by_label("Rewrite while I type").check()
    writer.is_held = True
    given_up = writer.given_up
    page.get_by_label("Your message").fill(message)
    expect(page.locator("#draft .words")).to_have_text("Could")
    page.get_by_label("Your message").press("End")
    page.keyboard.type(" Now")
    for _ in range(300):
        if writer.given_up > given_up:
            break
        page.wait_for_timeout(100)
    assert writer.given_up > given_up, "the first one was given up"
    writer.is_held = False
    expect(page.locator("#result .plain")).to_have_text(f"{POLITE} {message} Now")
    expect(page.get_by_label("Your message")).to_be_focused()
    page.reload()
    expect(page.get_by_label("Rewrite while I type")).to_be_checked()
    page.get_by_label("Rewrite while I type").uncheck()
    writes = len(writer.streams)
    page.get_by_label("Your message").fill(fresh())
    page.wait_for_timeout(1500)
    assert len(writer.streams) == writes, "switched off, nothing is rewritten by itself"


def test_everything_by_keys_alone(people: People, site: Site) -> None:
    page, message = people.enter(), fresh()
    field = page.get_by_label("Your message")

    def tab_to(id: str) -> None:
        for _ in range(60):
            if page.evaluate("document.activeElement.id") == id:
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{id} is not reached by Tab")

    tab_to("text")
    page.keyboard.type(message)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Make it clearer")).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="A lot")).to_be_checked()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#outcome")).to_contain_text("Make it clearer · A lot")
    tab_to("vote-up")
    page.keyboard.press("Enter")
    expect(page.locator("#vote-up")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#vote-up")).to_be_focused()
    tab_to("vote-4")
    page.keyboard.press("Space")
    expect(page.locator("#vote-4")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#vote-up")).to_have_attribute("aria-pressed", "true")
    page.locator("#correct summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("My own words.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#result .plain")).to_have_text("My own words.")
    receipt = receipts.read_unchecked(str(page.locator(".opinion [name=receipt]").get_attribute("value")))
    with Session(site.installation.engine) as session:
        query = select(Feedback).where(Feedback.output_id == receipt.output_id)
        votes = {vote.kind: vote for vote in session.scalars(query)}
        assert (votes["thumb"].thumb_up, votes["rating"].rating) == (True, 4)
        assert votes["edit"].text == "My own words."
    expect(field).to_have_value(message)


def test_two_to_choose_from_and_the_way_back(people: People, site: Site) -> None:
    page, message = people.enter(), fresh()
    page.get_by_label("Your message").fill(message)
    page.get_by_role("button", name="Rewrite", exact=True).click()
    expect(page.locator("#result .plain")).to_have_text(f"{POLITE} {message}")
    page.locator("#two-again").click()
    expect(page.get_by_text("Which one is better?")).to_be_visible()
    second = page.locator(".side .words").nth(1).inner_text()
    receipt = receipts.read_unchecked(str(page.locator("[name=receipt]").get_attribute("value")))
    page.get_by_role("button", name="Take the second").click()
    expect(page.get_by_text("Your choice is stored.")).to_be_visible()
    assert rewritten(page) == second
    with Session(site.installation.engine) as session:
        query = select(Feedback).where(Feedback.comparison_id == receipt.comparison_id)
        vote = session.scalars(query).one()
        row = session.get_one(Comparison, receipt.comparison_id)
        assert vote.preferred_output_id == row.second_output_id
        assert session.get_one(Output, row.second_output_id).text == second
    page.get_by_role("button", name="Go on with this text").click()
    field = page.get_by_label("Your message")
    expect(field).to_have_value(second)
    expect(field).to_be_focused()
    page.get_by_role("button", name="Back one step").click()
    assert rewritten(page) == second
    expect(field).to_have_value(message)
    page.get_by_role("button", name="Back one step").click()
    assert rewritten(page) == f"{POLITE} {message}"


def test_a_step_back_brings_the_message_with_its_result(people: People) -> None:
    page, first, second = people.enter(), fresh("First"), fresh("Second")
    for message in (first, second):
        page.locator("#text").fill(message)
        page.keyboard.press("Control+Enter")
        expect(page.locator("#result .plain")).to_have_text(f"{POLITE} {message}")
    page.locator("#text").fill("Typed since then.")
    page.get_by_role("button", name="Stronger").click()
    expect(page.get_by_role("radio", name="A lot")).to_be_checked()
    expect(page.locator("#outcome")).to_contain_text("A lot")
    expect(page.locator("#text")).to_have_value(second)
    seen = []
    while page.get_by_role("button", name="Back one step").is_visible():
        page.get_by_role("button", name="Back one step").click()
        seen.append((page.locator("#text").input_value(), rewritten(page)))
    assert (first, f"{POLITE} {first}") in seen
    assert (second, f"{POLITE} {second}") in seen
    assert "Typed since then." in [text for text, _ in seen], "nothing that was typed is lost"


def test_another_strength_or_kind_and_what_stays_as_it_is(people: People) -> None:
    page, message = people.enter(), fresh(SAME)
    page.get_by_label("Your message").fill(message)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Your message stays as it is")).to_be_visible()
    expect(page.get_by_text("The message has nothing that")).to_be_visible()
    page.locator("#kind-structure").click()
    expect(page.get_by_role("radio", name="Put it in order")).to_be_checked()
    page.locator("#level-3").click()
    expect(page.get_by_role("radio", name="A lot")).to_be_checked()
    page.locator("#text").fill(fresh(f"{LOSES} PAY-9"))
    page.keyboard.press("Meta+Enter")
    expect(page.locator(".warning")).to_contain_text("PAY-9")


def test_a_text_is_copied_without_a_field_that_is_seen(people: People) -> None:
    page, message = people.enter(permissions=["clipboard-read", "clipboard-write"]), fresh("Two\nlines")
    page.get_by_label("Your message").fill(message)
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Copy the text").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{POLITE} {message}"


def test_a_refusal_and_a_lost_session_keep_the_text(people: People, site: Site) -> None:
    page, message = people.enter(), fresh()
    field = page.get_by_label("Your message")
    field.fill("x" * 9000)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("1 to 8,000 characters")
    field.fill(message)
    page.context.clear_cookies()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status").first).to_contain_text("Your session has ended.")
    expect(field).to_have_value(message)
    other = page.context.new_page()
    other.goto("/sign-in")
    other.locator("[name=email]").fill(site.add_person().email)
    other.locator("[name=password]").fill(PASSWORD)
    other.locator("[name=password]").press("Enter")
    other.locator("#rewrite").wait_for()
    field.focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#result .plain")).to_have_text(f"{POLITE} {message}")


HARSH = "Are you blind? Your report is useless. Send it again by Friday."


def test_the_reading_follows_the_typing_and_marks_its_words(people: People) -> None:
    page = people.enter()
    field, reading = page.get_by_label("Your message"), page.locator("#reading")
    field.press_sequentially(f"  😀 {HARSH}")
    expect(reading.locator(".aspects strong").first).to_have_text("Harsh")
    reading.get_by_role("button", name="by Friday", exact=True).click()
    expect(field).to_be_focused()
    selected = "[text.selectionStart, text.selectionEnd].map(Number)"
    start, end = page.evaluate(
        f"(() => {{ const text = document.getElementById('text'); return {selected}; }})()"
    )
    assert page.evaluate(f"document.getElementById('text').value.slice({start}, {end})") == "by Friday"
    field.fill("Thank you so much, Maria, that was a lovely talk!")
    expect(reading.locator(".aspects strong").first).to_have_text("Warm")
    expect(reading.locator(".helps")).to_have_count(0)


def test_tomorrow_is_by_the_day_where_the_reader_is(people: People) -> None:
    """At 08:30 in Tokyo it is still the day before in UTC, and the page stays open over midnight."""
    page = people.enter(timezone_id="Asia/Tokyo")
    page.clock.install(time="2025-12-30T23:30:00Z")
    page.get_by_label("Your message").fill("Please send the report by tomorrow.")
    page.get_by_role("button", name="How will it be read?").click()
    expect(page.locator("#reading")).to_contain_text(re.compile("This is a deadline: Thu,? 1 Jan"))
    page.clock.set_system_time("2025-12-31T15:05:00Z")
    page.get_by_role("button", name="How will it be read?").click()
    expect(page.locator("#reading")).to_contain_text(re.compile("This is a deadline: Fri,? 2 Jan"))


def test_a_suggested_kind_is_chosen_by_a_click(people: People) -> None:
    page = people.enter()
    page.get_by_label("Your message").fill(HARSH)
    page.locator("[name=transform_type][value=summarize]").check(force=True)
    page.get_by_role("button", name="How will it be read?").click()
    page.locator("#choose-soften").click()
    expect(page.locator("[name=transform_type][value=soften]")).to_be_checked()
    expect(page.locator("[name=transform_type][value=soften]")).to_be_focused()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_when_the_reading_changes(people: People, width: int) -> None:
    page = people.enter(viewport={"width": width, "height": 900})
    page.evaluate("""async () => {
        for (const _ of [1, 2]) await new Promise(requestAnimationFrame);  // the loaded page is painted
        window.moved = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.moved += entry.value;
        }).observe({ type: "layout-shift", buffered: false });
    }""")
    places = "['go', 'text', 'reading'].map((id) => document.getElementById(id).getBoundingClientRect().top)"
    before = page.evaluate(places)
    page.get_by_label("Your message").fill(HARSH)
    expect(page.locator("#reading .aspects strong").first).to_have_text("Harsh")
    assert page.evaluate(places) == before
    assert page.evaluate("window.moved") == 0


def test_without_a_script_it_works(people: People) -> None:
    page, message = people.enter(java_script_enabled=False), fresh()
    page.get_by_label("Your message").fill(message)
    page.get_by_role("button", name="Rewrite", exact=True).click()
    expect(page.locator("#result .marked ins").first).to_have_text(f"{POLITE} ")
    expect(page.locator(".outcomes")).to_be_focused()
    page.get_by_text("Just the text").click()
    expect(page.locator("#result .plain")).to_be_visible()
    expect(page.locator("#result .marked").first).to_be_hidden()
    page.get_by_role("button", name="Good").click()
    expect(page.get_by_text("Stored. You can change it.")).to_be_visible()
    page.get_by_text("Correct it").click()
    page.get_by_label("The text as it should be").fill("My own words.")
    page.get_by_role("button", name="Store my version").click()
    expect(page.get_by_text("Your version is stored")).to_be_visible()
    expect(page.locator("#vote-up")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="History").click()
    page.get_by_role("link", name="Rewrite again").click()
    expect(page.get_by_role("heading", name="Your version")).to_be_visible()
    expect(page.get_by_label("The text as it should be")).to_have_value("My own words.")
    expect(page.locator("#vote-up")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Undo: back to my message").click()
    expect(page.get_by_label("Your message")).to_have_value(message)


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "dark"), (390, "light")]
)
@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
def test_the_page_is_accessible_and_fits(people: People, width: int, scheme: str, locale: str) -> None:
    page = people.enter(viewport={"width": width, "height": 844}, color_scheme=scheme, locale=locale)

    def check() -> None:
        violations = Axe().run(page).response["violations"]
        assert [(violation["id"], violation["nodes"][0]["html"]) for violation in violations] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    check()
    page.locator("#text").fill(HARSH)
    page.locator("#reading .behind").wait_for()
    check()
    ready = str(page.locator("#rewrite").get_attribute("data-ready"))
    for message in (fresh(), fresh(SAME), fresh(f"{LOSES} PAY-9"), "x" * 200):
        page.locator("#text").fill(message)
        page.keyboard.press("Control+Enter")
        expect(page.locator("#status")).to_have_text(ready)
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        check()
    page.locator("#two-again").click()
    page.locator("#take-first").wait_for()
    check()
    page.locator("#take-first").click()
    page.locator("#result [role=status]").wait_for()
    check()
    assert re.search("[ぁ-ん]", page.locator("h1").inner_text()) is not None or locale == "en-GB"
