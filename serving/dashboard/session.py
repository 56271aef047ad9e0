"""Sessions of browsers, in Redis, each found by the random id in its browser's cookie.

Redis has only a digest of the id. The tokens for the gateway are in Redis, encrypted with a key derived from
the id: a reader or writer of Redis can read no token and make no session. A form carries a secret of the
session, so that no other site can send it (CSRF), and the `Origin` of a form must be this site.
"""

import hmac
import secrets
import time
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel
from redis import Redis
from redis.exceptions import LockError, RedisError
from starlette.requests import Request
from starlette.responses import Response

from data.people import accounts
from serving.dashboard.api import GatewayClient, GatewayError, SignedOutError, unavailable

COOKIE = "tonebridge_session"
_PREFIX = "tonebridge:session:"
_NONCE_BYTES = 12  # of AES-GCM; one key encrypts once in ten minutes, so random nonces do not repeat
_EARLY_S = 30.0  # before its end that an access token is renewed
_LIFE_S = int(accounts.SESSION_LIFE.total_seconds())


class ForgedError(Exception):
    """A form was not sent from a page of this session."""


class Stored(BaseModel):
    """A session; `sealed` encrypts it for Redis."""

    email: str
    access_token: str
    refresh_token: str
    renew_at: float  # epoch seconds
    csrf: str


class Sessions:
    """The sessions of all browsers. Methods raise GatewayError, 503, while Redis is unavailable."""

    def __init__(self, redis: Redis, gateway: GatewayClient) -> None:
        self._redis, self._gateway = redis, gateway

    def open(self, email: str, password: str, address: str = "") -> str:
        """Sign a person in at the gateway, from their IP address; returns the id for the browser.
        GatewayError when the gateway refuses.
        """
        tokens = self._gateway.sign_in(email, password, address)
        id = secrets.token_urlsafe(32)
        self._put(
            id,
            Stored(
                email=email,
                access_token=tokens.access_token,
                refresh_token=tokens.refresh_token,
                renew_at=time.time() + tokens.expires_in - _EARLY_S,
                csrf=secrets.token_urlsafe(32),
            ),
        )
        return id

    def find(self, id: str | None) -> Stored:
        """The session of a browser, with a valid access token; SignedOutError when there is none."""
        stored = self._get(id) if id else None
        if id is None or stored is None:
            raise SignedOutError
        return stored if time.time() < stored.renew_at else self._renewed(id)

    def close(self, id: str) -> None:
        """End a session, here and at the gateway."""
        stored = self._get(id)
        self._forget(id)
        if stored is not None:
            try:
                self._gateway.sign_out(stored.refresh_token)
            except GatewayError as error:
                if error.status != 401:  # it has ended already
                    raise

    def _renewed(self, id: str) -> Stored:
        """Renew the tokens, one request at a time: a refresh token that is sent twice ends the session."""
        try:
            with self._redis.lock(f"{key(id)}:renewing", timeout=20, blocking_timeout=15):
                stored = self._get(id)
                if stored is None:
                    raise SignedOutError
                if time.time() < stored.renew_at:
                    return stored  # another page has renewed it
                try:
                    tokens = self._gateway.refresh(stored.refresh_token)
                except SignedOutError:
                    self._forget(id)
                    raise
                renewed = stored.model_copy(
                    update={
                        "access_token": tokens.access_token,
                        "refresh_token": tokens.refresh_token,
                        "renew_at": time.time() + tokens.expires_in - _EARLY_S,
                    }
                )
                self._put(id, renewed)
                return renewed
        except (RedisError, LockError) as error:
            raise _unavailable() from error

    def _get(self, id: str) -> Stored | None:
        try:
            value = self._redis.get(key(id))
        except RedisError as error:
            raise _unavailable() from error
        return unsealed(id, value) if isinstance(value, bytes) else None

    def _put(self, id: str, stored: Stored) -> None:
        try:
            self._redis.set(key(id), sealed(id, stored), ex=_LIFE_S)
        except RedisError as error:
            raise _unavailable() from error

    def _forget(self, id: str) -> None:
        try:
            self._redis.delete(key(id))
        except RedisError as error:
            raise _unavailable() from error


def key(id: str) -> str:
    """The key in Redis of an id's session."""
    return _PREFIX + sha256(id.encode()).hexdigest()


def sealed(id: str, stored: Stored) -> bytes:
    """A session for Redis: a nonce, then the AES-GCM ciphertext, authenticated with its key in Redis."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher(id).encrypt(nonce, stored.model_dump_json().encode(), key(id).encode())


def unsealed(id: str, value: bytes) -> Stored | None:
    """The session in a value of Redis; None when another program has written, changed or moved it."""
    nonce, content = value[:_NONCE_BYTES], value[_NONCE_BYTES:]
    try:
        return Stored.model_validate_json(_cipher(id).decrypt(nonce, content, key(id).encode()))
    except (InvalidTag, ValueError):  # the latter: too short for a nonce, or of another release
        return None


def _cipher(id: str) -> AESGCM:
    # The id is random, 256 bits long, so no salt and no slow function is needed.
    derived = HKDF(SHA256(), length=32, salt=None, info=b"tonebridge session").derive(id.encode())
    return AESGCM(derived)


def _unavailable() -> GatewayError:
    return unavailable("sessions_unreadable")


def set_cookie(request: Request, response: Response, id: str) -> None:
    """Set the cookie with the id. Scripts cannot read it; browsers do not send it with other sites' forms."""
    response.set_cookie(
        COOKIE, id, max_age=_LIFE_S, httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )


def check_origin(request: Request) -> None:
    """ForgedError when the headers show that another site sent the request."""
    origin, host = request.headers.get("origin"), request.headers.get("host")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") or (
        origin is not None and origin not in (f"http://{host}", f"https://{host}")
    ):
        raise ForgedError("this form was sent by another site")


def check_form(request: Request, stored: Stored, csrf: str) -> None:
    """ForgedError when a form was not sent from a page of this session."""
    check_origin(request)
    if not hmac.compare_digest(csrf.encode(), stored.csrf.encode()):
        raise ForgedError("this form is of an older session; open the page again")
