"""The dashboard's process: who asks, in which language, and the pages. `python -m serving.dashboard.app`
serves it with uvicorn.

Pages are made here, as HTML that works without a script; the script adds what is nicer with one. Handlers are
plain functions, which FastAPI runs in threads: they wait for Postgres, Redis and the gateway.
"""

import logging
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import redis
import uvicorn
from fastapi import Depends, FastAPI, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import OperationalError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from configs.settings import Settings
from data import database
from serving import source
from serving.dashboard import session, words
from serving.dashboard.api import GatewayClient, GatewayError, SignedOutError
from serving.dashboard.pages import calibration, comparisons, data, experiments, models, operations
from serving.dashboard.session import ForgedError, Sessions
from serving.dashboard.visit import NotAllowedError, Visit, plain_visit, signed_in_if_possible, visit
from serving.protocol import Door, GuardedProtocol

_HERE = Path(__file__).parent
_TIMEOUT_S = 2.0
_HEADERS = {
    # matplotlib's SVG has its style in attributes; nothing else is inline.
    "Content-Security-Policy": "default-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline';"
    " img-src 'self' data:; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_A_YEAR_S = 365 * 24 * 3600
_LONGEST = 2000  # characters of an address's part or parameter
_LONGEST_FIELD, _LONGEST_MESSAGE = 4000, 20_000  # of a form's, and of its field `text`
_MOST_FIELDS = 200
_MOST_BYTES = 500_000  # of a form: the longest message, three bytes a character, each percent-encoded
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")  # Postgres stores no such text, and nothing sends it
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]*)?")  # RFC 3986, as far as browsers send it


class Front:
    """What every request and every answer passes. Who asks for a name that is none of this installation's is
    refused: a page of another site that has its name lead here (DNS rebinding) reads and sends nothing. And
    every answer has the headers that protect a browser.

    It stands outside FastAPI, which answers what broke past its own middleware.
    """

    def __init__(self, app: FastAPI, allowed_hosts: Iterable[str]) -> None:
        self.behind, self._allowed = app, frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.behind(scope, receive, send)
            return
        has_begun, received = False, 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > _MOST_BYTES:
                raise HTTPException(413, f"a form has at most {_MOST_BYTES:,} bytes")
            return message

        async def send_protected(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                _protect(scope["path"], message)
            await send(message)

        if scope["path"] != "/livez" and _host(scope) not in self._allowed:
            refusal = PlainTextResponse(
                "This dashboard does not answer to this name. If people reach it by it, add it to"
                ' TONEBRIDGE_ALLOWED_HOSTS, a JSON list of host names without ports: ["127.0.0.1", ...].\n',
                400,
            )
            await refusal(scope, receive, send_protected)
            return
        try:
            await self.behind(scope, receive_bounded, send_protected)
        except Exception:  # this is the outermost edge; uvicorn logs it
            if not has_begun:
                broken = PlainTextResponse("Something broke here. It has been logged. Try again.\n", 500)
                await broken(scope, receive, send_protected)
            raise


def _host(scope: Scope) -> str | None:
    """The name that a request is for, without its port; None when it names none, or several."""
    names = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
    match = _HOST.fullmatch(names[0]) if len(names) == 1 else None
    return match[1] if match else None


def _protect(path: str, start: Message) -> None:
    headers = MutableHeaders(scope=start)
    for name, value in _HEADERS.items():
        headers[name] = value
    if path.startswith("/static/"):
        headers["Cache-Control"] = "no-cache"  # asked for again, and answered with 304
    if start["status"] in (413, 500):
        headers["Connection"] = "close"  # uvicorn closes after what broke; whoever keeps it open has to know


async def _check_readable(request: Request) -> None:
    """HTTPException for text that cannot be stored: 404 in a path, 422 in a query or a form."""
    for value in request.path_params.values():
        if _UNREADABLE.search(value) or len(value) > _LONGEST:
            raise HTTPException(404)
    fields = [(name, value, _LONGEST) for name, value in request.query_params.multi_items()]
    if request.method == "POST":
        try:
            form = await request.form(max_fields=_MOST_FIELDS)
        except UnicodeError as error:  # of a charset that the client has named
            raise HTTPException(400, "send the form as UTF-8") from error
        fields += [
            (name, value, _LONGEST_MESSAGE if name == "text" else _LONGEST_FIELD)
            for name, value in form.multi_items()
            if isinstance(value, str)
        ]
    for name, value, longest in fields:
        if _UNREADABLE.search(name + value):
            raise HTTPException(422, "NUL and half a surrogate pair are no text; leave them out")
        if len(name) > _LONGEST or len(value) > longest:
            raise HTTPException(422, f"a value is longer than {longest} characters; shorten it")


def create_app(settings: Settings) -> Front:
    """The application; it starts and heals whether Postgres, Redis and the gateway are there or not."""
    if settings.database_url is None or not settings.redis_url:
        raise ValueError(
            "the dashboard needs TONEBRIDGE_DATABASE_URL and TONEBRIDGE_REDIS_URL; `make up` starts"
            " everything with local servers"
        )
    gateway = GatewayClient(settings.gateway_url, settings.secret("service_token"))
    store = redis.Redis.from_url(
        settings.redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
    )
    engine = database.reading_engine(settings.database_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        gateway.close()
        store.close()
        engine.dispose()

    app = FastAPI(
        title="ToneBridge dashboard",
        openapi_url=None,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # its spans hold what is searched
        dependencies=[Depends(_check_readable)],
    )
    source.trust_proxies(app, settings.trusted_proxies)
    state = app.state
    state.settings, state.engine, state.gateway = settings, engine, gateway
    state.sessions = Sessions(store, gateway)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    for page in (experiments, models, data, calibration, operations, comparisons):
        app.include_router(page.router)

    @app.get("/livez")
    def livez() -> PlainTextResponse:
        """The process runs."""
        return PlainTextResponse("alive")

    @app.get("/")
    def home(here: Annotated[Visit, visit]) -> Response:
        """The first page of whoever has signed in."""
        return RedirectResponse("/experiments" if here.may_see_experiments else "/compare", 303)

    @app.get("/sign-in")
    def ask_to_sign_in(here: Annotated[Visit, plain_visit], to: str = "/") -> Response:
        """The form."""
        return here.page("sign_in.html", to=_local(to), email="", problem=None)

    @app.post("/sign-in")
    def sign_in(
        here: Annotated[Visit, plain_visit],
        email: Annotated[str, Form(max_length=300)],
        password: Annotated[str, Form(max_length=300)],
        to: Annotated[str, Form(max_length=_LONGEST)] = "/",
    ) -> Response:
        """Begin a session, and go where one wanted to."""
        session.check_origin(here.request)
        try:
            id = here.sessions.open(email.strip(), password, source.address(here.request))
        except GatewayError as error:
            problem = here.words.say("There is no account with this address and password.")
            if error.status not in (401, 422):
                problem = error.detail
            return here.page("sign_in.html", error.status, to=_local(to), email=email, problem=problem)
        response = RedirectResponse(_local(to), 303)
        session.set_cookie(here.request, response, id)
        return response

    @app.post("/sign-out")
    def sign_out(here: Annotated[Visit, visit], csrf: Annotated[str, Form(max_length=200)]) -> Response:
        """End the session."""
        here.check(csrf)
        here.sessions.close(here.request.cookies[session.COOKIE])
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(session.COOKIE)
        return response

    @app.post("/look")
    def look(
        request: Request,
        language: Annotated[str | None, Form()] = None,
        theme: Annotated[str | None, Form()] = None,
        to: Annotated[str, Form(max_length=_LONGEST)] = "/",
    ) -> Response:
        """Remember a language, or light or dark."""
        session.check_origin(request)
        response = RedirectResponse(_local(to), 303)
        if language is not None and language in words.LANGUAGES:
            response.set_cookie("language", language, max_age=_A_YEAR_S, samesite="lax")
        if theme in ("light", "dark", "auto"):
            response.set_cookie("theme", theme, max_age=_A_YEAR_S, samesite="lax")
        return response

    _explain_errors(app)
    return Front(app, settings.allowed_hosts)


def _local(path: str) -> str:
    """A path of this site: a link that leads elsewhere leads home."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def _explain_errors(app: FastAPI) -> None:
    """Every error is a page in words; what broke here is in the log."""

    def signed_out(request: Request, _: Exception) -> Response:
        to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.method != "GET" or len(to) > _LONGEST:
            to = "/"
        response = RedirectResponse(f"/sign-in?to={quote(to)}", 303)
        response.delete_cookie(session.COOKIE)
        return response

    def explained(request: Request, error: Exception) -> Response:
        here = signed_in_if_possible(request)
        say = here.words.say
        status, title, detail = 500, say("Something broke here"), say("It has been logged. Try again.")
        match error:
            case GatewayError():
                status, title, detail = error.status, say(error.title), error.detail
            case NotAllowedError():
                status, title, detail = 403, say("This page is not for you"), str(error)
            case ForgedError():
                status, title, detail = 403, say("This form cannot be used"), say(str(error))
            case OperationalError():
                status, title = 503, say("Try again shortly")
                detail = say("Postgres does not answer. The gateway goes on with what it knows.")
            case RequestValidationError():
                status, title = 422, say("This does not fit")
                detail = "; ".join(f"{e['loc'][-1]}: {e['msg']}" for e in error.errors())
            case HTTPException(status_code=404):
                status, title, detail = 404, say("There is no such page"), str(error.detail)
                if detail == HTTPStatus.NOT_FOUND.phrase:  # nobody has said more
                    detail = say("It may have been renamed. Begin at the list of experiments.")
            case HTTPException():
                status, title, detail = error.status_code, say("The request was refused"), str(error.detail)
        return here.page("problem.html", status, title=title, detail=detail)

    app.add_exception_handler(SignedOutError, signed_out)
    for kind in (
        GatewayError, NotAllowedError, ForgedError, OperationalError, RequestValidationError, HTTPException,
        Exception,
    ):  # fmt: skip
        app.add_exception_handler(kind, explained)


def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings()
    logging.basicConfig(level=logging.INFO)
    uvicorn.run(
        create_app(settings),
        host="127.0.0.1",
        port=settings.dashboard_port,
        http=partial(GuardedProtocol, Door(settings)),  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # `source.trust_proxies` reads them, of proxies that the settings name
        server_header=False,
    )


if __name__ == "__main__":
    main()
