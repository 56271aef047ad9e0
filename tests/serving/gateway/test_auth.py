"""Keys and tokens: what opens, what must not, and how soon a revoked one is refused everywhere."""

import asyncio
import base64
import hmac
import json
import time
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any, Self

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, text

from data.people import identities
from data.people.identities import Identity
from data.reasons import render
from serving.gateway import auth
from serving.gateway.auth import Authenticator
from serving.gateway.dependencies import Authenticated
from serving.gateway.problems import UnavailableError, UnknownKeyError
from tests import gateways
from tests.waiting import until_async

SECRET = b"a secret of at least 32 bytes, shared"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
PUBLIC = PRIVATE.public_key().public_bytes_raw()
HOUR = 3600


@pytest.fixture
async def authenticator(pool: AsyncConnectionPool) -> Authenticator:
    authenticator = Authenticator(pool, "s" * 32)
    await renew(authenticator, pool)
    return authenticator


@pytest.fixture
async def key(pool: AsyncConnectionPool, organisation_id: uuid.UUID) -> str:
    async with pool.connection() as connection:
        return (await identities.create_key(connection, organisation_id, "x", "member"))[1]


@pytest.fixture
async def kid(pool: AsyncConnectionPool, organisation_id: uuid.UUID) -> str:
    """A signing key of HS256."""
    return await a_signing_key(pool, organisation_id)


async def a_signing_key(
    pool: AsyncConnectionPool,
    organisation_id: uuid.UUID,
    algorithm: identities.Algorithm = "HS256",
    key: bytes = SECRET,
) -> str:
    kid = f"acme-{uuid.uuid4()}"
    async with pool.connection() as connection:
        await identities.add_signing_key(connection, organisation_id, kid, algorithm, key, "admin")
    return kid


async def renew(authenticator: Authenticator, pool: AsyncConnectionPool) -> None:
    async with pool.connection() as connection:
        await authenticator.renew(connection)


def a_token(kid: str, **changes: Any) -> str:
    """A token of HS256; a claim that is None is left out."""
    claims = {"sub": "ann", "exp": int(time.time()) + HOUR, "jti": str(uuid.uuid4()), **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, SECRET, "HS256", {"kid": kid})


def by_hand(header: dict[str, Any], secret: bytes | None, claims: dict[str, Any] | None = None) -> str:
    """A token that no library would make: any header, signed by HMAC or not at all."""
    parts = [header, claims or {"sub": "ann", "exp": int(time.time()) + HOUR}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    signed = b".".join(encoded)
    signature = hmac.digest(secret, signed, "sha256") if secret is not None else b""
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


async def opens(authenticator: Authenticator, credential: str) -> bool:
    try:
        await authenticator.identify(credential)
    except UnknownKeyError:
        return False
    return True


# --- API keys ------------------------------------------------------------------------------------------


async def test_a_key_opens_and_is_recalled(
    authenticator: Authenticator, key: str, organisation_id: uuid.UUID
) -> None:
    assert authenticator.recall(key) is None
    caller = await authenticator.identify(key)
    assert (caller.identity.organisation_id, caller.identity.role) == (organisation_id, "member")
    assert (caller.identity.plan, caller.subject) == ("free", None)
    assert authenticator.recall(key) is caller
    assert caller.user(None) == (caller.identity.user("-"), "-")
    assert caller.user("ann") == (caller.identity.user("ann"), "ann")


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
        lambda key: f"tb_{'0' * 16}_{key.split('_', 2)[2]}",
        lambda key: key + "\0",
        lambda key: key.upper(),
        lambda key: "tb_",
        lambda key: "",
        lambda key: None,
    ],
)
async def test_another_credential_opens_nothing(authenticator: Authenticator, key: str, change: Any) -> None:
    await authenticator.identify(key)
    with pytest.raises(UnknownKeyError):
        await authenticator.identify(change(key))


async def test_a_key_made_a_moment_after_it_was_refused_works_soon(
    authenticator: Authenticator, pool: AsyncConnectionPool, organisation_id: uuid.UUID, engine: Engine
) -> None:
    key = identities.generate_key()
    assert not await opens(authenticator, key)
    identities.bootstrap(engine, key, f"org-{uuid.uuid4()}")
    await until_async(lambda: opens(authenticator, key))
    assert auth._MISSING_S < 1


async def test_a_flood_of_bad_keys_is_no_flood_of_queries(
    pool: AsyncConnectionPool, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, queries = identities.find_keys, 0

    async def counted(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Identity]:
        nonlocal queries
        queries += 1
        return await find(connection, ids)

    monkeypatch.setattr(identities, "find_keys", counted)
    authenticator = Authenticator(pool, "s" * 32, missing_s=60.0)
    bad = [identities.generate_key() for _ in range(500)]
    results = await asyncio.gather(*(opens(authenticator, k) for k in [*bad, key, *bad]))
    assert [i for i, opened in enumerate(results) if opened] == [500]
    assert (before := queries) <= 2
    assert not await opens(authenticator, bad[0])
    assert queries == before, "an id that was missing a moment ago was looked up again"


async def test_more_than_can_wait_are_refused(pool: AsyncConnectionPool) -> None:
    authenticator = Authenticator(pool, "s" * 32, max_waiting=10)
    keys = [identities.generate_key() for _ in range(30)]
    results = await asyncio.gather(*map(authenticator.identify, keys), return_exceptions=True)
    assert {type(result) for result in results} == {UnknownKeyError, UnavailableError}


async def test_one_who_leaves_does_not_end_the_query_of_others(
    authenticator: Authenticator, key: str
) -> None:
    first = asyncio.create_task(authenticator.identify(key))
    second = asyncio.create_task(authenticator.identify(key))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).identity.key_id == key.split("_")[1]


async def test_memory_is_bounded_and_the_oldest_is_dropped(pool: AsyncConnectionPool, kid: str) -> None:
    authenticator = Authenticator(pool, "s" * 32, capacity=5)
    await renew(authenticator, pool)
    tokens = [a_token(kid) for _ in range(8)]
    for token in tokens:
        await authenticator.identify(token)
        await opens(authenticator, identities.generate_key())
    assert [authenticator.recall(token) is not None for token in tokens] == [False] * 3 + [True] * 5
    assert len(authenticator._keys._missing) <= 5


async def test_without_postgres_what_is_known_opens_and_the_rest_is_503(
    pool: AsyncConnectionPool, authenticator: Authenticator, key: str, kid: str
) -> None:
    known, new = a_token(kid), a_token(kid)
    await authenticator.identify(key)
    await authenticator.identify(known)
    await pool.close()
    for credential in (key, known, new):  # a new token of a known signing key needs no query
        assert await opens(authenticator, credential)
    for credential in (identities.generate_key(), a_token("acme-unknown")):
        with pytest.raises(UnavailableError):
            await authenticator.identify(credential)


# --- tokens --------------------------------------------------------------------------------------------


async def test_tokens_name_their_subject_whatever_key_signed_them(
    authenticator: Authenticator, pool: AsyncConnectionPool, kid: str, organisation_id: uuid.UUID
) -> None:
    of_hs256 = await authenticator.identify(a_token(kid))
    new_kid = await a_signing_key(pool, organisation_id, "EdDSA", PUBLIC)
    signed = jwt.encode({"sub": "ann", "exp": time.time() + HOUR}, PRIVATE, "EdDSA", {"kid": new_kid})
    of_eddsa = await authenticator.identify(signed)
    for caller in (of_hs256, of_eddsa):
        assert (caller.identity.organisation_id, caller.subject) == (organisation_id, "ann")
        assert (caller.identity.role, caller.identity.plan) == ("admin", "free")
        assert caller.user("somebody else")[1] == "ann"
    assert of_hs256.user(None) == of_eddsa.user(None)
    assert of_hs256.identity.key_id != of_eddsa.identity.key_id, "rates are counted by signing key"
    assert of_hs256.user(None)[0] != of_hs256.identity.user("ann")
    assert authenticator.recall(signed) is of_eddsa


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "HS384", "HS512", "RS256", "EdDSA", "", None, 7])
@pytest.mark.parametrize("key", [PUBLIC, SECRET, b"", None], ids=["public", "secret", "empty", "unsigned"])
async def test_the_tokens_own_word_on_its_algorithm_counts_for_nothing(
    authenticator: Authenticator,
    pool: AsyncConnectionPool,
    organisation_id: uuid.UUID,
    alg: Any,
    key: bytes | None,
) -> None:
    kid = await a_signing_key(pool, organisation_id, "EdDSA", PUBLIC)
    assert not await opens(authenticator, by_hand({"typ": "JWT", "alg": alg, "kid": kid}, key))
    kid = await a_signing_key(pool, organisation_id)
    forged = by_hand({"typ": "JWT", "alg": alg, "kid": kid}, key)
    assert await opens(authenticator, forged) == (alg == "HS256" and key == SECRET)


async def test_the_public_key_as_pem_is_no_secret(
    authenticator: Authenticator, pool: AsyncConnectionPool, organisation_id: uuid.UUID
) -> None:
    kid = await a_signing_key(pool, organisation_id, "EdDSA", PUBLIC)
    pem = PRIVATE.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for key in (pem, pem.strip(), base64.urlsafe_b64encode(PUBLIC)):
        assert not await opens(authenticator, by_hand({"alg": "HS256", "kid": kid}, key))


now = time.time


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exp": None}, "exp is missing"),
        ({"exp": lambda: now() - 6}, "expired"),
        ({"exp": lambda: now() + 25 * HOUR}, "24 hours"),
        ({"exp": 1e300}, "24 hours"),
        ({"exp": "soon"}, "integer"),
        ({"nbf": lambda: now() + HOUR}, "not yet valid"),
        ({"iat": lambda: now() + HOUR}, "not yet valid"),
        ({"iat": "soon"}, "integer"),
        ({"sub": None}, "sub is missing"),
        ({"sub": ""}, "1 to 200"),
        ({"sub": "x" * 201}, "1 to 200"),
        ({"sub": "a\0b"}, "1 to 200"),
        ({"sub": "a\ud800"}, "1 to 200"),
        ({"sub": 7}, "sub has 1 to 200"),
        ({"sub": ["ann"]}, "sub has 1 to 200"),
        ({"jti": ""}, "1 to 200"),
        ({"jti": "x" * 201}, "1 to 200"),
        ({"jti": 7}, "jti has 1 to 200"),
        ({"aud": "others"}, "audience"),
        ({"padding": "x" * 4096}, "4,096"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_claims_that_do_not_do(
    authenticator: Authenticator, kid: str, changes: dict[str, Any], message: str
) -> None:
    changes = {name: value() if callable(value) else value for name, value in changes.items()}
    claims = {"sub": "ann", "exp": now() + HOUR, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    with pytest.raises(UnknownKeyError, match=message):
        await authenticator.identify(by_hand({"alg": "HS256", "kid": kid}, SECRET, claims))


@pytest.mark.parametrize(
    ("header", "key", "japanese"),
    [
        ({"alg": "HS256"}, b"another secret of at least 32 bytes", "署名が正しくありません。"),
        ({"alg": "HS512"}, SECRET, "署名鍵のアルゴリズムと異なります"),
        ({"alg": "none"}, None, "署名鍵のアルゴリズムと異なります"),
    ],
)
async def test_a_token_that_its_key_did_not_sign_is_refused_in_both_languages(
    authenticator: Authenticator, kid: str, header: dict[str, Any], key: bytes | None, japanese: str
) -> None:
    with pytest.raises(UnknownKeyError) as refused:
        await authenticator.identify(
            by_hand({**header, "kid": kid}, key, {"sub": "ann", "exp": now() + HOUR})
        )
    assert japanese in render(refused.value.reasons, "ja")


@pytest.mark.parametrize(
    "header",
    [{}, {"kid": 7}, {"kid": None}, {"kid": "a\0b"}, {"kid": "x" * 65}, {"kid": ""}, {"kid": "acme-none"}],
)
async def test_a_kid_that_names_nothing(authenticator: Authenticator, header: dict[str, Any]) -> None:
    assert not await opens(authenticator, by_hand({"alg": "HS256", **header}, SECRET))


@pytest.mark.parametrize("token", ["hunter2", "..", "a.b.c", "é.é.é", "e30.e30.", "[].[].[]", "." * 4000])
async def test_what_is_neither_key_nor_token(authenticator: Authenticator, token: str) -> None:
    assert not await opens(authenticator, token)


async def test_a_critical_extension_that_nobody_knows_is_refused(
    authenticator: Authenticator, kid: str
) -> None:
    header = {"alg": "HS256", "kid": kid, "crit": ["http://example.com/x"], "http://example.com/x": 1}
    assert not await opens(authenticator, by_hand(header, SECRET))


async def test_a_token_is_refused_when_it_has_expired_though_it_was_good_before(
    authenticator: Authenticator, kid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(hours=2)

    token = a_token(kid)
    caller = await authenticator.identify(token)
    assert authenticator.recall(token) is caller
    later = SimpleNamespace(time=lambda: now() + 2 * HOUR, monotonic=time.monotonic)
    monkeypatch.setattr(auth, "time", later)
    monkeypatch.setattr(jwt.api_jwt, "datetime", Later)
    assert authenticator.recall(token) is None
    assert not await opens(authenticator, token)


# --- what is revoked -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["key", "signing key", "token", "token without jti"])
async def test_what_one_gateway_revokes_is_refused_by_all_after_their_next_heartbeat(
    pool: AsyncConnectionPool, organisation_id: uuid.UUID, key: str, kid: str, kind: str
) -> None:
    gateways = [Authenticator(pool, "s" * 32), Authenticator(pool, "s" * 32)]
    for gateway in gateways:
        await renew(gateway, pool)
    other = a_token(await a_signing_key(pool, organisation_id))
    credential = {"key": key, "token without jti": a_token(kid, jti=None)}.get(kind) or a_token(kid)
    callers = [await gateway.identify(credential) for gateway in gateways]
    [await gateway.identify(other) for gateway in gateways]
    async with pool.connection() as connection:
        if kind == "key":
            assert await identities.revoke_key(connection, organisation_id, key.split("_")[1])
        elif kind == "signing key":
            assert await identities.revoke_signing_key(connection, organisation_id, kid)
        else:
            jti, expires_at = callers[0].jti, callers[0].expires_at
            assert jti is not None
            await connection.execute(
                "INSERT INTO revoked_tokens VALUES (%s, %s, to_timestamp(%s))",
                (organisation_id, jti, expires_at),
            )
    for gateway in gateways:
        await renew(gateway, pool)
        assert gateway.recall(credential) is None
        assert not await opens(gateway, credential)
        assert gateway.recall(other) is not None, "others must not be forgotten with it"


async def test_a_jti_revokes_no_token_of_another_organisation(
    authenticator: Authenticator, pool: AsyncConnectionPool, kid: str, engine: Engine
) -> None:
    token = a_token(kid, jti="1")
    await authenticator.identify(token)
    stranger = uuid.uuid4()
    with engine.begin() as owner:
        owner.execute(
            text("INSERT INTO organisations (id, name) VALUES (:id, :name)"),
            {"id": stranger, "name": str(stranger)},
        )
        owner.execute(
            text("INSERT INTO revoked_tokens VALUES (:id, '1', now() + interval '1 hour')"), {"id": stranger}
        )
    await renew(authenticator, pool)
    assert authenticator.recall(token) is not None


async def test_no_token_before_it_is_known_which_are_revoked(pool: AsyncConnectionPool, kid: str) -> None:
    with pytest.raises(UnavailableError):
        await Authenticator(pool, "s" * 32).identify(a_token(kid))


async def test_a_new_plan_is_in_force_after_the_next_renewal(
    authenticator: Authenticator,
    pool: AsyncConnectionPool,
    key: str,
    kid: str,
    organisation_id: uuid.UUID,
    engine: Engine,
) -> None:
    token = a_token(kid)
    for credential in (key, token):
        assert (await authenticator.identify(credential)).identity.plan == "free"
    with engine.begin() as owner:
        owner.execute(text("UPDATE organisations SET plan = 'team' WHERE id = :id"), {"id": organisation_id})
    await renew(authenticator, pool)
    for credential in (key, token):
        assert (await authenticator.identify(credential)).identity.plan == "team"


# --- headers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({b"x-api-key": b"tb_a"}, "tb_a"),
        ({b"authorization": b"Bearer tb_a"}, "tb_a"),
        ({b"authorization": b"bEARER  tb_a "}, "tb_a"),
        ({b"authorization": b"Basic tb_a"}, None),
        ({b"authorization": b"Bearer"}, None),
        ({b"authorization": b"Bearer "}, ""),
        ({b"x-api-key": b"tb_a", b"authorization": b"Bearer tb_b"}, "tb_a"),
        ({b"x-api-key": b"\xff"}, None),
        ({b"authorization": b"Bearer \xc3\xa9"}, None),
    ],
)
def test_the_credential_of_a_request(headers: dict[bytes, bytes], expected: str | None) -> None:
    assert auth.credential(headers) == expected


async def test_the_dependency_reads_headers_alike(
    pool: AsyncConnectionPool, authenticator: Authenticator, key: str
) -> None:
    app = await gateways.app_of(pool, authenticator=authenticator)

    @app.get("/")
    async def who(caller: Authenticated) -> str:
        return caller.identity.key_id

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        for headers in ({"X-API-Key": key}, {"Authorization": f"bearer {key}"}):
            assert (await client.get("/", headers=headers)).json() == key.split("_")[1]
        for headers in ({}, {"Authorization": "Basic x"}, {"X-API-Key": "é"}, {"X-API-Key": ""}):
            encoded = {name: value.encode() for name, value in headers.items()}
            assert (await client.get("/", headers=encoded)).status_code == 401
        schemes = (await client.get("/openapi.json")).json()["components"]["securitySchemes"]
        assert {scheme["type"] for scheme in schemes.values()} == {"apiKey", "http"}
