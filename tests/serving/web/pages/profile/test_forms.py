"""The page Profile: one's own language, defaults, consent, devices and password, and nobody else's."""

import re

import httpx
import pytest
from starlette.testclient import TestClient

from data.people.identities import Role
from tests.accounts import PASSWORD
from tests.dashboards import csrf_token, sign_in_by_form
from tests.serving.dashboard.texts import text_at, text_of
from tests.serving.web.people import UNKNOWN, ask, until
from tests.webs import Site

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"


def send(client: TestClient, path: str, **fields: str) -> httpx.Response:
    """The page after a form of the page was sent."""
    return client.post(f"/profile{path}", data={"csrf": csrf_token(client, "/profile"), **fields})


def chosen(page: str, name: str) -> list[str]:
    """The chosen values of a select of a page."""
    select = re.search(rf'<select name="{name}">(.*?)</select>', page, re.DOTALL)
    assert select is not None
    return re.findall(r'value="([^"]*)"[^>]* selected', select[1])


def location(client: TestClient) -> str | None:
    """Where the page leads; None when it is shown."""
    return client.get("/profile", follow_redirects=False).headers.get("location")


def test_it_names_the_person_and_explains_receipts(site: Site) -> None:
    ann = site.add_person(Role.ADMIN)
    with site.client(ann) as client:
        page = text_at(client, "/profile")
        assert ann.email in page
        assert site.settings.organisation in page
        assert "A vote needs it, so nobody can vote in your name." in page


def test_a_language_holds_in_this_browser_and_where_the_person_signs_in_next(site: Site) -> None:
    ann = site.add_person()
    with site.client(ann) as client:
        page = send(client, "/language", language="ja")
        assert page.text.startswith('<!doctype html>\n<html lang="ja"')
        assert client.cookies["language"] == "ja"
        assert ask(client, "GET", "/preferences")["language"] == "ja"
    with site.client(ann) as another:
        assert another.cookies["language"] == "ja"
        another.post("/look", data={"language": "en"})
        sign_in_by_form(another, ann.email)
        assert another.cookies["language"] == "en", "a browser keeps what was chosen there"
    with site.client() as other:
        assert "language" not in other.cookies


def test_defaults_are_stored_and_chosen_on_the_page_rewrite(site: Site) -> None:
    with site.client() as client:
        assert chosen(client.get("/profile").text, "transform_type") == []
        send(client, "/language", language="en")
        page = send(client, "/defaults", transform_type="clarify", intensity="0")
        assert "Saved." in page.text
        assert (chosen(page.text, "transform_type"), chosen(page.text, "intensity")) == (["clarify"], ["0"])
        assert ask(client, "GET", "/preferences") == {
            "language": "en",
            "transform_type": "clarify",
            "intensity": 0,
            "tour_closed": None,
        }
        rewrite = client.get("/rewrite").text
        assert re.search(r'name="transform_type" value="clarify" checked', rewrite)
        assert re.search(r'name="intensity" value="0" checked', rewrite)
        send(client, "/defaults")
        assert ask(client, "GET", "/preferences")["transform_type"] is None
        refused = send(client, "/defaults", transform_type="shout", intensity="9")
        assert refused.status_code == 422
        assert 'class="problem" role="alert"' in refused.text


def test_consent_says_who_decided_and_what_it_means(site: Site) -> None:
    with site.client() as ann, site.client() as ben:
        before = text_at(ann, "/profile")
        assert "checked" not in ann.get("/profile").text, "nobody decides by pressing Save"
        assert "You have not decided, so your organisation's default holds:" in before
        assert "No model learns from you." in before
        assert "To have those replaced as well, delete your history." in before
        assert 'href="/history#erasure"' in ann.get("/profile").text
        theirs = ask(ben, "GET", "/consent")
        for training, sentence in (("no", "You decided: no."), ("yes", "You decided: yes.")):
            page = send(ann, "/consent", training=training)
            assert sentence in page.text
            assert f'value="{training}" checked' in page.text
            assert ask(ann, "GET", "/consent") == {"training": training == "yes", "said_by": "person"}
        assert ask(ben, "GET", "/consent") == theirs


def test_devices_are_listed_and_signed_out(site: Site) -> None:
    ann = site.add_person()
    with site.client(ann) as here, site.client(ann) as there, site.client(ann) as elsewhere:
        there.headers["User-Agent"] = FIREFOX
        sign_in_by_form(there, ann.email)  # its first session goes on, too
        page = here.get("/profile").text
        assert text_of(page).count("Sign out there") == 3
        assert "Firefox on Linux" in page
        assert text_of(page).count("this one") == 1
        place = page.index("Firefox on Linux")
        ending = re.search(r'action="/profile/sessions/([0-9a-f-]+)/end"', page[place:])
        assert ending is not None
        ended = send(here, f"/sessions/{ending[1]}/end")
        assert "Signed out there." in ended.text
        assert "Firefox on Linux" not in ended.text
        until(lambda: location(there) == "/sign-in?to=/profile")
        assert location(elsewhere) is None
        rest = send(here, "/sessions/end-others")
        assert "Sign out there" not in text_of(rest.text)
        assert "Sign out everywhere else" not in rest.text
        until(lambda: location(elsewhere) == "/sign-in?to=/profile")
        assert location(here) is None


def test_with_one_device_the_list_says_what_would_be_in_it(site: Site) -> None:
    ann = site.add_person()
    with site.client(ann) as client:
        assert "You are signed in nowhere else" in text_at(client, "/profile")
        with site.client(ann):
            assert "You are signed in nowhere else" not in text_at(client, "/profile")


def test_nobody_sees_or_ends_the_sessions_of_others(site: Site) -> None:
    stranger = site.add_person(Role.OWNER, site.add_organisation())
    with site.client() as ann, site.client(role=Role.OWNER) as boss, site.client(stranger) as other:
        [session] = ask(ann, "GET", "/auth/sessions")
        for client in (boss, other):
            assert text_at(client, "/profile").count("signed in") >= 1
            assert session["id"] not in client.get("/profile").text
            refused = send(client, f"/sessions/{session['id']}/end")
            assert refused.status_code == 404
            assert 'class="problem" role="alert"' in refused.text
            send(client, "/sessions/end-others")
        assert [listed["id"] for listed in ask(ann, "GET", "/auth/sessions")] == [session["id"]]


def test_a_new_password_ends_the_session(site: Site) -> None:
    ann = site.add_person()
    with site.client(ann) as client:
        refused = send(client, "/password", password="not this", new_password="another horse battery")
        assert (refused.status_code, "not your password" in text_of(refused.text)) == (403, True)
        assert "not this" not in refused.text, "no page shows a password"
        form = {"csrf": csrf_token(client, "/profile"), "password": PASSWORD}
        changed = client.post(
            "/profile/password", data=form | {"new_password": "another horse battery"}, follow_redirects=False
        )
        assert (changed.status_code, changed.headers["location"]) == (303, "/sign-in")
        again = client.post("/sign-in", data={"email": ann.email, "password": "another horse battery"})
        assert again.status_code == 200


def test_the_name_of_a_device_is_escaped_and_cannot_move_other_text(site: Site) -> None:
    ann = site.add_person()
    with site.client(ann) as client:
        evil = "<script>x()</script> \u202eevil"
        credentials = {"email": ann.email, "password": PASSWORD, "device": evil}
        answer = httpx.post(f"{site.settings.gateway_url}/api/v1/auth/login", json=credentials)
        assert answer.status_code == 200
        page = client.get("/profile").text
        assert "<script>x()" not in page
        assert "<bdi>&lt;script&gt;x()&lt;/script&gt; \u202eevil\u202c</bdi>" in page


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/language", {"language": "ja"}),
        ("/defaults", {"transform_type": "clarify"}),
        ("/consent", {"training": "no"}),
        ("/sessions/end-others", {}),
        (f"/sessions/{UNKNOWN}/end", {}),
        ("/password", {"password": PASSWORD, "new_password": "another horse battery"}),
    ],
)
def test_a_form_of_another_site_changes_nothing(site: Site, path: str, fields: dict[str, str]) -> None:
    ann = site.add_person()
    with site.client(ann) as client, site.client(ann) as other:
        states = [ask(client, "GET", address) for address in ("/preferences", "/consent")]
        for forged in ({"csrf": "forged"}, {"csrf": csrf_token(other, "/profile")}):
            assert client.post(f"/profile{path}", data=fields | forged).status_code == 403
        assert [ask(client, "GET", address) for address in ("/preferences", "/consent")] == states
        assert len(ask(client, "GET", "/auth/sessions")) == 2
