"""A gateway and a worker over a database of their own: a worker claims the jobs of every organisation."""

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.people import identities
from data.tables import Organisation
from data.traffic.routing import Routing
from serving.gateway.app import create_app
from serving.gateway.parts import Parts, parts_of
from serving.worker.app import make_worker
from serving.worker.loop import Worker
from tests import gateways, streams
from tests.receivers import LOOPBACK, Receiver, receiving
from tests.streams import V1, Service
from tests.waiting import until_async


class Installation(NamedTuple):
    """A gateway's client and parts, the owner's engine, and the scripted inference service."""

    client: httpx.AsyncClient
    parts: Parts
    engine: Engine
    service: Service

    def a_tenant(self, plan: str = "scale") -> tuple[uuid.UUID, dict[str, str]]:
        """An organisation, and the header of its admin's key."""
        tenant = gateways.an_organisation(self.engine, plan)
        return tenant, gateways.a_key(self.engine, tenant, "admin")

    def the_owner(self) -> tuple[uuid.UUID, dict[str, str]]:
        """The organisation that runs the installation, and the header of its admin's key."""
        identities.bootstrap(self.engine, identities.generate_key(), self.parts.settings.organisation)
        with Session(self.engine) as session:
            is_owner = Organisation.name == self.parts.settings.organisation
            tenant = session.scalars(select(Organisation.id).where(is_owner)).one()
        return tenant, gateways.a_key(self.engine, tenant, "admin")

    async def subscribe(
        self, key: Mapping[str, str], url: str, *events: str, **fields: Any
    ) -> dict[str, Any]:
        """The id and the secret of a new webhook."""
        body = {"url": url, "events": events, **fields}
        response = await self.client.post("/api/v1/webhooks", headers=dict(key), json=body)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    async def read_log(self, key: Mapping[str, str], webhook_id: str) -> list[dict[str, Any]]:
        """The deliveries to a webhook, the newest first."""
        response = await self.client.get(f"/api/v1/webhooks/{webhook_id}/deliveries", headers=dict(key))
        log: list[dict[str, Any]] = response.json()
        return log

    async def send(self, key: Mapping[str, str], texts: list[str], **fields: Any) -> dict[str, Any]:
        """The batch of these messages."""
        items = [{"text": t, "transform_type": "soften", "intensity": 2, **fields} for t in texts]
        response = await self.client.post("/api/v1/jobs/batches", headers=dict(key), json={"items": items})
        assert response.status_code == 202, response.text
        batch: dict[str, Any] = response.json()
        return batch

    async def find(self, key: Mapping[str, str], batch_id: str) -> dict[str, Any]:
        """A batch as it is now."""
        response = await self.client.get(f"/api/v1/jobs/batches/{batch_id}", headers=dict(key))
        batch: dict[str, Any] = response.json()
        return batch

    async def wait(
        self, key: Mapping[str, str], batch_id: str, until: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """The batch as soon as it is as wanted."""
        return await self.wait_for(lambda: self.find(key, batch_id), until)

    async def wait_for(
        self, find: Callable[[], Awaitable[dict[str, Any]]], until: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """What `find` returns as soon as it is as wanted."""
        state: dict[str, Any] = {}

        async def is_as_wanted() -> bool:
            nonlocal state
            state = await find()
            return until(state)

        await until_async(is_as_wanted, lambda: state)
        return state

    def count(self, query: str, **values: Any) -> int:
        """The number that a query gives."""
        with self.engine.connect() as connection:
            return int(connection.execute(text(query), values).scalar_one())


def is_over(batch: Mapping[str, Any]) -> bool:
    """Whether no message of a batch waits or runs."""
    return not batch["waiting"] and not batch["running"]


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    """A worker at work."""
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    gateways.be_patient(monkeypatch)


@pytest.fixture(scope="module")
def own(local: Settings, new_database: Callable[..., str]) -> Settings:
    return local.model_copy(update={"database_url": new_database()})


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with streams.serving() as service:
        yield service


@pytest.fixture
async def installation(own: Settings, service: Service) -> AsyncIterator[Installation]:
    assert own.database_url is not None
    engine = database.engine(own.database_url)
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE job_files, jobs, job_batches, webhooks"))
    gateways.publish(engine, Routing(champion=V1))
    changes = {"inference_urls": (service.url,), "webhook_networks": LOOPBACK}
    front = create_app(gateways.patient(own.model_copy(update=changes)))
    async with gateways.running(front) as app, gateways.client(front) as client:
        made = parts_of(app)
        jobs = made.jobs.model_copy(update={"lease_s": 3600.0, "drain_s": 600.0})
        webhooks = made.webhooks.model_copy(update={"timeout_s": 600.0})
        yield Installation(client, dataclasses.replace(made, jobs=jobs, webhooks=webhooks), engine, service)
    engine.dispose()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def worker(installation: Installation) -> AsyncIterator[Worker]:
    """A worker at work."""
    worker = make_worker(installation.parts)
    async with running(worker):
        yield worker
