"""The dashboard's process: who asks, in which language, and the pages. `python -m serving.dashboard.app`
serves it with uvicorn.

Pages are made here, as HTML that works without a script; the script adds what is nicer with one. Handlers are
plain functions, which FastAPI runs in threads: they wait for Postgres, Redis and the gateway.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import redis
import uvicorn
from fastapi import FastAPI, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from configs.settings import Settings
from data import database
from serving.dashboard import (
    calibration,
    compare,
    experiments,
    feedback,
    models,
    operations,
    session,
    words,
)
from serving.dashboard.gateway import GatewayClient, GatewayError, SignedOutError
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


def create_app(settings: Settings) -> FastAPI:
    """The application; it starts and heals whether Postgres, Redis and the gateway are there or not."""
    if settings.database_url is None or not settings.redis_url:
        raise ValueError(
            "the dashboard needs TONEBRIDGE_DATABASE_URL and TONEBRIDGE_REDIS_URL; `make up` starts"
            " everything with local servers"
        )
    gateway = GatewayClient(settings.gateway_url)
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

    app = FastAPI(title="ToneBridge dashboard", openapi_url=None, lifespan=lifespan)
    state = app.state
    state.settings, state.engine, state.gateway = settings, engine, gateway
    state.sessions = Sessions(store, gateway)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    for page in (experiments, models, feedback, calibration, operations, compare):
        app.include_router(page.router)

    @app.middleware("http")
    async def headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.url.path.startswith("/static/"):
            response.headers["Cache-Control"] = "no-cache"  # asked for again, and answered with 304
        return response

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
        to: Annotated[str, Form()] = "/",
    ) -> Response:
        """Begin a session, and go where one wanted to."""
        session.check_origin(here.request)
        try:
            id = here.sessions.open(email.strip(), password)
        except GatewayError as error:
            problem = here.words.say("There is no account with this address and password.")
            if error.status not in (401, 422):
                problem = error.detail
            return here.page("sign_in.html", error.status, to=_local(to), email=email, problem=problem)
        response = RedirectResponse(_local(to), 303)
        session.set_cookie(here.request, response, id)
        return response

    @app.post("/sign-out")
    def sign_out(here: Annotated[Visit, visit], csrf: Annotated[str, Form()]) -> Response:
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
        to: Annotated[str, Form()] = "/",
    ) -> Response:
        """Remember a language, or light or dark."""
        session.check_origin(request)
        response = RedirectResponse(_local(to), 303)
        if language in words.LANGUAGES:
            response.set_cookie("language", language, max_age=_A_YEAR_S, samesite="lax")
        if theme in ("light", "dark", "auto"):
            response.set_cookie("theme", theme, max_age=_A_YEAR_S, samesite="lax")
        return response

    _explain_errors(app)
    return app


def _local(path: str) -> str:
    """A path of this site: a link that leads elsewhere leads home."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def _explain_errors(app: FastAPI) -> None:
    """Every error is a page in words; what broke here is in the log."""

    async def signed_out(request: Request, _: Exception) -> Response:
        to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.method != "GET":
            to = "/"
        response = RedirectResponse(f"/sign-in?to={quote(to)}", 303)
        response.delete_cookie(session.COOKIE)
        return response

    async def explained(request: Request, error: Exception) -> Response:
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
        server_header=False,
    )


if __name__ == "__main__":
    main()
