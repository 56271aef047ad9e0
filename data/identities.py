"""Organisations, API keys and users: who may ask, and for whom.

A key is `tb_<id>_<secret>`: the id looks it up, the secret (256 random bits) is stored as SHA-256 only. A
slow password hash would add nothing: nobody can guess 256 bits.
"""

import hmac
import re
import secrets
import uuid
from dataclasses import dataclass
from hashlib import blake2b, sha256

from psycopg import AsyncConnection
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from data.tables import ApiKey, Organisation

_KEY = re.compile(r"tb_([0-9a-z]{4,16})_([A-Za-z0-9_-]{16,86})")


@dataclass(frozen=True, slots=True)
class Identity:
    """What an API key stands for."""

    organisation_id: uuid.UUID
    key_id: str
    role: str
    secret_sha256: bytes

    def user(self, external_id: str) -> uuid.UUID:
        """The id of a person whom this key names: the same name under another key is another person."""
        digest = blake2b(f"{self.key_id}\0{external_id}".encode(), digest_size=16, person=b"tonebridge.user")
        bits = int.from_bytes(digest.digest())
        bits = bits & ~(0xF << 76) | 8 << 76  # RFC 9562, 5.8: version 8, an id of one's own making
        return uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62)

    def opens_with(self, secret: str) -> bool:
        """Whether this is the key's secret, in constant time."""
        return hmac.compare_digest(self.secret_sha256, sha256(secret.encode()).digest())


def parse_key(key: str) -> tuple[str, str] | None:
    """(id, secret) of a well-formed key."""
    match = _KEY.fullmatch(key)
    return (match[1], match[2]) if match else None


def generate_key() -> str:
    """A new key."""
    return f"tb_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"


async def find_keys(connection: AsyncConnection, key_ids: list[str]) -> dict[str, Identity]:
    """The keys in force among some ids, by id."""
    cursor = await connection.execute(
        "SELECT organisation_id, id, role, secret_sha256 FROM api_keys"
        " WHERE id = ANY(%s) AND revoked_at IS NULL",
        (key_ids,),
    )
    return {row[1]: Identity(*row) for row in await cursor.fetchall()}


def add_key(session: Session, organisation_id: uuid.UUID, name: str, key: str, role: str = "member") -> None:
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
            tenant = Organisation(name=organisation)
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
