"""Who asks: API keys, tokens (JWT, RFC 7519) of organisations, and access tokens of accounts, verified once
and remembered.

What is remembered is held against Postgres at every heartbeat, so that a revoked key or token leaves within a
quarter of a second. A flood of unknown keys costs one query at a time, whatever its size.
"""

import asyncio
import math
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Collection
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import jwt
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data.people import accounts, identities
from data.people.accounts import SignedIn
from data.people.identities import Identity, SigningKey
from serving.gateway.problems import UnavailableError, UnknownKeyError

_NOBODY = "-"  # the user of an API key that names none
_MOST = 10_000  # credentials remembered, and ids known or known to be missing
_MISSING_S = 0.5  # an id that was not there is looked for again: a key may be made the next moment
_MOST_WAITING = 1_000  # ids that wait to be looked up
_LEEWAY_S = 5  # between our clock and the issuer's
_LONGEST_S = 24 * 3600  # of a token's life that may be left: revoked ones are remembered as long
_MOST_CHARACTERS = 4096  # of a token
_KID = re.compile(identities.KID_PATTERN)
_OURS = "tonebridge:accounts"  # the kid of access tokens: no organisation can have one with a colon
ACCESS_S = 600  # that an access token lives: its session is held against Postgres at every heartbeat

R = TypeVar("R", Identity, tuple[SigningKey, ...], SignedIn)
_Find = Callable[[AsyncConnection, Collection[str]], Awaitable[dict[str, R]]]


class Caller:
    """Who asks, verified. `subject` is a token's `sub`; `expires_at`: epoch seconds, infinite for keys;
    `user_id` is the person of an account that has signed in.
    """

    __slots__ = ("expires_at", "identity", "jti", "subject", "user_id")

    def __init__(
        self,
        identity: Identity,
        subject: str | None = None,
        expires_at: float = math.inf,
        jti: str | None = None,
        user_id: uuid.UUID | None = None,
    ) -> None:
        self.identity, self.subject, self.expires_at, self.jti = identity, subject, expires_at, jti
        self.user_id = user_id

    @property
    def name(self) -> str:
        """Who this is in the audit trail."""
        if self.subject is None:
            return f"api_key:{self.identity.key_id}"
        return self.identity.key_id if self.account_id else f"token:{self.subject}"

    @property
    def account_id(self) -> uuid.UUID | None:
        """The account that has signed in, if one has."""
        kind, _, id = self.identity.key_id.partition(":")
        return uuid.UUID(id) if kind == "account" else None

    @property
    def key_id(self) -> str | None:
        """The API key that vouches for the person; None when a token does."""
        return self.identity.key_id if self.subject is None else None

    def user(self, external_id: str | None) -> tuple[uuid.UUID, str]:
        """The user's id, and the name stored with it: an account, a token's subject, or whom a key names,
        which may be nobody in particular.
        """
        if self.subject is not None:
            return self.user_id or self.identity.subject(self.subject), self.subject
        name = external_id or _NOBODY
        return self.identity.user(name), name


class _Records(Generic[R]):
    """What Postgres has under some ids: asked for once, all that wait in one query, one query at a time."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        find: _Find[R],
    ) -> None:
        self.known: dict[str, R] = {}
        self._pool = pool
        self._find: _Find[R] = find
        self._missing: dict[str, float] = {}  # until when
        self._waiting: set[str] = set()
        self._next: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def get(self, id: str) -> R | None:
        """The record, None when there is none; UnavailableError when that cannot be known now."""
        record = self.known.get(id)
        if record is not None or self._missing.get(id, 0.0) > time.monotonic():
            return record
        if len(self._waiting) >= _MOST_WAITING:
            raise UnavailableError("too many unknown keys at once")
        self._waiting.add(id)
        if self._next is None:
            self._next = asyncio.create_task(self._ask())
        await asyncio.shield(self._next)  # one who leaves does not end it for the others
        return self.known.get(id)

    async def _ask(self) -> None:
        async with self._one_at_a_time:
            ids, self._waiting, self._next = self._waiting, set(), None
            try:
                async with self._pool.connection() as connection:
                    found = await self._find(connection, ids)
            except (psycopg.OperationalError, PoolTimeout) as error:
                raise UnavailableError("keys cannot be checked at the moment") from error
        for id, record in found.items():
            _put(self.known, id, record)
        until = time.monotonic() + _MISSING_S
        for id in ids - found.keys():
            _put(self._missing, id, until)


def _put(bounded: dict[str, Any], key: str, value: Any) -> None:
    """Store, and let the oldest make room."""
    if len(bounded) >= _MOST:
        del bounded[next(iter(bounded))]
    bounded[key] = value


class Authenticator:
    """Verifies credentials. What it remembers is right as of the last `renew`: whoever calls sees to it that
    this is not too long ago.
    """

    def __init__(self, pool: AsyncConnectionPool, secret: str) -> None:
        """`secret` signs the access tokens of accounts."""
        self._secret = secret
        self._callers: dict[str, Caller] = {}  # by credential
        self._keys = _Records(pool, identities.find_keys)
        self._signing_keys = _Records(pool, identities.find_signing_keys)
        self._sessions = _Records(pool, accounts.find_sessions)
        self._revoked: set[tuple[uuid.UUID, str]] | None = None  # None: not known yet
        self._reserved: set[uuid.UUID] | None = None  # people whom no token may name; None: not known yet

    def recall(self, credential: str) -> Caller | None:
        """The caller of a credential that was verified before and has not expired since."""
        caller = self._callers.get(credential)
        if caller is not None and caller.expires_at <= time.time():
            del self._callers[credential]
            return None
        return caller

    async def identify(self, credential: str | None) -> Caller:
        """The caller of a credential; UnknownKeyError when it opens nothing, UnavailableError when that
        cannot be known now.
        """
        if not credential:
            raise UnknownKeyError(
                "send an API key in X-API-Key, or a key or token in Authorization: Bearer ..."
            )
        caller = self.recall(credential)
        if caller is None:
            if credential.startswith("tb_"):
                caller = await self._read_key(credential)
            else:
                caller = await self.read_token(credential)
                if self._revoked is None or self._reserved is None:
                    raise UnavailableError("it is not known yet which tokens are revoked")
                if (caller.identity.organisation_id, caller.jti) in self._revoked:
                    raise UnknownKeyError("this token is revoked")
                if caller.account_id is None and caller.user(None)[0] in self._reserved:
                    raise UnknownKeyError(
                        "the sub of this token is an account, for which no token speaks; sign in for it"
                    )
            _put(self._callers, credential, caller)
        return caller

    async def _read_key(self, key: str) -> Caller:
        parsed = identities.parse_key(key)
        identity = await self._keys.get(parsed[0]) if parsed else None
        if parsed is None or identity is None or not identity.opens_with(parsed[1]):
            raise UnknownKeyError("this API key is unknown or revoked")
        return Caller(identity)

    async def read_token(self, token: str) -> Caller:
        """The caller whom a token stands for, revoked or not. Raises as `identify` does.

        A token needs `kid`, `exp` and `sub`. Its algorithm is the signing key's (RFC 8725, 3.1), whatever its
        header claims. One with an audience (`aud`) is meant for others.
        """
        if len(token) > _MOST_CHARACTERS:
            raise UnknownKeyError(f"this token is longer than {_MOST_CHARACTERS:,} characters")
        try:
            kid = jwt.get_unverified_header(token).get("kid", "")
        except jwt.PyJWTError as error:
            raise UnknownKeyError("this is neither an API key (tb_...) nor a token (JWT)") from error
        if kid == _OURS:
            return await self._read_access_token(token)
        signing_keys = await self._signing_keys.get(kid) if _KID.fullmatch(kid) else None
        if signing_keys is None:
            raise UnknownKeyError("the kid of this token is no signing key in force")
        signing_key, claims = _verified_by_one(token, signing_keys)
        expires_at = int(claims["exp"]) + _LEEWAY_S
        if expires_at > time.time() + _LONGEST_S + 2 * _LEEWAY_S:
            raise UnknownKeyError("this token lives longer than 24 hours; give it an earlier exp")
        for name in ("sub", "jti"):
            if name in claims and not (1 <= len(claims[name]) <= 200 and claims[name].isprintable()):
                raise UnknownKeyError(f"this token is not valid: {name} has 1 to 200 printable characters")
        return Caller(signing_key.identity(), claims["sub"], expires_at, claims.get("jti") or _digest(token))

    def access_token(self, session_id: uuid.UUID, account_id: uuid.UUID) -> str:
        """A token that opens what a session's account may do, for `ACCESS_S` seconds."""
        now = int(time.time())
        claims = {"sub": str(account_id), "sid": str(session_id), "iat": now, "exp": now + ACCESS_S}
        return jwt.encode(claims, self._secret, "HS256", {"kid": _OURS})

    async def _read_access_token(self, token: str) -> Caller:
        try:
            claims = _verified(token, self._secret, "HS256")
        except jwt.PyJWTError as error:
            raise _invalid(error) from error
        try:
            session_id = uuid.UUID(claims.get("sid"))
        except (TypeError, ValueError, AttributeError) as error:
            raise UnknownKeyError("this token is not valid: sid is no UUID") from error
        session = await self._sessions.get(str(session_id))
        if session is None or claims["sub"] != str(session.account_id):
            raise UnknownKeyError("this session has ended; sign in again")
        expires_at = int(claims["exp"]) + _LEEWAY_S
        return Caller(
            session.identity(), str(session.account_id), expires_at, _digest(token), session.user_id
        )

    async def renew(self, connection: AsyncConnection) -> None:
        """Forget what is no longer in force; it is asked for again, should anybody come with it."""
        keys = await identities.changed_keys(connection, self._keys.known.values())
        known = [key for of_a_kid in self._signing_keys.known.values() for key in of_a_kid]
        signing_keys = await identities.changed_signing_keys(connection, known)
        sessions = await accounts.changed_sessions(connection, self._sessions.known.values())
        revoked = await identities.find_revoked_tokens(connection)
        if self._reserved is None:
            self._reserved = await accounts.find_reserved(connection)
        gone = keys | {identities.signing_key_id(tenant, kid) for kid, tenant in signing_keys}
        for session_id in sessions:
            if (session := self._sessions.known.pop(session_id, None)) is not None:
                gone.add(session.key_id)
        for key_id in keys:
            self._keys.known.pop(key_id, None)
        for kid, _ in signing_keys:
            self._signing_keys.known.pop(kid, None)
        if gone or revoked != self._revoked:
            self._revoked = revoked
            self._callers = {
                credential: caller
                for credential, caller in self._callers.items()
                if caller.identity.key_id not in gone
                and (caller.identity.organisation_id, caller.jti) not in revoked
            }


def _verified(token: str, key: Ed25519PublicKey | bytes | str, algorithm: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=[algorithm], leeway=_LEEWAY_S, options={"require": ["exp", "sub"]}
    )
    return claims


def _verified_by_one(token: str, signing_keys: tuple[SigningKey, ...]) -> tuple[SigningKey, dict[str, Any]]:
    """Which of the keys of a kid has signed a token, and what it claims; UnknownKeyError when none has, or
    its claims do not do.
    """
    refusals = []
    for signing_key in signing_keys:
        is_public = signing_key.algorithm == "EdDSA"
        key = Ed25519PublicKey.from_public_bytes(signing_key.key) if is_public else signing_key.key
        try:
            return signing_key, _verified(token, key, signing_key.algorithm)
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError, jwt.InvalidKeyError) as error:
            refusals.append(error)  # it may be the key of another organisation
        except jwt.PyJWTError as error:
            raise _invalid(error) from error
    raise _invalid(refusals[0]) from refusals[0]


def _invalid(error: jwt.PyJWTError) -> UnknownKeyError:
    return UnknownKeyError(f"this token is not valid: {error}")


def _digest(token: str) -> str:
    """What names a token that has no jti: what is signed. The signature does not: there may be several."""
    return blake2b(token.rpartition(".")[0].encode(), digest_size=16).hexdigest()


def credential(headers: dict[bytes, bytes]) -> str | None:
    """The key or token in a request's headers (names in lower case, as ASGI has them), if there is one."""
    shown = headers.get(b"x-api-key")
    if shown is None:
        shown = headers.get(b"authorization", b"")
        if shown[:7].lower() != b"bearer ":  # RFC 9110, 11.1: the scheme is case-insensitive
            return None
        shown = shown[7:].strip()
    try:
        return shown.decode("ascii")
    except UnicodeDecodeError:
        return None
