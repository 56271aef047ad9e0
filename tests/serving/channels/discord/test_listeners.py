"""People use Discord's commands, buttons and forms; a fake Discord shows what they see."""

import json
from typing import Any

import httpx
import pytest

from configs.settings import Settings
from data.tables import new_id
from serving.channels.app import create_app
from serving.channels.discord import components
from serving.sites.words import Words
from tests.discords import ANSWER, KEY, Person, Server, buttons, public, sign, texts
from tests.streams import Service

OPEN_JOBS = "SELECT count(*) FROM jobs WHERE organisation_id = :id"
PEOPLE = "SELECT count(*) FROM channel_links WHERE organisation_id = :id"
VOTES = "SELECT count(*) FROM feedback WHERE organisation_id = :id AND kind = :kind"
OUTPUTS = "SELECT count(*) FROM outputs WHERE organisation_id = :id"
EPHEMERAL = 64
NOT_KEPT = "This rewrite is no longer kept. Have the message rewritten again."


async def test_nothing_is_stored_before_a_person_agrees(server: Server) -> None:
    installation = await server.connect()
    tenant, chat = installation.organisation_id, server.chat
    person = server.person(installation, "ja")
    message = "Ship *it*\nsoon."
    asked = (await server.send(person.slash("rewrite", text=message, kind="clarify", intensity=3)))["data"]
    assert asked["flags"] & EPHEMERAL
    assert "同意するまで何も保存しません" in texts(asked)[0]
    for query in (OPEN_JOBS, PEOPLE):
        assert chat.count(query, id=tenant) == 0
    changed = await server.send(person.click(buttons(asked)["agree"], asked))
    assert (changed["type"], buttons(changed["data"])) == (7, {}), "nobody clicks twice"
    call = await server.discord.wait_for(ANSWER)
    assert texts(call.content)[0] == "Please wait."
    assert "理由" in json.dumps(call.content, ensure_ascii=False), "the person's Discord is in Japanese"
    assert call.authorization == "", "the token of the request is enough"
    assert chat.count(PEOPLE, id=tenant) == 1
    stored = f"{OUTPUTS} AND transform_type = 'clarify' AND intensity = 3"
    assert chat.count(stored, id=tenant) == 1
    consents = "SELECT count(*) FROM users WHERE organisation_id = :id AND consents_to_training"
    assert chat.count(consents, id=tenant) == 1


async def test_who_agrees_without_learning_is_never_learned_from(server: Server) -> None:
    installation = await server.connect()
    person = server.person(installation)
    asked = (await server.send(person.slash("rewrite", text="Fix it.")))["data"]
    await server.send(person.click(buttons(asked)["agree_untrained"], asked))
    refuses = "SELECT count(*) FROM users WHERE organisation_id = :id AND consents_to_training = false"
    assert server.chat.count(refuses, id=installation.organisation_id) == 1, "before anything is rewritten"
    assert texts(await server.discord.answers())[0] == "Please wait."


async def test_a_message_of_anybody_is_rewritten_privately(server: Server) -> None:
    installation = await server.connect()
    person = server.person(installation)
    await server.agree(person)
    request = person.choose(
        "Rewrite with ToneBridge", "<@7>: fix it.", mentions=[{"id": "7", "username": "bob"}]
    )
    for _ in range(3):  # a request that comes again does nothing
        assert await server.send(request) == {"type": 5, "data": {"flags": EPHEMERAL}}
    shown = await server.discord.answers(2)
    assert texts(shown) == ["Please wait."]
    assert shown["allowed_mentions"] == {"parse": []}
    assert set(buttons(shown)) == {"use", "edit", "better", "worse", "compare", "why"}
    await server.rewrite(person, "Another one.")  # whatever else the three would do was before it
    assert server.discord.count(ANSWER) == 3
    asked = "SELECT count(*) FROM jobs WHERE organisation_id = :id AND payload->>'text' = '@bob: fix it.'"
    assert server.chat.count(asked, id=installation.organisation_id) == 1
    clear = "SELECT count(*) FROM jobs WHERE strpos(CAST(payload AS text), :token) > 0"
    assert server.chat.count(clear, token=request["token"]) == 0, "it is stored encrypted"


async def test_a_form_asks_for_the_kind_and_the_intensity(server: Server) -> None:
    installation = await server.connect()
    person = server.person(installation)
    await server.agree(person)
    for opened in (person.slash("rewrite"), person.choose("Rewrite with choices", "Fix it.")):
        form = await server.send(opened)
        assert form["type"] == 9
        filled = person.submit(form["data"], text="Fix\nit.", kind="structure", intensity="1")
        assert (await server.send(filled))["type"] == 5
    await server.discord.answers(3)
    chosen = f"{OPEN_JOBS} AND payload->>'transform_type' = 'structure' AND payload->>'intensity' = '1'"
    assert server.chat.count(chosen, id=installation.organisation_id) == 2
    for other, chosen in ((person, ("structure", "1")), (server.person(installation), ("soften", "2"))):
        if other is not person:
            await server.agree(other)
        form = await server.send(other.choose("Rewrite with choices", "Fix it."))
        await server.send(other.submit(form["data"]))
        plain = f"{OPEN_JOBS} AND payload->>'text' = 'Fix it.' AND payload->>'transform_type' = :kind"
        values = {"kind": chosen[0], "intensity": chosen[1]}
        query = f"{plain} AND payload->>'intensity' = :intensity"
        assert server.chat.count(query, id=installation.organisation_id, **values) == 1, "as chosen last"


@pytest.mark.parametrize("name", ["Rewrite with ToneBridge", "Rewrite with choices"])
async def test_what_cannot_be_rewritten_is_explained(server: Server, name: str) -> None:
    person = server.person(await server.connect())
    assert "no text" in texts((await server.send(person.choose(name, " ")))["data"])[0]
    form = (await server.send(person.slash("rewrite")))["data"]
    assert texts((await server.send(person.submit(form, text=" ")))["data"]) == ["Write the text."]


async def test_a_message_that_is_too_long_for_a_form_says_so(server: Server) -> None:
    person = server.person(await server.connect())
    names = {"id": "7", "username": "b" * 100}
    request = person.choose("Rewrite with choices", "<@7>" * 100, mentions=[names])
    assert "too long for a form" in texts((await server.send(request))["data"])[0]


@pytest.mark.parametrize(("action", "up"), [("use", True), ("better", True), ("worse", False)])
async def test_a_click_is_a_vote(server: Server, action: str, up: bool) -> None:
    installation = await server.connect()
    person = server.person(installation)
    await server.agree(person)
    shown = await server.click(person, await server.rewrite(person), action)
    query = f"{VOTES} AND thumb_up = :up"
    assert server.chat.count(query, id=installation.organisation_id, kind="thumb", up=up) == 1
    if action == "use":
        copied = ["```\nPlease wait.\n```", "-# Copy this text, and send it as your own message."]
        assert texts(shown) == copied
    else:
        assert texts(shown)[-1] == f"-# Noted\\: {action}."


async def test_an_edit_is_stored_as_a_correction(server: Server) -> None:
    installation = await server.connect()
    person = server.person(installation)
    await server.agree(person)
    shown = await server.rewrite(person)
    form = await server.send(person.click(buttons(shown)["edit"], shown))
    assert form["data"]["components"][0]["component"]["value"] == "Please wait."
    assert await server.send(person.submit(form["data"], text="Please wait a bit.")) == {"type": 6}
    assert texts(await server.discord.answers(3))[0] == "```\nPlease wait a bit.\n```"
    query = f"{VOTES} AND text = 'Please wait a bit.'"
    assert server.chat.count(query, id=installation.organisation_id, kind="edit") == 1


async def test_there_is_nothing_to_choose_between_two_equal_texts(server: Server) -> None:
    person = server.person(await server.connect())
    await server.agree(person)
    two = await server.click(person, await server.rewrite(person), "compare")
    assert texts(two) == ["There is only one way to rewrite this message at the moment."]


async def test_an_edit_of_what_is_no_longer_kept_says_so(server: Server) -> None:
    person = server.person(await server.connect())
    await server.agree(person)
    answer = await server.send(person.click(f"edit:{new_id()}", {}))
    assert texts(answer["data"]) == [NOT_KEPT]


async def test_why_says_what_changed_and_which_facts_were_kept(server: Server) -> None:
    person = server.person(await server.connect())
    await server.agree(person)
    shown = await server.click(person, await server.rewrite(person, "Wait for PAY-123."), "why")
    assert "~~" in texts(shown)[0]
    assert {"-# Kept facts\\: PAY-123", "-# Missing facts\\: PAY-123"} & set(texts(shown))
    assert "-# Written by v1." in texts(shown)
    assert set(buttons(shown)) == {"use"}


async def test_nobody_votes_on_what_another_person_got(server: Server) -> None:
    installation = await server.connect()
    ann, bob = server.person(installation), server.person(installation)
    await server.agree(ann)
    await server.agree(bob)
    assert texts(await server.click(bob, await server.rewrite(ann), "better")) == [NOT_KEPT]
    assert server.chat.count(VOTES, id=installation.organisation_id, kind="thumb") == 0


@pytest.mark.parametrize(("choice", "orders"), [("leave", 0), ("erase", 1)])
async def test_a_person_stops(server: Server, choice: str, orders: int) -> None:
    installation = await server.connect()
    person, tenant = server.person(installation), installation.organisation_id
    await server.agree(person)
    shown = await server.rewrite(person)
    asked = (await server.send(person.slash("stop")))["data"]
    if choice == "erase":
        question = await server.send(person.click(buttons(asked)["ask_erase"], asked))
        assert (question["type"], set(buttons(question["data"]))) == (7, {"erase", "ask_leave"})
        back = await server.send(person.click("ask_leave", question["data"]))
        assert back["data"]["components"] == asked["components"]
        asked = question["data"]
    await server.click(person, asked, choice)
    assert server.chat.count(PEOPLE, id=tenant) == 0
    erasures = "SELECT count(*) FROM erasures WHERE organisation_id = :id"
    assert server.chat.count(erasures, id=tenant) == orders
    late = await server.send(person.click(buttons(shown)["better"], shown))
    assert "Nothing is stored before you agree" in texts(late["data"])[0]
    assert server.chat.count(VOTES, id=tenant, kind="thumb") == 0


async def test_help_is_for_everybody(server: Server) -> None:
    person = server.person(await server.connect())
    for command in ("help", "stop"):
        said = texts((await server.send(person.slash(command)))["data"])
        assert said[0] == "Send /tonebridge rewrite with your message. Only you see the rewrite."


async def test_a_sentence_that_begins_with_a_kind_is_rewritten_as_a_whole(server: Server) -> None:
    installation = await server.connect()
    person = server.person(installation)
    await server.agree(person)
    for message in ("Requirements are missing again.", "background: we moved."):
        await server.rewrite(person, message)
        whole = f"{OUTPUTS} AND message = :message AND transform_type = 'soften'"
        assert server.chat.count(whole, id=installation.organisation_id, message=message) == 1


async def test_terms_are_listed_and_changed_by_the_command(server: Server, service: Service) -> None:
    person = server.person(await server.connect())
    asked = (await server.send(person.slash("terms")))["data"]
    assert "Nothing is stored before you agree" in texts(asked)[0]
    await server.agree(person)

    async def ask(**options: str) -> list[str]:
        before = server.discord.count(ANSWER)
        assert (await server.send(person.slash("terms", **options)))["type"] == 5
        return texts(await server.discord.answers(before + 1))

    assert "You have no terms" in (await ask())[0]
    await ask(what="replace", term="user", wording="customer")
    await server.rewrite(person, "Every user waits.")
    assert service.items[-1]["terms"] == [{"term": "user", "rule": "replace", "wording": "customer"}]
    assert (await ask())[0] == "user is replaced by customer"
    assert "is no longer one of your terms" in (await ask(what="remove", term="User"))[0]
    assert "You have no terms" in (await ask(what="remove"))[0], "without a term they are listed"


async def test_two_organisations_do_not_meet(server: Server) -> None:
    first, second = await server.connect(), await server.connect()
    ann = server.person(first)
    twin = ann._replace(guild=second.workspace)  # the same person in another server
    await server.agree(ann)
    asked = (await server.send(twin.slash("rewrite", text="Fix it.")))["data"]
    assert "Nothing is stored before you agree" in texts(asked)[0]
    await server.agree(twin)
    assert texts(await server.click(twin, await server.rewrite(ann), "better")) == [NOT_KEPT]
    for installation, outputs in ((first, 1), (second, 0)):
        assert server.chat.count(OUTPUTS, id=installation.organisation_id) == outputs


async def test_a_server_that_is_not_connected_and_a_direct_message_are_told_so(server: Server) -> None:
    person = server.person(await server.connect())
    stranger = person._replace(guild="1")
    for locale, says in (("en-GB", "not connected to ToneBridge"), ("ja", "接続されていません")):
        answer = await server.send(stranger._replace(locale=locale).slash("rewrite", text="Fix it."))
        assert says in texts(answer["data"])[0]
        assert answer["data"]["flags"] & EPHEMERAL
    direct = person.slash("rewrite", text="Fix it.")
    del direct["guild_id"], direct["member"]
    answer = await server.send({**direct, "user": {"id": person.id}})
    assert "Use it there" in texts(answer["data"])[0]


async def test_a_request_that_nobody_knows_is_answered(server: Server) -> None:
    person = server.person(await server.connect())
    await server.agree(person)
    answer = await server.send(person.click("no-such-button", {}))
    assert texts(answer["data"]) == ["ToneBridge cannot answer at the moment. Try again in a minute."]


async def test_a_text_that_cannot_be_stored_is_rewritten_without_it(server: Server) -> None:
    person = server.person(await server.connect())
    await server.agree(person)
    assert texts(await server.rewrite(person, "Fix\0 \ud800 it.")) == ["Please wait."]


async def test_the_gateways_refusal_reaches_the_person(server: Server) -> None:
    person = server.person(await server.connect())
    await server.agree(person)
    assert "8" in texts(await server.rewrite(person, "x" * 8001))[0]


ANN = Person("1", "2", "ja")
FORM = components.ask_for_edit(new_id(), "Please wait.", Words("ja"))["data"]


@pytest.mark.parametrize(
    ("request_", "written"),
    [
        (ANN.slash("rewrite", text="Fix it."), []),
        (ANN.click(f"better:{new_id()}", {}), []),
        (ANN.submit(FORM, text="Please wait a bit."), ["```\nPlease wait a bit.\n```"]),
    ],
    ids=["command", "click", "form"],
)
async def test_without_postgres_the_person_reads_that_and_keeps_what_they_wrote(
    local: Settings, request_: dict[str, Any], written: list[str]
) -> None:
    """Discord sends nothing again, and has closed the form."""
    changes = {
        "database_url": "postgresql://nobody@127.0.0.1:1/none",
        "discord_public_keys": (public(KEY),),
    }
    app, body = create_app(local.model_copy(update=changes)), json.dumps(request_)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://channels") as client,
    ):
        answer = (await client.post("/discord", content=body, headers=sign(body))).json()
    assert answer["data"]["flags"] & EPHEMERAL
    assert texts(answer["data"]) == [
        "ToneBridgeは現在応答できません。1分後にもう一度お試しください。",
        *written,
    ]


async def test_a_rule_proposes_the_kind_for_a_command_without_one(server: Server) -> None:
    installation = await server.connect()
    person, tenant = server.person(installation), installation.organisation_id
    server.chat.add_rule(tenant, "asap")
    await server.agree(person)
    shown = await server.rewrite(person, "Fix it asap.")
    assert "The rule “Calmer” suggests this. Only you see it." in json.dumps(shown, ensure_ascii=False)
    proposed = f"{OUTPUTS} AND transform_type = 'clarify' AND intensity = 3"
    assert server.chat.count(proposed, id=tenant) == 1
    for option in ({"kind": "soften"}, {"intensity": 1}):
        before = server.discord.count(ANSWER)
        await server.send(person.slash("rewrite", text=f"Fix {option} asap.", **option))
        assert "The rule" not in json.dumps(await server.discord.answers(before + 1))
    assert server.chat.count(proposed, id=tenant) == 1, "whoever names one gets that"
