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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b, sha256
from typing import Annotated, Any, Literal, NamedTuple

from psycopg import AsyncConnection
from pydantic import Field
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from data.fields import Time
from data.people.origins import Origins, share
from data.reasons import ReasonedError
from data.tables import ApiKey, Organisation

Algorithm = Literal["HS256", "EdDSA"]

MOST_KEYS = 100  # valid keys of each kind in an organisation: each key has a rate limit of its own
MOST_OF_A_KID = 8  # organisations with the same kid: verifying a token may take all their keys
REWRITES_A_DAY = 1_000  # of a key for web pages, unless its organisation has set another quota
MOST_REWRITES_A_DAY = 1_000_000
KID_PATTERN = r"[A-Za-z0-9._-]{1,64}"
_NO_ORIGINS = Origins()


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

    `request_secrets` are those in force, by id, and `origins` are those of the pages that may use it, both as
    of `revision`, which grows with each change of either. They are no part of a comparison: the rights of a
    key whose secrets rotate stay the same. A key that `is_browser` is in web pages, where everybody reads it,
    and so it has a quota of its own, `rewrites_a_day`.
    """

    organisation_id: uuid.UUID
    key_id: str
    role: str
    secret_sha256: bytes
    plan: str
    requires_signatures: bool = False
    revision: int = field(default=0, compare=False)
    request_secrets: Mapping[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    is_browser: bool = False
    origins: Origins = field(default=_NO_ORIGINS, compare=False, repr=False)
    rewrites_a_day: int | None = None

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
    origins_revision: int = 0
    origins: Origins = _NO_ORIGINS

    @property
    def key_id(self) -> str:
        """The id for rate limits; ids of API keys have no colon, so they differ."""
        return name_signing_key(self.organisation_id, self.kid)

    def identity(self) -> Identity:
        """The identity of its tokens."""
        return Identity(self.organisation_id, self.key_id, self.role, b"", self.plan, origins=self.origins)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """An API key in the list for its organisation, without the secret, which is not stored."""

    id: Annotated[
        str, Field(description="the key's id, a part of the key itself", examples=["ef2d1c1413919698"])
    ]
    name: Annotated[str, Field(description="your name for it", examples=["the reporting server"])]
    role: Annotated[str, Field(description="what it may do, one of `Role`", examples=["member"])]
    browser: Annotated[
        bool, Field(description="it is in web pages: it may only rewrite and vote", examples=[False])
    ]
    origins: Annotated[
        list[str] | None,
        Field(
            description="of the pages that may use it; null: those of the organisation",
            examples=[["https://app.example.org"]],
        ),
    ]
    rewrites_a_day: Annotated[
        int | None,
        Field(
            description="rewrites a day (UTC) that a key for web pages may ask for; null: no such quota",
            examples=[None],
        ),
    ]
    requires_signatures: Annotated[bool, Field(description="it accepts signed requests only")]
    created_at: Annotated[Time, Field(description="when it was made")]
    revoked_at: Annotated[
        Time | None, Field(description="since when it is refused; null while it is valid", examples=[None])
    ]


@dataclass(frozen=True, slots=True)
class ListedSigningKey:
    """A signing key in the list for its organisation, without the key."""

    kid: Annotated[str, Field(description="its id, in the tokens that it signs", examples=["app-2027"])]
    algorithm: Annotated[Algorithm, Field(description="how it signs", examples=["EdDSA"])]
    role: Annotated[str, Field(description="the role of every token that it signs", examples=["member"])]
    created_at: Annotated[datetime, Field(description="when it was added", examples=["2027-01-31T09:00:00Z"])]
    revoked_at: Annotated[
        datetime | None,
        Field(
            description="when it was revoked; null while it is in force", examples=["2027-06-30T09:00:00Z"]
        ),
    ]


def name_signing_key(organisation_id: uuid.UUID, kid: str) -> str:
    """The id of a signing key, from organisation and kid: several organisations may have the same kid."""
    return f"jwt:{organisation_id}:{kid}"


def kid_of(key_id: str) -> str | None:
    """The kid in the id of a signing key; None for another id, such as that of an account."""
    kind, *others = key_id.split(":", 2)
    return others[1] if kind == "jwt" else None


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


def _quota(is_browser: bool, rewrites_a_day: int | None) -> int | None:
    """The quota of a key. For pages, one without a quota of its own has the default."""
    return rewrites_a_day or REWRITES_A_DAY if is_browser else None


async def find_keys(connection: AsyncConnection, key_ids: Collection[str]) -> dict[str, Identity]:
    """The valid API keys among some ids, by id."""
    cursor = await connection.execute(
        "SELECT k.organisation_id, k.id, k.role, k.secret_sha256, o.plan, k.requires_signatures,"
        " k.signing_revision + k.origins_revision + o.origins_revision,"
        " k.is_browser, coalesce(k.origins, o.origins), k.rewrites_a_day,"
        " ARRAY(SELECT id FROM request_secrets WHERE key_id = k.id AND revoked_at IS NULL ORDER BY id),"
        " ARRAY(SELECT secret FROM request_secrets WHERE key_id = k.id AND revoked_at IS NULL ORDER BY id)"
        " FROM api_keys k JOIN organisations o ON o.id = k.organisation_id"
        " WHERE k.id = ANY(%s) AND k.revoked_at IS NULL",
        (list(key_ids),),
    )
    keys = {}
    async for *columns, ids, in_force in cursor:
        tenant, key_id, role, digest, plan, requires, revision, is_browser, origins, quota = columns
        by_id = dict(zip(ids, in_force, strict=True))
        allowed = share(tuple(origins))
        keys[key_id] = Identity(
            tenant,
            key_id,
            role,
            digest,
            plan,
            requires,
            revision,
            by_id,
            is_browser,
            allowed,
            _quota(is_browser, quota),
        )
    return keys


async def find_signing_keys(
    connection: AsyncConnection, kids: Collection[str]
) -> dict[str, tuple[SigningKey, ...]]:
    """The valid signing keys of all organisations under some kids, by kid; the oldest key comes first."""
    cursor = await connection.execute(
        "SELECT k.kid, k.organisation_id, o.plan, k.algorithm, k.key, k.role, o.origins_revision, o.origins"
        " FROM signing_keys k JOIN organisations o ON o.id = k.organisation_id"
        " WHERE k.kid = ANY(%s) AND k.revoked_at IS NULL ORDER BY k.created_at, k.organisation_id",
        (list(kids),),
    )
    keys: dict[str, tuple[SigningKey, ...]] = {}
    async for kid, tenant, plan, algorithm, key, role, revision, origins in cursor:
        signing_key = SigningKey(kid, tenant, plan, algorithm, key, role, revision, share(tuple(origins)))
        keys[kid] = (*keys.get(kid, ()), signing_key)
    return keys


# A gateway asks for up to ten thousand keys four times a second. The reply has only keys that changed. The
# parameters are joined text, which takes 2 ms of the event loop; arrays take 12 ms.
_CHANGED_KEYS = """
    SELECT known.id FROM unnest(
        string_to_array(%s, ','), string_to_array(%s, ','), string_to_array(%s, ','), string_to_array(%s, ',')
    ) AS known (id, role, plan, revision)
    WHERE NOT EXISTS (
        SELECT FROM api_keys k JOIN organisations o ON o.id = k.organisation_id
        WHERE k.id = known.id AND k.role = known.role AND o.plan = known.plan AND k.revoked_at IS NULL
            AND k.signing_revision + k.origins_revision + o.origins_revision = known.revision::integer
    )
"""
_CHANGED_SIGNING_KEYS = """
    WITH known AS (
        SELECT kid, organisation_id::uuid, role, plan, origins_revision::integer FROM unnest(
            string_to_array(%s, ','), string_to_array(%s, ','), string_to_array(%s, ','),
            string_to_array(%s, ','), string_to_array(%s, ',')
        ) AS input (kid, organisation_id, role, plan, origins_revision)
    )
    SELECT kid, organisation_id FROM known WHERE NOT EXISTS (
        SELECT FROM signing_keys k JOIN organisations o ON o.id = k.organisation_id
        WHERE k.kid = known.kid AND k.organisation_id = known.organisation_id
            AND k.role = known.role AND o.plan = known.plan AND k.revoked_at IS NULL
            AND o.origins_revision = known.origins_revision
    )
    UNION ALL
    SELECT k.kid, k.organisation_id FROM signing_keys k
    WHERE k.kid IN (SELECT kid FROM known) AND k.revoked_at IS NULL AND NOT EXISTS (
        SELECT FROM known WHERE known.kid = k.kid AND known.organisation_id = k.organisation_id
    )
"""


async def find_changed_keys(connection: AsyncConnection, known: Collection[Identity]) -> set[str]:
    """The ids of API keys that are revoked, or whose role, plan, secrets, need of signatures or origins
    changed.
    """
    columns = (
        [k.key_id for k in known],
        [k.role for k in known],
        [k.plan for k in known],
        [str(k.revision) for k in known],
    )
    cursor = await connection.execute(_CHANGED_KEYS, [",".join(column) for column in columns])
    return {row[0] for row in await cursor.fetchall()}


async def find_changed_signing_keys(
    connection: AsyncConnection, known: Collection[SigningKey]
) -> set[tuple[str, uuid.UUID]]:
    """(kid, organisation) of signing keys that are revoked, whose role, plan or origins changed, or that are
    new under a known kid.
    """
    columns = (
        [k.kid for k in known],
        [str(k.organisation_id) for k in known],
        [k.role for k in known],
        [k.plan for k in known],
        [str(k.origins_revision) for k in known],
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


async def find_by_name(connection: AsyncConnection, name: str) -> uuid.UUID | None:
    """The organisation with a name."""
    cursor = await connection.execute("SELECT id FROM organisations WHERE name = %s", (name,))
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def find_origins(connection: AsyncConnection, organisation_id: uuid.UUID) -> list[str]:
    """The origins of the pages that may use an organisation's tokens, and its keys without a list of their
    own.
    """
    cursor = await connection.execute("SELECT origins FROM organisations WHERE id = %s", (organisation_id,))
    row = await cursor.fetchone()
    assert row is not None, organisation_id
    return list(row[0])


async def lock_person(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    user_id: uuid.UUID,
    external_id: str,
    key_id: str | None,
) -> None:
    """Let nobody else change the row of a person until the transaction ends, which is made if there is none.
    The transaction names the organisation. `external_id` and `key_id` are the columns of `users`.
    """
    await connection.execute(
        "INSERT INTO users (id, organisation_id, key_id, external_id) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (id) DO NOTHING",
        (user_id, organisation_id, key_id, external_id),
    )
    await connection.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", (user_id,))


async def lock_organisation(connection: AsyncConnection, organisation_id: uuid.UUID) -> None:
    """Let nobody else change the row of an organisation until the transaction ends."""
    # Rows of other tables that refer to it can still be added.
    await connection.execute("SELECT FROM organisations WHERE id = %s FOR NO KEY UPDATE", (organisation_id,))


async def create_key(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    name: str,
    role: Role,
    is_browser: bool = False,
    origins: Sequence[str] | None = None,
    rewrites_a_day: int | None = None,
) -> tuple[str, str]:
    """Create an API key; its id and the key. Only the secret's digest is stored, so show the key now. Without
    `origins` it has those of its organisation. `rewrites_a_day` is the quota of a key for pages; None:
    `REWRITES_A_DAY`.

    Raises RefusedKeyError when the organisation has too many keys, or no page could use a key for pages.
    """
    key = generate_key()
    parsed = parse_key(key)
    assert parsed is not None, key[:3]
    key_id, secret = parsed
    if is_browser and not (await find_origins(connection, organisation_id) if origins is None else origins):
        raise RefusedKeyError("browser_key_without_origins")
    cursor = await connection.execute(
        "INSERT INTO api_keys"
        " (id, organisation_id, name, role, secret_sha256, is_browser, origins, rewrites_a_day)"
        " SELECT %s, %s, %s, %s, %s, %s, %s, %s"
        " WHERE (SELECT count(*) FROM api_keys WHERE organisation_id = %s AND revoked_at IS NULL) < %s",
        (
            *(key_id, organisation_id, name, role, sha256(secret.encode()).digest(), is_browser),
            *(None if origins is None else list(origins), rewrites_a_day),
            *(organisation_id, MOST_KEYS),
        ),
    )
    if not cursor.rowcount:
        raise RefusedKeyError("too_many_keys", most=MOST_KEYS)
    return key_id, key


# A list by time begins after the row `before`; its time is looked up, and then an index finds the place. A
# row that the organisation does not have has no time, and so no row comes after it.
_LISTED_KEYS = """
    SELECT id, name, role, is_browser, origins, rewrites_a_day, requires_signatures, created_at, revoked_at
    FROM api_keys
    WHERE organisation_id = %(organisation)s AND role = ANY(%(roles)s)
        AND (revoked_at IS NOT NULL) = ANY(%(revoked)s)
        AND (created_at, id) < (
            CASE WHEN %(before)s::text IS NULL THEN 'infinity' ELSE (
                SELECT created_at FROM api_keys WHERE id = %(before)s AND organisation_id = %(organisation)s
            ) END, coalesce(%(before)s, ''))
    ORDER BY created_at DESC, id DESC LIMIT %(most)s
"""
_LISTED_SIGNING_KEYS = """
    SELECT kid, algorithm, role, created_at, revoked_at FROM signing_keys
    WHERE organisation_id = %(organisation)s AND role = ANY(%(roles)s)
        AND (revoked_at IS NOT NULL) = ANY(%(revoked)s)
        AND (created_at, kid) < (
            CASE WHEN %(before)s::text IS NULL THEN 'infinity' ELSE (
                SELECT created_at FROM signing_keys
                WHERE kid = %(before)s AND organisation_id = %(organisation)s
            ) END, coalesce(%(before)s, ''))
    ORDER BY created_at DESC, kid DESC LIMIT %(most)s
"""


class Wanted(NamedTuple):
    """Which keys to list: at most `most` after the one `before`, with one of the roles, revoked or not (None:
    both).
    """

    most: int
    before: str | None = None
    roles: Collection[Role] = tuple(Role)
    is_revoked: bool | None = None

    def params(self, organisation_id: uuid.UUID) -> dict[str, Any]:
        """The parameters of the queries."""
        return {
            "organisation": organisation_id,
            "roles": list(self.roles),
            "revoked": [False, True] if self.is_revoked is None else [self.is_revoked],
            "before": self.before,
            "most": self.most,
        }


async def list_keys(
    connection: AsyncConnection, organisation_id: uuid.UUID, wanted: Wanted
) -> list[ListedKey]:
    """An organisation's API keys, the newest first."""
    cursor = await connection.execute(_LISTED_KEYS, wanted.params(organisation_id))
    keys = [ListedKey(*row) for row in await cursor.fetchall()]
    return [replace(key, rewrites_a_day=_quota(key.browser, key.rewrites_a_day)) for key in keys]


async def list_signing_keys(
    connection: AsyncConnection, organisation_id: uuid.UUID, wanted: Wanted
) -> list[ListedSigningKey]:
    """An organisation's signing keys, the newest first."""
    cursor = await connection.execute(_LISTED_SIGNING_KEYS, wanted.params(organisation_id))
    return [ListedSigningKey(*row) for row in await cursor.fetchall()]


async def change_quota(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    key_id: str,
    rewrites_a_day: int,
    roles: Collection[Role] = tuple(Role),
) -> bool:
    """Change the quota of a valid key for pages that has one of the roles. False when the organisation has no
    such key; RefusedKeyError when the key is not for pages.
    """
    cursor = await connection.execute(
        "WITH known AS (SELECT id, is_browser FROM api_keys"
        "   WHERE id = %s AND organisation_id = %s AND role = ANY(%s) AND revoked_at IS NULL"
        " ), changed AS ("
        # The counter by which gateways notice a change; see migration 0049.
        "   UPDATE api_keys SET rewrites_a_day = %s, origins_revision = origins_revision + 1"
        "   WHERE id IN (SELECT id FROM known WHERE is_browser)"
        " ) SELECT is_browser FROM known",
        (key_id, organisation_id, list(roles), rewrites_a_day),
    )
    row = await cursor.fetchone()
    if row is not None and not row[0]:
        raise RefusedKeyError("quota_of_other_key")
    return row is not None


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
