"""The token that shows Teams which app calls it (OAuth 2.0, client credentials).

The library takes it by msal, which waits for Microsoft in the event loop when it is made, and without limit.
"""

import asyncio
import time

import httpx

from data.reasons import reason
from serving.channels.replies import PlatformError
from serving.channels.teams.connector import NAME

SCOPE = "https://api.botframework.com/.default"
EVERY_TENANT = "botframework.com"  # the tenant of an app that is for several
_RENEW_S = 300  # before a token expires
_RETRY_S = 30.0


class Tokens:
    """The token of an app, which is taken again before it expires. Belongs to one event loop."""

    def __init__(self, url: str, app_id: str, secret: str) -> None:
        """`url` is that of the token endpoint."""
        self._url = url
        self._form = {
            "grant_type": "client_credentials",
            "client_id": app_id,
            "client_secret": secret,
            "scope": SCOPE,
        }
        self._token, self._renewed_at = "", 0.0
        self._lock = asyncio.Lock()

    async def read(self, http: httpx.AsyncClient) -> str:
        """The token; PlatformError when Microsoft gives none."""
        async with self._lock:
            if time.monotonic() >= self._renewed_at:
                await self._take(http)
            return self._token

    async def _take(self, http: httpx.AsyncClient) -> None:
        try:
            response = await http.post(self._url, data=self._form)
            content = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise PlatformError(reason("platform_unreachable", platform=NAME), _RETRY_S) from error
        if "access_token" not in content:
            named = str(content.get("error", response.status_code))[:100]
            raise PlatformError(reason("platform_refused", platform=NAME, error=named), _RETRY_S)
        self._token = str(content["access_token"])
        self._renewed_at = time.monotonic() + float(content["expires_in"]) - _RENEW_S
