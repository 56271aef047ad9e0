"""An operator connects a workspace by the token of a bot."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from configs.settings import Settings
from data import database
from data.channels.installations import TakenWorkspaceError
from serving.channels.connect import connect, disconnect
from serving.channels.pace import Pace
from serving.channels.slack import connector
from serving.channels.slack.calls import Slack
from serving.channels.teams import connector as teams_connector
from tests import gateways
from tests.slacks import FakeSlack


@asynccontextmanager
async def organisations(settings: Settings, count: int) -> AsyncIterator[list[str]]:
    """The names of new organisations."""
    engine = database.engine_of(settings)
    ids = [gateways.an_organisation(engine) for _ in range(count)]
    with engine.connect() as connection:
        query = text("SELECT name FROM organisations WHERE id = :id")
        yield [connection.execute(query, {"id": id}).scalar_one() for id in ids]
    engine.dispose()


async def connect_slack(settings: Settings, organisation: str, token: str, slack: FakeSlack) -> str:
    """Connect the workspace of a token of the fake."""
    identify = partial(connector.identify, Slack(Pace(), f"{slack.url}api/"))
    return await connect(settings, "slack", organisation, token, identify)


@pytest.fixture
def settings(own: Settings) -> Settings:
    return own.model_copy(update={"channel_secret": SecretStr("a secret for tokens, of 32 bytes or more")})


async def test_a_workspace_is_connected_once(settings: Settings, slack: FakeSlack) -> None:
    async with organisations(settings, 2) as (first, second):
        for _ in range(2):  # the second time with a new token
            assert await connect_slack(settings, first, "xoxb-1", slack) == "T-told"
        assert slack.calls[0].token == "xoxb-1"
        with pytest.raises(TakenWorkspaceError, match="another organisation"):
            await connect_slack(settings, second, "xoxb-2", slack)
        await disconnect(settings, "slack", "T-told")
        assert await connect_slack(settings, second, "xoxb-2", slack) == "T-told"
        await disconnect(settings, "slack", "T-told")
        await disconnect(settings, "slack", "T-told")


async def test_a_tenant_of_teams_is_connected_by_its_id(settings: Settings) -> None:
    tenant = str(uuid.uuid4())
    async with organisations(settings, 1) as (name,):
        assert await connect(settings, "teams", name, f"{tenant} Acme", teams_connector.identify) == tenant
        await disconnect(settings, "teams", tenant)


async def test_a_mistake_is_explained(settings: Settings, slack: FakeSlack) -> None:
    with pytest.raises(ValueError, match="there is no organisation 'nobody'"):
        await connect_slack(settings, "nobody", "xoxb-1", slack)
    slack.answer_next("auth.test", 200, {"ok": False, "error": "invalid_auth"})
    with pytest.raises(ValueError, match=r"\(invalid_auth\)"):
        await connect_slack(settings, "nobody", "xoxp-1", slack)
    with pytest.raises(ValueError, match="TONEBRIDGE_DATABASE_URL"):
        await disconnect(Settings(database_url=None), "slack", "T1")
