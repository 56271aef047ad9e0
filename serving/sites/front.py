"""Limits and headers for every request to a site, and the process that serves one."""

import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from configs.settings import ALL_ADDRESSES, Settings
from data.reasons import reason
from serving import listening, source
from serving.metrics import Measured, Metrics
from serving.protocol import Door, GuardedProtocol

log = logging.getLogger(__name__)

SHARED = Path(__file__).parent / "static"  # the files of all sites, at /static/shared/
_HEADERS = {
    # matplotlib's SVG has its style in attributes; nothing else is inline.
    "Content-Security-Policy": "default-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline';"
    " img-src 'self' data:; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_MAX_LENGTH = 2000  # characters of a path parameter, a query parameter or a name
_MAX_FIELD, _MAX_MESSAGE = 4000, 20_000  # characters of a form's field, and of one that holds a message
_MESSAGES = frozenset({"text", "first", "second", "corrected"})  # names of such fields
_MAX_FIELDS = 200
_MAX_BYTES = 500_000  # of a form: the longest message, three bytes a character, each percent-encoded
_OF_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "[::1]"})
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")  # Postgres cannot store such text, and no browser sends it
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]*)?")  # RFC 3986, as far as browsers send it


class Front:
    """The ASGI application that the server runs; `behind` it is FastAPI's. It refuses requests for a host
    name that is not the installation's, so that a site whose name resolves to this server (DNS rebinding) can
    neither read a page nor send a form. And it adds security headers to every response.

    It is not FastAPI middleware: FastAPI answers unexpected errors outside of its middleware.
    """

    def __init__(self, app: FastAPI, settings: Settings, metrics: Metrics | None = None) -> None:
        """`metrics` has what this site counts beside its requests."""
        self.behind, self._allowed = app, names_of(settings)
        self._measured = Measured(self._answer, metrics or Metrics(settings))
        if settings.is_exposed and self._allowed <= _OF_THIS_MACHINE:
            log.warning(
                "This site listens on %s, but answers only people who call it %s. Name it in"
                " TONEBRIDGE_ALLOWED_HOSTS, a JSON list of host names without ports.",
                settings.host,
                ", ".join(sorted(self._allowed)),
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._measured(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.behind(scope, receive, send)
            return
        has_started, received = False, 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > _MAX_BYTES:
                raise HTTPException(413, reason("form_too_long", limit=_MAX_BYTES))
            return message

        async def send_protected(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                _protect(scope["path"], message)
            await send(message)

        if scope["path"] != "/livez" and _host(scope) not in self._allowed:
            refusal = PlainTextResponse(
                "This site does not answer to this name. If people reach it by it, add it to"
                ' TONEBRIDGE_ALLOWED_HOSTS, a JSON list of host names without ports: ["127.0.0.1", ...].\n',
                400,
            )
            await refusal(scope, receive, send_protected)
            return
        try:
            await self.behind(scope, receive_bounded, send_protected)
        except Exception:  # this is the outermost edge; uvicorn logs it
            if not has_started:
                failure = PlainTextResponse("Something broke here. It has been logged. Try again.\n", 500)
                await failure(scope, receive, send_protected)
            raise


def names_of(settings: Settings) -> frozenset[str]:
    """The host names to which a site answers: those of the settings, and the one that it listens on."""
    own = () if settings.host in ALL_ADDRESSES else (settings.own_name,)
    return frozenset(name.lower() for name in (*settings.allowed_hosts, *own))


def _host(scope: Scope) -> str | None:
    """The host name of a request, without its port; None when it has none, or several."""
    names = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
    match = _HOST.fullmatch(names[0]) if len(names) == 1 else None
    return match[1] if match else None


def _protect(path: str, start: Message) -> None:
    headers = MutableHeaders(scope=start)
    for name, value in _HEADERS.items():
        headers[name] = value
    if path.startswith("/static/"):
        headers["Cache-Control"] = "no-cache"  # browsers revalidate, and get a 304
    if start["status"] in (413, 500):
        headers["Connection"] = "close"  # uvicorn closes the connection, and the client has to know


async def _check_readable(request: Request) -> None:
    """HTTPException for text that cannot be stored: 404 in a path, 422 in a query or a form."""
    for value in request.path_params.values():
        if _UNREADABLE.search(value) or len(value) > _MAX_LENGTH:
            raise HTTPException(404)
    fields = [
        (name, value, _MAX_MESSAGE if name == "text" else _MAX_LENGTH)
        for name, value in request.query_params.multi_items()
    ]
    if request.method == "POST":
        try:
            form = await request.form(max_fields=_MAX_FIELDS)
        except UnicodeError as error:  # in the charset that the client names
            raise HTTPException(400, reason("form_not_utf8")) from error
        fields += [
            (name, value, _MAX_MESSAGE if name in _MESSAGES else _MAX_FIELD)
            for name, value in form.multi_items()
            if isinstance(value, str)
        ]
    for name, value, limit in fields:
        if _UNREADABLE.search(name + value):
            raise HTTPException(422, reason("form_not_text"))
        if len(name) > _MAX_LENGTH or len(value) > limit:
            raise HTTPException(422, reason("form_value_too_long", limit=limit))


def make_app(
    title: str,
    settings: Settings,
    static: Path,
    close: Callable[[], None],
    opened: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> FastAPI:
    """The application of a site, without pages yet. `static` is the folder of its files; `/static/shared/`
    has those of all sites. `close` is called when the process ends. What belongs to the event loop is
    `opened` as long as it runs.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with opened():
            yield
        close()

    app = FastAPI(
        title=title,
        openapi_url=None,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # its spans hold search terms
        dependencies=[Depends(_check_readable)],
    )
    source.trust_proxies(app, settings.trusted_proxies)
    app.mount("/static/shared", StaticFiles(directory=SHARED), name="shared")
    app.mount("/static", StaticFiles(directory=static), name="static")
    return app


def serve(front: Front, settings: Settings, port: int) -> None:
    """Serve a site until SIGTERM."""
    config = uvicorn.Config(
        front,
        http=partial(GuardedProtocol, Door(settings)),  # type: ignore[arg-type]
        ws="none",
        timeout_keep_alive=75,  # a browser whose connection ends as it sends a form reports an error
        log_config=None,
        access_log=False,
        proxy_headers=False,  # `source.trust_proxies` reads them, of proxies that the settings name
        server_header=False,
    )
    listening.serve(uvicorn.Server(config), settings.host, port)
