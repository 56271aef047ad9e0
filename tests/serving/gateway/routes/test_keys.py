"""The routes for keys and tokens: who may use them, what they show, and that they end at the organisation."""

import base64
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from data.people import identities
from serving.gateway.routes import keys
from tests import gateways

SECRET = b"a secret of at least 32 bytes, shared"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)


def base64url(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()


@pytest.fixture
async def app(pool: AsyncConnectionPool) -> FastAPI:
    return await gateways.app_of(pool, keys.router)


def a_signing_key(**changes: Any) -> dict[str, Any]:
    kid = f"acme-{uuid.uuid4()}"
    return {"kid": kid, "algorithm": "HS256", "key": base64url(SECRET), "role": "admin", **changes}


def a_token(kid: str, **claims: Any) -> str:
    return jwt.encode({"sub": "ann", "exp": time.time() + 600, **claims}, SECRET, "HS256", {"kid": kid})


async def works(client: httpx.AsyncClient, headers: dict[str, str]) -> bool:
    status = (await client.get("/keys", headers=headers)).status_code
    assert status in (200, 401)
    return status == 200


ROUTES = [
    ("POST", "/keys", {"name": "x"}),
    ("GET", "/keys", None),
    ("DELETE", "/keys/abcd", None),
    ("POST", "/keys/abcd/secrets", None),
    ("GET", "/keys/abcd/secrets", None),
    ("DELETE", "/keys/abcd/secrets/rs_1", None),
    ("PUT", "/keys/abcd/signatures", {"required": True}),
    ("POST", "/signing-keys", a_signing_key()),
    ("DELETE", "/signing-keys/acme", None),
    ("POST", "/tokens/revoke", {"token": "a.b.c"}),
]


@pytest.mark.parametrize(
    ("method", "path", "body"), ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES]
)
async def test_every_route_is_for_owners_and_admins(
    client: httpx.AsyncClient, a_key: Callable[..., dict[str, str]], method: str, path: str, body: Any
) -> None:
    assert (await client.request(method, path, json=body)).status_code == 401
    refused = await client.request(method, path, json=body, headers=a_key("member"))
    assert refused.status_code == 403
    assert refused.headers["Content-Type"] == "application/problem+json"
    for role in ("admin", "owner"):
        answer = await client.request(method, path, json=body, headers=a_key(role))
        assert answer.status_code not in (401, 403)


async def test_the_routes_are_all_there_are(client: httpx.AsyncClient) -> None:
    described = (await client.get("http://gateway/openapi.json")).json()["paths"]
    assert {(method.upper(), path) for path in described for method in described[path]} == {
        ("POST", "/api/v1/keys"),
        ("GET", "/api/v1/keys"),
        ("DELETE", "/api/v1/keys/{key_id}"),
        ("POST", "/api/v1/keys/{key_id}/secrets"),
        ("GET", "/api/v1/keys/{key_id}/secrets"),
        ("DELETE", "/api/v1/keys/{key_id}/secrets/{secret_id}"),
        ("PUT", "/api/v1/keys/{key_id}/signatures"),
        ("POST", "/api/v1/signing-keys"),
        ("DELETE", "/api/v1/signing-keys/{kid}"),
        ("POST", "/api/v1/tokens/revoke"),
    }


async def test_a_key_is_shown_once_works_and_ends(
    client: httpx.AsyncClient, pool: AsyncConnectionPool, owner: dict[str, str], stranger: dict[str, str]
) -> None:
    response = await client.post("/keys", json={"name": "laptop", "role": "admin"}, headers=owner)
    assert response.status_code == 201
    made = response.json()
    key = {"Authorization": f"Bearer {made['key']}"}
    assert await works(client, key)

    listed = await client.get("/keys", headers=owner)
    assert made["key"].split("_", 2)[2] not in listed.text
    mine = listed.json()[0]
    assert (mine["id"], mine["name"], mine["role"], mine["revoked_at"]) == (
        made["id"],
        "laptop",
        "admin",
        None,
    )
    assert set(mine) == {"id", "name", "role", "requires_signatures", "created_at", "revoked_at"}
    assert made["id"] not in (await client.get("/keys", headers=stranger)).text

    assert (await client.delete(f"/keys/{made['id']}", headers=stranger)).status_code == 404
    assert (await client.delete(f"/keys/{made['id']}", headers=owner)).status_code == 204
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    assert not await works(client, key)
    assert (await client.delete(f"/keys/{made['id']}", headers=owner)).status_code == 404
    assert (await client.get("/keys", headers=owner)).json()[0]["revoked_at"] is not None


async def test_an_admin_makes_and_ends_no_owner(
    client: httpx.AsyncClient, a_key: Callable[..., dict[str, str]], owner: dict[str, str]
) -> None:
    admin = a_key("admin")
    for path, body in (
        ("/keys", {"name": "x", "role": "owner"}),
        ("/signing-keys", a_signing_key(role="owner")),
    ):
        assert (await client.post(path, json=body, headers=admin)).status_code == 403
        assert (await client.post(path, json=body, headers=owner)).status_code == 201
    owners = [
        key["id"] for key in (await client.get("/keys", headers=owner)).json() if key["role"] == "owner"
    ]
    for key_id in owners:
        assert (await client.delete(f"/keys/{key_id}", headers=admin)).status_code == 404
    assert (await client.delete(f"/signing-keys/{body['kid']}", headers=admin)).status_code == 404
    assert await works(client, owner)


async def test_a_secret_is_shown_once_and_a_key_that_needs_it_keeps_it(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    key_id = (await client.post("/keys", json={"name": "robot"}, headers=owner)).json()["id"]
    path = f"/keys/{key_id}"
    refused = await client.put(f"{path}/signatures", json={"required": True}, headers=owner)
    assert (refused.status_code, "make a secret first" in refused.json()["detail"]) == (409, True)

    made = [await client.post(f"{path}/secrets", headers=owner) for _ in range(3)]
    assert [response.status_code for response in made] == [201, 201, 409]
    assert "at most 2" in made[2].json()["detail"]
    assert made[0].headers["Cache-Control"] == "no-store"
    secrets = [response.json() for response in made[:2]]
    assert len({secret["secret"] for secret in secrets}) == 2
    listed = await client.get(f"{path}/secrets", headers=owner)
    assert {secret["id"] for secret in listed.json()} == {secret["id"] for secret in secrets}
    assert not any(secret["secret"] in listed.text for secret in secrets)

    put = await client.put(f"{path}/signatures", json={"required": True}, headers=owner)
    assert put.status_code == 204
    needs = {
        key["id"]: key["requires_signatures"] for key in (await client.get("/keys", headers=owner)).json()
    }
    assert (needs[key_id], list(needs.values()).count(True)) == (True, 1)
    statuses = [
        (await client.delete(f"{path}/secrets/{secret['id']}", headers=owner)).status_code
        for secret in (*secrets, secrets[0])
    ]
    assert statuses == [204, 409, 404]
    for is_required, status in ((False, 204), (None, 422), ("maybe", 422)):
        body = {"required": is_required}
        assert (await client.put(f"{path}/signatures", json=body, headers=owner)).status_code == status
    assert (await client.delete(f"{path}/secrets/{secrets[1]['id']}", headers=owner)).status_code == 204


async def test_the_secrets_of_a_key_are_for_those_who_may_revoke_it(
    client: httpx.AsyncClient,
    a_key: Callable[..., dict[str, str]],
    owner: dict[str, str],
    stranger: dict[str, str],
) -> None:
    key = (await client.post("/keys", json={"name": "x", "role": "owner"}, headers=owner)).json()
    path = f"/keys/{key['id']}"
    secret = (await client.post(f"{path}/secrets", headers=owner)).json()
    for other in (a_key("admin"), stranger):
        for method, below, body in (
            ("POST", "secrets", None),
            ("DELETE", f"secrets/{secret['id']}", None),
            ("PUT", "signatures", {"required": True}),
        ):
            refused = await client.request(method, f"{path}/{below}", json=body, headers=other)
            assert refused.status_code == 404, (method, below)
            assert refused.json()["reasons"][0]["code"] in ("unknown_key", "unknown_secret")
    assert (await client.get(f"{path}/secrets", headers=stranger)).status_code == 404
    listed = (await client.get(f"{path}/secrets", headers=owner)).json()
    assert [(row["id"], row["revoked_at"]) for row in listed] == [(secret["id"], None)]


async def test_tokens_of_a_new_signing_key_are_let_in_until_it_ends(
    client: httpx.AsyncClient, pool: AsyncConnectionPool, owner: dict[str, str], stranger: dict[str, str]
) -> None:
    body = a_signing_key(algorithm="EdDSA", key=base64url(PRIVATE.public_key().public_bytes_raw()))
    added = await client.post("/signing-keys", json=body, headers=owner)
    assert (added.status_code, added.json()) == (201, {"kid": body["kid"]})
    again = await client.post("/signing-keys", json=body, headers=stranger)
    assert again.status_code == 409, "whose the token is would be anybody's guess"
    assert "is taken" in again.json()["detail"]

    signed = jwt.encode({"sub": "ann", "exp": time.time() + 600}, PRIVATE, "EdDSA", {"kid": body["kid"]})
    token = {"Authorization": f"Bearer {signed}"}
    assert await works(client, token)
    assert (await client.delete(f"/signing-keys/{body['kid']}", headers=stranger)).status_code == 404
    assert (await client.delete(f"/signing-keys/{body['kid']}", headers=owner)).status_code == 204
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    assert not await works(client, token)


@pytest.mark.parametrize(
    ("claims", "others"), [({"jti": "1"}, {"jti": "2"}), ({}, {"sub": "bob"})], ids=["jti", "without"]
)
async def test_one_token_is_revoked_and_its_brother_is_not(
    client: httpx.AsyncClient,
    pool: AsyncConnectionPool,
    owner: dict[str, str],
    stranger: dict[str, str],
    claims: dict[str, str],
    others: dict[str, str],
) -> None:
    body = a_signing_key()
    await client.post("/signing-keys", json=body, headers=owner)
    token, brother = a_token(body["kid"], **claims), a_token(body["kid"], **others)
    for accepted in (token, brother):
        assert await works(client, {"Authorization": f"Bearer {accepted}"})

    refused = await client.post("/tokens/revoke", json={"token": token}, headers=stranger)
    assert refused.status_code == 422
    assert "another organisation" in refused.json()["detail"]
    for _ in range(2):  # again does no harm
        revoked = await client.post("/tokens/revoke", json={"token": token}, headers=owner)
        assert revoked.status_code == 204
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    assert not await works(client, {"Authorization": f"Bearer {token}"})
    assert await works(client, {"Authorization": f"Bearer {brother}"})


BAD = [
    ("/keys", {}, "Field required"),
    ("/keys", {"name": ""}, "at least 1"),
    ("/keys", {"name": "x", "role": "king"}, "'experimenter', 'admin' or 'owner'"),
    ("/keys", {"name": "x", "more": 1}, "more"),
    ("/signing-keys", a_signing_key(kid="a b"), "pattern"),
    ("/signing-keys", a_signing_key(algorithm="none"), "HS256"),
    ("/signing-keys", a_signing_key(algorithm="RS256"), "HS256"),
    ("/signing-keys", a_signing_key(key=base64url(b"short")), "at least 32 bytes, not 5"),
    ("/signing-keys", a_signing_key(key="not base64!"), "base64url"),
    ("/signing-keys", a_signing_key(key="é" * 40), "base64url"),
    ("/signing-keys", a_signing_key(key="A"), "base64url"),
    ("/signing-keys", a_signing_key(algorithm="EdDSA"), "32 bytes, not"),
    ("/tokens/revoke", {"token": "a.b.c"}, "neither an API key"),
    ("/tokens/revoke", {"token": "a b"}, "pattern"),
    ("/tokens/revoke", {"token": a_token("acme-none")}, "no signing key"),
]


@pytest.mark.parametrize(
    ("path", "body", "message"), BAD, ids=[f"{number} {path}" for number, (path, _, _) in enumerate(BAD)]
)
async def test_bad_input_is_422_and_says_why(
    client: httpx.AsyncClient, owner: dict[str, str], path: str, body: dict[str, Any], message: str
) -> None:
    response = await client.post(path, json=body, headers=owner)
    assert response.status_code == 422, response.text
    assert message in response.json()["detail"]
    if "key" in body:
        assert body["key"] not in response.text, "a secret comes back"


async def test_too_many_keys_is_409(
    client: httpx.AsyncClient,
    pool: AsyncConnectionPool,
    owner: dict[str, str],
    organisation_id: uuid.UUID,
) -> None:
    async with pool.connection() as connection:
        for _ in range(identities.MOST_KEYS - 2):  # the owner has one, and there is room for one more
            await identities.create_key(connection, organisation_id, "x", "member")
    assert (await client.post("/keys", json={"name": "x"}, headers=owner)).status_code == 201
    response = await client.post("/keys", json={"name": "x"}, headers=owner)
    assert response.status_code == 409
    assert f"at most {identities.MOST_KEYS} API keys" in response.json()["detail"]


async def test_without_postgres_it_is_503(
    client: httpx.AsyncClient, pool: AsyncConnectionPool, owner: dict[str, str]
) -> None:
    assert await works(client, owner)
    await pool.close()
    for method, path, body in ROUTES[:3]:
        response = await client.request(method, path, json=body, headers=owner)
        assert response.status_code == 503
        assert "Retry-After" in response.headers
