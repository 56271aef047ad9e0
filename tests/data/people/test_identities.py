"""Keys, tokens and people: ids that stay what they were, and what the gateway may read and change."""

import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from data.people import identities
from data.people.identities import Identity, SigningKey, Wanted
from data.tables import Organisation

SECRET = b"s" * 32


def an_identity(organisation_id: uuid.UUID, key_id: str = "k") -> Identity:
    return Identity(organisation_id, key_id, "member", b"", "free")


def a_kid() -> str:
    return f"acme-{uuid.uuid4()}"


def test_a_person_keeps_their_id() -> None:
    # Answers and experiments refer to it: whoever changes this makes everybody a new person.
    assert an_identity(uuid.UUID(int=1)).user("ann") == uuid.UUID("9be2abaf-6696-8991-98e0-d3606645915a")
    assert an_identity(uuid.UUID(int=1)).subject("ann") == uuid.UUID("f51117d8-842e-8086-ae40-16332713c7ec")


def test_names_of_keys_and_subjects_of_tokens_share_no_ids() -> None:
    mine, theirs = uuid.UUID(int=1), uuid.UUID(int=2)
    of_a_token = SigningKey("old", mine, "free", "HS256", SECRET, "member").identity().subject("ann")
    assert SigningKey("new", mine, "free", "EdDSA", SECRET, "member").identity().subject("ann") == of_a_token
    # Not even a key whose id is the organisation's names the person whom a token names.
    assert an_identity(mine, str(mine)).user("ann") != of_a_token
    assert an_identity(theirs).subject("ann") != of_a_token
    assert an_identity(mine, "a").user("ann") != an_identity(mine, "b").user("ann")


def test_no_key_id_is_a_signing_key_id() -> None:
    signing = SigningKey("deadbeef", uuid.uuid4(), "free", "HS256", SECRET, "member")
    assert identities.parse_key(f"tb_{signing.key_id}_{'x' * 43}") is None
    assert identities.parse_key(identities.generate_key()) is not None
    assert not signing.identity().opens_with("")


def test_bootstrap_has_no_limits_to_speak_of_and_others_begin_free(
    engine: Engine, organisation_id: uuid.UUID
) -> None:
    name = f"org-{uuid.uuid4()}"
    identities.bootstrap(engine, identities.generate_key(), name)
    with Session(engine) as session:
        assert session.query(Organisation).filter_by(name=name).one().plan == "scale"
        assert session.get_one(Organisation, organisation_id).plan == "free"
    with pytest.raises(Exception, match="ck_organisations_plan"), engine.begin() as connection:
        connection.execute(
            text("UPDATE organisations SET plan = 'gold' WHERE id = :id"), {"id": organisation_id}
        )


async def test_what_has_changed_is_told(
    pool: AsyncConnectionPool, engine: Engine, organisation_id: uuid.UUID
) -> None:
    async with pool.connection() as connection:
        keys = [await identities.create_key(connection, organisation_id, "x", "admin") for _ in range(3)]
        kid = a_kid()
        await identities.add_signing_key(connection, organisation_id, kid, "HS256", SECRET, "member")
        ids = [key_id for key_id, _ in keys]
        known = await identities.find_keys(connection, ids)
        signing = await identities.find_signing_keys(connection, [kid, a_kid()])
        assert [known[i].plan for i in ids] == ["free"] * 3
        assert list(signing) == [kid]
        assert await identities.find_changed_keys(connection, known.values()) == set()
        assert await identities.find_changed_signing_keys(connection, signing[kid]) == set()

        assert await identities.revoke_key(connection, organisation_id, ids[0])
        with engine.begin() as owner:
            owner.execute(text("UPDATE api_keys SET role = 'member' WHERE id = :id"), {"id": ids[1]})
        stranger = an_identity(organisation_id, "neverwas")
        changed = await identities.find_changed_keys(connection, [*known.values(), stranger])
        assert changed == {ids[0], ids[1], "neverwas"}
        assert set(await identities.find_keys(connection, ids)) == {ids[1], ids[2]}

        with engine.begin() as owner:
            owner.execute(
                text("UPDATE organisations SET plan = 'team' WHERE id = :id"), {"id": organisation_id}
            )
        assert ids[2] in await identities.find_changed_keys(connection, known.values())
        assert await identities.find_changed_signing_keys(connection, signing[kid]) == {
            (kid, organisation_id)
        }


async def test_another_organisation_cannot_revoke(
    pool: AsyncConnectionPool, organisation_id: uuid.UUID
) -> None:
    async with pool.connection() as connection:
        key_id, _ = await identities.create_key(connection, organisation_id, "x", "owner")
        kid = a_kid()
        await identities.add_signing_key(connection, organisation_id, kid, "HS256", SECRET, "owner")
        for other in (uuid.uuid4(), uuid.UUID(int=0)):
            assert not await identities.revoke_key(connection, other, key_id)
            assert not await identities.revoke_signing_key(connection, other, kid)
            assert await identities.list_keys(connection, other, Wanted(10)) == []
            assert await identities.list_signing_keys(connection, other, Wanted(10)) == []
        assert not await identities.revoke_key(connection, organisation_id, key_id, ["member", "admin"])
        assert await identities.find_keys(connection, [key_id])
        assert await identities.find_signing_keys(connection, [kid])
        listed = await identities.list_keys(connection, organisation_id, Wanted(10))
        assert [(key.id, key.name, key.role, key.revoked_at) for key in listed] == [
            (key_id, "x", "owner", None)
        ]
        (signing_key,) = await identities.list_signing_keys(connection, organisation_id, Wanted(10))
        assert (signing_key.kid, signing_key.algorithm, signing_key.role) == (kid, "HS256", "owner")


@pytest.mark.parametrize(
    ("algorithm", "key", "message"),
    [
        ("HS256", b"s" * 31, "32 bytes, not 31"),
        ("EdDSA", b"s" * 31, "32 bytes, not 31"),
        ("EdDSA", b"s" * 33, "32 bytes, not 33"),
    ],
)
async def test_keys_that_do_not_fit_their_algorithm(
    pool: AsyncConnectionPool,
    organisation_id: uuid.UUID,
    algorithm: identities.Algorithm,
    key: bytes,
    message: str,
) -> None:
    async with pool.connection() as connection:
        with pytest.raises(ValueError, match=message):
            await identities.add_signing_key(connection, organisation_id, a_kid(), algorithm, key, "member")


async def test_a_kid_is_taken_for_ever(pool: AsyncConnectionPool, organisation_id: uuid.UUID) -> None:
    kid = a_kid()
    async with pool.connection() as connection:
        await identities.add_signing_key(connection, organisation_id, kid, "HS256", SECRET, "member")
        assert await identities.revoke_signing_key(connection, organisation_id, kid)
        with pytest.raises(ValueError, match="is taken"):
            await identities.add_signing_key(connection, organisation_id, kid, "HS256", SECRET, "member")
        with pytest.raises(ValueError, match="kid has"):
            await identities.add_signing_key(connection, organisation_id, "a b", "HS256", SECRET, "member")


async def test_an_organisation_has_a_hundred_keys_at_most(
    pool: AsyncConnectionPool, organisation_id: uuid.UUID
) -> None:
    async with pool.connection() as connection:
        for _ in range(identities.MOST_KEYS):
            key_id, _ = await identities.create_key(connection, organisation_id, "x", "member")
        with pytest.raises(ValueError, match="at most 100"):
            await identities.create_key(connection, organisation_id, "x", "member")
        assert await identities.revoke_key(connection, organisation_id, key_id)
        await identities.create_key(connection, organisation_id, "x", "member")


async def test_revoked_tokens_are_told_until_they_expire(
    pool: AsyncConnectionPool, organisation_id: uuid.UUID
) -> None:
    jti, now = str(uuid.uuid4()), datetime.now(UTC)
    async with pool.connection() as connection:
        await identities.revoke_token(connection, organisation_id, "past", now - timedelta(seconds=1))
        for expires_at in (now + timedelta(hours=1), now - timedelta(hours=1)):  # the later moment counts
            await identities.revoke_token(connection, organisation_id, jti, expires_at)
        revoked = await identities.find_revoked_tokens(connection)
        assert {token for token in revoked if token[0] == organisation_id} == {(organisation_id, jti)}
        cursor = await connection.execute(
            "SELECT jti FROM revoked_tokens WHERE organisation_id = %s", (organisation_id,)
        )
        assert await cursor.fetchall() == [(jti,)], "what has expired does not leave the table"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE api_keys SET secret_sha256 = ''",
        "UPDATE api_keys SET role = 'owner'",
        "UPDATE signing_keys SET key = ''",
        "DELETE FROM api_keys",
        "UPDATE organisations SET plan = 'scale'",
    ],
)
async def test_the_online_role_can_revoke_and_no_more(pool: AsyncConnectionPool, statement: str) -> None:
    async with pool.connection() as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement)  # type: ignore[call-overload]
