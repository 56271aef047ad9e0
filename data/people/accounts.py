"""Accounts: people who sign in with an e-mail address and a password, and their sessions.

Passwords are hashed by Argon2id (RFC 9106) with the parameters of OWASP's password storage cheat sheet.

A session has one valid refresh token at a time. The use of an older one means that two parties have tokens of
the session, so the session ends (RFC 9700, 4.14.2). A token that the session never had does not end it: the
session's id is in every access token and so is no secret.

An account's person has the account's id, a UUIDv7. The ids of people that keys and tokens name have version 8
(`data.people.identities`), so no key and no token can name the person of an account. Accounts from before
this rule kept their person, whom a token could name. The table `reserved_people` lists these people, and
tokens that name one of them are rejected.
"""

import re
import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from hashlib import sha256
from typing import Annotated, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from pydantic import Field
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from data.fields import Id, Time
from data.people.identities import Identity, Role
from data.people.origins import Origins, share
from data.reasons import ReasonedError
from data.tables import LAST_ID, Account, Organisation, new_id

SESSION_LIFE = timedelta(days=14)  # since the last refresh
MOST_ACCOUNTS = 1000  # of an organisation
MOST_FORMER = 50  # older refresh tokens that a session recognises: those of at least 8 hours

_PREFIX = "tbr"
_REFRESH_TOKEN = re.compile(_PREFIX + r"_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class LastOwnerError(ReasonedError):
    """The organisation would have no owner."""


class TakenError(ReasonedError, ValueError):
    """The e-mail address has an account already, or the organisation has too many accounts."""


class EndedSessionError(ReasonedError):
    """The refresh token is invalid or old, or its session has ended."""


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An account with its password hash, to check a password.

    `knows_source`: whether it has a session that was opened from the source of this request.
    """

    id: uuid.UUID
    password_hash: str
    knows_source: bool = False


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """An account in the list for its organisation's administrators."""

    id: Annotated[Id, Field(description="the account")]
    email: Annotated[str, Field(description="the address to sign in with", examples=["ann@example.com"])]
    name: Annotated[str, Field(description="the person's name", examples=["Ann"])]
    role: Annotated[str, Field(description="what the person may do, one of `Role`", examples=["member"])]
    created_at: Annotated[Time, Field(description="when it was made")]
    signed_in_at: Annotated[
        Time | None, Field(description="when the person last signed in; null: never", examples=[None])
    ]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An open session with its account, person, organisation, plan and role, and the origins of the pages
    that may use its access tokens.
    """

    id: uuid.UUID
    account_id: uuid.UUID
    user_id: uuid.UUID
    organisation_id: uuid.UUID
    plan: str
    role: str
    origins_revision: int
    origins: Origins

    @property
    def key_id(self) -> str:
        """The id for rate limits and for decisions."""
        return f"account:{self.account_id}"

    def identity(self) -> Identity:
        """The identity of its access tokens."""
        return Identity(self.organisation_id, self.key_id, self.role, b"", self.plan, origins=self.origins)


class Opened(NamedTuple):
    """A session and its newest refresh token. Only a digest of the token is stored."""

    session_id: uuid.UUID
    account_id: uuid.UUID
    refresh_token: str


def normalise_email(email: str) -> str:
    """The form in which an address is stored and found: lower case, since providers ignore case."""
    return email.strip().lower()


def hash_password(password: str) -> str:
    """Hash a password by Argon2id with a salt. It takes 20 to 40 ms of CPU and 19 MiB, so call it outside an
    event loop.
    """
    return _hasher.hash(password)


def opens_with(password: str, stored: str | None) -> bool:
    """Whether a password matches a stored hash; False without a hash.

    It takes as long without a hash, so that the time does not show which addresses have an account.
    """
    try:
        return _hasher.verify(stored or _hash_random_password(), password) and stored is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


@cache
def _hash_random_password() -> str:
    return hash_password(secrets.token_urlsafe())


async def add(
    connection: AsyncConnection, organisation_id: uuid.UUID, email: str, name: str, role: Role, hashed: str
) -> uuid.UUID:
    """Store an account; its id. TakenError when the address has an account in any organisation, or the
    organisation has too many accounts.
    """
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
                normalise_email(email),
                name,
                role,
                hashed,
                organisation_id,
                MOST_ACCOUNTS,
            ),
        )
    except UniqueViolation as error:
        raise TakenError("address_taken") from error
    if not cursor.rowcount:
        raise TakenError("too_many_accounts", most=MOST_ACCOUNTS)
    return account_id


async def find(connection: AsyncConnection, email: str, source: bytes) -> KnownAccount | None:
    """The account of an address, and whether it knows a source: a digest as `open_session` stores it."""
    cursor = await connection.execute(
        "SELECT a.id, a.password_hash, EXISTS ("
        "SELECT FROM account_sessions s WHERE s.account_id = a.id AND s.source = %s AND s.expires_at > now()"
        ") FROM accounts a WHERE a.email = %s",
        (source, normalise_email(email)),
    )
    row = await cursor.fetchone()
    return KnownAccount(*row) if row else None


async def get(connection: AsyncConnection, account_id: uuid.UUID) -> KnownAccount | None:
    """The account with an id; None when it was removed."""
    cursor = await connection.execute("SELECT id, password_hash FROM accounts WHERE id = %s", (account_id,))
    row = await cursor.fetchone()
    return KnownAccount(*row) if row else None


async def find_reserved(connection: AsyncConnection) -> set[uuid.UUID]:
    """The ids of people whom no token may name. The table does not grow."""
    cursor = await connection.execute("SELECT user_id FROM reserved_people")
    return {row[0] for row in await cursor.fetchall()}


async def list_some(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    *,
    roles: Collection[Role] = tuple(Role),
    part: str = "",
    before: uuid.UUID | None = None,
    most: int,
) -> list[ListedAccount]:
    """An organisation's accounts, the newest first, each with the time of its last sign-in or refresh: those
    with one of the roles, with a part of their address or name in any case, and older than `before`.
    """
    cursor = await connection.execute(
        "SELECT id, email, name, role, created_at,"
        " (SELECT max(refreshed_at) FROM account_sessions WHERE account_id = accounts.id)"
        " FROM accounts WHERE organisation_id = %(organisation)s AND role = ANY(%(roles)s)"
        " AND (strpos(email, lower(%(part)s)) > 0 OR strpos(lower(name), lower(%(part)s)) > 0)"
        " AND id < coalesce(%(before)s, %(last)s) ORDER BY id DESC LIMIT %(most)s",
        {
            "organisation": organisation_id,
            "roles": list(roles),
            "part": part,
            "before": before,
            "last": LAST_ID,
            "most": most,
        },
    )
    return [ListedAccount(*row) for row in await cursor.fetchall()]


async def remove(
    connection: AsyncConnection, organisation_id: uuid.UUID, account_id: uuid.UUID, roles: Collection[Role]
) -> bool:
    """Remove an account that has one of the roles, and its sessions; False when there is no such account.

    The person's decisions and votes stay; `data.erasure` removes a person.
    """
    cursor = await connection.execute(
        "DELETE FROM accounts WHERE id = %s AND organisation_id = %s AND role = ANY(%s)",
        (account_id, organisation_id, list(roles)),
    )
    return bool(cursor.rowcount)


async def change_role(
    connection: AsyncConnection,
    organisation_id: uuid.UUID,
    account_id: uuid.UUID,
    role: Role,
    roles: Collection[Role],
) -> bool:
    """Give an account that has one of the roles another role, in a transaction of its own; False when there
    is no such account. LastOwnerError when the organisation would have no owner.
    """
    async with connection.transaction():
        # The lock lets two owners demote each other one after the other only.
        cursor = await connection.execute(
            "SELECT id FROM accounts WHERE organisation_id = %s AND role = %s ORDER BY id FOR UPDATE",
            (organisation_id, Role.OWNER),
        )
        owners = [row[0] for row in await cursor.fetchall()]
        if owners == [account_id] and role is not Role.OWNER:
            raise LastOwnerError("last_owner")
        cursor = await connection.execute(
            "UPDATE accounts SET role = %s WHERE id = %s AND organisation_id = %s AND role = ANY(%s)",
            (role, account_id, organisation_id, list(roles)),
        )
        return bool(cursor.rowcount)


async def open_session(
    connection: AsyncConnection, account_id: uuid.UUID, source: bytes, device: str | None = None
) -> Opened:
    """Open a session from a source, and delete the account's expired sessions. `device` is the client's
    description of it, for the person to recognise the session.
    """
    session_id, secret = new_id(), secrets.token_urlsafe(32)
    await connection.execute(
        "DELETE FROM account_sessions WHERE account_id = %s AND expires_at < now()", (account_id,)
    )
    await connection.execute(
        "INSERT INTO account_sessions (id, account_id, refresh_sha256, source, device, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, now() + %s)",
        (session_id, account_id, _digest(secret), source, device, SESSION_LIFE),
    )
    return Opened(session_id, account_id, f"{_PREFIX}_{session_id.hex}_{secret}")


async def refresh(connection: AsyncConnection, token: str) -> Opened:
    """Exchange a refresh token for the next one.

    Raises EndedSessionError unless it is the newest token of an open session. An older token of the session
    also ends it; a token that the session never had changes nothing.
    """
    session_id, token_secret = _parse(token)
    secret = secrets.token_urlsafe(32)
    # One statement: of two concurrent requests with the same token, the second one has an old token.
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
        raise EndedSessionError("refresh_token_used")
    return Opened(session_id, row[0], f"{_PREFIX}_{session_id.hex}_{secret}")


async def sign_out(connection: AsyncConnection, token: str) -> None:
    """End the session of a refresh token, which may be an older one.

    Raises EndedSessionError, and ends nothing, when no session ever had the token.
    """
    session_id, token_secret = _parse(token)
    cursor = await connection.execute(
        "UPDATE account_sessions SET ended_at = coalesce(ended_at, now()),"
        " ended_because = coalesce(ended_because, 'signed_out')"
        " WHERE id = %(id)s AND (refresh_sha256 = %(token_secret)s OR %(token_secret)s = ANY(former_sha256))",
        {"id": session_id, "token_secret": _digest(token_secret)},
    )
    if not cursor.rowcount:
        raise EndedSessionError("refresh_token_unknown")


async def change_password(connection: AsyncConnection, account_id: uuid.UUID, hashed: str) -> None:
    """Store the hash of a new password, and end all sessions of the account."""
    async with connection.transaction():
        await connection.execute("UPDATE accounts SET password_hash = %s WHERE id = %s", (hashed, account_id))
        await connection.execute(
            "UPDATE account_sessions SET ended_at = now(), ended_because = 'password_changed'"
            " WHERE account_id = %s AND ended_at IS NULL",
            (account_id,),
        )


def _digest(secret: str) -> bytes:
    """SHA-256, as for API keys: 256 random bits need no slow hash."""
    return sha256(secret.encode()).digest()


def _parse(token: str) -> tuple[uuid.UUID, str]:
    match = _REFRESH_TOKEN.fullmatch(token)
    if match is None:
        raise EndedSessionError("refresh_token_malformed")
    return uuid.UUID(match[1]), match[2]


_OPEN = (
    "SELECT s.id, a.id, a.user_id, a.organisation_id, o.plan, a.role, o.origins_revision, o.origins"
    " FROM account_sessions s"
    " JOIN accounts a ON a.id = s.account_id JOIN organisations o ON o.id = a.organisation_id"
    " WHERE s.id = ANY(%s::uuid[]) AND s.ended_at IS NULL AND s.expires_at > now()"
)


async def find_sessions(connection: AsyncConnection, ids: Collection[str]) -> dict[str, SignedIn]:
    """The open sessions among some ids, by id. An id is the `str` of a UUID."""
    cursor = await connection.execute(_OPEN, (list(ids),))
    sessions = {}
    async for session_id, account_id, user_id, tenant, plan, role, revision, origins in cursor:
        sessions[str(session_id)] = SignedIn(
            session_id, account_id, user_id, tenant, plan, role, revision, share(tuple(origins))
        )
    return sessions


# The query has the form of that for keys (`data.people.identities`): a gateway asks for thousands of sessions
# four times a second, and the reply has only those that changed.
_CHANGED = """
    SELECT known.id FROM unnest(
        string_to_array(%s, ','), string_to_array(%s, ','), string_to_array(%s, ','), string_to_array(%s, ',')
    ) AS known (id, role, plan, origins_revision)
    WHERE NOT EXISTS (
        SELECT FROM account_sessions s
        JOIN accounts a ON a.id = s.account_id JOIN organisations o ON o.id = a.organisation_id
        WHERE s.id = known.id::uuid AND s.ended_at IS NULL AND s.expires_at > now()
            AND a.role = known.role AND o.plan = known.plan
            AND o.origins_revision = known.origins_revision::integer
    )
"""


async def find_changed_sessions(connection: AsyncConnection, known: Collection[SignedIn]) -> set[str]:
    """The ids of sessions that have ended, or whose role, plan or origins changed."""
    columns = (
        [str(s.id) for s in known],
        [s.role for s in known],
        [s.plan for s in known],
        [str(s.origins_revision) for s in known],
    )
    cursor = await connection.execute(_CHANGED, [",".join(column) for column in columns])
    return {row[0] for row in await cursor.fetchall()}


def bootstrap(engine: Engine, email: str, password: str | None, organisation: str) -> str | None:
    """Create an organisation's first account; its password, or None when the organisation has an account.

    Without `password` a random one is made. Only its hash is stored, so show it now.
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
                email=normalise_email(email),
                name="",
                role=Role.OWNER,
                password_hash=hash_password(password),
            )
        )
        return password
