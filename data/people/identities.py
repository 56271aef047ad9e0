"""Organisations, API keys, tokens and users: who may send requests, and for whom.

An API key is `tb_<id>_<secret>`. The id finds it; of the secret (256 random bits) only the SHA-256 is stored.
A slow password hash would add nothing, because nobody can guess 256 bits. An organisation signs its tokens
(JWT, RFC 7519) with a key that is stored here under its `kid`.

Several organisations may use the same `kid`, so nobody can block one for others. A token names no
organisation; the key that verifies its signature does. So one key is stored once under one `kid`. If an
organisation registers the public key of another one under the same `kid`, it is rejected. If it does so
first, the owner is rejected, and takes another `kid`, under which the copy is useless. A revoked `kid` is not
used again, not even by its organisation: a gateway may still have the old key in memory.

Finding the signer takes at most `MOST_OF_A_KID` verifications. Keys are tried in the order of registration,
so the first organisation of a `kid` always needs one.
"""

import hmac
import re
import secrets
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b, sha256
from typing import Literal

from psycopg import AsyncConnection
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from data.reasons import ReasonedError
from data.tables import ApiKey, Organisation

Algorithm = Literal["HS256", "EdDSA"]

MOST_KEYS = 100  # valid keys of each kind in an organisation: each key has a rate limit of its own
MOST_OF_A_KID = 8  # organisations with the same kid: verifying a token may take all their keys
KID_PATTERN = r"[A-Za-z0-9._-]{1,64}"


class Role(StrEnum):
    """What a person or a key may do. Each role includes the roles before it."""

    MEMBER = "member"  # asks for rewrites and votes
    VIEWER = "viewer"  # sees experiments
    EXPERIMENTER = "experimenter"  # decides on experiments
    ADMIN = "admin"  # gives and revokes keys and accounts
    OWNER = "owner"  # decides for the organisation

    @property
    def included(self) -> tuple["Role", ...]:
        """The roles that this one includes, itself among them; its holder may give and revoke these."""
        roles = tuple(Role)
        return roles[: roles.index(self) + 1]


_KEY = re.compile(r"tb_([0-9a-z]{4,16})_([A-Za-z0-9_-]{16,86})")


def _derive_id(kind: bytes, scope: str, name: str) -> uuid.UUID:
    """The id of the person with a name in a scope; different kinds of names have different ids."""
    digest = blake2b(f"{scope}\0{name}".encode(), digest_size=16, person=kind)
    bits = int.from_bytes(digest.digest())
    bits = bits & ~(0xF << 76) | 8 << 76  # RFC 9562, 5.8: version 8, a custom UUID
    return uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62)


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity behind an API key, or behind a signing key, which alone gives no access.

    `request_secrets` are those in force, by id, as of `signing_revision`. They are no part of a comparison:
    the rights of a key whose secrets rotate stay the same.
    """

    organisation_id: uuid.UUID
    key_id: str
    role: str
    secret_sha256: bytes
    plan: str
    requires_signatures: bool = False
    signing_revision: int = field(default=0, compare=False)
    request_secrets: Mapping[str, bytes] = field(default_factory=dict, compare=False, repr=False)

    def user(self, external_id: str) -> uuid.UUID:
        """The id of the person that this key names so; the same name under another key is another person."""
        return _derive_id(b"tonebridge.user", self.key_id, external_id)

    def subject(self, subject: str) -> uuid.UUID:
        """The id of the person that a token names so; it is the same under all signing keys of a tenant."""
        return _derive_id(b"tonebridge.token", str(self.organisation_id), subject)

    def may_act_as(self, role: Role) -> bool:
        """Whether its role includes another role."""
        return role in Role(self.role).included

    def opens_with(self, secret: str) -> bool:
        """Whether a secret is the key's, compared in constant time."""
        return hmac.compare_digest(self.secret_sha256, sha256(secret.encode()).digest())


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that verifies an organisation's tokens: the secret of HS256, or the 32 bytes of an Ed25519 public
    key.
    """

    kid: str
    organisation_id: uuid.UUID
    plan: str
    algorithm: Algorithm
    key: bytes
    role: str

    @property
    def key_id(self) -> str:
        """The id for rate limits; ids of API keys have no colon, so they differ."""
        return name_signing_key(self.organisation_id, self.kid)

    def identity(self) -> Identity:
        """The identity of its tokens."""
        return Identity(self.organisation_id, self.key_id, self.role, b"", self.plan)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """An API key in the list for its organisation, without the secret, which is not stored."""

    id: str
    name: str
    role: str
    requires_signatures: bool
    created_at: datetime
    revoked_at: datetime | None


def name_signing_key(organisation_id: uuid.UUID, kid: str) -> str:
    """The id of a signing key, from organisation and kid: several organisations may have the same kid."""
    return f"jwt:{organisation_id}:{kid}"


def parse_key(key: str) -> tuple[str, str] | None:
    """The id and the secret of an API key; None when it is malformed."""
    match = _KEY.fullmatch(key)
    return (match[1], match[2]) if match else None


def generate_key() -> str:
    """Make a new API key."""
    return f"tb_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}"


class RefusedKeyError(ReasonedError, ValueError):
    """An API key or a signing key cannot be stored."""


def check_signing_key(algorithm: Algorithm, key: bytes) -> None:
    """Raise RefusedKeyError when the key's length does not fit its algorithm."""
    if algorithm == "HS256" and len(key) < 32:  # RFC 7518, 3.2
        raise RefusedKeyError("secret_too_short", bytes=len(key))
    if algorithm == "EdDSA" and len(key) != 32:
        raise RefusedKeyError("public_key_length", bytes=len(key))


async def find_keys(connection: AsyncConnection, key_ids: Collection[str]) -> dict[str, Identity]:
    """The valid API keys among some ids, by id."""
    cursor = await connection.execute(
        "SELECT k.organisation_id, k.id, k.role, k.secret_sha256, o.plan, k.requires_signatures,"
        " k.signing_revision,"
        " ARRAY(SELECT id FROM request_secrets WHERE key_id = k.id AND revoked_at IS NULL ORDER BY id),"
        " ARRAY(SELECT secret FROM request_secrets WHERE key_id = k.id AND revoked_at IS NULL ORDER BY id)"
        " FROM api_keys k JOIN organisations o ON o.id = k.organisation_id"
        " WHERE k.id = ANY(%s) AND k.revoked_at IS NULL",
        (list(key_ids),),
    )
    keys = {}
    async for *columns, ids, in_force in cursor:
        tenant, key_id, role, digest, plan, requires, revision = columns
        by_id = dict(zip(ids, in_force, strict=True))
        keys[key_id] = Identity(tenant, key_id, role, digest, plan, requires, revision, by_id)
    return keys


async def find_signing_keys(
    connection: AsyncConnection, kids: Collection[str]
) -> dict[str, tuple[SigningKey, ...]]:
    """The valid signing keys of all organisations under some kids, by kid; the oldest key comes first."""
    cursor = await connection.execute(
        "SELECT k.kid, k.organisation_id, o.plan, k.algorithm, k.key, k.role"
        " FROM signing_keys k JOIN organisations o ON o.id = k.organisation_id"
        " WHERE k.kid = ANY(%s) AND k.revoked_at IS NULL ORDER BY k.created_at, k.organisation_id",
        (list(kids),),
    )
    keys: dict[str, tuple[SigningKey, ...]] = {}
    for row in await cursor.fetchall():
        keys[row[0]] = (*keys.get(row[0], ()), SigningKey(*row))
    return keys


# A gateway asks for up to ten thousand keys four times a second. The reply has only keys that changed. The
# parameters are joined text, which takes 2 ms of the event loop; arrays take 12 ms.
_CHANGED_KEYS = """
    SELECT known.id FROM unnest(
        string_to_array(%s, ','), string_to_array(%s, ','), string_to_array(%s, ','), string_to_array(%s, ',')
    ) AS known (id, role, plan, signing_revision)
    WHERE NOT EXISTS (
        SELECT FROM api_keys k JOIN organisations o ON o.id = k.organisation_id
        WHERE k.id = known.id AND k.role = known.role AND o.plan = known.plan AND k.revoked_at IS NULL
            AND k.signing_revision = known.signing_revision::integer
    )
"""
_CHANGED_SIGNING_KEYS = """
    WITH known AS (
        SELECT kid, organisation_id::uuid, role, plan FROM unnest(
            string_to_array(%s, ','), string_to_array(%s, ','),
            string_to_array(%s, ','), string_to_array(%s, ',')
        ) AS input (kid, organisation_id, role, plan)
    )
    SELECT kid, organisation_id FROM known WHERE NOT EXISTS (
        SELECT FROM signing_keys k JOIN organisations o ON o.id = k.organisation_id
        WHERE k.kid = known.kid AND k.organisation_id = known.organisation_id
            AND k.role = known.role AND o.plan = known.plan AND k.revoked_at IS NULL
    )
    UNION ALL
    SELECT k.kid, k.organisation_id FROM signing_keys k
    WHERE k.kid IN (SELECT kid FROM known) AND k.revoked_at IS NULL AND NOT EXISTS (
        SELECT FROM known WHERE known.kid = k.kid AND known.organisation_id = k.organisation_id
    )
"""


async def find_changed_keys(connection: AsyncConnection, known: Collection[Identity]) -> set[str]:
    """The ids of API keys that are revoked, or whose role, plan, secrets or need of signatures changed."""
    columns = (
        [k.key_id for k in known],
        [k.role for k in known],
        [k.plan for k in known],
        [str(k.signing_revision) for k in known],
    )
    cursor = await connection.execute(_CHANGED_KEYS, [",".join(column) for column in columns])
    return {row[0] for row in await cursor.fetchall()}


async def find_changed_signing_keys(
    connection: AsyncConnection, known: Collection[SigningKey]
) -> set[tuple[str, uuid.UUID]]:
    """(kid, organisation) of signing keys that are revoked, whose role or plan changed, or that are new under
    a known kid.
    """
    columns = (
        [k.kid for k in known],
        [str(k.organisation_id) for k in known],
        [k.role for k in known],
        [k.plan for k in known],
    )
    cursor = await connection.execute(_CHANGED_SIGNING_KEYS, [",".join(column) for column in columns])
    return set(await cursor.fetchall())


async def find_revoked_tokens(connection: AsyncConnection) -> set[tuple[uuid.UUID, str]]:
    """(organisation, jti) of revoked tokens that have not expired.

    Issuers choose a `jti`, so tokens of two organisations may have the same one.
    """
    cursor = await connection.execute(
        "SELECT organisation_id, jti FROM revoked_tokens WHERE expires_at > now()"
    )
    return set(await cursor.fetchall())


async def find_name(connection: AsyncConnection, organisation_id: uuid.UUID) -> str:
    """The name of an organisation."""
    cursor = await connection.execute("SELECT name FROM organisations WHERE id = %s", (organisation_id,))
    row = await cursor.fetchone()
    assert row is not None, organisation_id
    return str(row[0])


async def create_key(
    connection: AsyncConnection, organisation_id: uuid.UUID, name: str, role: Role
) -> tuple[str, str]:
    """Create an API key; its id and the key. Only the secret's digest is stored, so show the key now.

    Raises RefusedKeyError when the organisation has too many keys.
    """
    key = generate_key()
    parsed = parse_key(key)
    assert parsed is not None, key[:3]
    key_id, secret = parsed
    cursor = await connection.execute(
        "INSERT INTO api_keys (id, organisation_id, name, role, secret_sha256) SELECT %s, %s, %s, %s, %s"
        " WHERE (SELECT count(*) FROM api_keys WHERE organisation_id = %s AND revoked_at IS NULL) < %s",
        (key_id, organisation_id, name, role, sha256(secret.encode()).digest(), organisation_id, MOST_KEYS),
    )
    if not cursor.rowcount:
        raise RefusedKeyError("too_many_keys", most=MOST_KEYS)
    return key_id, key


async def list_keys(connection: AsyncConnection, organisation_id: uuid.UUID) -> list[ListedKey]:
    """An organisation's API keys, the newest first, with the revoked ones."""
    cursor = await connection.execute(
        "SELECT id, name, role, requires_signatures, created_at, revoked_at FROM api_keys"
        " WHERE organisation_id = %s ORDER BY created_at DESC, id",
        (organisation_id,),
    )
    return [ListedKey(*row) for row in await cursor.fetchall()]


async def revoke_key(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    key_id: str,
    roles: Collection[Role] = tuple(Role),
) -> bool:
    """Revoke an API key that has one of the roles, with its secrets; False when the organisation has no such
    valid key.
    """
    cursor = await connection.execute(
        "WITH revoked AS ("
        "   UPDATE api_keys SET revoked_at = now()"
        "   WHERE id = %s AND organisation_id = %s AND role = ANY(%s) AND revoked_at IS NULL RETURNING id"
        " ), forgotten AS ("
        "   UPDATE request_secrets SET revoked_at = now(), secret = NULL"
        "   WHERE key_id IN (SELECT id FROM revoked) AND revoked_at IS NULL"
        " ) SELECT id FROM revoked",
        (key_id, organisation_id, list(roles)),
    )
    return await cursor.fetchone() is not None


async def add_signing_key(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    kid: str,
    algorithm: Algorithm,
    key: bytes,
    role: Role,
) -> None:
    """Register a key that an organisation signs tokens with.

    Raises RefusedKeyError when the key does not fit its algorithm, the organisation used the `kid` before,
    another organisation has the same key under it, or there are too many keys.
    """
    check_signing_key(algorithm, key)
    if not re.fullmatch(KID_PATTERN, kid):
        raise RefusedKeyError("kid_malformed", kid=repr(kid))
    cursor = await connection.execute(
        "INSERT INTO signing_keys (kid, organisation_id, algorithm, key, role) SELECT %s, %s, %s, %s, %s"
        " WHERE (SELECT count(*) FROM signing_keys WHERE organisation_id = %s AND revoked_at IS NULL) < %s"
        " AND (SELECT count(*) FROM signing_keys WHERE kid = %s AND revoked_at IS NULL) < %s"
        " ON CONFLICT DO NOTHING",
        (
            *(kid, organisation_id, algorithm, key, role),
            *(organisation_id, MOST_KEYS, kid, MOST_OF_A_KID),
        ),
    )
    if not cursor.rowcount:
        raise RefusedKeyError("kid_taken", kid=kid, organisations=MOST_OF_A_KID, most=MOST_KEYS)


async def revoke_signing_key(
    connection: AsyncConnection, organisation_id: uuid.UUID, kid: str, roles: Collection[Role] = tuple(Role)
) -> bool:
    """Revoke a signing key that has one of the roles, and so its tokens; False when there is no such key."""
    cursor = await connection.execute(
        "UPDATE signing_keys SET revoked_at = now()"
        " WHERE kid = %s AND organisation_id = %s AND role = ANY(%s) AND revoked_at IS NULL",
        (kid, organisation_id, list(roles)),
    )
    return bool(cursor.rowcount)


async def revoke_token(
    connection: AsyncConnection, organisation_id: uuid.UUID, jti: str, expires_at: datetime
) -> None:
    """Revoke a token until it expires, and delete the rows of expired tokens."""
    await connection.execute("DELETE FROM revoked_tokens WHERE expires_at < now()")
    await connection.execute(
        "INSERT INTO revoked_tokens (organisation_id, jti, expires_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (organisation_id, jti) DO UPDATE"
        " SET expires_at = greatest(revoked_tokens.expires_at, excluded.expires_at)",
        (organisation_id, jti, expires_at),
    )


def add_key(
    session: Session, organisation_id: uuid.UUID, name: str, key: str, role: Role = Role.MEMBER
) -> None:
    """Store an API key; ValueError unless it has the form `tb_<id>_<secret>`."""
    parsed = parse_key(key)
    if parsed is None:
        raise ValueError(
            "an API key has the form tb_<id>_<secret>: id of 4-16 of [0-9a-z],"
            " secret of 16-86 of [A-Za-z0-9_-]"
        )
    key_id, secret = parsed
    session.add(
        ApiKey(
            id=key_id,
            organisation_id=organisation_id,
            name=name,
            role=role,
            secret_sha256=sha256(secret.encode()).digest(),
        )
    )


def bootstrap(engine: Engine, key: str | None, organisation: str = "first") -> str | None:
    """Create the first organisation and API key; the key, or None when there was nothing to create.

    Only the secret's digest is stored, so show the key now. Without `key`, a random one is made if there is
    no key yet; `key` is added unless its id exists. Raises ValueError when the id exists with another secret.
    """
    with Session(engine) as session, session.begin():
        tenant = session.scalar(select(Organisation).where(Organisation.name == organisation))
        if tenant is None:
            tenant = Organisation(name=organisation, plan="scale")
            session.add(tenant)
            session.flush()
        if key is None:
            if session.scalar(select(ApiKey.id).limit(1)):
                return None
            key = generate_key()
        parsed = parse_key(key)
        stored = session.get(ApiKey, parsed[0]) if parsed else None
        if stored is None:
            add_key(session, tenant.id, "bootstrap", key, role=Role.OWNER)
            return key
        assert parsed is not None
        if stored.secret_sha256 != sha256(parsed[1].encode()).digest():
            raise ValueError(
                f"TONEBRIDGE_BOOTSTRAP_API_KEY: id {parsed[0]} exists with another secret; "
                "use that one, or a key with a new id"
            )
        return None
