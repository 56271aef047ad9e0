"""Workers and Postgres are killed while events are delivered: each arrives, under its own id and signed. A
receiver that hangs, one that redirects and one inside the house hold up nothing.
"""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from configs.settings import Settings
from data import database
from data.people import identities
from data.webhooks.subscriptions import write_secret
from pipelines import local
from tests.chaos.test_jobs import kill_postgres, read
from tests.logins import gateway_url
from tests.ports import with_own_ports
from tests.receivers import Receiver, receiving
from tests.waiting import until_async as until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EVENTS = 200


@contextlib.contextmanager
def worker(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    assert settings.database_url is not None
    variables = {
        "TONEBRIDGE_DATABASE_URL": gateway_url(settings.database_url),
        "TONEBRIDGE_WEBHOOK_NETWORKS": '["127.0.0.2/32"]',
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.delivering"], env={**os.environ, **variables}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_every_event_arrives_although_workers_and_postgres_are_killed(tmp_path: Path) -> None:
    wanted = Settings(state=tmp_path, artifacts=tmp_path, database_url=None, redis_url=None)
    async with contextlib.AsyncExitStack() as stack:
        settings = stack.enter_context(local.servers(with_own_ports(wanted)))
        assert settings.database_url is not None
        good = await stack.enter_async_context(receiving("127.0.0.2"))
        hanging = await stack.enter_async_context(receiving("127.0.0.2"))
        redirecting = await stack.enter_async_context(receiving("127.0.0.2"))
        inside = await stack.enter_async_context(receiving("127.0.0.1"))
        never = asyncio.Event()
        stack.callback(never.set)
        hanging.during = never.wait
        redirecting.status, redirecting.headers = 307, {"Location": inside.url}
        chance = random.Random(1)

        async def fail_at_times() -> None:
            good.status = 500 if chance.random() < 0.1 else 204

        good.during = fail_at_times
        engine = database.engine_of(settings)
        identities.bootstrap(engine, None)
        engine.dispose()
        addresses = {name: receiver.url for name, receiver in (("good", good), ("hanging", hanging))}
        addresses |= {"redirecting": redirecting.url, "inside": inside.url}
        secret = await asyncio.to_thread(publish, settings, addresses)

        def count_done() -> int:
            query = "SELECT count(*) FROM jobs JOIN webhooks w ON w.id = webhook_id WHERE state = 'done'"
            return int(str(read(settings, query)[0][0]))

        first = stack.enter_context(worker(settings))
        stack.enter_context(worker(settings))
        await until(lambda: len(good.received) >= EVENTS // 4)
        first.kill()
        stack.enter_context(worker(settings))
        await until(lambda: len(good.received) >= EVENTS // 2)
        await asyncio.to_thread(kill_postgres, settings)
        await until(lambda: count_done() == EVENTS)
    arrived = check(good, secret)
    assert len(arrived) == EVENTS
    assert not inside.received
    # Attempts that no commit recorded are sent again: a list of each worker that was killed, and what was
    # under way when Postgres was.
    assert len(good.received) < 2 * EVENTS


def publish(settings: Settings, addresses: dict[str, str]) -> str:
    """Subscribe each address, with an organisation of its own, and publish events for all; the secret."""
    assert settings.database_url is not None
    secret = os.urandom(32)
    with psycopg.connect(settings.database_url) as connection:
        for name, url in addresses.items():
            organisation = uuid.uuid4()
            connection.execute(
                "INSERT INTO organisations (id, name, plan) VALUES (%s, %s, 'scale')", (organisation, name)
            )
            connection.execute(
                "INSERT INTO webhooks (id, organisation_id, url, events, description, secret, created_by)"
                " VALUES (%s, %s, %s, ARRAY['webhook.test'], %s, %s, 'a test')",
                (uuid.uuid4(), organisation, url, name, secret),
            )
        for _ in range(EVENTS):
            connection.execute("SELECT publish_event(NULL, 'webhook.test', '{}')")
    return write_secret(secret)


def check(receiver: Receiver, secret: str) -> set[str]:
    """The ids of the events that came; each request is signed."""
    for received in receiver.received:
        received.verify(secret)
    return {received.id for received in receiver.received}
