"""People use the action, the chat and the buttons; the real library talks to fake servers of Microsoft."""

import json
import struct
from pathlib import Path

import pytest

from data.tables import new_id
from serving.channels.teams.activities import Opened
from serving.channels.teams.listeners import ADD_APP
from serving.sites.words import Words
from tests.streams import Service
from tests.teams import TeamsChat, buttons, dialog, fields, texts

OPEN_JOBS = "SELECT count(*) FROM jobs WHERE organisation_id = :id"
VOTES = "SELECT count(*) FROM feedback WHERE organisation_id = :id AND kind = :kind"
PEOPLE = "SELECT count(*) FROM channel_links WHERE organisation_id = :id"
OUTPUTS = "SELECT count(*) FROM outputs WHERE organisation_id = :id"
TOO_OLD = "This rewrite is no longer kept. Have the message rewritten again."
HELP_ON_ACTION = "On any message, choose More actions, then Rewrite with ToneBridge."
CONSENT = "Nothing is stored before you agree"


def test_the_app_package_names_what_the_listeners_are_for() -> None:
    folder = Path(__file__).parents[4] / "docs" / "channels" / "teams"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (bot,), (extension,) = manifest["bots"], manifest["composeExtensions"]
    (command,) = extension["commands"]
    assert (command["context"], command["fetchTask"]) == (["message"], True)
    assert Opened.model_validate({"commandId": command["id"]})
    assert bot["botId"] == extension["botId"] == manifest["id"]
    assert bot["scopes"] == ["personal"], "outcomes come into that chat only"
    assert [said["title"] for said in bot["commandLists"][0]["commands"]] == ["help", "terms", "stop"]
    for name, size in (("color", 192), ("outline", 32)):
        head = (folder / manifest["icons"][name]).read_bytes()[:24]
        assert struct.unpack(">8x4x4sII", head) == (b"IHDR", size, size)
    (language,) = manifest["localizationInfo"]["additionalLanguages"]
    translated = json.loads((folder / language["file"]).read_text(encoding="utf-8"))
    assert translated["composeExtensions[0].commands[0].title"] in Words("ja").say(HELP_ON_ACTION)
    assert command["title"] in HELP_ON_ACTION
    for text, most in ((manifest["description"]["short"], 80), (translated["description.short"], 80)):
        assert len(text) <= most


async def test_nothing_is_stored_before_a_person_agrees_in_the_chat(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    person, organisation = bot.person(tenant, "ja-JP"), tenant.organisation_id
    assert (await bot.send(person.message("clarify 3: Ship it soon."))).content == b""
    asked = await bot.microsoft.wait_for("send")
    assert (asked.tenant, asked.conversation) == (person.tenant, person.chat)
    assert asked.token == "token 1 for botframework.com"
    assert CONSENT in texts(asked.card)[0]
    name = "SELECT count(*) FROM organisations WHERE id = :id AND 'ToneBridge: ' || name = :said"
    assert bot.chat.count(name, id=organisation, said=texts(asked.card)[-1]) == 1, "who stores it"
    for query in (OPEN_JOBS, PEOPLE):
        assert bot.chat.count(query, id=organisation) == 0
    response = await bot.send(person.click(buttons(asked.card)["agree"], on="7"))
    assert response.json()["value"] == "お待ちください…"
    shown = await bot.microsoft.wait_for("update")
    assert (shown.activity, texts(shown.card)) == ("7", ["Please wait."])
    assert "理由" in str(shown.card), "the person's Teams is in Japanese"
    named = f"{OUTPUTS} AND transform_type = 'clarify' AND intensity = 3"
    assert bot.chat.count(named, id=organisation) == 1
    consents = "SELECT count(*) FROM users WHERE organisation_id = :id AND consents_to_training"
    assert bot.chat.count(consents, id=organisation) == 1
    assert bot.microsoft.tokens_given == 1, "the token is kept"


async def test_who_agrees_without_learning_is_never_learned_from(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    person = bot.person(tenant)
    await bot.send(person.message("Fix it."))
    asked = (await bot.microsoft.wait_for("send")).card
    await bot.send(person.click(buttons(asked)["agree_untrained"]))
    refuses = "SELECT count(*) FROM users WHERE organisation_id = :id AND consents_to_training = false"
    assert bot.chat.count(refuses, id=tenant.organisation_id) == 1, "before anything is rewritten"
    assert texts((await bot.microsoft.wait_for("update")).card) == ["Please wait."]


async def test_the_action_asks_for_consent_and_then_how_to_rewrite(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    person, organisation = bot.person(tenant), tenant.organisation_id
    asked = await bot.open(person, "<p>Fix it <b>today</b>, <at id='0'>Bob</at> &amp; Eve.</p>")
    assert CONSENT in texts(asked)[0]
    assert bot.chat.count(PEOPLE, id=organisation) == 0
    form = dialog(await bot.send(person.submit(buttons(asked)["agree"]["data"])))
    assert fields(form) == {
        "text": "Fix it today, @Bob & Eve.",
        "transform_type": "soften",
        "intensity": "2",
    }
    assert texts((await bot.microsoft.wait_for("send")).card)[0].startswith("You can rewrite messages now.")
    wanted = {**buttons(form)["rewrite"]["data"], **fields(form), "transform_type": "clarify"}
    done = dialog(await bot.send(person.submit({**wanted, "intensity": "3"})))
    assert texts(done) == ["The rewrite comes into your chat with ToneBridge."]
    shown = await bot.microsoft.wait_for("send", 2)
    assert (shown.conversation, texts(shown.card)) == (person.chat, ["Please wait."])
    written = f"{OUTPUTS} AND transform_type = 'clarify' AND intensity = 3"
    assert bot.chat.count(written, id=organisation) == 1
    asks = await bot.open(person, "<p>Now.</p>")
    assert fields(asks) == {"text": "Now.", "transform_type": "clarify", "intensity": "3"}, "as chosen last"


async def test_a_form_without_a_text_is_shown_again(bot: TeamsChat) -> None:
    person = bot.person(await bot.connect())
    await bot.agree(person)
    form = dialog(await bot.send(person.submit({"verb": "rewrite", "text": " "})))
    assert "rewrite" in buttons(form)
    assert "Write the text." in texts(form)[0]
    assert bot.microsoft.count("open") == 0


@pytest.mark.parametrize(("status", "says"), [(403, ADD_APP[0]), (503, "Try again in a minute.")])
async def test_a_dialog_says_when_the_rewrite_could_not_reach_the_person(
    bot: TeamsChat, status: int, says: str
) -> None:
    tenant = await bot.connect()
    person = bot.person(tenant)
    await bot.agree(person)
    bot.microsoft.answer_next("open", status)
    shown = dialog(await bot.send(person.submit({"verb": "rewrite", "text": "Fix it."})))
    assert says in texts(shown)[0]
    assert status == 403 or fields(shown)["text"] == "Fix it.", "nobody writes it again"
    assert bot.chat.count(OPEN_JOBS, id=tenant.organisation_id) == 1, "the agreement's"


async def test_a_message_is_answered_once_however_often_it_comes(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    person = bot.person(tenant)
    await bot.agree(person)
    body = person.message("Fix it.")
    for _ in range(3):
        assert (await bot.send(body)).status_code == 200
    await bot.microsoft.wait_for("send")
    await bot.rewrite(person, "Another one.")  # whatever else the three would do was before it
    assert bot.microsoft.count("send") == 2
    assert bot.chat.count(OPEN_JOBS, id=tenant.organisation_id) == 3


async def test_a_429_is_waited_for(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    person = bot.person(tenant)
    await bot.agree(person)
    bot.microsoft.answer_next("send", 429, Retry_After="0")
    await bot.send(person.message("Fix it."))
    again = await bot.microsoft.wait_for("send", 2)
    assert texts(again.card) == ["Please wait."]
    jobs = "SELECT count(*) FROM jobs WHERE organisation_id = :id AND errors <> '[]'"
    assert bot.chat.count(jobs, id=tenant.organisation_id) == 0, "a busy platform is no failed attempt"
    assert bot.chat.count(OUTPUTS, id=tenant.organisation_id) == 1


async def test_a_card_that_was_deleted_ends_the_job(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    person = bot.person(tenant)
    await bot.agree(person)
    button = buttons(await bot.rewrite(person))["why"]
    bot.microsoft.answer_next("update", 404)
    await bot.send(person.click(button))
    await bot.microsoft.wait_for("update", 2)
    await bot.rewrite(person, "Another one.")
    dead = "SELECT count(*) FROM jobs WHERE organisation_id = :id AND state = 'dead'"
    assert bot.chat.count(dead, id=tenant.organisation_id) == 0


async def test_a_failure_of_teams_or_of_its_tokens_is_tried_again(bot: TeamsChat) -> None:
    person = bot.person(await bot.connect())
    bot.microsoft.answer_next("token", 500)
    refused = await bot.send(person.message("Fix it."))
    assert refused.status_code == 503, "the question for consent is no job, so Teams hears of it"
    assert (await bot.send(person.message("Fix it."))).status_code == 200
    await bot.agree(person)
    bot.microsoft.answer_next("send", 502)
    await bot.send(person.message("Fix it."))
    assert texts((await bot.microsoft.wait_for("send", 3)).card) == ["Please wait."]


@pytest.mark.parametrize(("verb", "up"), [("use", True), ("better", True), ("worse", False)])
async def test_a_click_is_a_vote(bot: TeamsChat, verb: str, up: bool) -> None:
    tenant = await bot.connect()
    person = bot.person(tenant)
    await bot.agree(person)
    button = buttons(await bot.rewrite(person))[verb]
    await bot.send(person.click(button, on="9"))
    shown = await bot.microsoft.wait_for("update", 2)
    assert shown.activity == "9"
    query = f"{VOTES} AND thumb_up = :up"
    assert bot.chat.count(query, id=tenant.organisation_id, kind="thumb", up=up) == 1
    if verb == "use":
        said = "Copy this text, and send it as your own message."
        assert texts(shown.card) == ["Please wait.", said]
    else:
        assert texts(shown.card)[-1] == f"Noted: {verb}."


async def test_an_edit_is_stored_as_a_correction(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    person = bot.person(tenant)
    await bot.agree(person)
    card = await bot.rewrite(person)
    assert fields(card)["text"] == "Please wait."
    refused = await bot.send(person.click(buttons(card)["edit"], text="  "))
    assert "Write the text." in refused.json()["value"]
    await bot.send(person.click(buttons(card)["edit"], text="Please wait a moment."))
    shown = (await bot.microsoft.wait_for("update", 2)).card
    assert texts(shown)[0] == "Please wait a moment."
    query = f"{VOTES} AND text = 'Please wait a moment.'"
    assert bot.chat.count(query, id=tenant.organisation_id, kind="edit") == 1


async def test_why_says_what_changed_and_which_facts_were_kept(bot: TeamsChat) -> None:
    person = bot.person(await bot.connect())
    await bot.agree(person)
    button = buttons(await bot.rewrite(person, "Wait for PAY-123."))["why"]
    await bot.send(person.click(button))
    shown = (await bot.microsoft.wait_for("update", 2)).card
    assert "strikethrough" in str(shown["body"][0])
    assert {"Kept facts: PAY-123", "Missing facts: PAY-123"} & set(texts(shown))
    assert "Written by v1." in texts(shown)


async def test_nobody_votes_on_what_another_person_got(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    ann, bob = bot.person(tenant), bot.person(tenant)
    await bot.agree(ann)
    await bot.agree(bob)
    button = buttons(await bot.rewrite(ann))["better"]
    await bot.send(bob.click(button))
    assert texts((await bot.microsoft.wait_for("update", 3)).card) == [TOO_OLD]
    assert bot.chat.count(VOTES, id=tenant.organisation_id, kind="thumb") == 0


async def test_a_button_of_what_is_no_longer_kept_says_so(bot: TeamsChat) -> None:
    person = bot.person(await bot.connect())
    await bot.agree(person)
    await bot.send(person.click({"verb": "better", "data": {"about": str(new_id())}}))
    assert texts((await bot.microsoft.wait_for("update", 2)).card) == [TOO_OLD]


@pytest.mark.parametrize(("choice", "orders"), [("leave", 0), ("erase", 1)])
async def test_a_person_stops(bot: TeamsChat, choice: str, orders: int) -> None:
    tenant = await bot.connect()
    person, organisation = bot.person(tenant), tenant.organisation_id
    await bot.agree(person)
    button = buttons(await bot.rewrite(person))["better"]
    asked = await bot.rewrite(person, "Stop")
    await bot.send(person.click(buttons(asked)[choice]))
    await bot.microsoft.wait_for("update", 2)
    assert bot.chat.count(PEOPLE, id=organisation) == 0
    erasures = "SELECT count(*) FROM erasures WHERE organisation_id = :id"
    assert bot.chat.count(erasures, id=organisation) == orders
    late = (await bot.send(person.click(button))).json()
    assert CONSENT in str(late["value"]), "a button of before"
    assert CONSENT in str(await bot.rewrite(person, "Fix it."))


async def test_a_sentence_that_begins_with_a_kind_is_rewritten_as_a_whole(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    person = bot.person(tenant)
    await bot.agree(person)
    for message in ("Requirements are missing again.", "background checks are late"):
        await bot.rewrite(person, message)
        whole = f"{OUTPUTS} AND message = :message"
        assert bot.chat.count(whole, id=tenant.organisation_id, message=message) == 1
    await bot.rewrite(person, "requirements 3: Send the list.")
    named = f"{OUTPUTS} AND message = 'Send the list.' AND transform_type = 'requirements' AND intensity = 3"
    assert bot.chat.count(named, id=tenant.organisation_id) == 1


async def test_terms_are_listed_and_changed_in_the_chat(bot: TeamsChat, service: Service) -> None:
    person = bot.person(await bot.connect())
    assert CONSENT in str(await bot.rewrite(person, "terms"))
    await bot.agree(person)
    assert "You have no terms" in texts(await bot.rewrite(person, "Terms"))[0]
    await bot.rewrite(person, "terms replace: user = customer")
    await bot.rewrite(person, "Every user waits.")
    assert service.items[-1]["terms"] == [{"term": "user", "rule": "replace", "wording": "customer"}]
    listed = texts(await bot.rewrite(person, "terms"))
    assert listed[0] == "user is replaced by customer"
    assert listed[1].endswith("Send help to see how to change them.")
    assert "terms keep: Project Harsh" in str(texts(await bot.rewrite(person, "help")))


async def test_who_removes_the_app_is_forgotten_and_nobody_else(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    ann, bob = bot.person(tenant), bot.person(tenant)
    await bot.agree(ann)
    await bot.agree(bob)
    for action, among, left in (
        ("remove", "groupChat", 2),
        ("remove-upgrade", "personal", 2),
        ("remove", "personal", 1),
        ("remove", "personal", 1),
    ):
        assert (await bot.send(ann.install(action, among))).status_code == 200
        assert bot.chat.count(PEOPLE, id=tenant.organisation_id) == left
    assert texts(await bot.rewrite(bob)) == ["Please wait."]


async def test_who_adds_the_app_is_asked_for_consent(bot: TeamsChat) -> None:
    person = bot.person(await bot.connect())
    await bot.send(person.install("add"))
    assert CONSENT in str((await bot.microsoft.wait_for("send")).card)
    await bot.agree(person)
    await bot.send(person.install("add"))
    assert bot.microsoft.count("send") == 1


async def test_help_has_a_form_for_all_that_can_be_chosen(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    person = bot.person(tenant)
    await bot.agree(person)
    card = await bot.rewrite(person, "help")
    assert "stop" in str(texts(card))
    await bot.send(
        person.click(buttons(card)["rewrite"], text="Ship it.", transform_type="structure", intensity="1")
    )
    assert texts((await bot.microsoft.wait_for("send", 2)).card) == ["Please wait."]
    written = f"{OUTPUTS} AND transform_type = 'structure' AND intensity = 1"
    assert bot.chat.count(written, id=tenant.organisation_id) == 1


async def test_a_tenant_that_is_not_connected_is_told_so(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    stranger = bot.person(tenant)._replace(tenant="5aa00000-0000-4000-8000-000000000005")
    assert "not connected to ToneBridge" in texts(await bot.rewrite(stranger))[0]
    assert "not connected to ToneBridge" in texts(await bot.open(stranger, "Fix it."))[0]
    clicked = await bot.send(stranger.click({"verb": "agree", "data": {}}))
    assert "not connected to ToneBridge" in clicked.json()["value"]


async def test_two_organisations_do_not_meet(bot: TeamsChat) -> None:
    first, second = await bot.connect(), await bot.connect()
    ann = bot.person(first)
    twin = ann._replace(tenant=second.workspace)  # the same id in another tenant
    await bot.agree(ann)
    assert CONSENT in str(await bot.rewrite(twin))
    await bot.agree(twin)
    button = buttons(await bot.rewrite(ann))["better"]
    await bot.send(twin.click(button))
    assert texts((await bot.microsoft.wait_for("update", 3)).card) == [TOO_OLD]
    for tenant, answers in ((first, 1), (second, 0)):
        assert bot.chat.count(OUTPUTS, id=tenant.organisation_id) == answers


async def test_messages_among_people_are_not_for_the_bot(bot: TeamsChat) -> None:
    person = bot.person(await bot.connect())
    await bot.agree(person)
    assert (await bot.send(person.message("Fix it.", among="groupChat"))).status_code == 200
    await bot.rewrite(person, "Another one.")
    assert bot.microsoft.count("send") == 1


async def test_a_text_that_cannot_be_stored_is_rewritten_without_it(bot: TeamsChat) -> None:
    person = bot.person(await bot.connect())
    await bot.agree(person)
    assert texts(await bot.rewrite(person, "Fix \0 \ud800 it.")) == ["Please wait."]


async def test_the_gateways_refusal_reaches_the_person(bot: TeamsChat) -> None:
    person = bot.person(await bot.connect())
    await bot.agree(person)
    answer = await bot.rewrite(person, "x" * 8001)
    assert "8,000" in texts(answer)[0] or "8000" in texts(answer)[0]


@pytest.mark.parametrize("verb", ["better", "unknown"])
async def test_what_no_card_of_ours_sends_is_refused(bot: TeamsChat, verb: str) -> None:
    person = bot.person(await bot.connect())
    await bot.agree(person)
    assert (await bot.send(person.click({"verb": verb, "data": {"about": "1"}}))).status_code == 400
    assert (await bot.send({**person.open("x"), "name": "signin/verifyState"})).status_code == 501
    assert (await bot.send(person.submit({"verb": verb, "text": "x"}))).status_code == 400
    assert (await bot.send(person.submit({"verb": "rewrite", "intensity": "4"}))).status_code == 400


async def test_a_rule_proposes_the_kind_for_a_message_without_one(bot: TeamsChat) -> None:
    tenant, other = await bot.connect(), await bot.connect()
    bot.chat.add_rule(tenant.organisation_id, "asap")
    for installation, message, kind, note in (
        (tenant, "Fix it asap.", "clarify", True),
        (tenant, "soften: Fix that asap.", "soften", False),
        (tenant, "Fix it.", "soften", False),
        (other, "Fix it asap.", "soften", False),
    ):
        person = bot.person(installation)
        await bot.agree(person)
        shown = texts(await bot.rewrite(person, message))
        assert ("The rule “Calmer” suggests this. Only you see it." in shown) is note, message
        made = f"{OUTPUTS} AND transform_type = :kind AND message = :message"
        text = message.removeprefix("soften: ")
        assert bot.chat.count(made, id=installation.organisation_id, kind=kind, message=text) == 1
