"""An experiment with two challengers in a real browser: one is dropped, the other one shipped."""

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from data.tables import Variant
from tests.dashboards import Installation, SignIn, draft
from tests.serving.dashboard.pages.test_experiments import decide, expect_status, run_flow

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # mlflow's
]


def test_one_of_two_challengers_is_dropped_and_the_other_one_shipped(
    installation: Installation, sign_in: SignIn
) -> None:
    page = sign_in("experimenter")
    draft(page, "Two softer versions", "v2", "v3")
    decide(page, "Start")
    run_flow()
    expect_status(page, "running")
    row = page.get_by_role("row", name=re.compile("^v3 "))
    expect(row).to_contain_text("Keep running")
    page.get_by_role("link", name="v3", exact=True).click()
    expect(page.get_by_text("The rest of this page compares v3 with the champion.")).to_be_visible()
    decide(page, "Drop", "It sounds stiff.")
    run_flow()
    expect(row).to_contain_text("dropped")
    with Session(installation.engine) as session:
        dropped = session.scalars(select(Variant.name).where(Variant.dropped_at.is_not(None))).all()
    assert dropped == ["v3"]
    decide(page, "Ship", "People like it.")
    run_flow()
    expect_status(page, "shipped")
