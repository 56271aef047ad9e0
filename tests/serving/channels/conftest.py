"""The process of the chat platforms over a gateway and a database of its own, between a fake Slack and people
of a connected workspace.
"""

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr
from sqlalchemy import text

from configs.settings import Settings
from data import database
from data.people import identities
from data.traffic.routing import Routing
from serving.channels.app import Apis, create_app
from serving.channels.vault import Vault
from serving.channels.workspaces import Workspaces
from serving.gateway.online.protocol import HotProtocol
from tests import gateways, slacks, streams
from tests.chats import FORMER_SECRET, Chat
from tests.logins import as_gateway, gateway_url
from tests.slacks import SECRET, FakeSlack
from tests.streams import V1, Service

CHANNEL_SECRET = "a secret for tokens, of 32 bytes or more"


@pytest.fixture(scope="module")
def own(local: Settings, new_database: Callable[..., str]) -> Settings:
    return local.model_copy(update={"database_url": new_database()})


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with streams.serving() as service:
        yield service


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with slacks.serving() as slack:
        yield slack


@pytest.fixture
def apis(slack: FakeSlack) -> Apis:
    return Apis(slack=f"{slack.url}api/")


@pytest.fixture
def more_settings() -> dict[str, Any]:
    """Those of other platforms than Slack."""
    return {}


@pytest.fixture
async def chat(
    own: Settings, service: Service, slack: FakeSlack, apis: Apis, more_settings: dict[str, Any]
) -> AsyncIterator[Chat]:
    assert own.database_url is not None
    engine = database.engine(own.database_url)
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE job_files, jobs, job_batches"))
    key = identities.generate_key()
    identities.bootstrap(engine, key, f"org-{uuid.uuid4()}")
    gateways.publish(engine, Routing(champion=V1))
    settings = own.model_copy(update={"inference_urls": (service.url,)})
    async with streams.listening(settings, key, HotProtocol) as gateway:
        changes = {
            "gateway_url": f"http://127.0.0.1:{gateway.port}",
            "channel_secret": SecretStr(CHANNEL_SECRET),
            "channels_url": "http://127.0.0.1",
            "slack_client_id": "1.2",
            "slack_client_secret": SecretStr("the client secret of an app of these tests"),
            "slack_signing_secrets": (SecretStr(SECRET), SecretStr(FORMER_SECRET)),
            **more_settings,
        }
        app = create_app(as_gateway(settings.model_copy(update=changes)), apis)
        pool = AsyncConnectionPool(gateway_url(own.database_url), open=False, kwargs={"autocommit": True})
        await pool.open()
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://channels", timeout=60) as client,
        ):
            yield Chat(app, client, slack, engine, Workspaces(pool, Vault(CHANNEL_SECRET)))
        await pool.close()
    engine.dispose()
