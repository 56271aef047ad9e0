"""People use Slack's shortcut, command and buttons; the real libraries talk to a fake Slack."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.records import TransformType
from data.tables import new_id
from serving.channels.connecting import return_address
from serving.channels.slack import connector, door, listeners
from serving.web.choices import LEVELS, TYPES
from tests.chats import Chat, buttons, texts
from tests.slacks import Person, event

OPEN_JOBS = "SELECT count(*) FROM jobs WHERE organisation_id = :id"
VOTES = "SELECT count(*) FROM feedback WHERE organisation_id = :id AND kind = :kind"
OUTPUTS = "SELECT count(*) FROM outputs WHERE organisation_id = :id"
PEOPLE = "SELECT count(*) FROM channel_links WHERE organisation_id = :id"


def test_the_manifest_names_what_the_listeners_are_for() -> None:
    file = Path(__file__).parents[4] / "docs" / "channels" / "slack.yaml"
    manifest = yaml.safe_load(file.read_text(encoding="utf-8"))
    (command,), (shortcut,) = (manifest["features"][name] for name in ("slash_commands", "shortcuts"))
    assert (command["command"], shortcut["callback_id"]) == (listeners.COMMAND, listeners.SHORTCUT)
    settings = manifest["settings"]
    for part in (
        command["url"],
        *(settings[name]["request_url"] for name in ("event_subscriptions", "interactivity")),
    ):
        assert part.endswith(door.PATH)
    assert settings["event_subscriptions"]["bot_events"] == [
        "app_uninstalled",
        "message.channels",
        "tokens_revoked",
    ]
    assert [kind for kind in TransformType if f" {kind}:" not in command["usage_hint"]] == []
    oauth = manifest["oauth_config"]
    assert ",".join(oauth["scopes"]["bot"]) == connector.SCOPES
    assert oauth["redirect_urls"] == [return_address("https://chat.example.com", "slack")]


async def test_nothing_is_stored_before_a_person_agrees(chat: Chat) -> None:
    workspace = await chat.connect()
    person, tenant = chat.person(workspace), workspace.organisation_id
    asked = (await chat.send(person.command("clarify: Ship it soon."))).json()
    assert asked["response_type"] == "ephemeral"
    assert "Nothing is stored before you agree" in texts(asked)[0]
    for query in (OPEN_JOBS, PEOPLE):
        assert chat.count(query, id=tenant) == 0
    chat.slack.locale = "ja-JP"
    assert (await chat.send(person.click("agree", buttons(asked)["agree"]))).status_code == 200
    answer = (await chat.slack.wait_for("response_url")).arguments
    assert texts(answer)[0] == "Please wait."
    assert answer["replace_original"] is True
    assert "理由" in str(answer["blocks"]), "the person's Slack is in Japanese"
    assert chat.count(PEOPLE, id=tenant) == 1
    assert (
        chat.count(
            "SELECT count(*) FROM outputs WHERE organisation_id = :id AND transform_type = 'clarify'",
            id=tenant,
        )
        == 1
    )
    consents = "SELECT count(*) FROM users WHERE organisation_id = :id AND consents_to_training"
    assert chat.count(consents, id=tenant) == 1
    assert chat.slack.calls[0].token == f"xoxb-{workspace.workspace}"


async def test_who_agrees_without_learning_is_never_learned_from(chat: Chat) -> None:
    workspace = await chat.connect()
    person = chat.person(workspace)
    asked = (await chat.send(person.command("Fix it."))).json()
    chat.slack.answer_next("users.info", 200, {"ok": False, "error": "missing_scope"})
    await chat.send(person.click("agree_untrained", buttons(asked)["agree_untrained"]))
    refuses = "SELECT count(*) FROM users WHERE organisation_id = :id AND consents_to_training = false"
    assert chat.count(refuses, id=workspace.organisation_id) == 1, "before anything is rewritten"
    assert texts((await chat.slack.wait_for("response_url")).arguments)[0] == "Please wait."


async def test_a_command_is_answered_privately_and_once_however_often_it_comes(chat: Chat) -> None:
    workspace = await chat.connect()
    person = chat.person(workspace)
    await chat.agree(person)
    body = person.command("Fix it.")
    for _ in range(3):
        assert (await chat.send(body)).text == ""
    answer = (await chat.slack.wait_for("response_url", 2)).arguments
    assert answer["response_type"] == "ephemeral"
    await chat.rewrite(person, "Another one.")  # whatever else the three would do was before it
    assert chat.slack.count("response_url") == 3
    assert chat.count(OPEN_JOBS, id=workspace.organisation_id) == 3


async def test_a_429_is_waited_for(chat: Chat) -> None:
    workspace = await chat.connect()
    person = chat.person(workspace)
    await chat.agree(person)
    chat.slack.answer_next("response_url", 429, {}, Retry_After="0")
    await chat.send(person.command("Fix it."))
    again = await chat.slack.wait_for("response_url", 3)
    assert texts(again.arguments)[0] == "Please wait."
    jobs = "SELECT count(*) FROM jobs WHERE organisation_id = :id AND errors <> '[]'"
    assert chat.count(jobs, id=workspace.organisation_id) == 0, "a busy platform is no failed attempt"


def chosen_in(view: dict[str, Any]) -> dict[str, str]:
    """What is chosen in the window that asks how to rewrite."""
    selects = [block["accessory"] for block in view["blocks"] if "accessory" in block]
    return {select["action_id"]: select["initial_option"]["value"] for select in selects}


async def test_the_window_asks_how_to_rewrite_and_is_filled_later(chat: Chat) -> None:
    workspace = await chat.connect()
    person, tenant = chat.person(workspace), workspace.organisation_id
    await chat.agree(person)
    jobs = chat.count(OPEN_JOBS, id=tenant)
    chat.slack.answer_next("views.open", 429, {"ok": False, "error": "ratelimited"}, Retry_After="0")
    assert (await chat.send(person.shortcut("Fix &lt;it&gt; today."))).status_code == 200
    view = (await chat.slack.wait_for("views.open", 2)).arguments["view"]
    assert view["type"] == "modal"
    assert texts(view) == ["Fix <it> today.", "What should change?", "How much?"]
    assert chosen_in(view) == {"transform_type": "soften", "intensity": "2"}
    selects = [block["accessory"] for block in view["blocks"] if "accessory" in block]
    assert [[option["value"] for option in select["options"]] for select in selects] == [
        [choice.value for choice in choices] for choices in (TYPES, LEVELS)
    ]
    for action in chosen_in(view):
        assert (await chat.send(person.click(action, "x", view="V-opened"))).status_code == 200
    assert chat.count(OPEN_JOBS, id=tenant) == jobs, "nothing is ordered before the button"
    await chat.send(person.choose(view))
    rewriting = (await chat.slack.wait_for("views.update")).arguments
    assert "Rewriting" in texts(rewriting["view"])[0]
    filled = (await chat.slack.wait_for("views.update", 2)).arguments
    assert (rewriting["view_id"], filled["view_id"]) == ("V-opened", "V-opened")
    assert texts(filled["view"])[0] == "Please wait."
    assert set(buttons(filled["view"])) == {"use", "edit", "better", "worse", "compare", "why"}
    softened = f"{OUTPUTS} AND message = 'Fix <it> today.' AND transform_type = 'soften' AND intensity = 2"
    assert chat.count(softened, id=tenant) == 1


async def test_what_a_person_chose_last_is_preselected_for_them_alone(chat: Chat) -> None:
    workspace = await chat.connect()
    ann, bob = chat.person(workspace), chat.person(workspace)
    for person in (ann, bob):
        await chat.agree(person)
    shown = await chat.choose(ann, "Ship it soon.", transform_type="clarify", intensity="0")
    assert texts(shown)[0] == "Please wait."
    clarified = f"{OUTPUTS} AND transform_type = 'clarify' AND intensity = 0"
    assert chat.count(clarified, id=workspace.organisation_id) == 1
    for number, (person, chosen) in enumerate(((ann, ["clarify", "0"]), (bob, ["soften", "2"])), start=2):
        await chat.send(person.shortcut("Fix it."))
        view = (await chat.slack.wait_for("views.open", number)).arguments["view"]
        assert list(chosen_in(view).values()) == chosen
    long = "Fix it. " * 400
    await chat.send(ann.shortcut(long))
    view = (await chat.slack.wait_for("views.open", 4)).arguments["view"]
    assert "Rewriting" in texts(view)[0], "too long for a window to carry"
    assert texts((await chat.slack.wait_for("views.update", 3)).arguments["view"])[0] == "Please wait."
    assert (
        chat.count(f"{clarified} AND message = :message", id=workspace.organisation_id, message=long.strip())
        == 1
    )


async def test_a_window_that_was_closed_ends_the_job(chat: Chat) -> None:
    workspace = await chat.connect()
    person = chat.person(workspace)
    await chat.agree(person)
    for _ in range(2):
        chat.slack.answer_next("views.update", 200, {"ok": False, "error": "not_found"})
    await chat.choose(person, "Fix it.")
    await chat.rewrite(person, "Another one.")
    dead = "SELECT count(*) FROM jobs WHERE organisation_id = :id AND state = 'dead'"
    assert chat.count(dead, id=workspace.organisation_id) == 0


@pytest.mark.parametrize(("action", "up"), [("use", True), ("better", True), ("worse", False)])
async def test_a_click_is_a_vote(chat: Chat, action: str, up: bool) -> None:
    workspace = await chat.connect()
    person = chat.person(workspace)
    await chat.agree(person)
    value = buttons(await chat.rewrite(person))[action]
    await chat.send(person.click(action, value))
    shown = (await chat.slack.wait_for("response_url", 3)).arguments
    assert shown["replace_original"] is True
    query = f"{VOTES} AND thumb_up = :up"
    assert chat.count(query, id=workspace.organisation_id, kind="thumb", up=up) == 1
    if action == "use":
        assert texts(shown) == ["Please wait.", "Copy this text, and send it as your own message."]
    else:
        assert texts(shown)[-1] == f"Noted: {action}."


async def test_an_edit_is_stored_as_a_correction(chat: Chat) -> None:
    workspace = await chat.connect()
    person = chat.person(workspace)
    await chat.agree(person)
    value = buttons(await chat.rewrite(person))["edit"]
    await chat.send(person.click("edit", value))
    view = (await chat.slack.wait_for("views.open")).arguments["view"]
    assert view["blocks"][0]["element"]["initial_value"] == "Please wait."
    refused = await chat.send(person.submit(view, "  "))
    assert refused.json()["response_action"] == "errors"
    assert (await chat.send(person.submit(view, "Please wait a moment."))).text == ""
    shown = (await chat.slack.wait_for("response_url", 3)).arguments
    assert texts(shown)[0] == "Please wait a moment."
    query = f"{VOTES} AND text = 'Please wait a moment.'"
    assert chat.count(query, id=workspace.organisation_id, kind="edit") == 1


async def test_an_edit_of_what_is_no_longer_kept_says_so(chat: Chat) -> None:
    person = chat.person(await chat.connect())
    await chat.agree(person)
    await chat.send(person.click("edit", str(new_id())))
    view = (await chat.slack.wait_for("views.open")).arguments["view"]
    assert texts(view) == ["This rewrite is no longer kept. Have the message rewritten again."]


async def test_in_a_window_the_edit_is_a_window_over_it(chat: Chat) -> None:
    person = chat.person(await chat.connect())
    await chat.agree(person)
    value = buttons(await chat.choose(person, "Fix it."))["edit"]
    await chat.send(person.click("edit", value, view="V-opened"))
    view = (await chat.slack.wait_for("views.push")).arguments["view"]
    await chat.send(person.submit(view, "Please wait here."))
    shown = (await chat.slack.wait_for("views.update", 3)).arguments
    assert shown["view_id"] == "V-opened"
    assert texts(shown["view"])[0] == "Please wait here."


async def test_why_says_what_changed_and_which_facts_were_kept(chat: Chat) -> None:
    person = chat.person(await chat.connect())
    await chat.agree(person)
    value = buttons(await chat.rewrite(person, "Wait for PAY-123."))["why"]
    await chat.send(person.click("why", value))
    shown = (await chat.slack.wait_for("response_url", 3)).arguments
    assert "strike" in json.dumps(shown["blocks"][0])
    assert "Kept facts: PAY-123" in texts(shown) or "Missing facts: PAY-123" in texts(shown)
    assert "Written by v1." in texts(shown)


async def test_nobody_votes_on_what_another_person_got(chat: Chat) -> None:
    workspace = await chat.connect()
    ann, bob = chat.person(workspace), chat.person(workspace)
    await chat.agree(ann)
    await chat.agree(bob)
    value = buttons(await chat.rewrite(ann))["better"]
    await chat.send(bob.click("better", value))
    shown = (await chat.slack.wait_for("response_url", 4)).arguments
    assert texts(shown) == ["This rewrite is no longer kept. Have the message rewritten again."]
    assert chat.count(VOTES, id=workspace.organisation_id, kind="thumb") == 0


@pytest.mark.parametrize(("choice", "orders"), [("leave", 0), ("erase", 1)])
async def test_a_person_stops(chat: Chat, choice: str, orders: int) -> None:
    workspace = await chat.connect()
    person, tenant = chat.person(workspace), workspace.organisation_id
    await chat.agree(person)
    await chat.rewrite(person)
    asked = (await chat.send(person.command("Stop"))).json()
    await chat.send(person.click(choice, buttons(asked)[choice]))
    await chat.slack.wait_for("response_url", 3)
    assert chat.count(PEOPLE, id=tenant) == 0
    erasures = "SELECT count(*) FROM erasures WHERE organisation_id = :id"
    assert chat.count(erasures, id=tenant) == orders
    assert "Nothing is stored before you agree" in (await chat.send(person.command("Fix it."))).text


async def test_a_sentence_that_begins_with_a_kind_is_rewritten_as_a_whole(chat: Chat) -> None:
    workspace = await chat.connect()
    person, tenant = chat.person(workspace), workspace.organisation_id
    await chat.agree(person)
    for message in ("Requirements are missing again.", "background checks are late"):
        await chat.rewrite(person, message)
        assert chat.count(f"{OUTPUTS} AND message = :message", id=tenant, message=message) == 1
    await chat.rewrite(person, "requirements 3: Send the list.")
    named = f"{OUTPUTS} AND message = 'Send the list.' AND transform_type = 'requirements' AND intensity = 3"
    assert chat.count(named, id=tenant) == 1


async def test_commands_may_have_capitals(chat: Chat) -> None:
    workspace = await chat.connect()
    person = chat.person(workspace)
    await chat.agree(person)
    jobs = chat.count(OPEN_JOBS, id=workspace.organisation_id)
    for command, says in (
        ("Help", "Send /tonebridge and your message."),
        (" STOP ", "ToneBridge will no longer know who you are here."),
        ("Rules On", "Suggestions are on."),
    ):
        assert texts((await chat.send(person.command(command))).json())[0].startswith(says)
    assert chat.count(OPEN_JOBS, id=workspace.organisation_id) == jobs, "none of them is rewritten"


async def test_an_uninstalled_app_leaves_nothing(chat: Chat) -> None:
    workspace = await chat.connect()
    person, tenant = chat.person(workspace), workspace.organisation_id
    await chat.agree(person)
    for _ in range(2):  # the second time Slack sends it again
        assert (await chat.send(event(workspace.workspace, "app_uninstalled"))).status_code == 200
    assert chat.count(PEOPLE, id=tenant) == 0
    installed = "SELECT count(*) FROM channel_installations WHERE organisation_id = :id"
    assert chat.count(installed, id=tenant) == 0
    valid = "SELECT count(*) FROM api_keys WHERE organisation_id = :id AND revoked_at IS NULL"
    assert chat.count(valid, id=tenant) == 0
    await chat.send(person.command("Fix it."))
    refused = (await chat.slack.wait_for("response_url", 2)).arguments
    assert "not connected to ToneBridge" in refused["text"]


async def test_revoked_tokens_of_people_change_nothing_and_that_of_the_bot_disconnects(chat: Chat) -> None:
    workspace = await chat.connect()
    installed = "SELECT count(*) FROM channel_installations WHERE organisation_id = :id"
    for tokens, left in (({"oauth": ["U1"]}, 1), ({"bot": ["B1"]}, 0)):
        await chat.send(event(workspace.workspace, "tokens_revoked", tokens=tokens))
        assert chat.count(installed, id=workspace.organisation_id) == left


async def test_two_organisations_do_not_meet(chat: Chat) -> None:
    first, second = await chat.connect(), await chat.connect()
    ann = chat.person(first)
    twin = ann._replace(team=second.workspace)  # the same id in another workspace
    await chat.agree(ann)
    assert "Nothing is stored before you agree" in (await chat.send(twin.command("Fix it."))).text
    await chat.agree(twin)
    value = buttons(await chat.rewrite(ann))["better"]
    await chat.send(twin.click("better", value))
    shown = (await chat.slack.wait_for("response_url", 4)).arguments
    assert texts(shown) == ["This rewrite is no longer kept. Have the message rewritten again."]
    for workspace, answers in ((first, 1), (second, 0)):
        outputs = "SELECT count(*) FROM outputs WHERE organisation_id = :id"
        assert chat.count(outputs, id=workspace.organisation_id) == answers


async def test_a_text_that_cannot_be_stored_is_rewritten_without_it(chat: Chat) -> None:
    person = chat.person(await chat.connect())
    await chat.agree(person)
    assert texts(await chat.rewrite(person, "Fix\0 it."))[0] == "Please wait."
    assert texts(await chat.choose(person, "Fix \ud800 it."))[0] == "Please wait."


async def test_the_gateways_refusal_reaches_the_person(chat: Chat) -> None:
    person = chat.person(await chat.connect())
    await chat.agree(person)
    answer = await chat.rewrite(person, "x" * 8001)
    assert "8,000" in texts(answer)[0] or "8000" in texts(answer)[0]


async def test_a_slow_answer_comes_when_it_is_ready(chat: Chat) -> None:
    person = chat.person(await chat.connect())
    await chat.agree(person)
    chat.slack.answer_next("response_url", 503, {})
    await chat.send(person.command("Fix it."))
    again = await chat.slack.wait_for("response_url", 3)
    assert texts(again.arguments)[0] == "Please wait."


def write(person: Person, message: str, **fields: Any) -> str:
    """The event of a message that a person has written in a channel."""
    written = {"user": person.id, "text": message, "channel": "C1", "channel_type": "channel", **fields}
    return event(person.team, "message", **written)


async def test_a_rule_proposes_to_its_author_alone(chat: Chat) -> None:
    workspace = await chat.connect()
    person, tenant = chat.person(workspace), workspace.organisation_id
    chat.add_rule(tenant, "asap", {"kind": "channel", "values": ["C1"]})
    await chat.agree(person)
    switched = (await chat.send(person.command("rules on"))).json()
    assert switched["response_type"] == "ephemeral"
    assert "Nothing is posted for you" in texts(switched)[0]
    body = write(person, "Fix &lt;it&gt; asap.", thread_ts="1.5")
    for _ in range(3):  # Slack may send an event again
        assert (await chat.send(body)).status_code == 200
    shown = (await chat.slack.wait_for("chat.postEphemeral")).arguments
    assert (shown["channel"], shown["user"], shown["thread_ts"]) == ("C1", person.id, "1.5")
    assert texts(shown)[0] == "Please wait."
    assert "The rule “Calmer” suggests this. Only you see it." in texts(shown)
    stored = "SELECT count(*) FROM outputs WHERE organisation_id = :id AND message = 'Fix <it> asap.'"
    assert chat.count(stored + " AND transform_type = 'clarify' AND intensity = 3", id=tenant) == 1
    await chat.send(person.click("better", buttons(shown)["better"]))
    await chat.wait_until(VOTES, id=tenant, kind="thumb")
    assert chat.slack.count("chat.postEphemeral") == 1
    assert chat.slack.count("chat.postMessage") == 0


async def test_who_has_not_switched_proposals_on_is_only_looked_up(chat: Chat) -> None:
    workspace = await chat.connect()
    person, tenant = chat.person(workspace), workspace.organisation_id
    chat.add_rule(tenant, "asap", {"kind": "channel", "values": ["C1"]})
    stranger = chat.person(workspace)
    asked = (await chat.send(stranger.command("rules on"))).json()
    assert "Nothing is stored before you agree" in texts(asked)[0]
    await chat.agree(person)
    jobs = chat.count(OPEN_JOBS, id=tenant)
    assert "Suggestions are off" in texts((await chat.send(person.command("rules"))).json())[0]
    for author in (stranger, person):
        assert (await chat.send(write(author, "Fix it asap."))).status_code == 200
    await chat.send(person.command("rules on"))
    assert "Suggestions are on" in texts((await chat.send(person.command("rules"))).json())[0]
    for fields in (
        {"text": "Thank you."}, {"channel": "C2"}, {"bot_id": "B1"}, {"subtype": "message_changed"},
        {"channel_type": "im"},
    ):  # fmt: skip
        assert (await chat.send(write(person, "Fix it asap.", **fields))).status_code == 200
    off = (await chat.send(person.command("rules off"))).json()
    assert "Suggestions are off" in texts(off)[0]
    assert (await chat.send(write(person, "Fix it asap."))).status_code == 200
    assert chat.count(OPEN_JOBS, id=tenant) == jobs, "no message became a job"
    assert chat.slack.count("chat.postEphemeral") == 0


async def test_no_rule_of_another_organisation_proposes(chat: Chat) -> None:
    other = await chat.connect()
    chat.add_rule(other.organisation_id, "asap", {"kind": "channel", "values": ["C1"]})
    workspace = await chat.connect()
    person = chat.person(workspace)
    await chat.agree(person)
    await chat.send(person.command("rules on"))
    jobs = chat.count(OPEN_JOBS, id=workspace.organisation_id)
    assert (await chat.send(write(person, "Fix it asap."))).status_code == 200
    assert chat.count(OPEN_JOBS, id=workspace.organisation_id) == jobs


async def test_a_rule_proposes_the_kind_for_a_command_without_one(chat: Chat) -> None:
    workspace = await chat.connect()
    person, tenant = chat.person(workspace), workspace.organisation_id
    chat.add_rule(tenant, "asap")
    await chat.agree(person)
    for number, (command, kind, note) in enumerate(
        (
            ("Fix it asap.", "clarify", True),
            ("soften: Fix that asap.", "soften", False),
            ("Fix it.", "soften", False),
        ),
        start=2,  # after the agreement's
    ):
        await chat.send(person.command(command))
        shown = texts((await chat.slack.wait_for("response_url", number)).arguments)
        assert ("The rule “Calmer” suggests this. Only you see it." in shown) is note
        made = "SELECT count(*) FROM outputs WHERE organisation_id = :id AND transform_type = :kind"
        assert chat.count(f"{made} AND message = :message", id=tenant, kind=kind,
                          message=command.removeprefix("soften: ")) == 1  # fmt: skip
    assert chat.slack.count("chat.postMessage") == 0
