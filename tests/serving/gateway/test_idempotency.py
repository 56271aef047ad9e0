"""Idempotency-Keys where a client leaves while its answer is stored."""

import asyncio
import uuid

import pytest
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Connection, Engine, text

from data.people.identities import Identity
from serving.gateway.auth import Caller
from serving.gateway.idempotency import Idempotency
from tests import gateways
from tests.streams import until


def is_waiting(engine: Engine) -> bool:
    """Whether a statement that stores an answer waits for a lock."""
    with engine.connect() as connection:
        return bool(
            connection.execute(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND query LIKE 'UPDATE idempotent_requests%'"
                )
            ).scalar_one()
        )


@pytest.fixture
def caller(engine: Engine) -> Caller:
    organisation_id = gateways.an_organisation(engine)
    return Caller(Identity(organisation_id, str(uuid.uuid4()), "member", b"", "scale"))


async def test_an_answer_is_stored_although_its_client_leaves(
    engine: Engine, pool: AsyncConnectionPool, caller: Caller
) -> None:
    idempotency = Idempotency(pool)
    locks: list[Connection] = []

    async def do() -> tuple[int, bytes]:
        connection = engine.connect()
        connection.execute(
            text("SELECT 1 FROM idempotent_requests WHERE organisation_id = :id FOR UPDATE"),
            {"id": caller.identity.organisation_id},
        )
        locks.append(connection)
        return 200, b"the first answer"

    async def do_again() -> tuple[int, bytes]:
        raise AssertionError("it has an answer")

    first = asyncio.create_task(idempotency.once(caller, "ann", b"a key", b"a body", do))
    await until(lambda: locks and is_waiting(engine))
    first.cancel()
    await asyncio.sleep(0)  # the cancellation arrives
    locks[0].close()
    with pytest.raises(asyncio.CancelledError):
        await first
    again = await idempotency.once(caller, "ann", b"a key", b"a body", do_again)
    assert again == (200, b"the first answer")


async def test_whenever_a_client_leaves_no_claim_is_left(
    engine: Engine, pool: AsyncConnectionPool, caller: Caller
) -> None:
    idempotency = Idempotency(pool)

    async def do() -> tuple[int, bytes]:
        return 200, b"an answer"

    for number in range(50):
        key = str(number).encode()
        first = asyncio.create_task(idempotency.once(caller, "ann", key, b"a body", do))
        await asyncio.sleep(number / 12_000)  # the moments are spread over all that it does
        first.cancel()
        await asyncio.wait({first})
        assert await idempotency.once(caller, "ann", key, b"a body", do) == (200, b"an answer")
