"""A kid belongs to its organisation. Another organisation cannot take it, break its tokens, or act for it."""

import time
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine

from data.people import identities
from serving.gateway import auth
from serving.gateway.auth import Authenticator
from serving.gateway.problems import UnknownKeyError
from tests import gateways

OURS, THEIRS = (Ed25519PrivateKey.from_private_bytes(letter * 32) for letter in (b"o", b"t"))
SECRET = b"a secret of at least 32 bytes, shared"
# A library may refuse to take it for a secret, when a token comes.
LIKE_A_CERTIFICATE = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


@pytest.fixture
async def authenticator(pool: AsyncConnectionPool, connection: AsyncConnection) -> Authenticator:
    authenticator = Authenticator(pool, "s" * 32)
    await authenticator.renew(connection)
    return authenticator


@pytest.fixture
def ours(organisation_id: uuid.UUID) -> uuid.UUID:
    return organisation_id


@pytest.fixture
def theirs(engine: Engine) -> uuid.UUID:
    """A stranger's organisation."""
    return gateways.an_organisation(engine)


@pytest.fixture
def kid() -> str:
    return f"acme-{uuid.uuid4()}"


async def add(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    kid: str,
    key: bytes,
    algorithm: identities.Algorithm = "EdDSA",
) -> None:
    await identities.add_signing_key(connection, organisation_id, kid, algorithm, key, "member")


def a_token(kid: str, key: Ed25519PrivateKey | bytes, expires_in_s: int = 3600) -> str:
    algorithm = "HS256" if isinstance(key, bytes) else "EdDSA"
    claims = {"sub": "ann", "exp": int(time.time()) + expires_in_s, "jti": str(uuid.uuid4())}
    return jwt.encode(claims, key, algorithm, {"kid": kid})


async def signer(authenticator: Authenticator, token: str) -> uuid.UUID:
    return (await authenticator.identify(token)).identity.organisation_id


@pytest.mark.parametrize("first", ["ours", "theirs"])
async def test_a_kid_that_a_stranger_uses_is_free_still_and_each_signs_for_itself(
    authenticator: Authenticator,
    connection: AsyncConnection,
    ours: uuid.UUID,
    theirs: uuid.UUID,
    kid: str,
    first: str,
) -> None:
    keys = [(ours, OURS), (theirs, THEIRS)]
    for tenant, key in keys if first == "ours" else reversed(keys):
        await add(connection, tenant, kid, public(key))
    our_caller = await authenticator.identify(a_token(kid, OURS))
    their_caller = await authenticator.identify(a_token(kid, THEIRS))
    assert our_caller.identity.organisation_id == ours
    assert their_caller.identity.organisation_id == theirs
    assert our_caller.identity.key_id != their_caller.identity.key_id, "they would share a rate"
    assert our_caller.user(None) != their_caller.user(None)


async def test_a_kid_that_a_stranger_revoked_is_free_still(
    connection: AsyncConnection, ours: uuid.UUID, theirs: uuid.UUID, kid: str
) -> None:
    await add(connection, theirs, kid, public(THEIRS))
    assert await identities.revoke_signing_key(connection, theirs, kid)
    await add(connection, ours, kid, public(OURS))
    assert not await identities.revoke_signing_key(connection, theirs, kid)
    with pytest.raises(ValueError, match="is taken"):
        await add(connection, theirs, kid, public(THEIRS))


@pytest.mark.parametrize("is_revoked", [False, True])
@pytest.mark.parametrize(
    ("key", "algorithm"), [(public(OURS), "EdDSA"), (SECRET, "HS256"), (public(OURS), "HS256")]
)
async def test_nobody_stores_the_key_of_others_under_its_kid(
    authenticator: Authenticator,
    connection: AsyncConnection,
    ours: uuid.UUID,
    theirs: uuid.UUID,
    kid: str,
    key: bytes,
    algorithm: identities.Algorithm,
    is_revoked: bool,
) -> None:
    """A public key is known to all: with a copy of it, our tokens would speak for people of theirs."""
    await add(connection, ours, kid, key, "HS256" if key == SECRET else "EdDSA")
    token = a_token(kid, SECRET if key == SECRET else OURS)
    assert await signer(authenticator, token) == ours
    if is_revoked:
        await identities.revoke_signing_key(connection, ours, kid)
    with pytest.raises(ValueError, match="is taken"):
        await add(connection, theirs, kid, key, algorithm)
    await authenticator.renew(connection)
    if is_revoked:
        with pytest.raises(UnknownKeyError):
            await authenticator.identify(token)
    else:
        assert await signer(authenticator, token) == ours


async def test_a_copy_that_came_first_is_worth_nothing_under_another_kid(
    authenticator: Authenticator, connection: AsyncConnection, ours: uuid.UUID, theirs: uuid.UUID, kid: str
) -> None:
    await add(connection, theirs, kid, public(OURS))
    with pytest.raises(ValueError, match="Choose another kid"):
        await add(connection, ours, kid, public(OURS))
    await add(connection, ours, f"{kid}-2", public(OURS))
    assert await signer(authenticator, a_token(f"{kid}-2", OURS)) == ours


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(public(THEIRS), "EdDSA"), (bytes(32), "EdDSA"), (SECRET, "HS256"), (LIKE_A_CERTIFICATE, "HS256")],
)
async def test_a_strangers_key_under_a_kid_breaks_no_token(
    authenticator: Authenticator,
    connection: AsyncConnection,
    ours: uuid.UUID,
    theirs: uuid.UUID,
    kid: str,
    key: bytes,
    algorithm: identities.Algorithm,
) -> None:
    await add(connection, theirs, kid, key, algorithm)
    await add(connection, ours, kid, public(OURS))
    assert await signer(authenticator, a_token(kid, OURS)) == ours
    with pytest.raises(UnknownKeyError, match="expired"):
        await authenticator.identify(a_token(kid, OURS, expires_in_s=-60))
    with pytest.raises(UnknownKeyError, match="24 hours"):
        await authenticator.identify(a_token(kid, OURS, expires_in_s=100_000))


async def test_a_stranger_who_comes_and_goes_makes_nobody_verify_again(
    authenticator: Authenticator, connection: AsyncConnection, ours: uuid.UUID, theirs: uuid.UUID, kid: str
) -> None:
    await add(connection, ours, kid, public(OURS))
    token = a_token(kid, OURS)
    caller = await authenticator.identify(token)
    await add(connection, theirs, kid, public(THEIRS))
    await authenticator.renew(connection)
    assert authenticator.recall(token) is caller
    their_token = a_token(kid, THEIRS)
    assert await signer(authenticator, their_token) == theirs, "a kid that is known has gained a key"
    await identities.revoke_signing_key(connection, theirs, kid)
    await authenticator.renew(connection)
    assert authenticator.recall(their_token) is None
    assert authenticator.recall(token) is caller
    assert await signer(authenticator, a_token(kid, OURS)) == ours


async def test_what_is_remembered_of_a_kid_ends_with_its_own_key(
    authenticator: Authenticator, connection: AsyncConnection, ours: uuid.UUID, theirs: uuid.UUID, kid: str
) -> None:
    await add(connection, theirs, kid, public(THEIRS))
    await add(connection, ours, kid, public(OURS))
    token, their_token = a_token(kid, OURS), a_token(kid, THEIRS)
    for known in (token, their_token):
        await authenticator.identify(known)
    await identities.revoke_signing_key(connection, ours, kid)
    await authenticator.renew(connection)
    assert (authenticator.recall(token), authenticator.recall(their_token) is None) == (None, False)
    with pytest.raises(UnknownKeyError):
        await authenticator.identify(token)


async def test_a_token_is_held_against_few_keys_and_the_first_ones_first(
    authenticator: Authenticator,
    connection: AsyncConnection,
    engine: Engine,
    ours: uuid.UUID,
    kid: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await add(connection, ours, kid, public(OURS))
    for letter in range(identities.MOST_OF_A_KID - 1):
        stranger = Ed25519PrivateKey.from_private_bytes(bytes([letter]) * 32)
        await add(connection, gateways.an_organisation(engine), kid, public(stranger))
    with pytest.raises(ValueError, match="is taken"):
        await add(connection, gateways.an_organisation(engine), kid, public(THEIRS))

    verify, tried = auth._verified, 0

    def counted(*arguments: object) -> object:
        nonlocal tried
        tried += 1
        return verify(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(auth, "_verified", counted)
    assert await signer(authenticator, a_token(kid, OURS)) == ours
    assert tried == 1, "whoever was there first pays for nobody else"
    with pytest.raises(UnknownKeyError):
        await authenticator.identify(a_token(kid, THEIRS))
    assert tried == 1 + identities.MOST_OF_A_KID
