"""Spans of requests that the inference service gets."""

from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.observability import spans

_ROUTES = {"/rewrite": "rewrite", "/stream": "stream", "/load": "load"}


class Traced:
    """ASGI middleware: a span for each rewrite, in the trace of the request that it is for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        name = _ROUTES.get(scope["path"]) if scope["type"] == "http" and spans.is_on() else None
        if name is None:
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        with spans.span(name, SpanKind.SERVER, spans.extract(headers)):
            await self._app(scope, receive, send)
