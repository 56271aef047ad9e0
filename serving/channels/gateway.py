"""The client of the gateway's API, on the event loop, with the API key of a workspace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from opentelemetry.trace import SpanKind

from serving.observability import spans
from serving.sites.api import refusal, unavailable

_TIMEOUT_S = 30.0  # a rewrite by a language model takes seconds


class Gateway:
    """The connections to a gateway, of one event loop: open while `opened` is entered."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Have connections, and close them at the end."""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with aiohttp.ClientSession(self._url, timeout=timeout) as self._session:
            yield

    async def ask(
        self, api_key: str, method: str, path: str, body: Any = None, idempotency_key: str | None = None
    ) -> Any:
        """The JSON that the gateway answers, None for a 204; GatewayError when it refuses, 503 when it does
        not answer. It continues the current trace.
        """
        assert self._session is not None, "the connections are not open"
        headers = {"X-API-Key": api_key}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        with spans.span("gateway", SpanKind.CLIENT):
            try:
                async with self._session.request(
                    method, f"/api/v1{path}", json=body, headers=headers | spans.inject()
                ) as response:
                    spans.describe(method=method, status=response.status)
                    if not response.ok:
                        raise refusal(response.status, await response.read())
                    return None if response.status == 204 else await response.json()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise unavailable("gateway_unreachable") from error
