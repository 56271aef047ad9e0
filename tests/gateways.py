"""A gateway in the test's own process, over the real servers, and people who may ask it."""

import dataclasses
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import httpx
import jwt
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.people import identities
from data.people.identities import Role
from data.records import Spec
from data.tables import Organisation, StoredSigningKey, new_id
from data.traffic import routing
from data.traffic.routing import Routing
from serving.gateway import heartbeat, parts, problems, rate
from serving.gateway.app import create_app
from serving.gateway.online import upstream
from serving.gateway.online.front import Front
from serving.gateway.rate import Limiter
from serving.gateway.realtime import feed
from tests.logins import as_gateway
from tests.waiting import until

CHAMPION = Spec(version="v1", max_new_tokens=8)
ONLY_A_CHAMPION = Routing(champion=CHAMPION)
PATIENT_S = 60.0  # for what a busy machine does late
# What a gateway says that has more to do than a busy machine lets it: a second request may be accepted.
BUSY = {"overloaded", "postgres_unavailable", "keys_unverifiable", "revocations_unknown"}


def publish(engine: Engine, routed: Routing) -> int:
    """Put a routing into force; the number of its epoch."""
    with Session(engine) as session, session.begin():
        return routing.publish(session, routed, "a test")


def patient(settings: Settings) -> Settings:
    """The settings of a gateway's process. Unless they say how long it waits for Redis, it waits as long as a
    busy machine takes.
    """
    named = {"redis_timeout_s": PATIENT_S} if "redis_timeout_s" not in settings.model_fields_set else {}
    return as_gateway(settings).model_copy(update=named)


def be_patient(patch: pytest.MonkeyPatch) -> None:
    """Let gateways and workers of this process wait for what a busy machine does late."""
    waits = [(heartbeat, "_SILENT_S"), (rate, "_READ_USAGE_S"), (upstream, "_TIMEOUT_S"),
             (feed, "_CONNECT_S"), (feed, "_READ_S")]  # fmt: skip
    for module, name in waits:
        patch.setattr(module, name, PATIENT_S)
    patch.setattr(database, "online_pool", partial(database.online_pool, timeout_s=PATIENT_S))


def stop_refills(limiter: Limiter) -> None:
    """Let buckets hardly refill: a slow machine is admitted no more requests than a fast one."""
    slow = {name: plan.model_copy(update={"requests_per_s": 0.001}) for name, plan in limiter._plans.items()}
    limiter._plans = slow


async def read_what_is_in_force(app: FastAPI) -> None:
    """The first heartbeat of an application. On a busy machine its first connections to Postgres take longer
    than it waits for one.
    """
    made = parts.parts_of(app)
    await made.pool.wait(timeout=60)
    await made.directory.beat()


@asynccontextmanager
async def running(front: Front) -> AsyncIterator[FastAPI]:
    """Run a gateway in this process, which has read what is in force; its application."""
    app = front.behind
    async with app.router.lifespan_context(app):
        await read_what_is_in_force(app)
        yield app


@asynccontextmanager
async def in_process(
    settings: Settings, engine: Engine, routed: Routing = ONLY_A_CHAMPION
) -> AsyncIterator[Any]:
    """The gateway's front, with a champion released; `client` asks it."""
    publish(engine, routed)
    front = create_app(patient(settings))
    async with running(front):
        yield front


async def app_of(
    pool: AsyncConnectionPool, *routers: APIRouter, organisation: str = "first", **replaced: Any
) -> FastAPI:
    """These routers over a pool, without Redis, the inference service or plans; `replaced` parts in place of
    the gateway's own.
    """
    settings = Settings(
        database_url="postgresql://nobody@127.0.0.1:1/none",  # the pool is connected already
        organisation=organisation,
        receipt_secret=SecretStr("r" * 32),
        session_secret=SecretStr(SESSION_SECRET),
        service_token=SecretStr(SERVICE_TOKEN),
    )
    app = FastAPI()
    app.state.parts = dataclasses.replace(parts.make(settings, pool, None, lambda: False), **replaced)
    problems.install(app)
    for router in routers:
        app.include_router(router)
    await renew(app)
    return app


def replace_parts(app: FastAPI, **replaced: Any) -> None:
    """Give an application that runs these parts in place of its own."""
    app.state.parts = dataclasses.replace(parts.parts_of(app), **replaced)


async def renew(app: FastAPI) -> None:
    """Let an application's authenticator see the keys and tokens in force, as a heartbeat does."""
    made = parts.parts_of(app)
    async with made.pool.connection() as connection:
        await made.authenticator.renew(connection)


@contextmanager
def listening(settings: Settings) -> Iterator[str]:
    """A gateway that listens, in a thread: its address."""
    app = create_app(patient(settings))
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, access_log=False, timeout_keep_alive=600
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def client(front: Any, raises: bool = True, prefix: str = "") -> httpx.AsyncClient:
    """A client of a gateway in this process; without `raises` it sees the 500 of an error. `prefix` stands
    before its paths.
    """
    transport = httpx.ASGITransport(front, raise_app_exceptions=raises)
    return httpx.AsyncClient(transport=transport, base_url=f"http://gateway{prefix}", timeout=60)


def an_organisation(engine: Engine, plan: str = "scale") -> uuid.UUID:
    """A tenant of its own."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        tenant = Organisation(name=f"org-{uuid.uuid4()}", plan=plan)
        session.add(tenant)
    return tenant.id


def a_key(engine: Engine, organisation_id: uuid.UUID, role: Role = "member") -> dict[str, str]:
    """The header that shows a new API key."""
    key = identities.generate_key()
    with Session(engine) as session, session.begin():
        identities.add_key(session, organisation_id, "a test", key, role)
    return {"X-API-Key": key}


def a_signing_key(engine: Engine, organisation_id: uuid.UUID, role: Role = "member") -> str:
    """The kid of a new signing key, whose secret is `SECRET`."""
    kid = f"kid-{new_id()}"
    with Session(engine) as session, session.begin():
        session.add(
            StoredSigningKey(
                kid=kid, organisation_id=organisation_id, algorithm="HS256", key=SECRET, role=role
            )
        )
    return kid


def sign_token(kid: str, subject: str, life_s: int = 3600) -> str:
    """A token of a person, signed with `SECRET`."""
    return jwt.encode({"sub": subject, "exp": int(time.time()) + life_s}, SECRET, headers={"kid": kid})


def a_token(kid: str, subject: str) -> dict[str, str]:
    """The header that shows a token of a person."""
    return {"Authorization": f"Bearer {sign_token(kid, subject)}"}


def usage(engine: Engine, organisation_id: uuid.UUID) -> int:
    """Answers that Postgres counts for an organisation, over all months."""
    with engine.connect() as connection:
        query = text("SELECT coalesce(sum(answers), 0) FROM usage WHERE organisation_id = :id")
        return int(connection.execute(query, {"id": organisation_id}).scalar_one())


def use_up(engine: Engine, organisation_id: uuid.UUID, answers: int = 1_000_000) -> None:
    """Count answers of this month."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO usage"
                " VALUES (:id, date_trunc('month', now() AT TIME ZONE 'UTC')::date, :answers)"
                " ON CONFLICT (organisation_id, month) DO UPDATE SET answers = excluded.answers"
            ),
            {"id": organisation_id, "answers": answers},
        )


SESSION_SECRET, SERVICE_TOKEN = "a session secret of 32 bytes or more", "a service token of 32 bytes or more"
SECRET = b"a secret of these tests, 32 bytes or more"
