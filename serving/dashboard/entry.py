"""The routes around the pages: signing in and out, the first page, language and theme, and the probe."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.responses import Response

from serving import source
from serving.dashboard import session, words
from serving.dashboard.api import GatewayError
from serving.dashboard.visit import Visit, plain_visit, visit

_A_YEAR_S = 365 * 24 * 3600
_MAX_LENGTH = 2000  # characters of the path to go to next

router = APIRouter()


@router.get("/livez")
def livez() -> PlainTextResponse:
    """The process runs."""
    return PlainTextResponse("alive")


@router.get("/")
def home(here: Annotated[Visit, visit]) -> Response:
    """Go to the first page of a signed-in person."""
    return RedirectResponse("/experiments" if here.may_see_experiments else "/compare", 303)


@router.get("/sign-in")
def ask_to_sign_in(here: Annotated[Visit, plain_visit], to: str = "/") -> Response:
    """The form to sign in."""
    return here.page("sign_in.html", to=_local(to), email="", problem=None)


@router.post("/sign-in")
def sign_in(
    here: Annotated[Visit, plain_visit],
    email: Annotated[str, Form(max_length=300)],
    password: Annotated[str, Form(max_length=300)],
    to: Annotated[str, Form(max_length=_MAX_LENGTH)] = "/",
) -> Response:
    """Start a session, and go to the page that was requested first."""
    session.check_origin(here.request)
    try:
        id = here.sessions.open(email.strip(), password, source.address(here.request))
    except GatewayError as error:
        problem: str = here.words.say("There is no account with this address and password.")
        if error.status not in (401, 422):
            problem = error.explain(here.words)
        return here.page("sign_in.html", error.status, to=_local(to), email=email, problem=problem)
    response = RedirectResponse(_local(to), 303)
    session.set_cookie(here.request, response, id)
    return response


@router.post("/sign-out")
def sign_out(here: Annotated[Visit, visit], csrf: Annotated[str, Form(max_length=200)]) -> Response:
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
        response.set_cookie("language", language, max_age=_A_YEAR_S, samesite="lax")
    if theme in ("light", "dark", "auto"):
        response.set_cookie("theme", theme, max_age=_A_YEAR_S, samesite="lax")
    return response


def _local(path: str) -> str:
    """The path if it is one of this site; `/` if it would lead to another site."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
