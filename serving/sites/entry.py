"""The routes around the pages: signing in and out, the first page, language and theme, and the probe."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.responses import Response

from serving import source
from serving.sites import devices, session, words
from serving.sites.api import GatewayError, SignedOutError
from serving.sites.visit import SiteVisit

_A_YEAR_S = 365 * 24 * 3600
_MAX_LENGTH = 2000  # characters of the path to go to next


def make_router(plain_visit: Any, visit: Any, first_page: Callable[[Any], str]) -> APIRouter:
    """The routes of a site. `plain_visit` and `visit` are its dependencies, for anybody and for signed-in
    people; `first_page` returns the path of the first page of a visit.
    """
    router = APIRouter()

    @router.get("/livez")
    def livez() -> PlainTextResponse:
        """The process runs."""
        return PlainTextResponse("alive")

    @router.get("/")
    def home(here: Annotated[SiteVisit, visit]) -> Response:
        """Go to the first page of a signed-in person."""
        return RedirectResponse(first_page(here), 303)

    @router.get("/sign-in")
    def ask_to_sign_in(here: Annotated[SiteVisit, plain_visit], to: str = "/") -> Response:
        """The form to sign in."""
        return here.page("sign_in.html", to=_local(to), email="", problem=None)

    @router.post("/sign-in")
    def sign_in(
        here: Annotated[SiteVisit, plain_visit],
        email: Annotated[str, Form(max_length=300)],
        password: Annotated[str, Form(max_length=300)],
        to: Annotated[str, Form(max_length=_MAX_LENGTH)] = "/",
    ) -> Response:
        """Start a session, and go to the page that was requested first."""
        session.check_origin(here.request)
        try:
            device = devices.describe(here.request.headers.get("user-agent", ""))
            id = here.sessions.open(email.strip(), password, source.address(here.request), device)
        except GatewayError as error:
            problem: str = here.words.say("There is no account with this address and password.")
            if error.status not in (401, 422):
                problem = error.explain(here.words)
            return here.page("sign_in.html", error.status, to=_local(to), email=email, problem=problem)
        response = RedirectResponse(_local(to), 303)
        session.set_cookie(here.request, response, id)
        if "language" not in here.request.cookies and (language := _preferred_language(here, id)):
            words.remember(response, language)
        return response

    @router.post("/sign-out")
    def sign_out(here: Annotated[SiteVisit, visit], csrf: Annotated[str, Form(max_length=200)]) -> Response:
        """End the session."""
        here.check(csrf)
        here.sessions.close(here.request.cookies[session.COOKIE])
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(session.COOKIE)
        return response

    @router.post("/look")
    def look(
        request: Request,
        language: Annotated[str | None, Form()] = None,
        theme: Annotated[str | None, Form()] = None,
        to: Annotated[str, Form(max_length=_MAX_LENGTH)] = "/",
    ) -> Response:
        """Store the language or the colour scheme in a cookie."""
        session.check_origin(request)
        response = RedirectResponse(_local(to), 303)
        if language is not None and language in words.LANGUAGES:
            words.remember(response, language)
        if theme in ("light", "dark", "auto"):
            response.set_cookie("theme", theme, max_age=_A_YEAR_S, samesite="lax")
        return response

    return router


def _preferred_language(here: SiteVisit, id: str) -> str | None:
    """The language that the person of a new session prefers in every client, if they have chosen one."""
    try:
        token = here.sessions.find(id).access_token
        language: str | None = here.gateway.ask(token, "GET", "/preferences")["language"]
    except (SignedOutError, GatewayError):  # the pages work without it
        return None
    return language


def _local(path: str) -> str:
    """The path if it is one of this site; `/` if it would lead to another site."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
