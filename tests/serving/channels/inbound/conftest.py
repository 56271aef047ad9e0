"""A gateway, the door of inbound webhooks, and tools that send requests to it, over a database of their
own.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text
from standardwebhooks.webhooks import Webhook

from configs.settings import Settings
from data import database
from data.inbound import config
from data.jobs import config as jobs_config
from data.jobs.queue import Kind
from data.traffic.routing import Routing
from data.webhooks import config as webhooks_config
from serving.channels.gateway import Gateway
from serving.channels.inbound.door import Door
from serving.channels.inbound.replies import InboundReplies
from serving.channels.vault import Vault
from serving.gateway.online.protocol import HotProtocol
from serving.worker.loop import Worker
from serving.worker.receivers import Network
from tests import gateways, streams
from tests.logins import gateway_url
from tests.receivers import LOOPBACK, Receiver, receiving
from tests.streams import V1, Service

JOBS = jobs_config.load().model_copy(update={"poll_s": 0.02, "first_retry_s": 0.01})
SOON = {
    "first_retry_s": 0.01,
    "longest_retry_s": 0.05,
    "longest_pause_s": 0.05,
    "longest_retry_after_s": 0.05,
    "timeout_s": 5.0,
}
FAST = webhooks_config.load().model_copy(update=SOON)
INBOUND = config.load()


class Tool(NamedTuple):
    """Another tool, whose messages an inbound webhook takes."""

    id: str
    path: str
    secret: str
    tenant: uuid.UUID
    key: Mapping[str, str]


def sign(tool: Tool, body: str, event: str | None = None, at: float | None = None) -> dict[str, str]:
    """The headers of Standard Webhooks."""
    event = event or f"msg_{uuid.uuid4()}"
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    signature = Webhook(tool.secret).sign(event, moment, body)
    return {
        "webhook-id": event,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": signature,
    }


def sign_as_hub(tool: Tool, body: str, event: str | None = None) -> dict[str, str]:
    """The headers of GitHub; without an event those of a tool that sends no id."""
    signature = digest(tool.secret.encode(), body.encode(), sha256).hex()
    named = {} if event is None else {"X-GitHub-Delivery": event}
    return {"X-Hub-Signature-256": f"sha256={signature}", **named}


class Installation(NamedTuple):
    """A gateway's session, what takes requests, the owner's engine, and the scripted inference service."""

    gateway: streams.Gateway
    door: httpx.AsyncClient
    pool: AsyncConnectionPool
    settings: Settings
    engine: Engine
    service: Service

    async def ask(self, key: Mapping[str, str], method: str, path: str, body: Any = None) -> Any:
        """The JSON that the gateway answers."""
        async with self.gateway.session.request(
            method, f"/api/v1{path}", json=body, headers=dict(key)
        ) as response:
            assert response.ok, await response.text()
            return await response.json() if response.status != 204 else None

    async def connect(self, reply_url: str, plan: str = "scale", **fields: Any) -> Tool:
        """A tool of a new organisation."""
        tenant = gateways.an_organisation(self.engine, plan)
        key = gateways.a_key(self.engine, tenant, "admin")
        body = {
            "name": "a tracker",
            "verification": "standard",
            "transform_type": "soften",
            "intensity": 2,
            "reply_url": reply_url,
            **fields,
        }
        made = await self.ask(key, "POST", "/inbound-webhooks", body)
        return Tool(made["id"], made["path"], fields.get("secret") or made["secret"], tenant, key)

    async def send(self, tool: Tool, body: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """The answer to a request of a tool; without headers it is signed by Standard Webhooks."""
        signed = sign(tool, body) if headers is None else headers
        return await self.door.post(tool.path, content=body, headers=dict(signed))

    async def say(self, tool: Tool, message: str) -> str:
        """The job of a new message."""
        response = await self.send(tool, json.dumps({"text": message}))
        assert response.status_code == 202, response.text
        job: str = response.json()["job"]
        return job

    async def wait_for(self, tool: Tool, job: str, *states: str) -> dict[str, Any]:
        """A job, as soon as it is in one of these states."""
        async with asyncio.timeout(60):
            while True:
                found: dict[str, Any] = await self.ask(tool.key, "GET", f"/jobs/{job}")
                if found["state"] in states:
                    return found
                await asyncio.sleep(0.02)

    async def wait_for_failure(self, tool: Tool, job: str) -> None:
        """Return as soon as an attempt at a job has failed."""
        async with asyncio.timeout(60):
            while not (await self.ask(tool.key, "GET", f"/jobs/{job}"))["errors"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def count(self, query: str, **values: Any) -> int:
        """The number that a query gives."""
        with self.engine.connect() as connection:
            return int(connection.execute(text(query), values).scalar_one())

    async def count_stored(self, query: str, **values: Any) -> int:
        """The number that a query gives, after the gateway has written what it holds."""
        await self.gateway.parts.answers.flush()
        return self.count(query, **values)

    @asynccontextmanager
    async def working(self, networks: Sequence[Network] = LOOPBACK, **changes: Any) -> AsyncIterator[None]:
        """A process that does the jobs."""
        gateway = Gateway(f"http://127.0.0.1:{self.gateway.port}")
        webhooks = FAST.model_copy(update=changes)
        replies = InboundReplies(
            self.pool, vault_of(self.settings), gateway, INBOUND, JOBS, webhooks, networks
        )
        assert self.settings.database_url is not None
        url = gateway_url(self.settings.database_url)
        worker = Worker(self.pool, url, {Kind.INBOUND: replies}, JOBS)
        async with gateway.opened():
            task = asyncio.create_task(worker.run())
            try:
                yield
            finally:
                worker.stop()
                await task


def vault_of(settings: Settings) -> Vault:
    """What encrypts the credentials of an installation."""
    return Vault(settings.secret("inbound_secret"))


@pytest.fixture
async def installation(own: Settings, service: Service) -> AsyncIterator[Installation]:
    assert own.database_url is not None
    engine = database.engine(own.database_url)
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE job_files, jobs, job_batches"))
    gateways.publish(engine, Routing(champion=V1))
    key = gateways.a_key(engine, gateways.an_organisation(engine), "admin")["X-API-Key"]
    settings = own.model_copy(update={"inference_urls": (service.url,), "webhook_networks": LOOPBACK})
    pool = database.online_pool(gateway_url(own.database_url))
    await pool.open(wait=True)
    app = FastAPI()
    app.include_router(Door(pool, vault_of(settings), INBOUND, JOBS).make_router())
    async with (
        streams.listening(settings, key, HotProtocol) as gateway,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://channels", timeout=60) as door,
    ):
        yield Installation(gateway, door, pool, settings, engine, service)
    await pool.close()
    engine.dispose()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver
