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


async def list_changes(client: httpx.AsyncClient, key: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    response = await client.get("/keys/changes", params=query, headers=key)
    assert response.status_code == 200, response.text
    changes: list[dict[str, Any]] = response.json()
    return changes


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
    ("GET", "/keys/changes", None),
    ("DELETE", "/keys/abcd", None),
    ("POST", "/keys/abcd/secrets", None),
    ("GET", "/keys/abcd/secrets", None),
    ("DELETE", "/keys/abcd/secrets/rs_1", None),
    ("PUT", "/keys/abcd/signatures", {"required": True}),
    ("PUT", "/keys/abcd/quota", {"rewrites_a_day": 5}),
    ("POST", "/signing-keys", a_signing_key()),
    ("GET", "/signing-keys", None),
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
        ("GET", "/api/v1/keys/changes"),
        ("DELETE", "/api/v1/keys/{key_id}"),
        ("PUT", "/api/v1/keys/{key_id}/quota"),
        ("POST", "/api/v1/keys/{key_id}/secrets"),
        ("GET", "/api/v1/keys/{key_id}/secrets"),
        ("DELETE", "/api/v1/keys/{key_id}/secrets/{secret_id}"),
        ("PUT", "/api/v1/keys/{key_id}/signatures"),
        ("POST", "/api/v1/signing-keys"),
        ("GET", "/api/v1/signing-keys"),
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
    assert set(mine) == {
        "id", "name", "role", "browser", "origins", "rewrites_a_day", "requires_signatures", "created_at",
        "revoked_at",
    }  # fmt: skip
    assert made["id"] not in (await client.get("/keys", headers=stranger)).text

    assert (await client.delete(f"/keys/{made['id']}", headers=stranger)).status_code == 404
    assert (await client.delete(f"/keys/{made['id']}", headers=owner)).status_code == 204
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    assert not await works(client, key)
    assert (await client.delete(f"/keys/{made['id']}", headers=owner)).status_code == 404
    assert (await client.get("/keys", headers=owner)).json()[0]["revoked_at"] is not None


async def test_keys_are_found_by_role_and_by_whether_they_are_in_force(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    made = {
        role: (await client.post("/keys", json={"name": role, "role": role}, headers=owner)).json()["id"]
        for role in ("member", "viewer", "admin")
    }
    await client.delete(f"/keys/{made['viewer']}", headers=owner)

    async def find(query: str) -> list[str]:
        return [key["name"] for key in (await client.get(f"/keys?{query}", headers=owner)).json()]

    assert await find("role=viewer") == ["viewer"]
    assert await find("role=viewer&role=admin") == ["admin", "viewer"]
    assert await find("revoked=true") == ["viewer"]
    assert await find("revoked=false&role=member&role=viewer") == ["member"]
    refused = await client.get("/keys?role=king", headers=owner)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "role")


async def test_signing_keys_are_listed_without_what_they_sign_with(
    client: httpx.AsyncClient, owner: dict[str, str], stranger: dict[str, str]
) -> None:
    first, second = a_signing_key(role="member"), a_signing_key()
    for body in (first, second):
        await client.post("/signing-keys", json=body, headers=owner)
    await client.delete(f"/signing-keys/{first['kid']}", headers=owner)
    listed = await client.get("/signing-keys", headers=owner)
    assert [(key["kid"], key["role"], key["revoked_at"] is None) for key in listed.json()] == [
        (second["kid"], "admin", True),
        (first["kid"], "member", False),
    ]
    assert set(listed.json()[0]) == {"kid", "algorithm", "role", "created_at", "revoked_at"}
    assert base64url(SECRET) not in listed.text
    in_force = (await client.get("/signing-keys?revoked=false", headers=owner)).json()
    assert [key["kid"] for key in in_force] == [second["kid"]]
    members = (await client.get("/signing-keys?role=member", headers=owner)).json()
    assert [key["kid"] for key in members] == [first["kid"]]
    assert (await client.get("/signing-keys", headers=stranger)).json() == []


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


async def test_a_key_for_pages_has_a_quota_of_its_own(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    page = {"name": "page", "browser": True, "origins": ["https://app.example.org"]}

    async def make(**fields: Any) -> str:
        made = await client.post("/keys", json={**page, **fields}, headers=owner)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    async def quotas() -> dict[str, int | None]:
        return {key["id"]: key["rewrites_a_day"] for key in (await client.get("/keys", headers=owner)).json()}

    usual, own, program = await make(), await make(rewrites_a_day=50), await make(browser=False)
    listed = await quotas()
    assert [listed[key_id] for key_id in (usual, own, program)] == [1000, 50, None]
    for key_id, status in ((own, 204), (usual, 204), (program, 409), ("abcd", 404)):
        put = await client.put(f"/keys/{key_id}/quota", json={"rewrites_a_day": 70}, headers=owner)
        assert put.status_code == status, put.text
    listed = await quotas()
    assert [listed[key_id] for key_id in (usual, own, program)] == [70, 70, None]
    for value in (0, -1, 1_000_001, 1.5, "70", True, None):
        body = {"rewrites_a_day": value}
        assert (await client.put(f"/keys/{own}/quota", json=body, headers=owner)).status_code == 422, value
    refused = await client.post("/keys", json={"name": "x", "rewrites_a_day": 5}, headers=owner)
    assert refused.status_code == 422
    assert refused.json()["reasons"] == [{"code": "quota_of_other_key", "values": {}}]


async def test_the_quota_of_a_key_is_for_those_who_may_revoke_it(
    client: httpx.AsyncClient,
    a_key: Callable[..., dict[str, str]],
    owner: dict[str, str],
    stranger: dict[str, str],
) -> None:
    page = {"name": "page", "browser": True, "origins": ["https://app.example.org"]}
    path = f"/keys/{(await client.post('/keys', json=page, headers=owner)).json()['id']}/quota"
    body = {"rewrites_a_day": 5}
    for caller, status in (({}, 401), (a_key("member"), 403), (stranger, 404), (a_key("admin"), 204)):
        assert (await client.put(path, json=body, headers=caller)).status_code == status


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


async def test_every_change_is_recorded_with_who_made_it_and_without_a_secret(
    client: httpx.AsyncClient, owner: dict[str, str], stranger: dict[str, str], a_key: Any
) -> None:
    """One admin after another does it, so that each row has its own name."""
    kid = f"acme-{uuid.uuid4()}"
    secrets: list[str] = []
    expected: list[dict[str, Any]] = []

    async def do(method: str, path: str, body: Any = None, **recorded: Any) -> Any:
        key = a_key("admin")
        response = await client.request(method, path, json=body, headers=key)
        assert response.status_code in (201, 204), response.text
        document = response.json() if response.content else {}
        secrets.extend(document[name] for name in ("key", "secret") if name in document)
        ids = {"KEY": document.get("id"), "SECRET": document.get("id")}
        expected.append(
            {
                **dict.fromkeys(("key_id", "secret_id", "kid", "jti", "origins", "rewrites_a_day")),
                **{name: ids.get(str(value), value) for name, value in recorded.items()},
                "changed_by": f"api_key:{key['X-API-Key'].split('_')[1]}",
            }
        )
        return document

    key_id = (await do("POST", "/keys", {"name": "x"}, action="key_created", key_id="KEY"))["id"]
    path = f"/keys/{key_id}"
    of_key = {"key_id": key_id}
    page = await do(
        "POST", "/keys", {"name": "a page", "browser": True, "origins": ["https://a.example"]},
        action="key_created", key_id="KEY", origins=["https://a.example"],
    )  # fmt: skip
    quota = {"rewrites_a_day": 50}
    await do(
        "PUT", f"/keys/{page['id']}/quota", quota, action="key_quota_changed", key_id=page["id"], **quota
    )
    made = await do("POST", f"{path}/secrets", action="secret_created", secret_id="SECRET", **of_key)
    await do("PUT", f"{path}/signatures", {"required": True}, action="signatures_required", **of_key)
    await do("PUT", f"{path}/signatures", {"required": False}, action="signatures_not_required", **of_key)
    await do(
        "DELETE", f"{path}/secrets/{made['id']}", action="secret_revoked", secret_id=made["id"], **of_key
    )
    await do("DELETE", path, action="key_revoked", **of_key)
    await do("POST", "/signing-keys", a_signing_key(kid=kid), action="signing_key_added", kid=kid)
    await gateways.renew(client.app)  # type: ignore[attr-defined]
    token = a_token(kid, jti="the-token")
    await do("POST", "/tokens/revoke", {"token": token}, action="token_revoked", kid=kid, jti="the-token")
    await do("DELETE", f"/signing-keys/{kid}", action="signing_key_revoked", kid=kid)

    changes = await list_changes(client, owner)
    shown = [{name: change[name] for name in expected[0]} for change in changes]
    assert shown == expected[::-1]
    assert all(change["id"] and change["changed_at"] for change in changes)
    assert not any(
        secret.rpartition("_")[2] in str(changes) for secret in [*secrets, token, base64url(SECRET)]
    )
    assert await list_changes(client, stranger) == []
    assert [change["id"] for change in await list_changes(client, owner, key_id=page["id"])] == [
        changes[-3]["id"],
        changes[-2]["id"],
    ]
    found = await list_changes(client, owner, action=["secret_created", "secret_revoked"])
    assert [change["action"] for change in found] == ["secret_revoked", "secret_created"]
    assert await list_changes(client, owner, before=changes[-2]["id"], limit=1) == changes[-1:]


async def test_what_is_refused_or_does_not_exist_leaves_no_row(
    client: httpx.AsyncClient, owner: dict[str, str], stranger: dict[str, str]
) -> None:
    key_id = (await client.post("/keys", json={"name": "x"}, headers=owner)).json()["id"]
    assert (await client.post("/signing-keys", json=a_signing_key(kid="acme-1"), headers=owner)).is_success
    before = await list_changes(client, owner)
    refused = [
        await client.post(
            "/keys", json={"name": "x", "browser": True}, headers=owner
        ),  # no page could use it
        await client.put(f"/keys/{key_id}/signatures", json={"required": True}, headers=owner),  # no secret
        await client.post("/signing-keys", json=a_signing_key(kid="acme-1"), headers=owner),
        await client.delete("/keys/abcd", headers=owner),
        await client.delete(f"/keys/{key_id}/secrets/rs_1", headers=owner),
        await client.delete("/signing-keys/acme-2", headers=owner),
        await client.delete(f"/keys/{key_id}", headers=stranger),
    ]
    assert [response.status_code for response in refused] == [409, 409, 409, 404, 404, 404, 404]
    assert await list_changes(client, owner) == before
    assert await list_changes(client, stranger) == []
