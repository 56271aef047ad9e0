"""The page Dictionary: whose terms it shows and changes, and that rewrites follow them at once."""

import re
import uuid

import httpx
import pytest
from starlette.testclient import TestClient

from data.people.identities import Role
from tests.dashboards import csrf_token
from tests.serving.dashboard.texts import text_at, text_of
from tests.serving.web.people import UNKNOWN, rewrite
from tests.webs import Site

MESSAGE = "Project Harsh is late. Fix it today."


def send(client: TestClient, path: str = "/dictionary", **fields: str) -> httpx.Response:
    """The page after a form of the page was sent."""
    form = {"csrf": csrf_token(client, "/dictionary"), **fields}
    return client.post(path, data=form)


def add(client: TestClient, term: str, rule: str = "keep", wording: str = "", scope: str = "own") -> str:
    """Add a term; its id."""
    response = send(client, scope=scope, term=term, rule=rule, wording=wording)
    assert (response.status_code, "The term is added." in response.text) == (200, True), response.text
    page = response.text
    place = page.index(f"<bdi>{term}</bdi>")
    return re.findall(r'id="term-([0-9a-f-]+)"', page[:place])[-1]


def test_a_term_is_added_changed_and_deleted(site: Site) -> None:
    with site.client() as client:
        empty = text_at(client, "/dictionary")
        assert "No term yet." in empty
        assert "0 of at most 100 terms." in empty
        assert "0 of at most 500 terms." in empty
        id = add(client, "SLO", "explain", "our promise")
        page = text_at(client, "/dictionary")
        assert "1 of at most 100 terms." in page
        assert "SLO is explained as our promise" in page
        form = client.get(f"/dictionary?change={id}").text
        assert 'value="explain" checked' in form[form.index('class="terms"') :]
        assert 'value="our promise"' in form
        changed = send(client, f"/dictionary/{id}", term="SLA", rule="replace", wording="contract")
        assert "The term is changed." in changed.text
        assert "SLA is replaced by contract" in text_of(changed.text)
        kept = send(client, f"/dictionary/{id}", term="SLA", rule="keep", wording="hidden by the style")
        assert "SLA is never changed" in text_of(kept.text)
        deleted = text_of(send(client, f"/dictionary/{id}/delete").text)
        assert "The term is deleted." in deleted
        assert "SLA" not in deleted


def test_rewrites_follow_a_term_at_once_and_nobody_elses_do(site: Site) -> None:
    with site.client() as ann, site.client() as ben:
        before = rewrite(ann, MESSAGE)
        assert "Project Harsh" not in before["facts_missing"]
        assert rewrite(ann, MESSAGE)["cache"] != "miss", "the answer is one that could be stale"
        id = add(ann, "Project Harsh")
        assert "Project Harsh" in rewrite(ann, MESSAGE)["facts_missing"], "the tiny model loses every term"
        assert rewrite(ben, MESSAGE)["facts_missing"] == before["facts_missing"]
        send(ann, f"/dictionary/{id}/delete")
        assert rewrite(ann, MESSAGE)["facts_missing"] == before["facts_missing"]


def test_others_see_and_change_none_of_a_persons_terms(site: Site) -> None:
    stranger = site.add_person(Role.OWNER, site.add_organisation())
    term = f"Project {uuid.uuid4().hex} x"
    with site.client() as ann, site.client(role=Role.OWNER) as boss, site.client(stranger) as other:
        id = add(ann, term)
        for client in (boss, other):
            assert term not in client.get("/dictionary").text
            refused = send(client, f"/dictionary/{id}", term="taken over", rule="keep")
            assert refused.status_code == 404
            assert send(client, f"/dictionary/{id}/delete").status_code == 404
        assert f"{term} is never changed" in text_at(ann, "/dictionary")


def test_admins_change_the_organisations_terms_and_members_read_them(site: Site) -> None:
    organisation = site.add_organisation()
    admin, member = (site.add_person(role, organisation) for role in (Role.ADMIN, Role.MEMBER))
    with site.client(admin) as boss, site.client(member) as ann, site.client(role=Role.ADMIN) as other:
        id = add(boss, "user", "replace", "customer", "organisation")
        page = text_at(ann, "/dictionary")
        assert "user is replaced by customer" in page
        assert "Its admins change them." in page
        assert f"change={id}" not in ann.get("/dictionary").text
        assert f"/dictionary/{id}" not in ann.get(f"/dictionary?change={id}").text
        assert "user is replaced by customer" not in text_at(other, "/dictionary")
        for path, fields in (
            ("/dictionary", {"scope": "organisation", "term": "mine"}),
            (f"/dictionary/{id}", {"term": "mine"}),
            (f"/dictionary/{id}/delete", {}),
        ):
            refused = send(ann, path, **fields)
            assert refused.status_code == 403
            assert "Only admins change the terms of an organisation." in refused.text
        assert "user is replaced by customer" in text_at(boss, "/dictionary")


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"term": ""}, "term", "1 to 100 characters"),
        ({"term": "123"}, "term", "a letter"),
        ({"term": "x" * 101}, "term", "1 to 100 characters"),
        ({"term": "user", "rule": "replace"}, "wording", "what to say instead"),
        ({"term": "user", "rule": "explain", "wording": "x" * 301}, "wording", "1 to 300 characters"),
    ],
)
def test_what_is_wrong_stands_at_the_field_and_nothing_typed_is_lost(
    site: Site, fields: dict[str, str], field: str, sentence: str
) -> None:
    with site.client() as client:
        refused = send(client, scope="own", **fields)
        assert refused.status_code == 422
        fault = re.search(rf'name="{field}"[^>]*>\s*<span class="fault" role="alert">([^<]*)', refused.text)
        assert fault is not None
        assert sentence in fault[1]
        for value in fields.values():
            assert f'value="{value}"' in refused.text
        assert "0 of at most 100 terms." in refused.text


def test_a_term_that_is_there_is_refused_at_its_field_in_the_readers_language(site: Site) -> None:
    with site.client() as client:
        add(client, "SLO")
        refused = send(client, scope="own", term="SLO", rule="explain", wording="a promise")
        assert refused.status_code == 409
        assert re.search(r'class="fault" role="alert">the dictionary has “SLO” already', refused.text)
        assert 'value="a promise"' in refused.text
        client.cookies["language"] = "ja"
        refused = send(client, scope="own", term="SLO")
        assert re.search(r'class="fault" role="alert">辞書には「SLO」がすでにあります', refused.text)


def test_texts_of_people_are_escaped_and_cannot_move_other_text(site: Site) -> None:
    with site.client() as client:
        send(client, scope="own", term="a <script>x()</script>", rule="replace", wording="b \u202eevil")
        page = client.get("/dictionary").text
        assert "<script>x()" not in page
        assert "<bdi>a &lt;script&gt;x()&lt;/script&gt;</bdi>" in page
        assert "<bdi>b \u202eevil\u202c</bdi>" in page


@pytest.mark.parametrize("path", ["", f"/{UNKNOWN}", f"/{UNKNOWN}/delete"])
def test_a_form_of_another_site_changes_nothing(site: Site, path: str) -> None:
    with site.client() as client:
        form = {"csrf": "forged", "scope": "own", "term": "mine", "rule": "keep"}
        assert client.post(f"/dictionary{path}", data=form).status_code == 403
        assert "0 of at most 100 terms." in client.get("/dictionary").text


def test_an_empty_dictionary_says_what_would_be_in_it_and_has_one_action(site: Site) -> None:
    organisation = site.add_organisation()
    with site.client(site.add_person(organisation_id=organisation)) as client:
        page = client.get("/dictionary").text
        assert "No term yet." in text_of(page)
        assert 'href="#own-term">Add your first term' in page
        assert 'id="own-term"' in page
        assert "those that its admins add for everybody would be here" in text_of(page)
        assert 'href="/help#feedback">Suggest a term to your admins' in page
        assert "Add its first term" not in page
    with site.client(site.add_person(Role.ADMIN, organisation)) as admin:
        page = admin.get("/dictionary").text
        assert "Suggest a term" not in page
        assert 'href="/dictionary?add=organisation#organisation-term">Add its first term' in page
        assert page.count('<details class="add" open>') == 1
        page = admin.get("/dictionary?add=organisation").text
        assert page.count('<details class="add" open>') == 2
        assert 'id="organisation-term"' in page
