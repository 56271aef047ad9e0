"""Who uses a browser: their session in Redis, found by a cookie that says nothing.

The browser has a random id, of which Redis knows the digest only. The tokens that open the gateway stay in
Redis. A form carries a secret of the session, so that no other site can send it (CSRF); and what comes with
an `Origin` must come from here.
"""

import hmac
import secrets
import time
from hashlib import sha256
from urllib.parse import urlsplit

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import LockError, RedisError
from starlette.requests import Request
from starlette.responses import Response

from data import accounts
from serving.dashboard.gateway import GatewayClient, GatewayError, SignedOutError

COOKIE = "tonebridge_session"
_PREFIX = "tonebridge:session:"
_EARLY_S = 30.0  # before its end that an access token is renewed
_LIFE_S = int(accounts.SESSION_LIFE.total_seconds())


class ForgedError(Exception):
    """A form that did not come from a page of this session."""


class Stored(BaseModel):
    """A session as it is in Redis."""

    email: str
    access_token: str
    refresh_token: str
    renew_at: float  # epoch seconds
    csrf: str


class Sessions:
    """The sessions of all browsers. Raises GatewayError, 503, while Redis is away."""

    def __init__(self, redis: Redis, gateway: GatewayClient) -> None:
        self._redis, self._gateway = redis, gateway

    def open(self, email: str, password: str, address: str = "") -> str:
        """Sign a visitor from an address in at the gateway; the id for the browser. GatewayError when that is
        refused.
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
        """The session of a browser, its access token in force; SignedOutError when there is none."""
        stored = self._get(id) if id else None
        if id is None or stored is None:
            raise SignedOutError
        return stored if time.time() < stored.renew_at else self._renewed(id)

    def close(self, id: str) -> None:
        """Sign out, here and at the gateway."""
        stored = self._get(id)
        self._forget(id)
        if stored is not None:
            try:
                self._gateway.sign_out(stored.refresh_token)
            except GatewayError as error:
                if error.status != 401:  # it has ended already
                    raise

    def _renewed(self, id: str) -> Stored:
        """One page at a time renews: a refresh token that is shown twice ends the session."""
        try:
            with self._redis.lock(f"{_key(id)}:renewing", timeout=20, blocking_timeout=15):
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
            raise _away() from error

    def _get(self, id: str) -> Stored | None:
        try:
            found = self._redis.get(_key(id))
        except RedisError as error:
            raise _away() from error
        return Stored.model_validate_json(found) if isinstance(found, (bytes, str)) else None

    def _put(self, id: str, stored: Stored) -> None:
        try:
            self._redis.set(_key(id), stored.model_dump_json(), ex=_LIFE_S)
        except RedisError as error:
            raise _away() from error

    def _forget(self, id: str) -> None:
        try:
            self._redis.delete(_key(id))
        except RedisError as error:
            raise _away() from error


def _key(id: str) -> str:
    return _PREFIX + sha256(id.encode()).hexdigest()


def _away() -> GatewayError:
    return GatewayError(503, "Try again shortly", "Sessions cannot be read: Redis does not answer.")


def set_cookie(request: Request, response: Response, id: str) -> None:
    """Give the browser its id: no script can read it, and other sites' forms do not send it."""
    response.set_cookie(
        COOKIE, id, max_age=_LIFE_S, httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )


def check_origin(request: Request) -> None:
    """ForgedError when a browser says that another site sends this."""
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") or (
        origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    ):
        raise ForgedError("this form was sent by another site")


def check_form(request: Request, stored: Stored, csrf: str) -> None:
    """ForgedError when a form is none of a page of this session."""
    check_origin(request)
    if not hmac.compare_digest(csrf.encode(), stored.csrf.encode()):
        raise ForgedError("this form is of an older session; open the page again")
