"""Accounts: people who sign in with an e-mail address and a password, and the sessions that this opens.

A password is stored by Argon2id (RFC 9106) with the parameters of OWASP's password storage cheat sheet. A
session has one refresh token at a time: whoever shows an older one has it from somebody else, or somebody
else has the newer one, so the session ends (RFC 9700, 4.14.2). Only a token that the session has had ends it:
its id is no secret, every access token has it.

The person of an account is the account: its id is a UUIDv7, and whom keys and tokens name has an id of
version 8 (`data.people.identities`), so no key and no token can name an account. An account from before that
kept its person, whom a token could name; these people are in the table `reserved_people`, and tokens that
name one are refused.
"""

import re
import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from data.people.identities import Identity, Role
from data.tables import Account, Organisation, new_id

SESSION_LIFE = timedelta(days=14)  # without being refreshed
MOST_ACCOUNTS = 1000  # in an organisation
MOST_FORMER = 50  # refresh tokens of a session that are recognised when they come again: of 8 hours and more

_PREFIX = "tbr"
_REFRESH_TOKEN = re.compile(_PREFIX + r"_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class TakenError(ValueError):
    """The e-mail address has an account already, or the organisation has too many."""


class EndedSessionError(Exception):
    """The refresh token opens no session, or none that is still open."""


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An account, with what a password is held against."""

    id: uuid.UUID
    password_hash: str
    knows_source: bool = False  # whether it has a session that was opened from where it is tried now


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """An account as its organisation's administrators see it."""

    id: uuid.UUID
    email: str
    name: str
    role: str
    created_at: datetime
    signed_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An open session: whose it is, and what they may do."""

    id: uuid.UUID
    account_id: uuid.UUID
    user_id: uuid.UUID
    organisation_id: uuid.UUID
    plan: str
    role: str

    @property
    def key_id(self) -> str:
        """The id that rates are counted under, and decisions are noted under."""
        return f"account:{self.account_id}"

    def identity(self) -> Identity:
        """What its access tokens stand for."""
        return Identity(self.organisation_id, self.key_id, self.role, b"", self.plan)


class Opened(NamedTuple):
    """A session and its newest refresh token, which is shown once."""

    session_id: uuid.UUID
    account_id: uuid.UUID
    refresh_token: str


def normalised(email: str) -> str:
    """An address as it is stored and looked up: in lower case, which no provider tells apart."""
    return email.strip().lower()


def hash_password(password: str) -> str:
    """A salted Argon2id hash; 20 to 40 ms of CPU and 19 MiB, so not in an event loop."""
    return _hasher.hash(password)


def opens_with(password: str, stored: str | None) -> bool:
    """Whether a password is the one of a hash. Without one it takes as long, so that nobody learns from the
    time which addresses have an account.
    """
    try:
        return _hasher.verify(stored or _hash_of_nobody(), password) and stored is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


@cache
def _hash_of_nobody() -> str:
    return hash_password(secrets.token_urlsafe())


async def add(
    connection: AsyncConnection, organisation_id: uuid.UUID, email: str, name: str, role: Role, hashed: str
) -> uuid.UUID:
    """Store an account; its id. TakenError when the address has one, in whichever organisation."""
    account_id = new_id()
    try:
        cursor = await connection.execute(
            "INSERT INTO accounts (id, organisation_id, user_id, email, name, role, password_hash)"
            " SELECT %s, %s, %s, %s, %s, %s, %s"
            " WHERE (SELECT count(*) FROM accounts WHERE organisation_id = %s) < %s",
            (
                account_id,
                organisation_id,
                account_id,
                normalised(email),
                name,
                role,
                hashed,
                organisation_id,
                MOST_ACCOUNTS,
            ),
        )
    except UniqueViolation as error:
        raise TakenError("this address has an account already") from error
    if not cursor.rowcount:
        raise TakenError(f"an organisation has at most {MOST_ACCOUNTS:,} accounts; remove one that is unused")
    return account_id


async def find(connection: AsyncConnection, email: str, source: bytes) -> KnownAccount | None:
    """The account of an address, and whether it knows a source: the digest that `open_session` was given."""
    cursor = await connection.execute(
        "SELECT a.id, a.password_hash, EXISTS ("
        "SELECT FROM account_sessions s WHERE s.account_id = a.id AND s.source = %s AND s.expires_at > now()"
        ") FROM accounts a WHERE a.email = %s",
        (source, normalised(email)),
    )
    row = await cursor.fetchone()
    return KnownAccount(*row) if row else None


async def get(connection: AsyncConnection, account_id: uuid.UUID) -> KnownAccount | None:
    """The account of an id; None when it was removed."""
    cursor = await connection.execute("SELECT id, password_hash FROM accounts WHERE id = %s", (account_id,))
    row = await cursor.fetchone()
    return KnownAccount(*row) if row else None


async def find_reserved(connection: AsyncConnection) -> set[uuid.UUID]:
    """The people whom no token may name. None is ever added."""
    cursor = await connection.execute("SELECT user_id FROM reserved_people")
    return {row[0] for row in await cursor.fetchall()}


async def list_all(connection: AsyncConnection, organisation_id: uuid.UUID) -> list[ListedAccount]:
    """An organisation's accounts by address, and when each last signed in or refreshed."""
    cursor = await connection.execute(
        "SELECT a.id, a.email, a.name, a.role, a.created_at, max(s.refreshed_at)"
        " FROM accounts a LEFT JOIN account_sessions s ON s.account_id = a.id"
        " WHERE a.organisation_id = %s GROUP BY a.id ORDER BY a.email",
        (organisation_id,),
    )
    return [ListedAccount(*row) for row in await cursor.fetchall()]


async def remove(
    connection: AsyncConnection, organisation_id: uuid.UUID, account_id: uuid.UUID, roles: Collection[Role]
) -> bool:
    """Remove an account of one of the roles, and its sessions; False when the organisation has none such.
    What it decided and voted stays; `data.erasure` removes a person.
    """
    cursor = await connection.execute(
        "DELETE FROM accounts WHERE id = %s AND organisation_id = %s AND role = ANY(%s)",
        (account_id, organisation_id, list(roles)),
    )
    return bool(cursor.rowcount)


async def open_session(connection: AsyncConnection, account_id: uuid.UUID, source: bytes) -> Opened:
    """Open a session from a source. Those that have ended or expired long since leave the table."""
    session_id, secret = new_id(), secrets.token_urlsafe(32)
    await connection.execute(
        "DELETE FROM account_sessions WHERE account_id = %s AND expires_at < now()", (account_id,)
    )
    await connection.execute(
        "INSERT INTO account_sessions (id, account_id, refresh_sha256, source, expires_at)"
        " VALUES (%s, %s, %s, %s, now() + %s)",
        (session_id, account_id, _digest(secret), source, SESSION_LIFE),
    )
    return Opened(session_id, account_id, f"{_PREFIX}_{session_id.hex}_{secret}")


async def refresh(connection: AsyncConnection, token: str) -> Opened:
    """Exchange a refresh token for the next one; EndedSessionError when it is not the newest of an open
    session, which ends if it was once. One that it never was changes nothing.
    """
    session_id, token_secret = _parse(token)
    secret = secrets.token_urlsafe(32)
    # One statement: of two who show the same token at once, the second shows an old one.
    cursor = await connection.execute(
        "UPDATE account_sessions SET refresh_sha256 = %s,"
        " former_sha256 = (array_prepend(refresh_sha256, former_sha256))[:%s],"
        " refreshed_at = now(), expires_at = now() + %s"
        " WHERE id = %s AND refresh_sha256 = %s AND ended_at IS NULL AND expires_at > now()"
        " RETURNING account_id",
        (_digest(secret), MOST_FORMER, SESSION_LIFE, session_id, _digest(token_secret)),
    )
    row = await cursor.fetchone()
    if row is None:
        await connection.execute(
            "UPDATE account_sessions SET ended_at = now(), ended_because = 'reused'"
            " WHERE id = %s AND %s = ANY(former_sha256) AND ended_at IS NULL",
            (session_id, _digest(token_secret)),
        )
        raise EndedSessionError("this refresh token was used before, or its session has ended; sign in again")
    return Opened(session_id, row[0], f"{_PREFIX}_{session_id.hex}_{secret}")


async def sign_out(connection: AsyncConnection, token: str) -> None:
    """End the session of a refresh token, also of an older one: it ends either way. EndedSessionError when
    no session has had the token; nothing ends then.
    """
    session_id, token_secret = _parse(token)
    cursor = await connection.execute(
        "UPDATE account_sessions SET ended_at = coalesce(ended_at, now()),"
        " ended_because = coalesce(ended_because, 'signed_out')"
        " WHERE id = %(id)s AND (refresh_sha256 = %(token_secret)s OR %(token_secret)s = ANY(former_sha256))",
        {"id": session_id, "token_secret": _digest(token_secret)},
    )
    if not cursor.rowcount:
        raise EndedSessionError("this is no refresh token of a session")


async def change_password(connection: AsyncConnection, account_id: uuid.UUID, hashed: str) -> None:
    """Store another password, and end every session."""
    async with connection.transaction():
        await connection.execute("UPDATE accounts SET password_hash = %s WHERE id = %s", (hashed, account_id))
        await connection.execute(
            "UPDATE account_sessions SET ended_at = now(), ended_because = 'password_changed'"
            " WHERE account_id = %s AND ended_at IS NULL",
            (account_id,),
        )


def _digest(secret: str) -> bytes:
    """As for API keys: 256 random bits need no slow hash."""
    return sha256(secret.encode()).digest()


def _parse(token: str) -> tuple[uuid.UUID, str]:
    match = _REFRESH_TOKEN.fullmatch(token)
    if match is None:
        raise EndedSessionError("this is no refresh token")
    return uuid.UUID(match[1]), match[2]


_OPEN = (
    "SELECT s.id, a.id, a.user_id, a.organisation_id, o.plan, a.role FROM account_sessions s"
    " JOIN accounts a ON a.id = s.account_id JOIN organisations o ON o.id = a.organisation_id"
    " WHERE s.id = ANY(%s::uuid[]) AND s.ended_at IS NULL AND s.expires_at > now()"
)


async def find_sessions(connection: AsyncConnection, ids: Collection[str]) -> dict[str, SignedIn]:
    """The open sessions among some ids, by id. Each is a UUID as `str` writes it."""
    cursor = await connection.execute(_OPEN, (list(ids),))
    return {str(row[0]): SignedIn(*row) for row in await cursor.fetchall()}


# As for keys (`data.people.identities`): thousands are asked about four times a second, and only what has
# changed comes back.
_CHANGED = """
    SELECT known.id FROM unnest(
        string_to_array(%s, ','), string_to_array(%s, ','), string_to_array(%s, ',')
    ) AS known (id, role, plan)
    WHERE NOT EXISTS (
        SELECT FROM account_sessions s
        JOIN accounts a ON a.id = s.account_id JOIN organisations o ON o.id = a.organisation_id
        WHERE s.id = known.id::uuid AND s.ended_at IS NULL AND s.expires_at > now()
            AND a.role = known.role AND o.plan = known.plan
    )
"""


async def changed_sessions(connection: AsyncConnection, known: Collection[SignedIn]) -> set[str]:
    """Ids of those sessions that are not open any more, or have another role or plan."""
    columns = ([str(one.id) for one in known], [one.role for one in known], [one.plan for one in known])
    cursor = await connection.execute(_CHANGED, [",".join(column) for column in columns])
    return {row[0] for row in await cursor.fetchall()}


def bootstrap(engine: Engine, email: str, password: str | None, organisation: str) -> str | None:
    """Make sure that an organisation has an account; the password of one that was made now. Without a wanted
    one it is random, and nobody can read it again: show it once.
    """
    with Session(engine) as session, session.begin():
        tenant_id = session.scalars(select(Organisation.id).where(Organisation.name == organisation)).one()
        if session.scalar(select(func.count()).where(Account.organisation_id == tenant_id)):
            return None
        password = password or secrets.token_urlsafe(12)
        account_id = new_id()
        session.add(
            Account(
                id=account_id,
                organisation_id=tenant_id,
                user_id=account_id,
                email=normalised(email),
                name="",
                role="owner",
                password_hash=hash_password(password),
            )
        )
        return password
