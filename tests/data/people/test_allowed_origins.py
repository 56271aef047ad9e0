"""The lists of origins of an organisation and its keys: which one holds, who may change it, who notices."""

import uuid
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from sqlalchemy import Engine, text

from data.people import accounts, allowed_origins, identities, request_secrets
from data.people.identities import RefusedKeyError, Role, Wanted

ALL = tuple(Role)
APP, OTHER = "https://app.example.org", "https://other.example.org"


async def allows(connection: AsyncConnection, key_id: str, origin: str) -> bool:
    return origin.encode() in (await identities.find_keys(connection, [key_id]))[key_id].origins


async def test_a_key_has_a_list_of_its_own_or_that_of_its_organisation(
    connection: AsyncConnection, organisation_id: uuid.UUID
) -> None:
    key_id, _ = await identities.create_key(connection, organisation_id, "x", Role.ADMIN)
    own, _ = await identities.create_key(connection, organisation_id, "x", Role.MEMBER, origins=[OTHER])
    assert await identities.find_origins(connection, organisation_id) == []
    await allowed_origins.change(connection, organisation_id, [APP])
    assert await identities.find_origins(connection, organisation_id) == [APP]
    assert await allowed_origins.find_of_key(connection, organisation_id, key_id) == (None, [APP])
    assert await allowed_origins.find_of_key(connection, organisation_id, own) == ([OTHER], [OTHER])
    assert [await allows(connection, id, origin) for id in (key_id, own) for origin in (APP, OTHER)] == [
        True,
        False,
        False,
        True,
    ]
    for origins, in_force in (([], []), ([OTHER], [OTHER]), (None, [APP])):
        changed = await allowed_origins.change_of_key(connection, organisation_id, key_id, origins, ALL)
        assert changed
        assert await allowed_origins.find_of_key(connection, organisation_id, key_id) == (origins, in_force)
        assert await allows(connection, key_id, APP) == (APP in in_force)


async def test_a_stored_entry_of_many_owners_is_listed_and_does_not_hold(
    connection: AsyncConnection, organisation_id: uuid.UUID
) -> None:
    """Earlier releases stored such entries, and a domain may become a public suffix."""
    stored = ["https://*.github.io", OTHER]
    key_id, _ = await identities.create_key(connection, organisation_id, "x", Role.MEMBER, origins=stored)
    assert await allowed_origins.find_of_key(connection, organisation_id, key_id) == (stored, [OTHER])
    assert not await allows(connection, key_id, "https://evil.github.io")
    assert await allows(connection, key_id, OTHER)


async def test_gateways_notice_every_change(
    connection: AsyncConnection, engine: Engine, organisation_id: uuid.UUID
) -> None:
    key_id, _ = await identities.create_key(connection, organisation_id, "x", Role.MEMBER)
    other, _ = await identities.create_key(connection, organisation_id, "x", Role.MEMBER)
    kid = f"acme-{uuid.uuid4()}"
    await identities.add_signing_key(connection, organisation_id, kid, "HS256", b"s" * 32, Role.MEMBER)
    hashed = accounts.hash_password("a password of these tests")
    email = f"{uuid.uuid4()}@example.org"
    account_id = await accounts.add(connection, organisation_id, email, "", Role.MEMBER, hashed)
    session_id = str((await accounts.open_session(connection, account_id, b"here")).session_id)

    async def read() -> tuple[Any, Any, Any]:
        return (
            await identities.find_keys(connection, [key_id, other]),
            (await identities.find_signing_keys(connection, [kid]))[kid],
            await accounts.find_sessions(connection, [session_id]),
        )

    async def changed() -> tuple[set[str], bool, bool]:
        nonlocal known
        keys, signing_keys, sessions = known
        noticed = (
            await identities.find_changed_keys(connection, keys.values()),
            bool(await identities.find_changed_signing_keys(connection, signing_keys)),
            bool(await accounts.find_changed_sessions(connection, sessions.values())),
        )
        known = await read()
        return noticed

    known = await read()
    assert await changed() == (set(), False, False)
    await allowed_origins.change_of_key(connection, organisation_id, key_id, [APP], ALL)
    assert await changed() == ({key_id}, False, False)
    await allowed_origins.change(connection, organisation_id, [OTHER])
    assert await changed() == ({key_id, other}, True, True)
    assert await changed() == (set(), False, False)
    keys, [signing_key], sessions = known
    for identity in (keys[other], signing_key.identity(), sessions[session_id].identity()):
        assert OTHER.encode() in identity.origins
    assert signing_key.origins is sessions[session_id].origins is keys[other].origins, "memory for one list"
    # Rights that are the same stay the same: a connection is not closed for a page that may go on.
    assert keys[other] == (await identities.find_keys(connection, [other]))[other]


async def test_others_change_nothing(connection: AsyncConnection, organisation_id: uuid.UUID) -> None:
    key_id, _ = await identities.create_key(connection, organisation_id, "x", Role.ADMIN)
    for tenant, roles in ((uuid.uuid4(), ALL), (organisation_id, Role.EXPERIMENTER.included)):
        assert not await allowed_origins.change_of_key(connection, tenant, key_id, [APP], roles)
    assert await allowed_origins.find_of_key(connection, uuid.uuid4(), key_id) is None
    await allowed_origins.change(connection, uuid.uuid4(), [APP])
    assert await allowed_origins.find_of_key(connection, organisation_id, key_id) == (None, [])
    assert await identities.revoke_key(connection, organisation_id, key_id)
    assert not await allowed_origins.change_of_key(connection, organisation_id, key_id, [APP], ALL)
    assert await allowed_origins.find_of_key(connection, organisation_id, key_id) is None


async def test_a_key_for_pages_needs_a_page_and_cannot_sign(
    connection: AsyncConnection, organisation_id: uuid.UUID
) -> None:
    async def make(origins: list[str] | None) -> str:
        made = await identities.create_key(connection, organisation_id, "x", Role.MEMBER, True, origins)
        return made[0]

    for origins in (None, []):
        with pytest.raises(RefusedKeyError, match="no page could use this key"):
            await make(origins)
    key_id = await make([APP])
    await allowed_origins.change(connection, organisation_id, [OTHER])
    with pytest.raises(RefusedKeyError, match="no page could use this key"):
        await make([])
    assert await allows(connection, await make(None), OTHER)
    identity = (await identities.find_keys(connection, [key_id]))[key_id]
    assert (identity.is_browser, identity.role) == (True, "member")
    keys = await identities.list_keys(connection, organisation_id, Wanted(10))
    [listed] = [key for key in keys if key.id == key_id]
    assert (listed.browser, listed.origins) == (True, [APP])
    with pytest.raises(RefusedKeyError, match="for web pages"):
        await request_secrets.create(connection, organisation_id, key_id, ALL)
    with pytest.raises(RefusedKeyError, match="for web pages"):
        await request_secrets.require(connection, organisation_id, key_id, True, ALL)
    assert await request_secrets.require(connection, organisation_id, key_id, False, ALL)


@pytest.mark.parametrize("change", ["role = 'admin'", "requires_signatures = true"])
async def test_postgres_keeps_a_key_for_pages_harmless(
    connection: AsyncConnection, engine: Engine, organisation_id: uuid.UUID, change: str
) -> None:
    key_id, _ = await identities.create_key(connection, organisation_id, "x", Role.MEMBER, True, [APP])
    await connection.commit()
    query = f"UPDATE api_keys SET {change} WHERE id = :id"
    with pytest.raises(Exception, match="ck_api_keys_browser"), engine.begin() as owner:
        owner.execute(text(query), {"id": key_id})


async def test_a_gateway_cannot_make_a_key_one_for_pages_or_an_ordinary_one(
    connection: AsyncConnection, organisation_id: uuid.UUID
) -> None:
    key_id, _ = await identities.create_key(connection, organisation_id, "x", Role.MEMBER, True, [APP])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute("UPDATE api_keys SET is_browser = false WHERE id = %s", (key_id,))
