"""Checks that a request comes from Teams: the library verifies the token that Microsoft has signed.

The library fetches Microsoft's keys by a call that blocks, for up to 30 s, so it does that in two threads of
its own. It knows a second kind of token, of Entra, which does not name the address that is to be answered;
those are refused, since `for_service` accepts only the Bot Framework's.
"""

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import jwt
from microsoft_teams.api.auth.cloud_environment import PUBLIC
from microsoft_teams.apps import TokenValidator

from serving.channels.teams.connector import Addresses

_THREADS, _MOST_WAITING = 2, 100
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class RefusedRequestError(Exception):
    """A request that is not from Teams, or not from the tenant that it names."""


class NoKeysError(Exception):
    """Nobody can be verified at the moment: Microsoft's keys cannot be read, or too many requests wait."""


class Verifier:
    """Verifies the tokens of requests to one app."""

    def __init__(self, app_id: str, addresses: Addresses) -> None:
        cloud = replace(PUBLIC, openid_metadata_url=addresses.openid)
        self._validator = TokenValidator.for_service(app_id, cloud=cloud)
        self._threads = ThreadPoolExecutor(_THREADS, "teams-tokens")
        self._waiting = 0

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def verify(self, token: str, service_url: str) -> Mapping[str, Any]:
        """What a token proves, among it that answers may be sent to `service_url`. RefusedRequestError when
        it proves nothing, NoKeysError when that cannot be told.
        """
        if self._waiting >= _MOST_WAITING:
            raise NoKeysError("too many requests wait to be verified")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._validate, token, service_url)
        except jwt.PyJWKClientConnectionError as error:
            raise NoKeysError(str(error)) from error
        except (jwt.PyJWTError, ValueError) as error:
            raise RefusedRequestError(str(error)) from error
        finally:
            self._waiting -= 1

    def _validate(self, token: str, service_url: str) -> Mapping[str, Any]:
        if not service_url:  # the library would not compare it then
            raise ValueError("the request names no address")
        claims = asyncio.run(self._validator.validate_token(token, service_url))
        if "exp" not in claims:  # the library checks it only if it is there
            raise ValueError("the token never expires")
        return claims


def check_tenant(service_url: str, tenant: str) -> None:
    """RefusedRequestError when an address names another tenant. The token proves the address, and Teams puts
    the tenant's id into most of them; the token has no tenant of its own.
    """
    named = _ID.findall(urlsplit(service_url).path.lower())
    if named and tenant not in named:
        raise RefusedRequestError("the request is of another tenant than its address")
