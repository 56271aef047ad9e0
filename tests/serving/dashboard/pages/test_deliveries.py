"""The page of a webhook: the log of its deliveries, and sending them again."""

import html
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from data.reasons import reason
from data.tables import Job
from data.webhooks.subscriptions import write_secret
from serving.dashboard.pages.deliveries import STATES
from tests.dashboards import Installation, csrf_token
from tests.receivers import Receiver
from tests.serving.dashboard import webhooks
from tests.serving.dashboard.texts import text_at, text_of
from tests.waiting import until

NOW = datetime.now(UTC)
REFUSED = reason("receiver_status", status=500)
ROW = re.compile(r'<tr id="delivery-([0-9a-f-]+)"')


@pytest.fixture
def hooks(filled: Installation) -> Installation:
    """An installation without webhooks, in which nothing is sent."""
    webhooks.clear(filled)
    return filled


def form_of(client: TestClient) -> dict[str, str]:
    return {"csrf": csrf_token(client, "/accounts")}


def wait_for(client: TestClient, address: str, is_there: Callable[[str], object]) -> str:
    """The page's text as soon as it is as wanted."""
    page = ""

    def is_as_wanted() -> object:
        nonlocal page
        page = text_at(client, address)
        return is_there(page)

    until(is_as_wanted, lambda: page)
    return page


def test_a_test_that_is_sent_by_the_button_arrives_and_is_verified_as_the_page_says(
    sending: Installation, receiver: Receiver
) -> None:
    with sending.client("admin") as client:
        form = {**form_of(client), "url": receiver.url, "events": "job.done"}
        made = client.post("/webhooks", data=form).text
        secret = re.findall(r'value="(whsec_[^"]+)"', made)[0]
        address = re.findall(r'href="(/webhooks/[0-9a-f-]{36})"', made)[-1]
        page = client.post(f"{address}/test", data=form).text
        assert len(ROW.findall(page)) == 1
        page = wait_for(client, address, lambda page: "arrived" in page.split("Outcome")[1])
        assert re.search(
            r"webhook.test [0-9: -]+ UTC \| arrived \| 1 \| status 204 in [\d.,]+ ms \|", page
        ), page
        snippet = html.unescape(
            re.findall(r"<pre[^>]*><code>(.*?)</code>", client.get(address).text, re.S)[0]
        )
    (received,) = receiver.received
    names = {"secret": secret, "body": received.body, "headers": received.headers}
    exec(snippet, names)
    assert names["event"] == received.event
    with pytest.raises(Exception, match="No matching signature"):
        exec(snippet, {**names, "secret": write_secret(b"x" * 32)})


def test_a_receiver_that_is_gone_is_disabled_and_gets_its_dead_deliveries_when_it_is_back(
    sending: Installation, receiver: Receiver
) -> None:
    id = webhooks.add(sending, url=receiver.url)
    address = f"/webhooks/{id}"
    receiver.status = 410
    with sending.client("admin") as client:
        form = form_of(client)
        client.post(f"{address}/test", data=form)
        page = wait_for(client, address, lambda page: "ToneBridge has disabled it" in page)
        assert reason("receiver_gone").render("en") in page
        assert "UTC | dead | 1 |" in page
        assert "Send again" not in page, "it would be dead at once"
        receiver.status = 204
        client.post(f"{address}/enable", data=form)
        page = client.post(f"{address}/again", data=form).text
        assert len(ROW.findall(page)) == 2
        wait_for(client, address, lambda page: "UTC | arrived | 1 | status 204" in page)
        assert "webhook.test sent again" in text_at(client, address)
    first, second = receiver.received
    assert first.id == second.id
    assert webhooks.count_deliveries(sending, id, "replayed") == 1


def test_every_state_is_said_and_can_be_filtered(hooks: Installation) -> None:
    id = webhooks.add(hooks)
    ids = {state.value: webhooks.deliver(hooks, id, state.value, REFUSED) for state in STATES}
    erased = webhooks.deliver(hooks, id, "done", result={"status": None})
    with hooks.client("admin") as client:
        page = client.get(f"/webhooks/{id}").text
        assert ROW.findall(page) == [str(erased), *(str(ids[state.value]) for state in reversed(STATES))]
        for state, says in STATES.items():
            found = client.get(f"/webhooks/{id}?state={state.value}").text
            own = [str(ids[state.value])]
            assert ROW.findall(found) == ([str(erased), *own] if state == "done" else own)
            assert f"UTC | {says} | {2 if state == 'done' else 1} |" in text_of(found)
            assert f'<option value="{state.value}" selected>' in found
        assert ROW.findall(client.get(f"/webhooks/{id}?state=").text) == ROW.findall(page)
        assert client.get(f"/webhooks/{id}?state=unknown").status_code == 422
        client.cookies.set("language", "ja")
        japanese = text_at(client, f"/webhooks/{id}")
    text = text_of(page)
    assert "| nothing to send | 1 | An erasure has deleted what it was about. |" in text
    assert "status 204 in 12.5 ms failed attempts before: 1 Attempt 1" in text
    assert f"| dead | 1 | {REFUSED.render('en')} Attempt 1" in text
    assert f"失敗で終了 | 1 | {REFUSED.render('ja')}" in japanese
    again = re.findall(r'action="/webhooks/[0-9a-f-]+/deliveries/([0-9a-f-]+)/again"', page)
    assert again == [str(ids["dead"]), str(ids["done"])]


def test_older_deliveries_are_a_page_further(hooks: Installation) -> None:
    id = webhooks.add(hooks)
    deliveries = [str(webhooks.deliver(hooks, id, "dead", REFUSED)) for _ in range(52)]
    webhooks.deliver(hooks, id, "done")
    with hooks.client("admin") as client:
        first = client.get(f"/webhooks/{id}?state=dead").text
        (older,) = re.findall(r'rel="next" href="([^"]+)"', first)
        second = client.get(html.unescape(older)).text
        (newest,) = re.findall(r'class="button" href="([^"]+)">Newest', second)
        assert client.get(newest).text.count("<tr id=") == 50
    assert ROW.findall(first) == deliveries[:1:-1]
    assert ROW.findall(second) == deliveries[1::-1]
    assert 'rel="next"' not in second
    assert "data-live" in first
    assert "data-live" not in second, "who reads an older page is not moved"


def test_an_admin_sends_what_ended_again_and_nothing_else(hooks: Installation) -> None:
    id = webhooks.add(hooks)
    dead, done, open_one = (
        webhooks.deliver(hooks, id, "dead", REFUSED),
        webhooks.deliver(hooks, id, "done"),
        webhooks.deliver(hooks, id, "waiting"),
    )
    with hooks.client("admin") as client:
        form = form_of(client)
        for delivery_id in (dead, done):
            path = f"/webhooks/{id}/deliveries/{delivery_id}/again"
            response = client.post(path, data=form, follow_redirects=False)
            assert (response.status_code, response.headers["location"]) == (303, f"/webhooks/{id}")
        for delivery_id in (dead, open_one, uuid.uuid4()):
            refused = client.post(f"/webhooks/{id}/deliveries/{delivery_id}/again", data=form)
            assert refused.status_code == 404
            assert "so there is nothing to send again" in text_of(refused.text)
            assert "data-live" not in refused.text, "a page that refreshes itself would lose the reason"
            assert f'name="to" value="/webhooks/{id}"' in refused.text
    with Session(hooks.engine) as session:
        rows = session.scalars(select(Job).where(Job.webhook_id == id)).all()
    events = {row.id: row.payload["event_id"] for row in rows}
    waiting = [row.payload["event_id"] for row in rows if row.state == "waiting"]
    assert sorted(waiting) == sorted([events[dead], events[done], events[open_one]])


def test_all_dead_deliveries_of_one_webhook_are_sent_again(hooks: Installation) -> None:
    id, other = webhooks.add(hooks), webhooks.add(hooks)
    for webhook_id in (id, id, other):
        webhooks.deliver(hooks, webhook_id, "dead", REFUSED)
    with hooks.client("admin") as client:
        assert f'action="/webhooks/{id}/again"' in client.get(f"/webhooks/{id}").text
        page = client.post(f"/webhooks/{id}/again", data=form_of(client)).text
        assert f'action="/webhooks/{id}/again"' not in page
    assert webhooks.count_deliveries(hooks, id, "waiting") == 2
    assert webhooks.count_deliveries(hooks, other, "dead") == 1


def test_a_delivery_that_is_tried_again_says_when(hooks: Installation) -> None:
    id = webhooks.add(hooks, failing_since=NOW, failures=1)
    webhooks.deliver(hooks, id, "waiting", REFUSED, available_at=NOW)
    with hooks.client("admin") as client:
        page = client.get(f"/webhooks/{id}").text
    assert f'next attempt <time datetime="{NOW.isoformat()}"' in page
    assert "Failures in a row: 1." in text_of(page)


def test_a_log_without_deliveries_says_what_fills_it(hooks: Installation) -> None:
    id = webhooks.add(hooks)
    with hooks.client("admin") as client:
        assert "Nothing was sent yet." in text_at(client, f"/webhooks/{id}")
        assert "No delivery matches." in text_at(client, f"/webhooks/{id}?state=dead")
        assert "No delivery matches." in text_at(client, f"/webhooks/{id}?before={uuid.UUID(int=0)}")


def test_the_queue_says_which_event_a_dead_delivery_is_of(hooks: Installation) -> None:
    webhooks.deliver(hooks, webhooks.add(hooks), "dead", REFUSED)
    with hooks.client() as client:
        assert "| webhook | the event job.done | 1 |" in text_at(client, "/operations")
        client.cookies.set("language", "ja")
        assert "| Webhook の配信 | イベント job.done | 1 |" in text_at(client, "/operations")
