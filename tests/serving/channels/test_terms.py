"""People change their own terms in every chat, and their next rewrite follows them."""

import pytest

from serving.sites.words import Words
from tests.chats import Chat, texts
from tests.streams import Service

OUTPUTS = "SELECT count(*) FROM outputs WHERE organisation_id = :id"
TERMS = "SELECT count(*) FROM dictionary_terms WHERE organisation_id = :id"
JOBS = "SELECT count(*) FROM jobs WHERE organisation_id = :id"
NONE = "You have no terms of your own. Send /tonebridge help to see how to add one."


async def test_a_term_is_followed_at_once_by_its_owner_alone(chat: Chat, service: Service) -> None:
    workspace = await chat.connect()
    ann, bob = chat.person(workspace), chat.person(workspace)
    for person in (ann, bob):
        await chat.agree(person)
    assert texts(await chat.rewrite(ann, "terms")) == [NONE]
    added = texts(await chat.rewrite(ann, "terms replace: user = customer"))
    assert added == ["Your rewrites follow this from now on: user is replaced by customer"]
    await chat.rewrite(ann, "Every user waits.")
    assert service.items[-1]["terms"] == [{"term": "user", "rule": "replace", "wording": "customer"}]
    await chat.rewrite(ann, "terms replace: user = client")
    await chat.rewrite(ann, "Every user waits.")
    assert service.items[-1]["terms"] == [{"term": "user", "rule": "replace", "wording": "client"}]
    assert texts(await chat.rewrite(bob, "terms")) == [NONE]
    removed = texts(await chat.rewrite(ann, "Terms remove: USER"))
    assert removed == ["“USER” is no longer one of your terms."]
    for person, message in ((ann, "No user waits."), (bob, "Some user waits.")):
        await chat.rewrite(person, message)
        assert (service.items[-1]["text"], service.items[-1].get("terms", [])) == (message, [])


async def test_each_rule_is_listed_and_a_term_that_is_there_is_changed(chat: Chat) -> None:
    workspace = await chat.connect()
    person, tenant = chat.person(workspace), workspace.organisation_id
    await chat.agree(person)
    for command in (
        "terms replace: Project Harsh = our project",
        "terms keep: project  harsh",
        "terms explain: SLO = our promise",
        "terms replace: user = customer",
    ):
        assert "from now on" in texts(await chat.rewrite(person, command))[0]
    lines, note = texts(await chat.rewrite(person, "terms"))
    assert set(lines.splitlines()) == {
        "project harsh is never changed",
        "SLO is explained as our promise",
        "user is replaced by customer",
    }
    assert note == "Only your own rewrites follow these. Send /tonebridge help to see how to change them."
    assert chat.count(TERMS, id=tenant) == 3
    missing = texts(await chat.rewrite(person, "terms remove: nothing"))
    assert missing == ["“nothing” is not one of your terms."]


@pytest.mark.parametrize("command", ["terms keep:", "terms explain: SLO", "terms replace: 1 = 2"])
async def test_what_the_dictionary_refuses_is_explained(chat: Chat, command: str) -> None:
    workspace = await chat.connect()
    person = chat.person(workspace)
    await chat.agree(person)
    refused = texts(await chat.rewrite(person, command))
    assert refused[0].startswith(("term:", "wording:")), refused
    assert chat.count(TERMS, id=workspace.organisation_id) == 0


async def test_who_has_not_agreed_is_asked_first(chat: Chat) -> None:
    workspace = await chat.connect()
    person = chat.person(workspace)
    asked = (await chat.send(person.command("terms keep: SLO"))).json()
    assert "Nothing is stored before you agree" in texts(asked)[0]
    for query in (TERMS, JOBS):
        assert chat.count(query, id=workspace.organisation_id) == 0


async def test_in_japanese(chat: Chat) -> None:
    person = chat.person(await chat.connect())
    chat.slack.locale = "ja-JP"
    await chat.agree(person)
    added = texts(await chat.rewrite(person, "terms replace：ユーザー＝お客様"))
    said = Words("ja").say(
        "Your rewrites follow this from now on: %(term)s", term="ユーザー の言い換え： お客様"
    )
    assert added == [said]
    assert "自分の用語" in str((await chat.send(person.command("help"))).json())
