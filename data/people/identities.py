"""Organisations, API keys, tokens and users: who may ask, and for whom.

A key is `tb_<id>_<secret>`: the id looks it up, the secret (256 random bits) is stored as SHA-256 only. A
slow password hash would add nothing: nobody can guess 256 bits. A token (JWT, RFC 7519) is signed by its
organisation with a key that is stored here, under its `kid`.

A `kid` is its organisation's own: others may use the same, so that nobody can take it away from anybody. A
token names no organisation, so the signature decides which one has signed it, and it can decide for one only:
the same key under the same kid is stored once. Whoever copies the public key of another organisation under
its kid is refused; had the copy come first, the owner would be refused, and takes another kid, under which
the copy is worth nothing. A kid that is revoked is not used again, by its own organisation either: what a
gateway remembers under it must never be another key. To find the signer costs at most `MOST_OF_A_KID`
verifications; keys are tried in the order in which they were added, so whoever was there first pays one.
"""

import hmac
import re
import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b, sha256
from typing import Literal

from psycopg import AsyncConnection
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from data.tables import ApiKey, Organisation

Role = Literal["member", "viewer", "experimenter", "admin", "owner"]
# Each may do what those before it may: a viewer reads experiments, an experimenter decides on them.
ROLES: tuple[Role, ...] = ("member", "viewer", "experimenter", "admin", "owner")
Algorithm = Literal["HS256", "EdDSA"]

MOST_KEYS = 100  # in force at once, of each kind, in an organisation: rates are per key
MOST_OF_A_KID = 8  # organisations that use the same kid: a token may have to be held against all their keys
KID_PATTERN = r"[A-Za-z0-9._-]{1,64}"

_KEY = re.compile(r"tb_([0-9a-z]{4,16})_([A-Za-z0-9_-]{16,86})")


def _person(kind: bytes, scope: str, name: str) -> uuid.UUID:
    """The id of a person who has a name in a scope; two kinds of names share no ids."""
    digest = blake2b(f"{scope}\0{name}".encode(), digest_size=16, person=kind)
    bits = int.from_bytes(digest.digest())
    bits = bits & ~(0xF << 76) | 8 << 76  # RFC 9562, 5.8: version 8, an id of one's own making
    return uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62)


@dataclass(frozen=True, slots=True)
class Identity:
    """What an API key stands for, or a token's signing key, which opens nothing by itself."""

    organisation_id: uuid.UUID
    key_id: str
    role: str
    secret_sha256: bytes
    plan: str

    def user(self, external_id: str) -> uuid.UUID:
        """The id of a person whom this key names: the same name under another key is another person."""
        return _person(b"tonebridge.user", self.key_id, external_id)

    def subject(self, subject: str) -> uuid.UUID:
        """The id of a person whom a token names: the same under every signing key of the organisation."""
        return _person(b"tonebridge.token", str(self.organisation_id), subject)

    def may_act_as(self, role: Role) -> bool:
        """Whether it may do what a role may."""
        return self.role in ROLES[ROLES.index(role) :]

    def opens_with(self, secret: str) -> bool:
        """Whether this is the key's secret, in constant time."""
        return hmac.compare_digest(self.secret_sha256, sha256(secret.encode()).digest())


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What an organisation signs tokens with. `key` is the secret of HS256, or the 32 bytes of an Ed25519
    public key.
    """

    kid: str
    organisation_id: uuid.UUID
    plan: str
    algorithm: Algorithm
    key: bytes
    role: str

    @property
    def key_id(self) -> str:
        """The id that rates are counted under: the colon keeps it apart from those of API keys."""
        return signing_key_id(self.organisation_id, self.kid)

    def identity(self) -> Identity:
        """What its tokens stand for."""
        return Identity(self.organisation_id, self.key_id, self.role, b"", self.plan)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """An API key as its organisation may see it: without its secret, which nobody has."""

    id: str
    name: str
    role: str
    created_at: datetime
    revoked_at: datetime | None


def signing_key_id(organisation_id: uuid.UUID, kid: str) -> str:
    """The id of a signing key: of a kid each organisation may have one."""
    return f"jwt:{organisation_id}:{kid}"


def parse_key(key: str) -> tuple[str, str] | None:
    """(id, secret) of a well-formed key."""
    match = _KEY.fullmatch(key)
    return (match[1], match[2]) if match else None


def generate_key() -> str:
    """A new key."""
    return f"tb_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}"


def check_signing_key(algorithm: Algorithm, key: bytes) -> None:
    """ValueError when a key is not one for the algorithm."""
    if algorithm == "HS256" and len(key) < 32:  # RFC 7518, 3.2
        raise ValueError(f"a secret for HS256 has at least 32 bytes, not {len(key)}")
    if algorithm == "EdDSA" and len(key) != 32:
        raise ValueError(f"a public key for EdDSA is Ed25519's, 32 bytes, not {len(key)}")


async def find_keys(connection: AsyncConnection, key_ids: Collection[str]) -> dict[str, Identity]:
    """The API keys in force among some ids, by id."""
    cursor = await connection.execute(
        "SELECT k.organisation_id, k.id, k.role, k.secret_sha256, o.plan"
        " FROM api_keys k JOIN organisations o ON o.id = k.organisation_id"
        " WHERE k.id = ANY(%s) AND k.revoked_at IS NULL",
        (list(key_ids),),
    )
    return {row[1]: Identity(*row) for row in await cursor.fetchall()}


async def find_signing_keys(
    connection: AsyncConnection, kids: Collection[str]
) -> dict[str, tuple[SigningKey, ...]]:
    """The signing keys in force under some kids, of all organisations, the oldest first."""
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


# Ten thousand keys in use are asked about four times a second. Only what has changed comes back, and joined
# text goes out, which costs the event loop 2 ms where arrays cost 12.
_CHANGED_KEYS = """
    SELECT known.id FROM unnest(
        string_to_array(%s, ','), string_to_array(%s, ','), string_to_array(%s, ',')
    ) AS known (id, role, plan)
    WHERE NOT EXISTS (
        SELECT FROM api_keys k JOIN organisations o ON o.id = k.organisation_id
        WHERE k.id = known.id AND k.role = known.role AND o.plan = known.plan AND k.revoked_at IS NULL
    )
"""
_CHANGED_SIGNING_KEYS = """
    WITH known AS (
        SELECT kid, organisation_id::uuid, role, plan FROM unnest(
            string_to_array(%s, ','), string_to_array(%s, ','),
            string_to_array(%s, ','), string_to_array(%s, ',')
        ) AS given (kid, organisation_id, role, plan)
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


async def changed_keys(connection: AsyncConnection, known: Collection[Identity]) -> set[str]:
    """Ids of those API keys that are no longer in force, or have another role or plan."""
    columns = ([k.key_id for k in known], [k.role for k in known], [k.plan for k in known])
    cursor = await connection.execute(_CHANGED_KEYS, [",".join(column) for column in columns])
    return {row[0] for row in await cursor.fetchall()}


async def changed_signing_keys(
    connection: AsyncConnection, known: Collection[SigningKey]
) -> set[tuple[str, uuid.UUID]]:
    """(kid, organisation) of those signing keys that are no longer in force, or have another role or plan,
    and of those that have come under a known kid.
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
    """(organisation, jti) of the tokens that are revoked and would be in force otherwise.

    A `jti` is its issuer's choice: alone, it could revoke the token of another organisation.
    """
    cursor = await connection.execute(
        "SELECT organisation_id, jti FROM revoked_tokens WHERE expires_at > now()"
    )
    return set(await cursor.fetchall())


async def find_name(connection: AsyncConnection, organisation_id: uuid.UUID) -> str:
    """What an organisation is called."""
    cursor = await connection.execute("SELECT name FROM organisations WHERE id = %s", (organisation_id,))
    row = await cursor.fetchone()
    assert row is not None, organisation_id
    return str(row[0])


async def create_key(
    connection: AsyncConnection, organisation_id: uuid.UUID, name: str, role: Role
) -> tuple[str, str]:
    """Make an API key: its id, and the key, to be shown once. ValueError when there are too many."""
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
        raise ValueError(f"an organisation has at most {MOST_KEYS} API keys; delete one that is not used")
    return key_id, key


async def list_keys(connection: AsyncConnection, organisation_id: uuid.UUID) -> list[ListedKey]:
    """An organisation's API keys, the newest first; revoked ones too."""
    cursor = await connection.execute(
        "SELECT id, name, role, created_at, revoked_at FROM api_keys WHERE organisation_id = %s"
        " ORDER BY created_at DESC, id",
        (organisation_id,),
    )
    return [ListedKey(*row) for row in await cursor.fetchall()]


async def revoke_key(
    connection: AsyncConnection, organisation_id: uuid.UUID, key_id: str, roles: Collection[Role] = ROLES
) -> bool:
    """End an API key of one of the roles; False when the organisation has none in force with this id."""
    cursor = await connection.execute(
        "UPDATE api_keys SET revoked_at = now()"
        " WHERE id = %s AND organisation_id = %s AND role = ANY(%s) AND revoked_at IS NULL",
        (key_id, organisation_id, list(roles)),
    )
    return bool(cursor.rowcount)


async def add_signing_key(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    kid: str,
    algorithm: Algorithm,
    key: bytes,
    role: Role,
) -> None:
    """Let an organisation sign tokens with a key. ValueError when the key does not fit its algorithm, the
    organisation has used the `kid` before, another one has this very key under it, or there are too many.
    """
    check_signing_key(algorithm, key)
    if not re.fullmatch(KID_PATTERN, kid):
        raise ValueError(f"a kid has 1 to 64 characters of A-Z a-z 0-9 . _ -, unlike {kid!r}")
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
        raise ValueError(
            f"the kid {kid} is taken: by a key of yours, also when it is revoked, by this very key at another"
            f" organisation, or by {MOST_OF_A_KID} others. Choose another kid, or if you have {MOST_KEYS}"
            " signing keys in force, revoke one that is not used"
        )


async def revoke_signing_key(
    connection: AsyncConnection, organisation_id: uuid.UUID, kid: str, roles: Collection[Role] = ROLES
) -> bool:
    """End a signing key of one of the roles, and with it its tokens; False when there is none in force."""
    cursor = await connection.execute(
        "UPDATE signing_keys SET revoked_at = now()"
        " WHERE kid = %s AND organisation_id = %s AND role = ANY(%s) AND revoked_at IS NULL",
        (kid, organisation_id, list(roles)),
    )
    return bool(cursor.rowcount)


async def revoke_token(
    connection: AsyncConnection, organisation_id: uuid.UUID, jti: str, expires_at: datetime
) -> None:
    """Refuse a token until it expires. Those that have expired since leave the table."""
    await connection.execute("DELETE FROM revoked_tokens WHERE expires_at < now()")
    await connection.execute(
        "INSERT INTO revoked_tokens (organisation_id, jti, expires_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (organisation_id, jti) DO UPDATE"
        " SET expires_at = greatest(revoked_tokens.expires_at, excluded.expires_at)",
        (organisation_id, jti, expires_at),
    )


def add_key(session: Session, organisation_id: uuid.UUID, name: str, key: str, role: Role = "member") -> None:
    """Store a key; ValueError when it is not of the form `tb_<id>_<secret>`."""
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


def bootstrap(engine: Engine, wanted: str | None, organisation: str = "first") -> str | None:
    """Make sure that there is a first organisation and key; returns the key if it was made now.

    Nobody can read it again: show it once. A wanted key is added when its id is not there yet. ValueError
    when that id exists with another secret.
    """
    with Session(engine) as session, session.begin():
        tenant = session.scalar(select(Organisation).where(Organisation.name == organisation))
        if tenant is None:
            tenant = Organisation(name=organisation, plan="scale")
            session.add(tenant)
            session.flush()
        if wanted is None:
            if session.scalar(select(ApiKey.id).limit(1)):
                return None
            wanted = generate_key()
        parsed = parse_key(wanted)
        stored = session.get(ApiKey, parsed[0]) if parsed else None
        if stored is None:
            add_key(session, tenant.id, "bootstrap", wanted, role="owner")
            return wanted
        assert parsed is not None
        if stored.secret_sha256 != sha256(parsed[1].encode()).digest():
            raise ValueError(
                f"TONEBRIDGE_BOOTSTRAP_API_KEY: id {parsed[0]} exists with another secret; "
                "use that one, or a key with a new id"
            )
        return None
