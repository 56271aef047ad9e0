"""The page Accounts: people, their roles, and one's own password."""

import re
import uuid

from sqlalchemy import delete
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from data.tables import Account, new_id
from tests.accounts import PASSWORD
from tests.dashboards import Installation, csrf_token, sign_in_by_form
from tests.serving.dashboard.texts import text_at, text_of


def path_of(client: TestClient, email: str) -> str:
    """The address of the forms about an account."""
    row = next(row for row in client.get("/accounts").text.split("<tr>") if email in row)
    match = re.search(r'action="(/accounts/[0-9a-f-]+)/role"', row)
    assert match is not None, row
    return match[1]


def test_an_administrator_adds_a_person_changes_the_role_and_removes_them(empty: Installation) -> None:
    with empty.client("admin") as client:
        form = {
            "csrf": csrf_token(client, "/accounts"),
            "email": "new@example.org",
            "name": "New",
            "role": "viewer",
        }
        refused = client.post("/accounts", data={**form, "password": "short"})
        assert refused.status_code == 422
        assert 'value="new@example.org"' in refused.text, "what was typed stays"
        page = client.post("/accounts", data={**form, "password": "a first password"})
        assert "new@example.org" in text_of(page.text)
        path = path_of(client, "new@example.org")
        page = client.post(f"{path}/role", data={"csrf": form["csrf"], "role": "experimenter"})
        row = next(row for row in page.text.split("<tr>") if "new@example.org" in row)
        assert '<option value="experimenter" selected>' in row
        assert '<option value="owner"' not in row, "nobody gives more than they have"
        page = client.post(f"{path}/remove", data={"csrf": form["csrf"]})
        assert page.status_code == 200
        assert "new@example.org" not in page.text


def test_all_accounts_are_shown_by_address(empty: Installation) -> None:
    """More than the gateway lists at once."""
    emails = [f"{uuid.uuid4()}@pages.example.org" for _ in range(201)]
    with Session(empty.engine) as session, session.begin():
        for email in emails:
            id = new_id()
            session.add(
                Account(
                    id=id, organisation_id=empty.organisation_id, user_id=id, email=email, name="",
                    role="member", password_hash="",
                )
            )  # fmt: skip
    try:
        with empty.client("admin") as client:
            page = client.get("/accounts").text
        places = [page.index(f"{email}<") for email in sorted(emails)]
        assert places == sorted(places)
    finally:
        with Session(empty.engine) as session, session.begin():
            session.execute(delete(Account).where(Account.email.in_(emails)))


def test_a_viewer_sees_nobody_else(empty: Installation) -> None:
    other = empty.account("member")
    with empty.client("viewer") as client:
        page = text_at(client, "/accounts")
        assert "Your password" in page
        assert other not in page
        assert "Add a person" not in page
        form = {
            "csrf": csrf_token(client, "/accounts"),
            "email": "x@example.org",
            "role": "member",
            "password": PASSWORD,
        }
        assert client.post("/accounts", data=form).status_code == 403


def test_a_new_password_ends_the_session(empty: Installation) -> None:
    email = empty.account("member")
    with empty.client("member") as client:
        sign_in_by_form(client, email)
        form = {
            "csrf": csrf_token(client, "/accounts"),
            "password": "not this",
            "new_password": "another horse battery",
        }
        refused = client.post("/accounts/password", data=form)
        assert (refused.status_code, "not your password" in text_of(refused.text)) == (403, True)
        changed = client.post(
            "/accounts/password", data={**form, "password": PASSWORD}, follow_redirects=False
        )
        assert (changed.status_code, changed.headers["location"]) == (303, "/sign-in")
        again = client.post("/sign-in", data={"email": email, "password": "another horse battery"})
        assert again.status_code == 200


def test_a_form_of_another_site_changes_nothing(empty: Installation) -> None:
    with empty.client("admin") as client:
        form = {"csrf": "forged", "email": "x@example.org", "role": "member", "password": PASSWORD}
        assert client.post("/accounts", data=form).status_code == 403
        assert "x@example.org" not in client.get("/accounts").text
