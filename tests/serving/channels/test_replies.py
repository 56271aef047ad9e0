"""What is clicked in Slack becomes training data; and what holds while something fails."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.records import Demonstration, PreferencePair
from data.snapshots import shards
from serving.observability import spans
from tests import snapshots, streams
from tests.chats import Chat, buttons, texts
from tests.collectors import Collector, values_of
from tests.streams import VariedService


@pytest.fixture
async def service() -> AsyncIterator[VariedService]:
    service = VariedService()
    async with streams.serving(service):
        yield service


async def test_an_edit_and_a_choice_in_slack_are_in_the_next_snapshot(chat: Chat, tmp_path: Path) -> None:
    workspace = await chat.connect()
    person = chat.person(workspace)
    await chat.agree(person)
    shown = buttons(await chat.rewrite(person, "Wait for the build."))
    await chat.send(person.click("edit", shown["edit"]))
    view = (await chat.slack.wait_for("views.open")).arguments["view"]
    await chat.send(person.submit(view, "Would you mind waiting for the build?"))
    await chat.slack.wait_for("response_url", 3)

    shown = buttons(await chat.rewrite(person, "Restart the server now."))
    await chat.send(person.click("compare", shown["compare"]))
    two = (await chat.slack.wait_for("response_url", 5)).arguments
    first, second = texts(two)
    assert first != second
    await chat.send(person.click("second", buttons(two)["second"]))
    assert texts((await chat.slack.wait_for("response_url", 6)).arguments)[0] == second

    with chat.engine.connect() as connection:
        made = snapshots.make(connection, workspace.organisation_id, tmp_path / "snapshots")
    demonstrations = list(shards.read(made.folder, Demonstration))
    assert [(row.text, row.rewrite) for row in demonstrations] == [
        ("Wait for the build.", "Would you mind waiting for the build?")
    ]
    pairs = {(row.text, row.chosen, row.rejected) for row in shards.read(made.folder, PreferencePair)}
    assert ("Restart the server now.", second, first) in pairs


async def test_slack_does_not_wait_for_a_slow_rewrite(chat: Chat, service: VariedService) -> None:
    person = chat.person(await chat.connect())
    await chat.agree(person)
    service.write.clear()
    assert (await chat.send(person.command("Fix it."))).status_code == 200
    assert (await chat.send(person.shortcut("Fix it now."))).status_code == 200
    view = (await chat.slack.wait_for("views.open")).arguments["view"]
    assert (await chat.send(person.choose(view))).status_code == 200
    assert (chat.slack.count("views.open"), chat.slack.count("views.update")) == (1, 1)
    service.write.set()
    await chat.slack.wait_for("views.update", 2)
    await chat.slack.wait_for("response_url", 2)


async def test_a_click_before_the_commit_waits_for_it(chat: Chat) -> None:
    """A person can click as soon as they see an answer, and the job ends after that."""
    workspace = await chat.connect()
    person, tenant = chat.person(workspace), workspace.organisation_id
    await chat.agree(person)
    value = buttons(await chat.rewrite(person))["better"]
    done = "SELECT count(*) FROM jobs WHERE id = CAST(:job AS uuid) AND state = 'done'"
    await chat.wait_until(done, job=value)
    change = "UPDATE jobs SET state = %(state)s, leased_by = %(by)s, available_at = now() + interval '1 hour'"
    with chat.engine.begin() as owner:
        owner.exec_driver_sql(
            f"{change} WHERE id = %(id)s", {"state": "running", "by": uuid.uuid4(), "id": value}
        )
    await chat.send(person.click("better", value))
    tried = "SELECT count(*) FROM jobs WHERE organisation_id = :id AND state = 'waiting' AND errors = '[]'"
    await chat.wait_until(tried, id=tenant)
    with chat.engine.begin() as owner:
        owner.exec_driver_sql(f"{change} WHERE id = %(id)s", {"state": "done", "by": None, "id": value})
    assert texts((await chat.slack.wait_for("response_url", 3)).arguments)[-1] == "Noted: better."


async def test_a_job_of_a_workspace_that_was_disconnected_ends(chat: Chat) -> None:
    workspace = await chat.connect()
    person, tenant = chat.person(workspace), workspace.organisation_id
    await chat.agree(person)
    chat.slack.answer_next("response_url", 429, {}, Retry_After="1")
    await chat.send(person.command("Fix it."))
    await chat.slack.wait_for("response_url", 2)
    await chat.workspaces.disconnect("slack", workspace.workspace)
    dead = "SELECT count(*) FROM jobs WHERE organisation_id = :id AND state = 'dead'"
    await chat.wait_until(dead, id=tenant)
    assert chat.slack.count("response_url") == 2


async def test_a_rewrite_that_slack_does_not_take_is_made_once(chat: Chat) -> None:
    workspace = await chat.connect()
    person = chat.person(workspace)
    await chat.agree(person)
    chat.slack.answer_next("response_url", 429, {}, Retry_After="0")
    await chat.rewrite(person, "Fix it.")
    again = (await chat.slack.wait_for("response_url", 3)).arguments
    assert texts(again)[0].startswith("Please wait")
    outputs = "SELECT count(*) FROM outputs WHERE organisation_id = :id"
    assert chat.count(outputs, id=workspace.organisation_id) == 1


async def test_a_command_is_one_trace_to_the_rewrite_and_a_click_one_to_the_vote(
    collector: Collector, chat: Chat
) -> None:
    person = chat.person(await chat.connect())
    await chat.agree(person)
    shown = buttons(await chat.rewrite(person, "Restart planted-in-the-message now."))
    await chat.send(person.click("better", shown["better"]))
    await chat.wait_until("SELECT count(*) / 3 FROM jobs WHERE state = 'done'")  # the agreement is the first
    spans.stop()

    (transform,) = collector.named("transform")
    (vote,) = collector.named("vote")
    ways = {}
    for made, route in ((transform, None), (vote, "/api/v1/feedback")):
        last = made
        if route is not None:  # a vote links to its request
            (last,) = [span for span in collector.linked(made) if values_of(span).get("route") == route]
        call = collector.above(last)
        assert call is not None
        assert (call.name, values_of(call)["method"]) == ("gateway", "POST")
        attempt = collector.above(call)
        assert attempt is not None
        assert (attempt.name, values_of(attempt)["kind"]) == ("attempt", "channel_reply")
        assert (values_of(attempt)["attempt"], values_of(attempt)["done"]) == (1, 1)
        (requested,) = collector.linked(attempt)
        assert requested.name == "job"
        (post,) = collector.linked(requested)
        ways[made.name] = post
        assert (post.name, values_of(post)) == ("POST", {"route": "/slack", "status": 200})
    assert ways["transform"] != ways["vote"]
    assert "inference" in collector.in_trace_of(transform)
    hidden = ("planted-in-the-message", "respond/", person.id, person.team)
    assert not [word for word in hidden if word.encode() in b"".join(collector.bodies)]
