"""The page Rules: whose rules it shows and changes, what it says of a wrong one, and what a dry run shows."""

import re
import uuid
from html import unescape
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from data.people.identities import Role
from tests.dashboards import csrf_token
from tests.serving.dashboard.texts import text_at, text_of
from tests.serving.web.people import UNKNOWN, rewrite, until
from tests.webs import Site

FIELDS = {"name": "Kinder", "words": "asap\r\nat once", "transform_type": "soften", "intensity": "2"}


def send(client: TestClient, path: str = "/rules", **fields: Any) -> httpx.Response:
    """The page after a form of the page was sent."""
    form = {"csrf": csrf_token(client, "/rules"), **fields}
    return client.post(path, data=form)


def add(client: TestClient, **fields: Any) -> str:
    """Add a rule; its id."""
    given = {**FIELDS, "priority": "100", **fields}
    page = send(client, **given).text
    assert "The rule is added." in page, text_of(page)
    place = page.index(f"<bdi>{given['name']}</bdi>")
    return re.findall(r'id="rule-([0-9a-f-]+)"', page[:place])[-1]


def reading_of(client: TestClient, message: str) -> str:
    """The part of the page Rewrite that says how a message will be read."""
    form = {"csrf": csrf_token(client, "/rewrite"), "text": message, "transform_type": "clarify"}
    page = client.post("/rewrite/reading", data=form | {"intensity": "1"}).text
    return page[page.index('id="reading"') :]


def test_a_rule_is_added_changed_turned_off_and_deleted(site: Site) -> None:
    with site.client() as client:
        empty = text_at(client, "/rules")
        assert "No rule yet." in empty
        assert "0 of at most 20 rules." in empty
        hours = {"days": ["mon", "fri"], "starts": "19:00", "ends": "08:00", "time_zone": "Asia/Tokyo"}
        places = {"channels": "#ops\r\nsupport-*", "recipients": "ben@example.com"}
        id = add(client, harsh="55", pattern="!{3,}", ignores_case="yes", **hours, **places)
        page = text_at(client, "/rules")
        for words in (
            "has one of these words: asap at once", "matches the pattern !{3,}", "more than 55% likely",
            "Mon Fri from 19:00 until 08:00 (Asia/Tokyo)", "goes to the channel #ops support-…",
            "goes to the person ben@example.com", "suggests: Make it kinder · Clearly",
        ):  # fmt: skip
            assert words in page
        form = client.get(f"/rules?change={id}").text
        form = form[form.index('class="editing"') :]
        for field in (
            'name="harsh" type="number" min="0" max="99" value="55"', 'value="!{3,}"', ">asap\nat once</",
            ">#ops\nsupport-*</", 'value="fri" checked', 'value="Asia/Tokyo"', 'value="yes" checked',
        ):  # fmt: skip
            assert field in unescape(form)
        changed = send(
            client, f"/rules/{id}", **FIELDS | {"name": "Gentler", "intensity": "3", "priority": "1"}
        )
        assert "The rule is changed." in changed.text
        assert "suggests: Make it kinder · A lot" in text_of(changed.text)
        assert "harsh, more than" not in text_of(changed.text)
        off = send(client, f"/rules/{id}/state", state="off")
        assert "The rule is off." in off.text
        assert "Gentler (off)" in text_of(off.text)
        assert "choose-by-rule" not in reading_of(client, "Fix it asap.")
        assert "The rule is on." in send(client, f"/rules/{id}/state", state="on").text
        assert "choose-by-rule" in reading_of(client, "Fix it asap.")
        deleted = text_of(send(client, f"/rules/{id}/delete").text)
        assert "The rule is deleted." in deleted
        assert "Gentler" not in deleted


def test_a_rule_proposes_on_the_page_rewrite_and_a_click_only_chooses(site: Site) -> None:
    with site.client() as client:
        add(client, intensity="3")
        part = reading_of(client, "Fix it asap.")
        assert "Your rule “Kinder” suggests:" in part
        assert 'value="soften.3"' in part
        assert "Your rule" not in reading_of(client, "Thank you.")
        form = {"csrf": csrf_token(client, "/rewrite"), "text": "Fix it asap.", "choose": "soften.3"}
        page = client.post("/rewrite/reading", data=form).text
        for value in ("soften", "3"):
            assert re.search(rf'value="{value}" checked', page)
        assert 'class="words marked"' not in page, "nothing is rewritten by itself"
        client.cookies["language"] = "ja"
        assert "あなたのルール「Kinder」の提案" in reading_of(client, "Fix it asap.")


def test_others_see_and_change_none_of_a_persons_rules(site: Site) -> None:
    stranger = site.add_person(Role.OWNER, site.add_organisation())
    name = f"Rule {uuid.uuid4().hex}"
    with site.client() as ann, site.client(role=Role.OWNER) as boss, site.client(stranger) as other:
        id = add(ann, name=name)
        for client in (boss, other):
            assert name not in client.get("/rules").text
            assert send(client, f"/rules/{id}", **FIELDS).status_code == 404
            for path in ("try", "delete"):
                assert send(client, f"/rules/{id}/{path}").status_code == 404
            assert send(client, f"/rules/{id}/state", state="off").status_code == 404
            assert "choose-by-rule" not in reading_of(client, "Fix it asap.")
        assert name in text_at(ann, "/rules")


def test_admins_change_the_organisations_rules_and_members_read_them(site: Site) -> None:
    organisation = site.add_organisation()
    admin, member = (site.add_person(role, organisation) for role in (Role.ADMIN, Role.MEMBER))
    with site.client(admin) as boss, site.client(member) as ann, site.client(role=Role.ADMIN) as other:
        id = add(boss, scope="organisation", name="All of us")
        page = text_at(ann, "/rules")
        assert "All of us" in page
        assert "Its admins change the rules." in page
        assert f"/rules/{id}/state" not in ann.get("/rules").text
        assert f"/rules/{id}/delete" not in ann.get(f"/rules?change={id}").text
        assert "All of us" not in text_at(other, "/rules")
        assert "Your organisation's rule “All of us” suggests:" in unescape(reading_of(ann, "Fix it asap."))
        for path, fields in (
            ("/rules", {**FIELDS, "scope": "organisation"}), (f"/rules/{id}", FIELDS),
            (f"/rules/{id}/state", {"state": "off"}), (f"/rules/{id}/delete", {}),
        ):  # fmt: skip
            refused = send(ann, path, **fields)
            assert refused.status_code == 403
            assert "Only admins change the rules of an organisation." in refused.text


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"name": "   "}, "name", "a rule needs a name"),
        ({"words": "42"}, "words", "a term needs a letter"),
        ({"pattern": "a(?=b)"}, "pattern", "RE2 has no look-around"),
        ({"harsh": "120"}, "harsh", "less than"),
        ({"days": ["mon"], "time_zone": "Mars"}, "time_zone", "is no time zone"),
        ({"priority": "0"}, "priority", "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_stands_at_the_field_and_nothing_typed_is_lost(
    site: Site, fields: dict[str, Any], field: str, sentence: str
) -> None:
    with site.client() as client:
        refused = send(client, **FIELDS | fields)
        assert refused.status_code == 422
        fault = re.search(
            rf'name="{field}".*?<span class="fault" role="alert">([^<]*)', refused.text, re.DOTALL
        )
        assert fault is not None
        assert sentence in fault[1]
        assert ">asap\nat once<" in refused.text or "words" in fields
        assert "0 of at most 20 rules." in refused.text


def test_a_rule_without_a_condition_is_refused(site: Site) -> None:
    with site.client() as client:
        refused = send(client, **FIELDS | {"words": " "})
        assert refused.status_code == 422
        assert "Set at least one condition" in refused.text


def test_a_dry_run_shows_what_would_change_in_ones_own_messages(site: Site) -> None:
    message = f"Fix <it> asap, at once. {uuid.uuid4()}"
    with site.client() as client:
        rewrite(client, message)
        last = rewrite(client, f"Thank you. {uuid.uuid4()}")["answer_id"]
        until(lambda: f"answer-{last}" in client.get("/history").text)
        page = send(client, "/rules/try", **FIELDS | {"name": "A <draft>"}).text
        assert "What the rule “A &lt;draft&gt;” would have suggested" in page
        assert "It fits 1 of your last 2 messages." in page
        assert "Fix &lt;it&gt; <mark>asap</mark>, <mark>at once</mark>." in page
        assert "The rewrite, with what changes:" in page
        assert ">asap\nat once<" in page, "the draft is still in the form"
        assert "0 of at most 20 rules." in page
        id = add(client, words="thank you", channels="#ops")
        tried = text_of(send(client, f"/rules/{id}/try").text)
        assert "It fits 1 of your last 2 messages." in tried
        assert "they were not compared" in tried


@pytest.mark.parametrize("path", ["", "/try", f"/{UNKNOWN}", f"/{UNKNOWN}/try", f"/{UNKNOWN}/delete"])
def test_a_form_of_another_site_changes_nothing(site: Site, path: str) -> None:
    with site.client() as client:
        assert client.post(f"/rules{path}", data={"csrf": "forged", **FIELDS}).status_code == 403
        assert "0 of at most 20 rules." in client.get("/rules").text
