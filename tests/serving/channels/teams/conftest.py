"""The process of the chat platforms between fake servers of Microsoft and people of connected tenants."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from serving.channels.app import Apis
from tests import teams
from tests.chats import Chat
from tests.slacks import FakeSlack
from tests.teams import APP, SECRET, FakeMicrosoft, TeamsChat


@pytest.fixture
async def microsoft() -> AsyncIterator[FakeMicrosoft]:
    async with teams.serving() as microsoft:
        yield microsoft


@pytest.fixture
def apis(slack: FakeSlack, microsoft: FakeMicrosoft) -> Apis:
    return Apis(slack=f"{slack.url}api/", teams=microsoft.addresses)


@pytest.fixture
def more_settings() -> dict[str, Any]:
    return {"teams_app_id": APP, "teams_client_secret": SecretStr(SECRET)}


@pytest.fixture
def bot(chat: Chat, microsoft: FakeMicrosoft) -> TeamsChat:
    return TeamsChat(chat, microsoft)
