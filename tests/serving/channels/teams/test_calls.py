"""What is clicked in Teams becomes training data; and what holds while something fails or is slow."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.records import Demonstration, PreferencePair
from data.snapshots import shards
from tests import snapshots, streams
from tests.streams import VariedService
from tests.teams import TeamsChat, buttons, texts


@pytest.fixture
async def service() -> AsyncIterator[VariedService]:
    service = VariedService()
    async with streams.serving(service):
        yield service


async def test_an_edit_and_a_choice_in_teams_are_in_the_next_snapshot(bot: TeamsChat, tmp_path: Path) -> None:
    tenant = await bot.connect()
    person = bot.person(tenant)
    await bot.agree(person)
    shown = buttons(await bot.rewrite(person, "Wait for the build."))
    await bot.send(person.click(shown["edit"], text="Would you mind waiting for the build?"))
    await bot.microsoft.wait_for("update", 2)

    shown = buttons(await bot.rewrite(person, "Restart the server now."))
    await bot.send(person.click(shown["compare"]))
    two = (await bot.microsoft.wait_for("update", 3)).card
    first, second = texts(two)
    assert first != second
    await bot.send(person.click(buttons(two)["second"]))
    assert texts((await bot.microsoft.wait_for("update", 4)).card)[0] == second

    with bot.chat.engine.connect() as connection:
        made = snapshots.make(connection, tenant.organisation_id, tmp_path / "snapshots")
    demonstrations = list(shards.read(made.folder, Demonstration))
    assert [(row.text, row.rewrite) for row in demonstrations] == [
        ("Wait for the build.", "Would you mind waiting for the build?")
    ]
    pairs = {(row.text, row.chosen, row.rejected) for row in shards.read(made.folder, PreferencePair)}
    assert ("Restart the server now.", second, first) in pairs


async def test_teams_does_not_wait_for_a_slow_rewrite(bot: TeamsChat, service: VariedService) -> None:
    person = bot.person(await bot.connect())
    await bot.agree(person)
    service.write.clear()
    assert (await bot.send(person.message("Fix it."))).status_code == 200
    done = await bot.send(person.submit({"verb": "rewrite", "text": "Fix it now."}))
    assert "comes into your chat" in done.text
    assert bot.microsoft.count("send") == 0
    service.write.set()
    await bot.microsoft.wait_for("send", 2)


async def test_who_has_removed_the_app_gets_nothing_and_the_job_ends(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    person = bot.person(tenant)
    await bot.agree(person)
    bot.microsoft.answer_next("send", 403)
    await bot.send(person.message("Fix it."))
    done = "SELECT count(*) FROM jobs WHERE organisation_id = :id AND payload ->> 'verb' = 'rewrite'"
    await bot.chat.wait_until(f"{done} AND state = 'done' AND errors = '[]'", id=tenant.organisation_id)
    assert bot.microsoft.count("send") == 1


async def test_a_conversation_gets_no_more_calls_than_teams_allows(bot: TeamsChat) -> None:
    tenant = await bot.connect()
    ann, bob = bot.person(tenant), bot.person(tenant)
    statuses = [(await bot.send(ann.message("Fix it."))).status_code for _ in range(8)]
    assert statuses == [200] * 7 + [503], "seven questions for consent within a second"
    assert (await bot.send(bob.message("Fix it."))).status_code == 200, "each chat has limits of its own"
    assert bot.microsoft.count("send") == 8
