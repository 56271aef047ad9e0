"""Who may open which page."""

import pytest
from playwright.sync_api import expect
from starlette.testclient import TestClient

from serving.dashboard.app import create_app
from tests.dashboards import Installation, SignIn
from tests.logins import as_dashboard
from tests.serving.dashboard.texts import text_at


@pytest.mark.parametrize("address", ["/models", "/models/v1", "/data", "/calibration", "/operations"])
def test_the_pages_on_models_data_and_operations_are_for_viewers(filled: Installation, address: str) -> None:
    with filled.client("member") as client:
        assert "This page is for viewers and above" in text_at(client, address, 403)
    with TestClient(create_app(as_dashboard(filled.settings)), base_url="http://127.0.0.1") as client:
        response = client.get(address, follow_redirects=False)
        assert (response.status_code, response.headers["location"]) == (303, f"/sign-in?to={address}")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_member_may_not_open_the_pages_on_experiments(sign_in: SignIn) -> None:
    page = sign_in("member")
    response = page.goto("/experiments")
    assert response is not None
    assert response.status == 403
    expect(page.get_by_text("you are a member of")).to_be_visible()
