"""The pages on experiments in a real browser, with a real gateway: people decide by clicks, and the flow
carries their decisions out.
"""

import json
import re
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from prefect.logging import disable_run_logger
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from data.reasons import written
from data.tables import Decision, Experiment
from pipelines.experiment import experiment
from tests.dashboards import Installation, SignIn, draft
from tests.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # mlflow's
]


def run_flow() -> None:
    """Run the flow `experiment` as its schedule does; in another thread, since the browser's event loop
    occupies this one.
    """

    def run() -> None:
        with disable_run_logger():
            experiment.fn()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(run).result()


def transform(installation: Installation, user: str) -> Any:
    """The gateway's response to a user."""
    body = {"text": f"Fix it. {uuid.uuid4()}", "transform_type": "soften", "intensity": 2, "user_id": user}
    request = urllib.request.Request(
        f"{installation.settings.gateway_url}/api/v1/transform",
        json.dumps(body).encode(),
        {"X-API-Key": installation.key, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def count_answers(installation: Installation) -> int:
    with installation.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM answers")).scalar_one())


def wait_until_stored(installation: Installation, answers: int) -> None:
    """Wait until the gateway, which writes answers in batches, has written so many."""
    until(lambda: count_answers(installation) >= answers)


def decide(page: Page, action: str, reason: str | None = None) -> None:
    """Choose an action, read what it will do, and confirm it."""
    page.get_by_role("navigation", name="Decide").get_by_role("link", name=action).click()
    expect(page.get_by_text("What will happen:")).to_be_visible()
    if reason is not None:
        page.get_by_label("Why").fill(reason)
    page.get_by_role("button", name=action).click()
    expect(page.get_by_text("being carried out")).to_be_visible()


def expect_status(page: Page, status: str) -> None:
    """The page updates itself: nobody reloads it."""
    expect(page.get_by_role("heading", level=1)).to_contain_text(status)


def test_one_experiment_is_shipped_and_another_is_rolled_back(
    installation: Installation, sign_in: SignIn
) -> None:
    page = sign_in("experimenter")
    expect(page.get_by_text("There is no experiment yet.")).to_be_visible()
    draft(page, "Softer requests", "v2")
    expect_status(page, "draft")
    decide(page, "Start")
    run_flow()
    expect_status(page, "running")

    served = [transform(installation, f"person-{number}") for number in range(30)]
    assert {answer["version"] for answer in served} == {"v1", "v2"}
    wait_until_stored(installation, len(served))
    run_flow()
    exposed = sum(answer["version"] == "v2" for answer in served)
    row = page.locator("section", has=page.get_by_role("heading", name="Variants")).get_by_role("row").nth(2)
    expect(row.get_by_role("cell").nth(1)).to_have_text(str(exposed))
    expect(page.locator(".verdict")).to_have_text("Keep running")
    needed = page.locator("section", has=page.get_by_role("heading", name="What it takes to ship"))
    expect(needed.get_by_role("listitem")).to_contain_text(
        [
            "it is not clear that people prefer the challenger",
            "at least 0 are needed",
            "satisfaction: a loss of up to 1 is still possible; the margin is 0.05",
        ]
    )

    decide(page, "Ship", "We know enough.")
    run_flow()
    expect_status(page, "shipped")
    expect(page.get_by_role("navigation", name="Decide")).to_have_count(0)
    trail = page.locator("section", has=page.get_by_role("heading", name="Audit trail"))
    expect(trail.get_by_role("row", name="We know enough.")).to_contain_text("@example.org")
    assert {transform(installation, f"person-{number}")["version"] for number in range(10)} == {"v2"}

    draft(page, "Softer still", "v3")
    decide(page, "Start")
    run_flow()
    expect_status(page, "running")
    decide(page, "Roll back", "It reads badly.")
    run_flow()
    expect_status(page, "rolled back")
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
        expect(page.get_by_text("Only the role experimenter or above can decide")).to_be_visible()

    # A request with the secret of their own page: the gateway rejects it.
    csrf = page.locator("[name=csrf]").first.get_attribute("value")
    form = {"csrf": str(csrf), "idempotency_key": str(uuid.uuid4()), "reason": "I say so."}
    for path in ("/start", "/ship"):
        posted = page.request.post(address + path, form=form)
        assert posted.status == 403
        assert "experimenter" in posted.text()
    with Session(installation.engine) as session:
        stored = session.scalars(select(Experiment).where(Experiment.name == "For viewers")).one()
        acts = session.scalars(select(Decision.action).where(Decision.experiment_id == stored.id)).all()
    assert (stored.status, acts) == ("draft", ["draft"])


def test_a_form_of_another_site_or_session_does_nothing(installation: Installation, sign_in: SignIn) -> None:
    page, other = sign_in("experimenter"), sign_in("experimenter")
    address = draft(page, "Forged", "v3")
    other_csrf = other.locator("[name=csrf]").first.get_attribute("value")
    csrf = page.locator("[name=csrf]").first.get_attribute("value")
    form = {"csrf": str(other_csrf), "idempotency_key": str(uuid.uuid4())}
    assert page.request.post(address + "/start", form=form).status == 403
    form["csrf"] = str(csrf)
    evil = {"Origin": "https://evil.example"}
    assert page.request.post(address + "/start", form=form, headers=evil).status == 403
    assert page.request.post("/sign-out", form={"csrf": "x"}).status == 403
    # Two submissions, as by a double click, make one decision.
    for _ in range(2):
        assert page.request.post(address + "/start", form=form).ok
    with Session(installation.engine) as session:
        stored = session.scalars(select(Experiment).where(Experiment.name == "Forged")).one()
        acts = session.scalars(
            select(Decision.action).where(Decision.experiment_id == stored.id).order_by(Decision.created_at)
        ).all()
    assert acts == ["draft", "start"]


def test_the_form_names_errors_and_updates_the_sample_size_as_fields_change(
    installation: Installation, sign_in: SignIn
) -> None:
    page = sign_in("owner")
    page.goto("/experiments/new")
    needed = page.locator("#needed")
    expect(needed).to_contain_text("users are needed to detect an effect of 0.05")
    page.get_by_label(re.compile("^smallest effect", re.IGNORECASE)).fill("0.1")
    expect(needed).to_contain_text("effect of 0.1")
    page.get_by_label("Users a day in the experiment").fill("20")
    expect(needed).to_contain_text("days are needed at this number of users a day")
    expect(needed).to_contain_text("longer than the plan's maximum of 28 days")
    page.get_by_label(re.compile("^smallest effect", re.IGNORECASE)).fill("many")
    expect(needed).to_contain_text("Some of the numbers cannot be read")
    page.get_by_role("textbox", name="Name", exact=True).fill("Kept")
    page.get_by_label(re.compile("^Hypothesis")).fill("It is kept.")
    page.get_by_role("button", name="Draft it").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_text("'many' cannot be read")).to_be_visible()
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("Kept")
