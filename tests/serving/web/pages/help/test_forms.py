"""The page Help without a script: what it explains, whom it names, and feedback on the app."""

import inspect
import re
import uuid
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from data.people.identities import Role
from pipelines.retention import retain
from serving.web.app import create_app
from serving.web.pages.help import KEPT_DAYS
from tests.dashboards import csrf_token, sign_in_by_form
from tests.serving.dashboard.texts import text_of
from tests.serving.web.people import ask
from tests.webs import Site

LONG = "長い。" * 600


def send(client: TestClient, **fields: str) -> httpx.Response:
    """The page after the form of the page was sent."""
    form = {"about": "idea", "comment": "A bigger button.", "may_answer": "no", **fields}
    return client.post("/help/feedback", data={"csrf": csrf_token(client, "/help"), **form})


def listed(site: Site, organisation_id: uuid.UUID) -> list[Any]:
    """What an admin of an organisation reads."""
    with site.client(site.add_person(Role.ADMIN, organisation_id)) as admin:
        rows: list[Any] = ask(admin, "GET", "/app-feedback")
    return rows


def test_it_explains_and_leads_to_where_each_thing_is_done(site: Site) -> None:
    with site.client() as client:
        page = client.get("/help").text
        for target in re.findall(r'href="(/[^"#?]*)(?:\?[^"#]*)?#?([^"]*)"', page):
            address, anchor = target
            if address.startswith("/static/") or address == "/manifest.webmanifest":
                continue
            response = client.get(address)
            assert response.status_code == 200, address
            assert not anchor or f'id="{anchor}"' in response.text, target
        assert "Rewrites leave your history after 400 days" in text_of(page)
        assert 'aria-current="page">Help' in page
        assert "Ask the admins of your organisation." in text_of(page)
    assert inspect.signature(retain.fn).parameters["days"].default == KEPT_DAYS
    assert (
        TestClient(create_app(site.settings), base_url="http://127.0.0.1")
        .get("/help", follow_redirects=False)
        .headers["location"]
        == "/sign-in?to=/help"
    )


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("help@example.org", 'href="mailto:help@example.org"'),
        ("https://example.org/it?a=b&c", 'href="https://example.org/it?a=b&amp;c"'),
    ],
)
def test_it_names_whoever_runs_the_installation(site: Site, contact: str, link: str) -> None:
    settings = site.settings.model_copy(update={"contact": contact})
    address = ("198.51.100.7", 1)  # of its own: the gateway limits sign-ins by address
    with TestClient(create_app(settings), base_url="http://127.0.0.1", client=address) as client:
        sign_in_by_form(client, site.add_person().email)
        page = client.get("/help").text
        assert link in page
        assert "Ask the admins of your organisation." not in page


def test_what_people_say_about_the_app_reaches_the_admins_of_their_organisation(site: Site) -> None:
    organisation = site.add_organisation()
    ann = site.add_person(organisation_id=organisation)
    with site.client(ann) as client:
        page = send(client, about="problem", comment=f"  {LONG}\r\nEnd. ", may_answer="yes")
        assert "Thank you. Your admins can read it now." in text_of(page.text)
        assert LONG not in page.text
        again = send(client, comment="<b>One more</b>")
        assert again.status_code == 429
        assert 'class="problem" role="alert"' in again.text
        assert "&lt;b&gt;One more&lt;/b&gt;</textarea>" in again.text, "what was typed stays"
        assert 'value="idea" checked' in again.text
        assert 'value="no" checked' in again.text
    [row] = listed(site, organisation)
    assert (row["about"], row["comment"], row["author"]) == ("problem", f"{LONG}\nEnd.", ann.email)
    assert set(row) == {"id", "about", "comment", "may_answer", "author", "created_at"}, "and nothing else"
    assert listed(site, site.add_organisation()) == []


@pytest.mark.parametrize("fields", [{"about": "rant"}, {"comment": " "}, {"comment": "x" * 2001}])
def test_what_is_no_feedback_comes_back_with_the_reason(site: Site, fields: dict[str, str]) -> None:
    organisation = site.add_organisation()
    with site.client(site.add_person(organisation_id=organisation)) as client:
        refused = send(client, **fields)
        assert (refused.status_code, 'class="problem" role="alert"' in refused.text) == (422, True)
    assert listed(site, organisation) == []


def test_a_form_of_another_site_says_nothing(site: Site) -> None:
    organisation = site.add_organisation()
    with site.client(site.add_person(organisation_id=organisation)) as client:
        form = {"about": "idea", "comment": "x", "may_answer": "no"}
        for forged in ({"csrf": "forged"}, {"csrf": csrf_token(client, "/help"), "origin": "x"}):
            headers = {"Origin": "https://evil.example"} if "origin" in forged else {}
            assert client.post("/help/feedback", data=form | forged, headers=headers).status_code == 403
    assert listed(site, organisation) == []


def test_each_page_leads_to_the_form(site: Site) -> None:
    with site.client() as client:
        for address in ("/rewrite", "/history", "/dictionary", "/profile", "/help"):
            assert '<a href="/help#feedback">' in client.get(address).text
        assert '<a href="/help#feedback">' not in client.get("/offline/en").text
