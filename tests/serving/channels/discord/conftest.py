"""The process of the chat platforms between a fake Discord and people of a connected server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from serving.channels.app import Apis
from tests import discords
from tests.chats import Chat
from tests.discords import APPLICATION, BOT_TOKEN, KEY, OTHER_KEY, FakeDiscord, Server, public
from tests.slacks import FakeSlack


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with discords.serving() as discord:
        yield discord


@pytest.fixture
def apis(slack: FakeSlack, discord: FakeDiscord) -> Apis:
    return Apis(slack=f"{slack.url}api/", discord=discord.url)


@pytest.fixture
def more_settings() -> dict[str, Any]:
    return {
        "discord_public_keys": (public(KEY), public(OTHER_KEY)),
        "discord_bot_token": SecretStr(BOT_TOKEN),
        "discord_client_id": APPLICATION,
        "discord_client_secret": SecretStr("the client secret of an app of these tests"),
    }


@pytest.fixture
def server(chat: Chat, discord: FakeDiscord) -> Server:
    return Server(chat, discord)
