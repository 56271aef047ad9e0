"""A server from which the app was removed is disconnected, although Discord does not tell."""

import json

import pytest

from serving.channels.discord.calls import Discord, make_pace
from serving.channels.discord.presence import Presence
from tests.discords import APP, BOT_TOKEN, GUILD, KEY, OTHER_KEY, Server, public

PEOPLE = "SELECT count(*) FROM channel_links WHERE organisation_id = :id"
KEYS = "SELECT count(*) FROM api_keys WHERE organisation_id = :id AND revoked_at IS NULL"
REMOVED = json.dumps(
    {"type": 1, "event": {"type": "APPLICATION_DEAUTHORIZED", "data": {"user": {"id": "1"}}}}
)


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(
    server: Server, clock: Clock, every_s: float = 3600, keys: tuple[str, ...] = (public(KEY),)
) -> Presence:
    """The checks of a process of its own."""
    discord = Discord(make_pace(), server.discord.url)
    return Presence(server.chat.workspaces, discord, BOT_TOKEN, keys, every_s, clock)


async def test_a_server_without_the_app_is_disconnected_when_it_stays_so(server: Server) -> None:
    removed, kept = await server.connect(), await server.connect()
    person, tenant = server.person(removed), removed.organisation_id
    await server.agree(person)
    clock = Clock()
    presence = make(server, clock)
    del server.discord.guilds[removed.workspace]
    for clock.now in (0, 599):
        await presence.check()
        assert server.chat.count(PEOPLE, id=tenant) == 1, "a failure of Discord's may look like that"
    clock.now = 600
    await presence.check()
    assert (server.chat.count(PEOPLE, id=tenant), server.chat.count(KEYS, id=tenant)) == (0, 0)
    assert await server.chat.workspaces.find("discord", removed.workspace) is None
    assert await server.chat.workspaces.find("discord", kept.workspace) is not None
    answer = await server.send(person.slash("rewrite", text="Fix it."))
    assert "not connected to ToneBridge" in str(answer)


async def test_a_server_that_comes_back_stays(server: Server) -> None:
    installation, clock = await server.connect(), Clock()
    presence = make(server, clock)
    name = server.discord.guilds.pop(installation.workspace)
    await presence.check()
    server.discord.guilds[installation.workspace], clock.now = name, 500
    await presence.check()
    del server.discord.guilds[installation.workspace]
    clock.now = 1000
    await presence.check()
    assert await server.chat.workspaces.find("discord", installation.workspace) is not None


@pytest.mark.parametrize(
    "keys", [(public(OTHER_KEY),), (public(KEY), public(OTHER_KEY))], ids=["of another app", "of two apps"]
)
async def test_servers_of_an_app_without_a_token_stay(server: Server, keys: tuple[str, ...]) -> None:
    installation, clock = await server.connect(), Clock()
    presence = make(server, clock, keys=keys)
    del server.discord.guilds[installation.workspace]
    for clock.now in (0, 1000):
        await presence.check()
    assert await server.chat.workspaces.find("discord", installation.workspace) is not None


async def test_a_check_that_fails_is_made_again(server: Server) -> None:
    await server.connect()
    before = server.discord.count(APP)
    server.discord.answer_next(GUILD, 500, {})
    server.discord.answer_next(APP, 401, {"message": "401: Unauthorized", "code": 0})
    async with make(server, Clock(), every_s=0.01).checking():
        await server.discord.wait_for(APP, before + 4)


async def test_the_event_of_a_removal_has_the_servers_checked(server: Server) -> None:
    await server.discord.wait_for(APP)  # as the process starts
    assert (await server.post(REMOVED, path="/discord/events")).status_code == 204
    await server.discord.wait_for(APP, 2)


@pytest.mark.parametrize(("token", "keys"), [(None, (public(KEY),)), (BOT_TOKEN, ())])
async def test_without_a_token_or_a_key_nothing_is_checked(
    server: Server, token: str | None, keys: tuple[str, ...]
) -> None:
    await server.discord.wait_for(APP)
    discord = Discord(make_pace(), server.discord.url)
    presence = Presence(server.chat.workspaces, discord, token, keys)
    async with presence.checking():
        presence.check_soon()
        await server.post(json.dumps({"type": 1}))  # whatever would be asked was before it
    assert server.discord.count(APP) == 1
