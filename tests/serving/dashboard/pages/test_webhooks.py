"""The page Webhooks: what it shows, and every form of it, against a gateway."""

import dataclasses
import html
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from data.people.identities import Role
from data.reasons import reason
from data.webhooks.events import OF_THE_INSTALLATION, SUBSCRIBABLE, EventType
from data.webhooks.subscriptions import write_secret
from serving.dashboard.pages.webhooks import EVENTS
from tests.dashboards import Installation, csrf_token
from tests.gateways import an_organisation
from tests.serving.dashboard import webhooks
from tests.serving.dashboard.texts import text_at, text_of
from tests.serving.dashboard.webhooks import URL

NOW = datetime.now(UTC)
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{40,}")
FORM = {"url": URL, "events": ["job.done", "quota.near"], "description": "for the team"}


@pytest.fixture
def hooks(filled: Installation) -> Installation:
    """An installation without webhooks."""
    webhooks.clear(filled)
    return filled


@pytest.fixture
def other(hooks: Installation) -> Installation:
    """Another organisation of the same installation."""
    return dataclasses.replace(hooks, organisation_id=an_organisation(hooks.engine))


def form_of(client: TestClient, **fields: Any) -> dict[str, Any]:
    return {"csrf": csrf_token(client, "/webhooks"), **FORM, **fields}


def section_of(page: str, webhook_id: uuid.UUID) -> str:
    """The part of the page on one webhook."""
    return page.split(f'id="webhook-{webhook_id}"')[1].split("</section>")[0]


def checked(part: str) -> list[str]:
    """The events that a form has chosen."""
    return re.findall(r'value="([a-z.]+)" checked', part)


def test_an_admin_adds_a_webhook_and_sees_its_secret_once(hooks: Installation) -> None:
    with hooks.client("admin") as client:
        assert "Your organisation has no webhook yet." in text_at(client, "/webhooks")
        response = client.post("/webhooks", data=form_of(client, url=f" {URL} "), follow_redirects=False)
        (stored,) = webhooks.read_all(hooks)
        secret = write_secret(stored.secret)
        assert response.status_code == 200
        assert SECRET.findall(response.text) == [secret]
        assert "it is not shown again" in text_of(response.text)
        assert response.headers["cache-control"] == "no-store"
        assert secret not in str(response.headers)
        assert 'name="to" value="/webhooks"' in response.text, "the language can be changed on this page"
        page = client.get("/webhooks").text
        assert "whsec_" not in page
        assert URL in page
    assert (stored.url, stored.events, stored.description) == (
        URL, ["quota.near", "job.done"], "for the team",
    )  # fmt: skip
    assert stored.created_by.startswith("account:")


def test_each_event_is_offered_with_what_it_has(hooks: Installation) -> None:
    assert set(EVENTS) == set(SUBSCRIBABLE)
    with hooks.client("owner") as client:
        page = text_at(client, "/webhooks")
    for event, says in EVENTS.items():
        assert f"{event.value} {says}" in page


def test_events_of_the_installation_are_for_the_organisation_that_runs_it(other: Installation) -> None:
    with other.client("admin") as client:
        page = client.get("/webhooks").text
        assert set(re.findall(r'name="events" value="([a-z.]+)"', page)) == {
            event.value for event in set(SUBSCRIBABLE) - OF_THE_INSTALLATION
        }
        refused = client.post("/webhooks", data=form_of(client, events=["version.released"]))
    assert refused.status_code == 403
    assert f'value="{URL}"' in refused.text
    assert 'role="alert"' in refused.text
    assert webhooks.read_all(other) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": "not an address"}, "https://, a public host"),
        ({"url": "//example.org"}, "it is no address of the web"),
        ({"url": "http://example.org/"}, "it is not encrypted"),
        ({"url": "https://ann:pw@example.org/"}, "a webhook is signed"),
        ({"url": f"https://example.org/{'x' * 2000}"}, "2000"),
        ({"events": []}, "at least 1"),
        ({"events": ["webhook.test", "job.done"]}, "it cannot be chosen"),
        ({"events": ["job.done", "unknown"]}, "'answer.created'"),
        ({"description": "x" * 201}, "200"),
    ],
)
def test_what_was_sent_stays_at_the_form_with_the_fault_of_its_field(
    hooks: Installation, fields: dict[str, Any], message: str
) -> None:
    with hooks.client("admin") as client:
        page = client.post("/webhooks", data=form_of(client, **fields))
    sent = {**FORM, **fields}
    (name,) = fields
    assert page.status_code == 422
    (fault,) = re.findall(r'<span class="fault">(.*?)</span>', page.text)
    assert message in html.unescape(fault)
    assert page.text.count('class="wrong"') == 1
    assert 'href="#add">Go to the form' in page.text
    assert f'name="url" type="url" maxlength="2000" value="{sent["url"]}"' in page.text
    assert f'name="description" maxlength="200" value="{sent["description"]}"' in page.text
    assert checked(page.text) == [event for event in EVENTS if event in sent["events"]]
    assert webhooks.read_all(hooks) == [], name


def test_a_webhook_too_many_is_refused_with_what_was_sent(hooks: Installation) -> None:
    for _ in range(20):
        webhooks.add(hooks)
    with hooks.client("admin") as client:
        page = client.post("/webhooks", data=form_of(client))
    assert page.status_code == 409
    assert "an organisation may have 20 webhooks" in text_of(page.text)
    assert 'value="for the team"' in page.text


def test_a_change_keeps_the_failures_unless_it_is_of_the_address(hooks: Installation) -> None:
    id = webhooks.add(hooks, failing_since=NOW, failures=3)
    with hooks.client("admin") as client:
        form = form_of(client, description="another")
        response = client.post(f"/webhooks/{id}", data=form, follow_redirects=False)
        assert (response.status_code, response.headers["location"]) == (303, f"/webhooks#webhook-{id}")
        row = webhooks.read(hooks, id)
        assert (row.events, row.description, row.failures) == (["quota.near", "job.done"], "another", 3)
        part = section_of(client.get("/webhooks").text, id)
        assert checked(part) == ["quota.near", "job.done"]
        client.post(f"/webhooks/{id}", data={**form, "url": "https://example.org/new"})
    row = webhooks.read(hooks, id)
    assert (row.url, row.failures, row.failing_since) == ("https://example.org/new", 0, None)


def test_a_refused_change_is_shown_at_its_webhook(hooks: Installation) -> None:
    first, second = webhooks.add(hooks), webhooks.add(hooks)
    with hooks.client("admin") as client:
        page = client.post(f"/webhooks/{second}", data=form_of(client, url="ftp://example.org")).text
    assert f'<details id="change-{second}" open>' in page
    assert f'href="#change-{second}">Go to the form' in page
    assert 'value="ftp://example.org"' in section_of(page, second)
    for unchanged in (section_of(page, first), page[page.index('aria-labelledby="add"') :]):
        assert "ftp://example.org" not in unchanged
        assert 'class="fault"' not in unchanged
    assert webhooks.read(hooks, second).url == URL


def test_an_admin_disables_and_enables_a_webhook(hooks: Installation) -> None:
    id = webhooks.add(hooks)
    with hooks.client("admin") as client:
        form = {"csrf": csrf_token(client, "/webhooks")}
        page = text_of(client.post(f"/webhooks/{id}/disable", data=form).text)
        assert "A person has disabled it." in page
        assert "Send a test" not in page
        assert webhooks.read(hooks, id).disabled_at is not None
        page = text_of(client.post(f"/webhooks/{id}/enable", data=form).text)
        assert f"{URL} enabled" in page
    assert webhooks.read(hooks, id).disabled_at is None


def test_a_new_secret_is_shown_once_and_the_former_one_signs_for_a_day(hooks: Installation) -> None:
    id = webhooks.add(hooks)
    with hooks.client("admin") as client:
        form = {"csrf": csrf_token(client, "/webhooks")}
        response = client.post(f"/webhooks/{id}/secret", data=form, follow_redirects=False)
        row = webhooks.read(hooks, id)
        assert response.status_code == 200
        assert SECRET.findall(response.text) == [write_secret(row.secret)]
        assert row.former_secret == webhooks.SECRET
        assert row.former_until is not None
        assert f'<time datetime="{row.former_until.isoformat()}"' in response.text
        assert 'name="to" value="/webhooks"' in response.text
        assert "whsec_" not in client.get("/webhooks").text


def test_an_admin_deletes_a_webhook(hooks: Installation) -> None:
    id = webhooks.add(hooks)
    webhooks.deliver(hooks, id, "waiting")
    with hooks.client("admin") as client:
        form = {"csrf": csrf_token(client, "/webhooks")}
        page = client.post(f"/webhooks/{id}/delete", data=form)
        assert "Your organisation has no webhook yet." in text_of(page.text)
        again = client.post(f"/webhooks/{id}/delete", data=form)
        assert (again.status_code, "no webhook with this id" in text_of(again.text)) == (404, True)
    assert webhooks.read_all(hooks) == []


def test_the_state_is_said_in_words(hooks: Installation) -> None:
    gone = reason("receiver_gone")
    states: dict[str, dict[str, Any]] = {
        f"{URL} enabled": {},
        f"{URL} failing Failures in a row: 7.": {"failing_since": NOW, "failures": 7},
        f"{URL} disabled A person has disabled it.": {"disabled_at": NOW},
        f"{URL} disabled ToneBridge has disabled it: {gone.render('en')}": {
            "disabled_at": NOW, "disabled_reason": gone,
        },
        "because too many deliveries waited: 1,234.": {"skipped": 1234},
    }  # fmt: skip
    ids = [webhooks.add(hooks, **fields) for fields in states.values()]
    webhooks.deliver(hooks, ids[0], "waiting")
    webhooks.deliver(hooks, ids[0], "done")
    with hooks.client("admin") as client:
        page = client.get("/webhooks").text
        client.cookies.set("language", "ja")
        japanese = text_at(client, "/webhooks")
    for sentence, id in zip(states, ids, strict=True):
        assert sentence in text_of(f"<main {section_of(page, id)}")
    assert "Deliveries (1 waiting)" in text_of(page)
    assert f"ToneBridge が無効にしました: {gone.render('ja')}" in japanese
    assert "連続して 7 回失敗しています" in japanese


def test_the_page_says_who_added_a_webhook(hooks: Installation) -> None:
    key = f"api_key:{uuid.uuid4()}"
    webhooks.add(hooks, created_by=key)
    with hooks.client("admin") as client:
        client.post("/webhooks", data=form_of(client))
        page = text_at(client, "/webhooks")
    assert f"Added by an API key {key[8:16]}…{key[-4:]}" in page
    assert re.search(r"Added by admin-[0-9a-f-]+@example.org", page)


def test_a_webhook_that_needs_attention_is_marked_on_every_page_of_an_admin(
    hooks: Installation, other: Installation
) -> None:
    broken = {"disabled_at": NOW, "disabled_reason": reason("receiver_gone")}
    id = webhooks.add(hooks, **broken)
    webhooks.add(hooks, failing_since=NOW - timedelta(days=2), failures=5)
    webhooks.add(hooks)
    mark = re.compile(r"need attention:</span> (\d+)</span></a>")
    with hooks.client("admin") as client, hooks.client("viewer") as viewer, other.client("admin") as stranger:
        assert mark.findall(client.get("/compare").text) == ["2"]
        assert mark.findall(viewer.get("/compare").text) == mark.findall(stranger.get("/compare").text) == []
        page = client.get("/webhooks").text
        urgent = page[page.index('role="status"') :].split("</div>")[0]
        assert re.findall(r'href="#webhook-([0-9a-f-]+)"', urgent)[0] == str(id)
        assert len(re.findall("<li>", urgent)) == 2
        client.post(f"/webhooks/{id}/enable", data={"csrf": csrf_token(client, "/webhooks")})
        assert mark.findall(client.get("/compare").text) == ["1"]


@pytest.mark.parametrize("role", ["member", "viewer", "experimenter"])
def test_who_is_no_admin_sees_who_may_and_changes_nothing(hooks: Installation, role: Role) -> None:
    id = webhooks.add(hooks)
    delivery_id = webhooks.deliver(hooks, id, "dead", reason("internal"))
    with hooks.client(role) as client:
        assert 'href="/webhooks"' not in client.get("/accounts").text
        form = {"csrf": csrf_token(client, "/accounts"), **FORM}
        for path in ("/webhooks", f"/webhooks/{id}"):
            assert "This page is for admins and owners" in text_at(client, path, 403)
        for path in webhooks.list_forms(id, delivery_id):
            assert client.post(path, data=form).status_code == 403, path
    check_unchanged(hooks, id)


def test_a_form_of_another_site_changes_nothing(hooks: Installation) -> None:
    id = webhooks.add(hooks)
    delivery_id = webhooks.deliver(hooks, id, "dead", reason("internal"))
    with hooks.client("admin") as client:
        for path in webhooks.list_forms(id, delivery_id):
            response = client.post(path, data={"csrf": "forged", **FORM})
            assert (response.status_code, "This form cannot be used" in response.text) == (403, True), path
    check_unchanged(hooks, id)


def test_a_webhook_of_another_organisation_is_not_found(hooks: Installation, other: Installation) -> None:
    id = webhooks.add(hooks)
    delivery_id = webhooks.deliver(hooks, id, "dead", reason("internal"))
    with other.client("admin") as client:
        form = form_of(client)
        assert URL not in client.get("/webhooks").text
        assert client.get(f"/webhooks/{id}").status_code == 404
        for path in webhooks.list_forms(id, delivery_id)[1:]:
            assert client.post(path, data=form).status_code == 404, path
    check_unchanged(hooks, id)


def check_unchanged(hooks: Installation, webhook_id: uuid.UUID) -> None:
    """Whether there is one webhook as `webhooks.add` makes it, with its dead delivery."""
    (row,) = webhooks.read_all(hooks)
    assert (row.id, row.events, row.description) == (webhook_id, ["job.done"], "")
    assert (row.secret, row.disabled_at) == (webhooks.SECRET, None)
    assert webhooks.count_deliveries(hooks, webhook_id, "dead") == 1
    assert webhooks.count_deliveries(hooks, webhook_id, "waiting") == 0


def test_addresses_and_descriptions_are_text(hooks: Installation) -> None:
    url, says = """https://example.org/"><script>alert('1')</script>?{{7*7}}""", "'><img src=x> \u202etxt"
    key = '"><b>who</b>'
    id = webhooks.add(hooks, EventType.JOB_DONE, url=url, description=says, created_by=f"token:{key}")
    failing = reason("receiver_unreachable", error="<i>refused</i>")
    webhooks.deliver(hooks, id, "dead", failing)
    with hooks.client("admin") as client:
        secret = client.post(f"/webhooks/{id}/secret", data={"csrf": csrf_token(client, "/webhooks")})
        refused = client.post("/webhooks", data=form_of(client, url=says, description=url))
        for page in (client.get("/webhooks"), client.get(f"/webhooks/{id}"), secret, refused):
            for markup in ("<script>alert", "<img src=x", "<b>who", "<i>refused"):
                assert markup not in page.text
            assert url in html.unescape(page.text)
            assert "\u202etxt\u202c" in html.unescape(page.text), "its direction ends with it"
