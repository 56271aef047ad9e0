"""Sessions of browsers, in Redis, each found by the random id in its browser's cookie.

Redis has only a digest of the id. The tokens for the gateway are in Redis, encrypted with a key derived from
the id: a reader or writer of Redis can read no token and make no session. A form carries a secret of the
session, so that no other site can send it (CSRF), and the `Origin` of a form must be this site.

Where the commands of Redis have a budget, this process remembers a session until its access token expires,
and ids are signed: what strangers send costs no command. A session that was closed by another process is
known here for as long, but its tokens are not: the gateway refuses them.
"""

import hmac
import secrets
import threading
import time
from collections import OrderedDict
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
from serving.sites.api import GatewayClient, GatewayError, SignedOutError, unavailable

COOKIE = "tonebridge_session"
_PREFIX = "tonebridge:session:"
_NONCE_BYTES = 12  # of AES-GCM; one key encrypts once in ten minutes, so random nonces do not repeat
_EARLY_S = 30.0  # before its end that an access token is renewed
_LIFE_S = int(accounts.SESSION_LIFE.total_seconds())
_MOST_REMEMBERED = 10_000


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

    def __init__(self, redis: Redis, gateway: GatewayClient, secret: str | None = None) -> None:
        """With `secret`, which all processes of the site share, Redis is asked as rarely as possible."""
        self._redis, self._gateway = redis, gateway
        self._secret = secret.encode() if secret is not None else None
        self._remembered: OrderedDict[str, Stored] = OrderedDict()  # by key, the newest at the end
        self._lock = threading.Lock()

    def open(self, email: str, password: str, address: str = "", device: str | None = None) -> str:
        """Sign a person in at the gateway, from their IP address and a device; returns the id for the
        browser. GatewayError when the gateway refuses.
        """
        tokens = self._gateway.sign_in(email, password, address, device)
        id = secrets.token_urlsafe(32)
        if self._secret is not None:
            id = f"{id}.{_sign(self._secret, id)}"
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
        if not id or not self._is_ours(id):
            raise SignedOutError
        with self._lock:
            remembered = self._remembered.get(key(id))
        if remembered is not None:
            return remembered if time.time() < remembered.renew_at else self._renewed(id)
        stored = self._get(id)
        if stored is None:
            raise SignedOutError
        return stored if time.time() < stored.renew_at else self._renewed(id)

    def close(self, id: str) -> None:
        """End a session, here and at the gateway."""
        if not self._is_ours(id):
            return
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
        stored = unsealed(id, value) if isinstance(value, bytes) else None
        if stored is not None:
            self._remember(id, stored)
        return stored

    def _put(self, id: str, stored: Stored) -> None:
        try:
            self._redis.set(key(id), sealed(id, stored), ex=_LIFE_S)
        except RedisError as error:
            raise _unavailable() from error
        self._remember(id, stored)

    def _is_ours(self, id: str) -> bool:
        """Whether this site may have made an id; without `secret` only Redis knows."""
        if self._secret is None:
            return True
        random, _, signature = id.partition(".")
        return hmac.compare_digest(signature.encode(), _sign(self._secret, random).encode())

    def _remember(self, id: str, stored: Stored) -> None:
        if self._secret is None:
            return
        with self._lock:
            self._remembered[key(id)] = stored
            self._remembered.move_to_end(key(id))
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)

    def _forget(self, id: str) -> None:
        with self._lock:
            self._remembered.pop(key(id), None)
        try:
            self._redis.delete(key(id))
        except RedisError as error:
            raise _unavailable() from error


def _sign(secret: bytes, random: str) -> str:
    return hmac.digest(secret, b"tonebridge session id " + random.encode(), "sha256").hex()[:32]


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
