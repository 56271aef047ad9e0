"""The command registers the commands at Discord."""

import json

import pytest

from serving.channels.discord.calls import Discord, make_pace
from serving.channels.discord.register import COMMANDS, App, register
from tests.discords import APP, APPLICATION, BOT_TOKEN, KEY, FakeDiscord, public
from tests.discords import COMMANDS as REGISTERED


async def test_commands_are_registered_as_often_as_wanted(discord: FakeDiscord) -> None:
    for number in (1, 2):
        app, names = await register(Discord(make_pace(), discord.url), BOT_TOKEN)
        assert app == App(APPLICATION, "ToneBridge", public(KEY))
        assert names == ["tonebridge", "Rewrite with ToneBridge", "Rewrite with choices"]
        call = await discord.wait_for(REGISTERED, number)
        assert (call.about, call.authorization) == (APPLICATION, f"Bot {BOT_TOKEN}")
        assert call.content["list"] == json.loads(COMMANDS.read_text(encoding="utf-8"))


async def test_a_mistake_is_explained(discord: FakeDiscord) -> None:
    discord.answer_next(APP, 401, {"message": "401: Unauthorized", "code": 0})
    with pytest.raises(ValueError, match=r"401: Unauthorized \(HTTP 401, 0\); copy the token"):
        await register(Discord(make_pace(), discord.url), "wrong")
    with pytest.raises(ValueError, match="does not answer"):
        await register(Discord(make_pace(), "http://127.0.0.1:1"), BOT_TOKEN)
