"""Secrets of API keys: at most two, at least one where signatures are required, and gone once revoked."""

import asyncio
import uuid

import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text

from data.people import identities, request_secrets
from data.people.identities import RefusedKeyError, Role

ALL = tuple(Role)


@pytest.fixture
async def key_id(connection: AsyncConnection, organisation_id: uuid.UUID) -> str:
    return (await identities.create_key(connection, organisation_id, "x", Role.ADMIN))[0]


async def make(connection: AsyncConnection, organisation_id: uuid.UUID, key_id: str) -> tuple[str, str]:
    made = await request_secrets.create(connection, organisation_id, key_id, ALL)
    assert made is not None
    return made


def stored(engine: Engine, key_id: str) -> dict[str, bytes | None]:
    with engine.connect() as owner:
        query = text("SELECT id, secret FROM request_secrets WHERE key_id = :id")
        return {row.id: row.secret for row in owner.execute(query, {"id": key_id})}


async def test_two_secrets_rotate(
    connection: AsyncConnection, engine: Engine, organisation_id: uuid.UUID, key_id: str
) -> None:
    old, new = [await make(connection, organisation_id, key_id) for _ in range(2)]
    assert len(old[1]) >= 43, "256 random bits"
    identity = (await identities.find_keys(connection, [key_id]))[key_id]
    assert identity.request_secrets == {id: secret.encode() for id, secret in (old, new)}
    assert "s=" not in repr(identity).replace("requires_signatures=", ""), "secrets may reach a log"
    with pytest.raises(RefusedKeyError, match="at most 2 secrets"):
        await make(connection, organisation_id, key_id)
    assert await request_secrets.revoke(connection, organisation_id, key_id, old[0], ALL)
    assert not await request_secrets.revoke(connection, organisation_id, key_id, old[0], ALL), "it is revoked"
    assert stored(engine, key_id) == {old[0]: None, new[0]: new[1].encode()}
    listed = await request_secrets.list_secrets(connection, organisation_id, key_id, most=10)
    assert listed is not None
    assert [(secret.id, secret.revoked_at is None) for secret in listed] == [
        (new[0], True),
        (old[0], False),
    ]
    await make(connection, organisation_id, key_id)


async def test_a_key_that_requires_signatures_keeps_a_secret(
    connection: AsyncConnection, organisation_id: uuid.UUID, key_id: str
) -> None:
    with pytest.raises(RefusedKeyError, match="make a secret first"):
        await request_secrets.require(connection, organisation_id, key_id, True, ALL)
    id, _ = await make(connection, organisation_id, key_id)
    assert await request_secrets.require(connection, organisation_id, key_id, True, ALL)
    with pytest.raises(RefusedKeyError, match="last secret"):
        await request_secrets.revoke(connection, organisation_id, key_id, id, ALL)
    identity = (await identities.find_keys(connection, [key_id]))[key_id]
    assert identity.requires_signatures
    assert set(identity.request_secrets) == {id}
    assert await request_secrets.require(connection, organisation_id, key_id, False, ALL)
    assert await request_secrets.revoke(connection, organisation_id, key_id, id, ALL)


async def test_gateways_notice_every_change(
    connection: AsyncConnection, organisation_id: uuid.UUID, key_id: str
) -> None:
    other, _ = await identities.create_key(connection, organisation_id, "x", Role.MEMBER)

    async def is_noticed() -> bool:
        changed = await identities.find_changed_keys(connection, known.values())
        known.update(await identities.find_keys(connection, [key_id]))
        assert other not in changed
        return changed == {key_id}

    known = await identities.find_keys(connection, [key_id, other])
    id, _ = await make(connection, organisation_id, key_id)
    assert await is_noticed()
    assert not await is_noticed()
    await request_secrets.require(connection, organisation_id, key_id, True, ALL)
    assert await is_noticed()
    await make(connection, organisation_id, key_id)
    assert await is_noticed()
    await request_secrets.revoke(connection, organisation_id, key_id, id, ALL)
    assert await is_noticed()
    assert (await identities.find_keys(connection, [other]))[other] == known[other]


async def test_others_change_nothing(
    connection: AsyncConnection, organisation_id: uuid.UUID, key_id: str
) -> None:
    id, _ = await make(connection, organisation_id, key_id)
    below = Role.EXPERIMENTER.included  # the key is an admin's
    for tenant, roles in ((uuid.uuid4(), ALL), (organisation_id, below)):
        assert await request_secrets.create(connection, tenant, key_id, roles) is None
        assert not await request_secrets.revoke(connection, tenant, key_id, id, roles)
        assert not await request_secrets.require(connection, tenant, key_id, True, roles)
    assert await request_secrets.list_secrets(connection, uuid.uuid4(), key_id, most=10) is None
    other, _ = await identities.create_key(connection, organisation_id, "x", Role.MEMBER)
    assert not await request_secrets.revoke(connection, organisation_id, other, id, ALL), "of another key"
    assert (await identities.find_keys(connection, [key_id]))[key_id].request_secrets.keys() == {id}


async def test_a_revoked_key_takes_its_secrets_along(
    connection: AsyncConnection, engine: Engine, organisation_id: uuid.UUID, key_id: str
) -> None:
    id, _ = await make(connection, organisation_id, key_id)
    await request_secrets.require(connection, organisation_id, key_id, True, ALL)
    assert await identities.revoke_key(connection, organisation_id, key_id)
    assert stored(engine, key_id) == {id: None}
    assert await request_secrets.create(connection, organisation_id, key_id, ALL) is None


async def test_administrators_at_the_same_time_keep_the_rules(
    pool: AsyncConnectionPool, connection: AsyncConnection, engine: Engine, organisation_id: uuid.UUID,
    key_id: str,
) -> None:  # fmt: skip
    async def make_one() -> str:
        async with pool.connection() as own:
            return (await make(own, organisation_id, key_id))[0]

    async def revoke_one(id: str) -> bool:
        async with pool.connection() as own:
            return await request_secrets.revoke(own, organisation_id, key_id, id, ALL)

    made = await asyncio.gather(*(make_one() for _ in range(6)), return_exceptions=True)
    ids = [id for id in made if isinstance(id, str)]
    assert len(ids) == 2
    await request_secrets.require(connection, organisation_id, key_id, True, ALL)
    revoked = await asyncio.gather(*map(revoke_one, ids), return_exceptions=True)
    assert revoked.count(True) == 1, revoked
    assert sum(secret is not None for secret in stored(engine, key_id).values()) == 1
