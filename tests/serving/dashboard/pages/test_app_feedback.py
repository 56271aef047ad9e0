"""The page App feedback: admins read what their people say about the app, and delete what is dealt with."""

import dataclasses
import re
import uuid
from typing import Any

import pytest

from data.people.identities import Role
from data.tables import Account, new_id
from tests.accounts import add_account
from tests.dashboards import Installation, csrf_token
from tests.gateways import an_organisation
from tests.serving.dashboard.texts import text_at, text_of

NOT_SHOWN = "Does not want an answer, so the name is not shown."


@pytest.fixture
def said(filled: Installation) -> Installation:
    """An organisation of the test's own, of which nobody has said anything."""
    return dataclasses.replace(filled, organisation_id=an_organisation(filled.engine))


def say(installation: Installation, person: Account, comment: str, **changes: Any) -> uuid.UUID:
    """What a person said."""
    values = {"about": "idea", "may_answer": False, "days": 0, **changes}
    id = new_id()
    with installation.engine.begin() as owner:
        owner.exec_driver_sql(
            "INSERT INTO app_feedback (id, organisation_id, user_id, about, comment, may_answer, created_at)"
            " VALUES (%(id)s, %(tenant)s, %(person)s, %(about)s, %(comment)s, %(may_answer)s,"
            " now() - make_interval(days => %(days)s))",
            {"id": id, "tenant": person.organisation_id, "person": person.user_id, "comment": comment}
            | values,
        )
    return id


def mark_of(page: str) -> str | None:
    """The number that the navigation marks the page with."""
    match = re.search(
        r'href="/app-feedback"[^>]*>App feedback(?: <span class="mark">.*?</span> (\d+)</span>)?', page
    )
    assert match is not None
    return match[1]


def test_admins_read_it_and_names_only_of_people_who_may_be_answered(said: Installation) -> None:
    ann = add_account(said.engine, said.organisation_id, Role.MEMBER)
    say(said, ann, "Evil <b>\u202eidea</b>")
    say(said, ann, "It is slow.\nVery slow.", about="problem", may_answer=True)
    with said.client("admin") as client:
        page = client.get("/app-feedback").text
        words = text_of(page)
        assert words.index("It is slow.") < words.index("Evil")
        assert f"May be answered: {ann.email}" in words
        assert page.count(ann.email) == 1
        assert NOT_SHOWN in words
        assert "Evil &lt;b&gt;\u202eidea&lt;/b&gt;\u202c" in page
    for role in ("member", "viewer"):
        with said.client(role) as client:
            assert client.get("/app-feedback").status_code == 403
            assert "App feedback" not in client.get("/compare").text
    with dataclasses.replace(said, organisation_id=an_organisation(said.engine)).client("owner") as stranger:
        assert "Nobody has said anything yet." in text_at(stranger, "/app-feedback")


def test_what_is_new_is_counted_in_the_navigation_until_it_is_deleted(said: Installation) -> None:
    ann = add_account(said.engine, said.organisation_id, Role.MEMBER)
    say(said, ann, "Old.", days=8)
    ids = [say(said, ann, f"New {number}.") for number in range(2)]
    with said.client("owner") as client:
        assert mark_of(client.get("/compare").text) == "2"
        form = {"csrf": csrf_token(client, "/app-feedback")}
        assert client.post(f"/app-feedback/{ids[0]}/delete", data={"csrf": "forged"}).status_code == 403
        page = client.post(f"/app-feedback/{ids[0]}/delete", data=form).text
        assert "Deleted." in text_of(page)
        assert "New 0." not in page
        assert mark_of(page) == "1"
        again = client.post(f"/app-feedback/{ids[0]}/delete", data=form)
        assert (again.status_code, 'class="problem" role="alert"' in again.text) == (404, True)
        assert mark_of(client.post(f"/app-feedback/{ids[1]}/delete", data=form).text) is None


def test_links_lead_through_all_of_it(said: Installation) -> None:
    ann = add_account(said.engine, said.organisation_id, Role.MEMBER)
    for number in range(52):
        say(said, ann, f"Number {number}.")
    with said.client("admin") as client:
        page = client.get("/app-feedback").text
        assert "Number 51." in page
        assert "Number 1." not in page
        older = re.search(r'href="(/app-feedback\?before=[0-9a-f-]+)">Older', page)
        assert older is not None
        page = client.get(older[1]).text
        assert "Number 1." in page
        assert ">Newest</a>" in page
        assert ">Older</a>" not in page
