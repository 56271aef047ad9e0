"""The page Compare in a real browser: people judge by keyboard alone, and a snapshot has their pairs."""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data.records import PROTECTED, PreferencePair, Spec
from data.redaction.redactor import Redactor
from data.snapshots import shards
from data.tables import Comparison, Feedback, Gateway, Output
from data.traffic import receipts, routing
from data.traffic.routing import Routing
from pipelines import local
from pipelines.collect import CollectConfig, make_snapshot
from tests.dashboards import Installation, SignIn, set_up, sign_in_by_form
from tests.ports import with_own_ports
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CHAMPION = Spec(version="v1", protection=PROTECTED)


def open_id(page: Page) -> uuid.UUID:
    """The comparison that the page shows."""
    action = page.locator("form[data-compare]").get_attribute("action")
    assert action is not None
    return uuid.UUID(action.removeprefix("/compare/"))


def texts_of(page: Page) -> list[str]:
    """Its two texts."""
    return page.locator(".side .words").all_inner_texts()


def press(page: Page, *keys: str) -> None:
    """Press keys; the last one sends the form."""
    before = open_id(page)
    for key in keys[:-1]:
        page.keyboard.press(key)
    page.keyboard.press(keys[-1])
    page.locator(f"form[data-compare]:not([action='/compare/{before}'])").wait_for()


@contextmanager
def challenged(installation: Installation, challenger: Spec) -> Iterator[None]:
    """Put a challenger into force for a while. The gateway has acknowledged both changes."""

    def put_into_force(wanted: Routing) -> None:
        with Session(installation.engine) as session, session.begin():
            epoch = routing.publish(session, wanted, "a test")

        def is_acknowledged() -> bool:
            with Session(installation.engine) as session:
                return session.scalar(select(func.min(Gateway.epoch))) == epoch

        until(is_acknowledged)

    put_into_force(Routing(champion=CHAMPION, challengers=(challenger,)))
    try:
        yield
    finally:
        put_into_force(Routing(champion=CHAMPION))


def test_twenty_pairs_by_keyboard_alone_become_preference_pairs(
    installation: Installation, sign_in: SignIn, tmp_path: Path
) -> None:
    page = sign_in("member")
    page.goto("/compare")
    status = page.get_by_role("status")
    keys = ["1", "ArrowRight", "ArrowLeft", "2", "b"]
    began = datetime.now(UTC).date()
    places = {"1": 0, "ArrowLeft": 0, "2": 1, "ArrowRight": 1, "b": None}
    seen: dict[uuid.UUID, tuple[list[str], int | None, str | None]] = {}
    for number in range(20):
        id, key = open_id(page), keys[number % 5]
        reason = f"reason {number}: 12 bs" if number % 4 == 0 else None
        seen[id] = texts_of(page), places[key], reason
        if reason is None:
            press(page, key)
        else:
            page.keyboard.press("r")
            page.keyboard.type(reason)
            press(page, "Escape", key)
        expect(status).to_have_text("Your vote is stored. Here is the next pair.")
        expect(page.get_by_role("heading", name="The message")).to_be_focused()
    expect(page.get_by_text(re.compile(r"Your votes: \d+ today, 20 in total\. Skipped: 0\."))).to_be_visible()
    if datetime.now(UTC).date() == began:
        expect(page.get_by_text("Your votes: 20 today")).to_be_visible()
    assert len(seen) == 20

    expected = []
    with Session(installation.engine) as session:
        for id, (texts, place, reason) in seen.items():
            row = session.get_one(Comparison, id)
            places_of = [session.get_one(Output, one) for one in (row.first_output_id, row.second_output_id)]
            assert [re.sub(r"\s+", " ", one.text).strip() for one in places_of] == [
                re.sub(r"\s+", " ", one).strip() for one in texts
            ]
            vote = session.scalars(select(Feedback).where(Feedback.comparison_id == id)).one()
            assert vote.preferred_output_id == (None if place is None else places_of[place].id)
            assert vote.reason == reason
            if place is not None:
                redactor = Redactor([places_of[0].message, *(one.text for one in places_of)])
                message = redactor.redact(places_of[0].message)  # first: names are given in order
                redacted = [redactor.redact(one.text) for one in places_of]
                expected.append((message, redacted[place], redacted[1 - place]))
    settings = installation.settings.model_copy(update={"state": tmp_path})
    config = configs.load(CollectConfig, "configs/collect.yaml")
    made, _ = make_snapshot.fn(settings, installation.engine, installation.organisation_id, config)
    pairs = [(row.text, row.chosen, row.rejected) for row in shards.read(made.folder, PreferencePair)]
    assert len(pairs) == 16
    assert sorted(pairs) == sorted(expected)


def test_a_reload_keeps_the_pair_and_what_is_skipped_does_not_come_again(
    installation: Installation, sign_in: SignIn
) -> None:
    page = sign_in("viewer")
    page.goto("/compare")
    id, texts = open_id(page), texts_of(page)
    page.reload()
    assert (open_id(page), texts_of(page)) == (id, texts)
    press(page, "s")
    expect(page.get_by_role("status")).to_have_text("Skipped. You will not see this pair again.")
    later = {open_id(page)}
    for _ in range(3):
        page.reload()
        press(page, "0")
        later.add(open_id(page))
    assert id not in later
    with Session(installation.engine) as session:
        row = session.get_one(Comparison, id)
        assert row.skipped_at is not None
        assert session.scalars(select(Feedback.id).where(Feedback.comparison_id == id)).all() == []
        mine = select(Comparison.pair_id).where(Comparison.user_id == row.user_id)
        pairs = session.scalars(mine).all()
    assert len(pairs) == len(set(pairs)) == 5


def test_keys_do_nothing_in_a_field_with_a_modifier_or_switched_off(sign_in: SignIn) -> None:
    page = sign_in("member")
    page.goto("/compare")
    id = open_id(page)
    first = page.get_by_role("button", name="The first is better")
    assert first.get_attribute("aria-keyshortcuts") == "1 ArrowLeft"
    assert page.get_by_label("Why").get_attribute("aria-keyshortcuts") == "R"
    page.keyboard.press("r")
    expect(page.get_by_label("Why")).to_be_focused()
    expect(page.get_by_label("Why")).to_have_value("")
    page.keyboard.type("1 2 0 b s r")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("Why")).to_have_value("1 2 0 b s r")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+b")
    page.get_by_label("Keyboard shortcuts").uncheck()
    page.keyboard.press("1")
    assert first.get_attribute("aria-keyshortcuts") is None
    expect(page.locator("kbd").first).to_be_hidden()
    page.reload()
    page.keyboard.press("1")
    page.wait_for_timeout(500)
    assert open_id(page) == id, "nothing was sent"
    page.get_by_label("Keyboard shortcuts").check()
    press(page, "1")


def test_it_works_without_a_script_and_with_ones_own_words(
    installation: Installation, sign_in: SignIn
) -> None:
    page = sign_in("member", java_script_enabled=False)
    page.goto("/compare")
    before = open_id(page)
    expect(page.locator("kbd").first).to_be_hidden()
    page.get_by_text("Compare rewrites of a message of your own").click()
    page.get_by_label("Your message").fill("Fix it now.\n<b>Or else</b>, PAY-123 stays red.")
    page.get_by_label("How to rewrite it").select_option("clarify")
    page.get_by_label("Intensity").select_option("3")
    page.get_by_role("button", name="Rewrite it twice").click()
    expect(page.locator(".words").first).to_have_text("Fix it now.\n<b>Or else</b>, PAY-123 stays red.")
    expect(page.get_by_text("Requested: clarify, intensity 3 of 3")).to_be_visible()
    own = open_id(page)
    page.get_by_label("Why").fill("It keeps\nthe ticket.")
    page.get_by_role("button", name="The second is better").click()
    assert open_id(page) == before
    page.get_by_role("button", name="Skip").click()
    with Session(installation.engine) as session:
        row = session.get_one(Comparison, own)
        vote = session.scalars(select(Feedback).where(Feedback.comparison_id == own)).one()
        assert (vote.preferred_output_id, vote.reason) == (row.second_output_id, "It keeps\nthe ticket.")
        assert session.get_one(Output, row.first_output_id).message.startswith("Fix it now.\n<b>")
        assert row.people == 1
    page.get_by_text("Compare rewrites of a message of your own").click()
    page.get_by_label("Your message").fill("  ")
    page.get_by_role("button", name="Rewrite it twice").click()
    expect(page.get_by_role("alert")).to_contain_text("1 to 8,000 characters")


def test_the_page_does_not_say_which_version_wrote_what(installation: Installation, sign_in: SignIn) -> None:
    # Of the same weights: it says something else.
    with challenged(installation, Spec(version="v2", temperature=1.5)):
        page = sign_in("member")
        page.goto("/compare")
    with Session(installation.engine) as session:
        row = session.get_one(Comparison, open_id(page))
        assert row.policy == "champion_against_challenger"
        both = (session.get_one(Output, id) for id in (row.first_output_id, row.second_output_id))
        assert {output.version for output in both} == {"v1", "v2"}
    html = page.content()
    for secret in ("v1", "v2", "champion", "challenger", "policy", str(row.first_output_id)):
        assert re.search(rf"\b{secret}\b", html) is None, secret
    receipt = receipts.read_unchecked(str(page.locator("[name=receipt]").get_attribute("value")))
    assert receipt.version == ""


def test_two_rewrites_that_are_the_same_are_said_in_words(
    installation: Installation, sign_in: SignIn
) -> None:
    """The twin has the champion's weights, and decodes as it does."""
    with Session(installation.engine) as session, session.begin():
        session.execute(update(Comparison).where(Comparison.people > 1).values(people=1))  # none is waiting
    with challenged(installation, CHAMPION.model_copy(update={"version": "v2"})):
        page = sign_in("member")
        page.goto("/compare")
        expect(page.get_by_text("both rewrites were the same")).to_be_visible()
    page.get_by_role("link", name="Try other messages").click()
    assert len(texts_of(page)) == 2


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark"), (390, "light")])
def test_the_page_is_accessible_and_fits(sign_in: SignIn, width: int, scheme: str) -> None:
    page = sign_in("member", viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.goto("/compare")
    for _ in range(2):
        violations = Axe().run(page).response["violations"]
        assert [(violation["id"], violation["nodes"][0]["html"]) for violation in violations] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_text("Compare rewrites of a message of your own").click()


def test_a_form_of_another_session_votes_for_nobody(installation: Installation, sign_in: SignIn) -> None:
    page, other = sign_in("member"), sign_in("member")
    page.goto("/compare")
    theirs = str(other.locator("[name=csrf]").first.get_attribute("value"))
    form = {
        "csrf": theirs,
        "receipt": str(page.locator("[name=receipt]").get_attribute("value")),
        "choice": "first",
    }
    address = f"/compare/{open_id(page)}"
    assert page.request.post(address, form=form).status == 403
    evil = {"Origin": "https://evil.example"}
    form["csrf"] = str(page.locator("[name=csrf]").first.get_attribute("value"))
    assert page.request.post(address, form=form, headers=evil).status == 403
    with Session(installation.engine) as session:
        votes = select(Feedback.id).where(Feedback.comparison_id == open_id(page))
        assert session.scalars(votes).all() == []
    assert page.request.post(address, form=form).ok


def test_before_the_first_release_it_says_so(stack: Settings, new_database: Callable[..., str]) -> None:
    settings = with_own_ports(stack.model_copy(update={"database_url": new_database()}))
    installation = set_up(settings)
    email = installation.account("member")
    installation.engine.dispose()
    with (
        local.running(settings, "gateway", "dashboard") as processes,
        httpx.Client(base_url=installation.url, timeout=60) as client,
    ):
        processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
        processes["dashboard"].wait_until_ready(f"{installation.url}/livez")
        sign_in_by_form(client, email)
        page = client.get("/compare")
        assert page.status_code == 200
        assert "No version has been released yet, so there is nothing to compare." in page.text
        processes["gateway"].stop()
        unavailable = client.get("/compare")
        assert unavailable.status_code == 503
        assert "The gateway does not answer." in unavailable.text
