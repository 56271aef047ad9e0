"""Discord's limits and failures; texts that are too long for a message; and what becomes training data."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.records import Demonstration, PreferencePair
from data.snapshots import shards
from tests import snapshots, streams
from tests.discords import ANSWER, Server, buttons, texts
from tests.streams import VariedService

JOBS = "SELECT count(*) FROM jobs WHERE organisation_id = :id"
OUTPUTS = "SELECT count(*) FROM outputs WHERE organisation_id = :id"
LIMITED = {"message": "You are being rate limited.", "retry_after": 0.1, "global": False}


@pytest.fixture
async def service() -> AsyncIterator[VariedService]:
    service = VariedService()
    async with streams.serving(service):
        yield service


async def test_an_edit_and_a_choice_are_in_the_next_snapshot(server: Server, tmp_path: Path) -> None:
    installation = await server.connect()
    person = server.person(installation)
    await server.agree(person)
    shown = await server.rewrite(person, "Wait for the build.")
    form = await server.send(person.click(buttons(shown)["edit"], shown))
    await server.send(person.submit(form["data"], text="Would you mind waiting for the build?"))
    await server.discord.answers(3)

    two = await server.click(person, await server.rewrite(person, "Restart the server now."), "compare")
    first, second = texts(two)
    assert first != second
    chosen = await server.click(person, two, "second")
    assert texts(chosen)[0] == f"```\n{second}\n```"

    with server.chat.engine.connect() as connection:
        made = snapshots.make(connection, installation.organisation_id, tmp_path / "snapshots")
    demonstrations = list(shards.read(made.folder, Demonstration))
    assert [(row.text, row.rewrite) for row in demonstrations] == [
        ("Wait for the build.", "Would you mind waiting for the build?")
    ]
    pairs = {(row.text, row.chosen, row.rejected) for row in shards.read(made.folder, PreferencePair)}
    assert ("Restart the server now.", second, first) in pairs


async def test_discord_does_not_wait_for_a_slow_rewrite(server: Server, service: VariedService) -> None:
    person = server.person(await server.connect())
    await server.agree(person)
    service.write.clear()
    assert (await server.send(person.slash("rewrite", text="Fix it.")))["type"] == 5
    assert server.discord.count(ANSWER) == 1
    service.write.set()
    assert texts(await server.discord.answers(2))[0].startswith("Please wait")


@pytest.mark.parametrize("is_global", [False, True], ids=["of a message", "of all"])
async def test_a_429_is_waited_for(server: Server, is_global: bool) -> None:
    installation = await server.connect()
    person = server.person(installation)
    await server.agree(person)
    server.discord.answer_next(ANSWER, 429, {**LIMITED, "global": is_global}, Retry_After="1")
    await server.rewrite(person)
    again = await server.discord.answers(3)
    assert texts(again)[0].startswith("Please wait")
    failed = f"{JOBS} AND errors <> '[]'"
    assert server.chat.count(failed, id=installation.organisation_id) == 0, "it is no failed attempt"
    assert server.chat.count(OUTPUTS, id=installation.organisation_id) == 1, "it is made once"


async def test_a_failure_of_discord_passes(server: Server) -> None:
    installation = await server.connect()
    person = server.person(installation)
    await server.agree(person)
    server.discord.answer_next(ANSWER, 502, "no JSON object")
    await server.rewrite(person)
    assert texts(await server.discord.answers(3))[0].startswith("Please wait")
    assert server.chat.count(OUTPUTS, id=installation.organisation_id) == 1, "it is made once"


@pytest.mark.parametrize(("status", "code"), [(404, 10008), (404, 10015), (401, 50027)])
async def test_an_answer_that_comes_too_late_ends_the_job(server: Server, status: int, code: int) -> None:
    installation = await server.connect()
    person, tenant = server.person(installation), installation.organisation_id
    await server.agree(person)
    server.discord.answer_next(ANSWER, status, {"message": "Unknown", "code": code})
    await server.rewrite(person)
    await server.chat.wait_until(f"{JOBS} AND payload->>'verb' = 'rewrite' AND state = 'done'", id=tenant)
    assert server.discord.count(ANSWER) == 2


async def test_an_answer_that_discord_refuses_is_a_dead_job(server: Server) -> None:
    installation = await server.connect()
    person, tenant = server.person(installation), installation.organisation_id
    await server.agree(person)
    server.discord.answer_next(ANSWER, 400, {"message": "Invalid Form Body", "code": 50035})
    await server.rewrite(person)
    dead = f"{JOBS} AND state = 'dead' AND CAST(errors AS text) LIKE '%Invalid Form Body (HTTP 400, 50035)%'"
    await server.chat.wait_until(dead, id=tenant)


async def test_texts_that_are_too_long_for_a_message_are_files(
    server: Server, service: VariedService
) -> None:
    person = server.person(await server.connect())
    await server.agree(person)
    service.pattern = "長い文です。" * 600 + "{}"
    await server.rewrite(person)
    call = await server.discord.wait_for(ANSWER, 2)
    assert call.files == {"rewrite.txt": "長い文です。" * 600 + "0"}
    assert call.content["components"][0] == {"type": 13, "file": {"url": "attachment://rewrite.txt"}}
    assert call.content["attachments"] == [{"id": 0, "filename": "rewrite.txt"}]
    await server.click(person, call.content, "compare")
    two = await server.discord.wait_for(ANSWER, 3)
    assert set(two.files) == {"first.txt", "second.txt"}
    service.pattern = "Short {}."
    short = await server.rewrite(person, "Another one.")
    assert short["attachments"] == []
