"""Authentication: API keys, tokens (JWT, RFC 7519) of organisations, and access tokens of accounts. Each is
verified once, then kept in memory.

Every heartbeat compares the memory with Postgres, so that a revoked key or token is refused within a quarter
of a second. A flood of unknown keys costs one query at a time, however many they are.
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
from jwt.exceptions import InvalidJTIError, InvalidSubjectError
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from data.people import accounts, identities
from data.people.accounts import SignedIn
from data.people.identities import Identity, SigningKey
from serving.gateway.problems import UnavailableError, UnknownKeyError

_NOBODY = "-"  # the user of a request with an API key that names no user
_CAPACITY = 10_000  # credentials in memory; also records, and ids without a record
_MISSING_S = 0.5  # until a missing id is looked up again: the key may have been made meanwhile
_MAX_WAITING = 1_000  # ids that wait to be looked up
_LEEWAY_S = 5  # between our clock and the issuer's
_MAX_LIFE_S = 24 * 3600  # until a token expires: revoked tokens are stored as long
_MAX_CHARACTERS = 4096  # of a token
_KID = re.compile(identities.KID_PATTERN)
_ACCOUNTS_KID = "tonebridge:accounts"  # of access tokens; a kid of an organisation has no colon
ACCESS_S = 600  # that an access token is valid, if its session lasts; heartbeats look for ended sessions

R = TypeVar("R", Identity, tuple[SigningKey, ...], SignedIn)
_Find = Callable[[AsyncConnection, Collection[str]], Awaitable[dict[str, R]]]


class Caller:
    """The sender of a request, verified. `subject` is a token's `sub`; `expires_at` is in epoch seconds, and
    infinite for keys; `user_id` is the person of an account that has signed in, and `session_id` its session.
    """

    __slots__ = ("expires_at", "identity", "jti", "session_id", "subject", "user_id")

    def __init__(
        self,
        identity: Identity,
        subject: str | None = None,
        expires_at: float = math.inf,
        jti: str | None = None,
        user_id: uuid.UUID | None = None,
        session_id: uuid.UUID | None = None,
    ) -> None:
        self.identity, self.subject, self.expires_at, self.jti = identity, subject, expires_at, jti
        self.user_id, self.session_id = user_id, session_id

    @property
    def name(self) -> str:
        """The caller's name in the audit trail."""
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
        """The user's id, and the name stored with it: that of an account, a token's subject, or the
        `external_id` that a request with an API key names. Requests without one share one user per key.
        """
        if self.subject is not None:
            return self.user_id or self.identity.subject(self.subject), self.subject
        name = external_id or _NOBODY
        return self.identity.user(name), name


class _Records(Generic[R]):
    """Rows of Postgres by id, read once each: all waiting ids in one query, one query at a time."""

    def __init__(
        self, pool: AsyncConnectionPool, find: _Find[R], capacity: int, missing_s: float, max_waiting: int
    ) -> None:
        self.known: dict[str, R] = {}
        self._pool = pool
        self._find: _Find[R] = find
        self._capacity, self._missing_s, self._max_waiting = capacity, missing_s, max_waiting
        self._missing: dict[str, float] = {}  # id -> the time of time.monotonic() until which it is not read
        self._waiting: set[str] = set()
        self._next: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def get(self, id: str) -> R | None:
        """The record, None when there is none; UnavailableError when Postgres cannot be read now."""
        record = self.known.get(id)
        if record is not None or self._missing.get(id, 0.0) > time.monotonic():
            return record
        if len(self._waiting) >= self._max_waiting:
            raise UnavailableError("too_many_unknown_keys")
        self._waiting.add(id)
        if self._next is None:
            self._next = asyncio.create_task(self._read())
        await asyncio.shield(self._next)  # a client that disconnects does not cancel it for others
        return self.known.get(id)

    async def _read(self) -> None:
        async with self._one_at_a_time:
            ids, self._waiting, self._next = self._waiting, set(), None
            try:
                async with self._pool.connection() as connection:
                    records = await self._find(connection, ids)
            except (psycopg.OperationalError, PoolTimeout) as error:
                raise UnavailableError("keys_unverifiable") from error
        for id, record in records.items():
            _put(self.known, id, record, self._capacity)
        until = time.monotonic() + self._missing_s
        for id in ids - records.keys():
            _put(self._missing, id, until, self._capacity)


def _put(bounded: dict[str, Any], key: str, value: Any, capacity: int) -> None:
    """Store a value; when full, the oldest one is dropped."""
    if len(bounded) >= capacity:
        del bounded[next(iter(bounded))]
    bounded[key] = value


class Authenticator:
    """Verifies credentials. Its memory is right as of the last `renew`, which the heartbeat calls."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        secret: str,
        capacity: int = _CAPACITY,
        missing_s: float = _MISSING_S,
        max_waiting: int = _MAX_WAITING,
    ) -> None:
        """`secret` signs the access tokens of accounts. At most `capacity` credentials are kept in memory. A
        missing id is looked up again after `missing_s`. At most `max_waiting` ids wait for a lookup.
        """
        self._secret, self._capacity = secret, capacity
        self._callers: dict[str, Caller] = {}  # by credential
        limits = (capacity, missing_s, max_waiting)
        self._keys = _Records(pool, identities.find_keys, *limits)
        self._signing_keys = _Records(pool, identities.find_signing_keys, *limits)
        self._sessions = _Records(pool, accounts.find_sessions, *limits)
        self._revoked: set[tuple[uuid.UUID, str]] | None = None  # None: not read yet
        self._reserved: set[uuid.UUID] | None = None  # people whom no token may name; None: not read yet

    def recall(self, credential: str) -> Caller | None:
        """The caller of a credential that is in memory and has not expired; else None."""
        caller = self._callers.get(credential)
        if caller is not None and caller.expires_at <= time.time():
            del self._callers[credential]
            return None
        return caller

    async def identify(self, credential: str | None) -> Caller:
        """The caller of a credential. Raises UnknownKeyError when it is not in force, and UnavailableError
        when it cannot be verified now.
        """
        if not credential:
            raise UnknownKeyError("credential_missing")
        caller = self.recall(credential)
        if caller is None:
            if credential.startswith("tb_"):
                caller = await self._read_key(credential)
            else:
                caller = await self.read_token(credential)
                if self._revoked is None or self._reserved is None:
                    raise UnavailableError("revocations_unknown")
                if (caller.identity.organisation_id, caller.jti) in self._revoked:
                    raise UnknownKeyError("token_revoked")
                if caller.account_id is None and caller.user(None)[0] in self._reserved:
                    raise UnknownKeyError("token_names_account")
            _put(self._callers, credential, caller, self._capacity)
        return caller

    async def _read_key(self, key: str) -> Caller:
        parsed = identities.parse_key(key)
        identity = await self._keys.get(parsed[0]) if parsed else None
        if parsed is None or identity is None or not identity.opens_with(parsed[1]):
            raise UnknownKeyError("api_key_unknown")
        return Caller(identity)

    async def read_token(self, token: str) -> Caller:
        """The caller of a token, revoked or not. Raises as `identify` does.

        A token needs `kid`, `exp` and `sub`. The signing key determines its algorithm (RFC 8725, 3.1), and
        the header's is ignored. A token with an audience (`aud`) is meant for other services, and refused.
        """
        if len(token) > _MAX_CHARACTERS:
            raise UnknownKeyError("token_too_long", limit=_MAX_CHARACTERS)
        try:
            kid = jwt.get_unverified_header(token).get("kid", "")
        except jwt.PyJWTError as error:
            raise UnknownKeyError("not_a_credential") from error
        if kid == _ACCOUNTS_KID:
            return await self._read_access_token(token)
        signing_keys = await self._signing_keys.get(kid) if _KID.fullmatch(kid) else None
        if signing_keys is None:
            raise UnknownKeyError("kid_unknown")
        signing_key, claims = _verified_by_any(token, signing_keys)
        expires_at = int(claims["exp"]) + _LEEWAY_S
        if expires_at > time.time() + _MAX_LIFE_S + 2 * _LEEWAY_S:
            raise UnknownKeyError("token_lives_too_long")
        for name in ("sub", "jti"):
            if name in claims and not (1 <= len(claims[name]) <= 200 and claims[name].isprintable()):
                raise UnknownKeyError("token_claim_invalid", claim=name)
        return Caller(signing_key.identity(), claims["sub"], expires_at, claims.get("jti") or _digest(token))

    def access_token(self, session_id: uuid.UUID, account_id: uuid.UUID) -> str:
        """A token with the rights of a session's account, for `ACCESS_S` seconds."""
        now = int(time.time())
        claims = {"sub": str(account_id), "sid": str(session_id), "iat": now, "exp": now + ACCESS_S}
        return jwt.encode(claims, self._secret, "HS256", {"kid": _ACCOUNTS_KID})

    async def _read_access_token(self, token: str) -> Caller:
        try:
            claims = _verified(token, self._secret, "HS256")
        except jwt.PyJWTError as error:
            raise _invalid(error) from error
        try:
            session_id = uuid.UUID(claims.get("sid"))
        except (TypeError, ValueError, AttributeError) as error:
            raise UnknownKeyError("token_sid_invalid") from error
        session = await self._sessions.get(str(session_id))
        if session is None or claims["sub"] != str(session.account_id):
            raise UnknownKeyError("session_ended")
        expires_at = int(claims["exp"]) + _LEEWAY_S
        return Caller(
            session.identity(),
            str(session.account_id),
            expires_at,
            _digest(token),
            session.user_id,
            session.id,
        )

    async def renew(self, connection: AsyncConnection) -> None:
        """Drop from memory what is no longer in force. A credential that is sent again is verified anew."""
        keys = await identities.find_changed_keys(connection, self._keys.known.values())
        known = [key for same_kid in self._signing_keys.known.values() for key in same_kid]
        signing_keys = await identities.find_changed_signing_keys(connection, known)
        sessions = await accounts.find_changed_sessions(connection, self._sessions.known.values())
        revoked = await identities.find_revoked_tokens(connection)
        if self._reserved is None:
            self._reserved = await accounts.find_reserved(connection)
        invalid = keys | {identities.name_signing_key(tenant, kid) for kid, tenant in signing_keys}
        for session_id in sessions:
            if (session := self._sessions.known.pop(session_id, None)) is not None:
                invalid.add(session.key_id)
        for key_id in keys:
            self._keys.known.pop(key_id, None)
        for kid, _ in signing_keys:
            self._signing_keys.known.pop(kid, None)
        if invalid or revoked != self._revoked:
            self._revoked = revoked
            self._callers = {
                credential: caller
                for credential, caller in self._callers.items()
                if caller.identity.key_id not in invalid
                and (caller.identity.organisation_id, caller.jti) not in revoked
            }


def _verified(token: str, key: Ed25519PublicKey | bytes | str, algorithm: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=[algorithm], leeway=_LEEWAY_S, options={"require": ["exp", "sub"]}
    )
    return claims


def _verified_by_any(token: str, signing_keys: tuple[SigningKey, ...]) -> tuple[SigningKey, dict[str, Any]]:
    """The signing key of a kid that signed a token, and the token's claims; UnknownKeyError when none did, or
    a claim is not valid.
    """
    refusals = []
    for signing_key in signing_keys:
        is_public = signing_key.algorithm == "EdDSA"
        key = Ed25519PublicKey.from_public_bytes(signing_key.key) if is_public else signing_key.key
        try:
            return signing_key, _verified(token, key, signing_key.algorithm)
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError, jwt.InvalidKeyError) as error:
            refusals.append(error)  # another organisation's key may have the same kid
        except jwt.PyJWTError as error:
            raise _invalid(error) from error
    raise _invalid(refusals[0]) from refusals[0]


def _invalid(error: jwt.PyJWTError) -> UnknownKeyError:
    """The error for a token that PyJWT rejects. PyJWT's own sentences are English."""
    match error:
        case jwt.ExpiredSignatureError():
            return UnknownKeyError("token_expired")
        case jwt.ImmatureSignatureError():
            return UnknownKeyError("token_not_yet_valid")
        case jwt.InvalidSignatureError():
            return UnknownKeyError("token_signature_wrong")
        case jwt.InvalidAlgorithmError() | jwt.InvalidKeyError():
            return UnknownKeyError("token_algorithm_wrong")
        case jwt.InvalidAudienceError():
            return UnknownKeyError("token_audience_wrong")
        case jwt.MissingRequiredClaimError(claim=claim):
            return UnknownKeyError("token_claim_missing", claim=claim)
        case InvalidSubjectError():
            return UnknownKeyError("token_claim_invalid", claim="sub")
        case InvalidJTIError():
            return UnknownKeyError("token_claim_invalid", claim="jti")
        case _:
            return UnknownKeyError("token_malformed")


def _digest(token: str) -> str:
    """The name of a token without a jti: a digest of its signed part, which may have several signatures."""
    return blake2b(token.rpartition(".")[0].encode(), digest_size=16).hexdigest()


def credential(headers: dict[bytes, bytes]) -> str | None:
    """The key or token in a request's headers (names in lower case, as ASGI has them), if there is one."""
    value = headers.get(b"x-api-key")
    if value is None:
        value = headers.get(b"authorization", b"")
        if value[:7].lower() != b"bearer ":  # RFC 9110, 11.1: the scheme is case-insensitive
            return None
        value = value[7:].strip()
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        return None
