"""The dashboard in a real browser, before a real gateway: an experiment from its draft to its end, by clicks
and by the flow.
"""

import json
import re
import time
import urllib.request
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from prefect.logging import disable_run_logger
from sqlalchemy import select
from sqlalchemy.orm import Session

from data.reasons import written
from data.tables import Decision, Experiment
from pipelines.experiment import experiment
from tests.serving.dashboard.conftest import Installation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # mlflow's
]

SignIn = Callable[..., Page]


def run_flow() -> None:
    """The flow `experiment`, as its schedule runs it; in a thread, since the browser's loop has this one."""

    def run() -> None:
        with disable_run_logger():
            experiment.fn()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(run).result()


def transform(one: Installation, user: str) -> Any:
    """What the gateway answers somebody."""
    body = {"text": f"Fix it. {uuid.uuid4()}", "transform_type": "soften", "intensity": 2, "user_id": user}
    request = urllib.request.Request(
        f"{one.settings.gateway_url}/api/v1/transform",
        json.dumps(body).encode(),
        {"X-API-Key": one.key, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def draft(page: Page, name: str, challenger: str) -> str:
    """Fill in the form; the address of the experiment."""
    page.goto("/experiments/new")
    page.get_by_label("Name").fill(name)
    page.get_by_label(re.compile("^Hypothesis")).fill(f"People like {challenger} better.")
    page.get_by_label(re.compile("^Challenger")).select_option(challenger)
    page.get_by_label(re.compile("^window hours", re.IGNORECASE)).fill("0.0001")
    page.get_by_label(re.compile("^minimum days", re.IGNORECASE)).fill("0")
    page.get_by_text("Everything else").click()
    page.get_by_label(re.compile("^ramp", re.IGNORECASE)).fill("[1.0]")
    page.get_by_label(re.compile("^shadow messages", re.IGNORECASE)).fill("0")
    page.get_by_role("button", name="Draft it").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    return page.url


def decide(page: Page, what: str, reason: str | None = None) -> None:
    """Click it, see what will happen, and confirm."""
    page.get_by_role("navigation", name="Decide").get_by_role("link", name=what).click()
    expect(page.get_by_text("What will happen:")).to_be_visible()
    if reason is not None:
        page.get_by_label("Why").fill(reason)
    page.get_by_role("button", name=what).click()
    expect(page.get_by_text("being carried out")).to_be_visible()


def has_status(page: Page, status: str) -> None:
    """The page renews itself: nobody reloads it."""
    expect(page.get_by_role("heading", level=1)).to_contain_text(status, timeout=15_000)


def test_an_experiment_from_draft_to_ship_and_another_rolled_back(
    installation: Installation, sign_in: SignIn
) -> None:
    page = sign_in("experimenter")
    expect(page.get_by_text("There has been no experiment yet.")).to_be_visible()
    draft(page, "Softer requests", "v2")
    has_status(page, "draft")
    decide(page, "Start")
    run_flow()
    has_status(page, "running")

    served = [transform(installation, f"person-{number}") for number in range(30)]
    assert {one["version"] for one in served} == {"v1", "v2"}
    time.sleep(1.0)  # answers are written a fraction of a second late
    run_flow()
    exposed = sum(one["version"] == "v2" for one in served)
    row = page.locator("section", has=page.get_by_role("heading", name="Variants")).get_by_role("row").nth(2)
    expect(row.get_by_role("cell").nth(1)).to_have_text(str(exposed), timeout=15_000)
    expect(page.locator(".verdict")).to_have_text("Keep running")

    decide(page, "Ship", "We know enough.")
    run_flow()
    has_status(page, "shipped")
    expect(page.get_by_role("navigation", name="Decide")).to_have_count(0)
    trail = page.locator("section", has=page.get_by_role("heading", name="Audit trail"))
    expect(trail.get_by_role("row", name="We know enough.")).to_contain_text("@example.org")
    assert {transform(installation, f"person-{number}")["version"] for number in range(10)} == {"v2"}

    draft(page, "Softer still", "v3")
    decide(page, "Start")
    run_flow()
    has_status(page, "running")
    decide(page, "Roll back", "It reads badly.")
    run_flow()
    has_status(page, "rolled back")
    assert {transform(installation, f"person-{number}")["version"] for number in range(10)} == {"v2"}
    with Session(installation.engine) as session:
        ends = session.execute(
            select(Decision.action, Decision.reasons, Decision.outcome)
            .where(Decision.action.in_(["ship", "roll_back"]))
            .order_by(Decision.created_at)
        ).all()
    assert [tuple(row) for row in ends] == [
        ("ship", written("We know enough."), "done"),
        ("roll_back", written("It reads badly."), "done"),
    ]


def test_a_viewer_sees_all_and_decides_nothing(installation: Installation, sign_in: SignIn) -> None:
    owner = sign_in("experimenter")
    address = draft(owner, "For viewers", "v3")
    page = sign_in("viewer")
    page.goto("/experiments")
    expect(page.get_by_role("link", name="New experiment")).to_have_count(0)
    page.goto(address)
    expect(page.get_by_role("heading", name="For viewers")).to_be_visible()
    expect(page.get_by_role("navigation", name="Decide")).to_have_count(0)
    for path in ("/start", "/ship"):
        response = page.goto(address + path)
        assert response is not None
        assert response.status == 403
        expect(page.get_by_text("takes the role experimenter or above")).to_be_visible()

    # By a request, with what a page of theirs holds: the gateway refuses it.
    csrf = page.locator("[name=csrf]").first.get_attribute("value")
    form = {"csrf": str(csrf), "idempotency_key": str(uuid.uuid4()), "reason": "I say so."}
    for path in ("/start", "/ship"):
        posted = page.request.post(address + path, form=form)
        assert posted.status == 403
        assert "experimenter" in posted.text()
    with Session(installation.engine) as session:
        found = session.scalars(select(Experiment).where(Experiment.name == "For viewers")).one()
        acts = session.scalars(select(Decision.action).where(Decision.experiment_id == found.id)).all()
    assert (found.status, acts) == ("draft", ["draft"])


def test_a_form_of_another_site_or_session_does_nothing(installation: Installation, sign_in: SignIn) -> None:
    page, other = sign_in("experimenter"), sign_in("experimenter")
    address = draft(page, "Forged", "v3")
    theirs = other.locator("[name=csrf]").first.get_attribute("value")
    mine = page.locator("[name=csrf]").first.get_attribute("value")
    form = {"csrf": str(theirs), "idempotency_key": str(uuid.uuid4())}
    assert page.request.post(address + "/start", form=form).status == 403
    form["csrf"] = str(mine)
    evil = {"Origin": "https://evil.example"}
    assert page.request.post(address + "/start", form=form, headers=evil).status == 403
    assert page.request.post("/sign-out", form={"csrf": "x"}).status == 403
    # Sent twice, as by a double click, it is decided once.
    for _ in range(2):
        assert page.request.post(address + "/start", form=form).ok
    with Session(installation.engine) as session:
        found = session.scalars(select(Experiment).where(Experiment.name == "Forged")).one()
        acts = session.scalars(
            select(Decision.action).where(Decision.experiment_id == found.id).order_by(Decision.created_at)
        ).all()
    assert acts == ["draft", "start"]


def test_a_form_says_what_does_not_fit_and_counts_while_one_types(
    installation: Installation, sign_in: SignIn
) -> None:
    page = sign_in("owner")
    page.goto("/experiments/new")
    needed = page.locator("#needed")
    expect(needed).to_contain_text("users find an effect of 0.05")
    page.get_by_label(re.compile("^smallest effect", re.IGNORECASE)).fill("0.1")
    expect(needed).to_contain_text("effect of 0.1")
    page.get_by_label("Users a day in the experiment").fill("20")
    expect(needed).to_contain_text("days with so many users a day")
    expect(needed).to_contain_text("longer than the plan's maximum of 28 days")
    page.get_by_label(re.compile("^smallest effect", re.IGNORECASE)).fill("many")
    expect(needed).to_contain_text("Some of the numbers cannot be read")
    page.get_by_label("Name").fill("Kept")
    page.get_by_label(re.compile("^Hypothesis")).fill("It is kept.")
    page.get_by_role("button", name="Draft it").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_text("'many' cannot be read")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Kept")


def test_signing_out_ends_it_and_a_link_is_found_again_after_signing_in(
    installation: Installation, sign_in: SignIn
) -> None:
    page = sign_in("viewer")
    page.get_by_role("button", name="Sign out").click()
    page.goto("/experiments?status=draft&q=soft")
    expect(page).to_have_url(re.compile("/sign-in"))
    page.get_by_label("E-mail").fill(installation.account("viewer"))
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("There is no account with this address and password.")
    page.get_by_label("E-mail").fill(installation.account("viewer"))
    page.get_by_label("Password").fill("a password for tests")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/experiments\?status=draft&q=soft$"))
    page.goto("/sign-in?to=https://evil.example/")
    assert page.locator("[name=to]").last.get_attribute("value") == "/"


def test_a_member_may_compare_and_see_nothing_else(sign_in: SignIn) -> None:
    page = sign_in("member")
    response = page.goto("/experiments")
    assert response is not None
    assert response.status == 403
    expect(page.get_by_text("you are a member of")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_are_accessible_and_fit(
    installation: Installation, sign_in: SignIn, width: int, scheme: str, language: str
) -> None:
    page = sign_in("experimenter", viewport={"width": width, "height": 844}, color_scheme=scheme)
    address = draft(page, f"Looked at {width} {language}", "v3")
    page.context.add_cookies([{"name": "language", "value": language, "url": installation.url}])
    for path in (
        "/experiments",
        "/experiments?q=nothing",
        "/experiments/new",
        address,
        f"{address}/start",
        "/models",
        "/models/v2",
        "/data",
        "/calibration",
        "/operations",
        "/compare",
        "/nothing",
    ):
        page.goto(path)
        assert page.locator("html").get_attribute("lang") == language
        found = Axe().run(page).response["violations"]
        serious = [
            (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
