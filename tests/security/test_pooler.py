"""A real PgBouncer in transaction mode gives one session of Postgres to many clients in turn. Nevertheless
each transaction has its login's role and limits, and sees one organisation. Notices and locks go past it.
"""

import asyncio
import subprocess
import sys
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database, startup
from data.database import PoolConfig, UnfitDatabaseError
from data.people import identities
from data.tables import DASHBOARD_LOGIN, GATEWAY_LOGIN
from data.traffic import outputs
from data.traffic.routing import Routing
from pipelines import local as servers
from pipelines.environments import environment
from serving.gateway.online.protocol import HotProtocol
from tests import gateways, poolers, ports, sockets, streams
from tests.data.test_database import an_output
from tests.logins import as_dashboard, as_gateway
from tests.poolers import Pooler
from tests.streams import V1, Gateway, fresh
from tests.wire import GENEROUS_S

pytestmark = pytest.mark.slow

CLIENTS = 10  # of a pool; two pools have more than six times the sessions of Postgres
TRANSACTIONS = 400
ASKED = 40  # rewrites for each organisation

_WHO = """
    SELECT current_user, session_user, row_security_active('outputs'), current_setting('statement_timeout'),
        current_setting('transaction_timeout'),
        (SELECT array_agg(DISTINCT organisation_id) FROM outputs), pg_backend_pid()
"""
BOUND = ("tonebridge_online", "tonebridge_gateway", True, "5s", "30s")


@pytest.fixture(scope="module")
def pooler(local: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooler]:
    """PgBouncer before a Postgres that asks for passwords."""
    poolers.find_pgbouncer()
    state = tmp_path_factory.mktemp("pooled")
    wanted = Settings(state=state, artifacts=state, database_url=None, redis_url=local.redis_url)
    with servers.servers(ports.with_own_ports(wanted)) as settings:
        pooler = Pooler(settings)
        try:
            pooler.start()
            yield pooler
        finally:
            pooler.stop()


@pytest.fixture(scope="module")
def pooled(pooler: Pooler) -> Settings:
    return pooler.settings


@pytest.fixture
def owner(pooled: Settings) -> Iterator[Engine]:
    engine = database.engine_of(pooled)
    yield engine
    engine.dispose()


def through(settings: Settings, name: str) -> Settings:
    """The settings with another database of PgBouncer."""
    assert settings.pooled_database_url is not None
    url = database.replace_database(settings.pooled_database_url, name)
    return settings.model_copy(update={"pooled_database_url": url})


def online_pool(settings: Settings) -> AsyncConnectionPool:
    url = database.pooled_url_of(as_gateway(settings))
    return database.online_pool(url, PoolConfig(CLIENTS, CLIENTS), timeout_s=GENEROUS_S)


async def test_each_transaction_is_of_its_login_and_its_organisation(pooled: Settings) -> None:
    tenants = [uuid.uuid4(), uuid.uuid4()]
    used: dict[int, set[int]] = defaultdict(set)

    async def ask(pool: AsyncConnectionPool, tenant: uuid.UUID | None) -> tuple[Any, ...]:
        async with pool.connection() as connection:
            if tenant is None:
                cursor = await connection.execute(_WHO)
            else:
                async with database.transaction_of(connection, tenant):
                    cursor = await connection.execute(_WHO)
            row = await cursor.fetchone()
        assert row is not None
        used[id(connection)].add(row[-1])
        return tuple(row[:-1])

    async with AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(online_pool(pooled)) for _ in range(2)]
        async with pools[0].connection() as connection:
            await outputs.store(connection, *(an_output(tenant) for tenant in tenants for _ in range(3)))
        asked = [[None, *tenants][n % 3] for n in range(TRANSACTIONS)]
        seen = await asyncio.gather(*(ask(pools[n % 2], tenant) for n, tenant in enumerate(asked)))
        assert [pool.get_stats()["pool_size"] for pool in pools] == [CLIENTS, CLIENTS]
    for tenant, row in zip(asked, seen, strict=True):
        assert row == (*BOUND, None if tenant is None else [tenant])
    assert len(used) > len(set().union(*used.values())) <= poolers.SESSIONS, "clients share sessions"
    assert any(len(sessions) > 1 for sessions in used.values()), "and change them"


async def test_more_statements_than_psycopg_keeps_prepared_do_no_harm(pooled: Settings) -> None:
    """psycopg keeps a hundred for each client, and drops them after a ROLLBACK. PgBouncer knows which of them
    a session has.
    """

    async def repeat(pool: AsyncConnectionPool) -> None:
        async with pool.connection() as connection:
            for number in range(120):
                for attempt in range(7):
                    ends = number % 50 == 49 and attempt == 6
                    async with connection.transaction(force_rollback=ends):
                        cursor = await connection.execute(f"SELECT {number}, %s::int", (number,))
                        assert await cursor.fetchone() == (number, number)
            cursor = await connection.execute("SELECT count(*) FROM pg_prepared_statements")
            row = await cursor.fetchone()
            assert row is not None
            assert row[0] > 10

    async with online_pool(pooled) as pool:
        await asyncio.gather(*(repeat(pool) for _ in range(poolers.SESSIONS + 1)))


async def test_two_gateways_answer_two_organisations_who_see_only_their_own(
    pooled: Settings, owner: Engine
) -> None:
    keys = [identities.generate_key() for _ in range(2)]
    for key in keys:
        identities.bootstrap(owner, key, f"org-{uuid.uuid4()}")
    gateways.publish(owner, Routing(champion=V1))
    sent: dict[str, set[str]] = {key: set() for key in keys}

    async def ask(gateway: Gateway, key: str) -> None:
        body = fresh(user_id="ann")
        sent[key].add(body["text"])
        async with gateway.post(body, Accept="application/json", X_API_Key=key) as response:
            assert response.status == 200, await response.text()
            receipt = (await response.json())["receipt"]
        vote = {"receipt": receipt, "kind": "thumb", "up": True}
        headers = {"X-API-Key": key}
        async with gateway.session.post("/api/v1/feedback", json=vote, headers=headers) as response:
            assert response.status == 201, await response.text()

    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(streams.serving())
        settings = pooled.model_copy(update={"inference_urls": (service.url,)})
        one, two = [
            await stack.enter_async_context(streams.listening(settings, keys[0], HotProtocol))
            for _ in range(2)
        ]
        socket = await stack.enter_async_context(sockets.authenticated(two, keys[0]))
        await socket.ask("subscribe", channel="answers", user_id="ann")
        busy = [ask(one if n % 2 else two, key) for n in range(ASKED) for key in keys]
        await asyncio.gather(*busy)
        for gateway in (one, two):
            await gateway.parts.answers.flush()
        # Every answer's notice, of both gateways, and none of the other organisation.
        heard = [(await socket.receive())["data"]["message"] for _ in range(ASKED)]
        assert (len(heard), set(heard)) == (ASKED, sent[keys[0]])
        for key in keys:
            query = {"user_id": "ann", "limit": "100"}
            headers = {"X-API-Key": key}
            async with one.session.get("/api/v1/answers", params=query, headers=headers) as response:
                assert {answer["message"] for answer in await response.json()} == sent[key]
        with Session(owner) as session:
            epoch = gateways.publish(owner, Routing(champion=V1))
            await streams.until(lambda: all(g.parts.directory.current()[0] == epoch for g in (one, two)))
            sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tonebridge_gateway'"
            listening = f"{sessions} AND query ^@ 'LISTEN'"
            assert session.scalar(text(listening)) == 4, "two of each gateway"
            assert session.scalar(text(sessions)) <= 4 + poolers.SESSIONS


async def test_a_gateway_goes_on_when_pgbouncer_is_back(pooler: Pooler, owner: Engine) -> None:
    key = identities.generate_key()
    identities.bootstrap(owner, key, f"org-{uuid.uuid4()}")
    gateways.publish(owner, Routing(champion=V1))
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(streams.serving())
        settings = pooler.settings.model_copy(update={"inference_urls": (service.url,)})
        gateway = await stack.enter_async_context(streams.listening(settings, key, HotProtocol))

        async def wait_for(status: int) -> None:
            async with asyncio.timeout(GENEROUS_S):
                while True:
                    async with gateway.post(fresh(), Accept="application/json") as response:
                        if response.status == status:
                            return
                    await asyncio.sleep(0.1)

        await wait_for(200)
        pooler.stop()
        try:
            await wait_for(503)
        finally:
            pooler.start()
        await wait_for(200)


def test_the_dashboard_reads_one_organisation(pooled: Settings, owner: Engine) -> None:
    tenants = [uuid.uuid4(), uuid.uuid4()]
    with Session(owner) as session, session.begin():
        for tenant in tenants:
            for _ in range(3):
                session.execute(
                    text(
                        "INSERT INTO outputs (id, organisation_id, message, transform_type, intensity, text,"
                        " facts_missing, spec_digest, version, upstream_ms)"
                        " VALUES (gen_random_uuid(), :tenant, 'x', 'soften', 2, 'x', '[]', 'd', 'v1', 1)"
                    ),
                    {"tenant": tenant},
                )
    engine = database.reading_engine(database.pooled_url_of(as_dashboard(pooled)))
    with Session(engine) as session:
        for tenant in tenants * 10:
            with session.begin():
                database.read_for(session, tenant)
                (row,) = session.execute(text(_WHO)).all()
                assert row[:4] == ("tonebridge_reading", "tonebridge_dashboard", True, "5s")
                assert row[5] == [tenant]
                assert session.scalar(text("SHOW transaction_read_only")) == "on"
    engine.dispose()


def test_locks_exclude_each_other(pooled: Settings) -> None:
    url = database.url_of(pooled)
    for _ in range(2):
        with (
            database.lock(url, "train", wait=False) as first,
            database.lock(url, "train", wait=False) as second,
            database.lock(url, "decide", wait=False) as another,
        ):
            assert (first, second, another) == (True, False, True)


def test_nobody_else_gets_in(pooled: Settings) -> None:
    password = "a-password-that-is-right"
    with psycopg.connect(database.url_of(pooled), autocommit=True) as owner:
        owner.execute("CREATE ROLE another LOGIN")
        for login in ("postgres", "another"):
            owner.execute(f"ALTER ROLE {login} PASSWORD '{password}'")
    refused = "authentication failed|no such user"
    for login in ("postgres", "another"):
        psycopg.connect(database.replace_login(database.url_of(pooled), login, password)).close()
        with pytest.raises(psycopg.OperationalError, match=refused):
            psycopg.connect(database.replace_login(str(pooled.pooled_database_url), login, password))
    for login in (GATEWAY_LOGIN, DASHBOARD_LOGIN):
        with pytest.raises(psycopg.OperationalError, match=refused):
            psycopg.connect(database.replace_login(str(pooled.pooled_database_url), login, password))


def test_a_start_is_refused_whose_notices_and_locks_would_go_through_the_pooler(
    pooled: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings = as_gateway(pooled)
    startup.check_gateway(settings)
    startup.check_dashboard(as_dashboard(pooled))
    startup.check_owner(pooled)
    assert not caplog.records, "of a database that is not checked"
    for pooled_url in (None, settings.pooled_database_url):
        urls = {"database_url": settings.pooled_database_url, "pooled_database_url": pooled_url}
        for check in (startup.check_gateway, startup.check_owner):
            with pytest.raises(UnfitDatabaseError, match="leads to a pooler in transaction mode"):
                check(settings.model_copy(update=urls))


async def test_nothing_works_through_a_pooler_that_is_a_superuser_to_postgres(
    pooled: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    careless = through(pooled, "careless")
    url = database.pooled_url_of(as_gateway(careless))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute("SELECT current_user, row_security_active('outputs')")
        assert await cursor.fetchone() == ("postgres", False), "so the login that signs in says nothing"
    pool = database.online_pool(url, timeout_s=1)
    await pool.open(wait=False)
    with pytest.raises(PoolTimeout):
        async with pool.connection():
            pass
    await pool.close()
    assert "the login postgres could see the rows of every organisation" in caplog.text
    engine = database.reading_engine(database.pooled_url_of(as_dashboard(careless)))
    with pytest.raises((OperationalError, UnfitDatabaseError), match="login postgres could see the rows"):
        engine.connect()


@pytest.mark.parametrize("name", ["gateway", "worker", "channels", "dashboard"])
def test_a_process_ends_at_its_start(pooled: Settings, name: str) -> None:
    env = environment(through(pooled, "careless"), name)
    command = servers.command(name, env)
    done = subprocess.run(
        [sys.executable, *command[1:]], env=env, cwd=configs.ROOT, capture_output=True, text=True,
        timeout=GENEROUS_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the login postgres could see the rows of every organisation" in done.stderr
