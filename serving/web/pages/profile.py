"""The page Profile: language, defaults, consent to training, sign-in devices and password."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse

from data.reasons import Language
from serving.sites import passwords, words
from serving.sites.api import GatewayError
from serving.web.choices import LEVELS, TYPES
from serving.web.visit import Visit, visit

router = APIRouter(prefix="/profile")

Here = Annotated[Visit, visit]
Csrf = Annotated[str, Form(max_length=200)]
Done = Literal["language", "defaults", "consent", "ended"]
Value = Annotated[str, Form(max_length=20)]

_REFUSALS = (403, 404, 422, 429)


@router.get("")
def show(here: Here, done: Annotated[Done | None, Query()] = None) -> Response:
    """The page."""
    return _page(here, done)


@router.post("/language")
def choose_language(here: Here, csrf: Csrf, language: Annotated[Language, Form()]) -> Response:
    """Choose the language of all pages, in this browser and where the person signs in next."""
    here.check(csrf)
    here.prefer(language=language)
    response = _return("language")
    words.remember(response, language)
    return response


@router.post("/defaults")
def choose_defaults(here: Here, csrf: Csrf, transform_type: Value = "", intensity: Value = "") -> Response:
    """Choose what is selected on the page Rewrite at first; nothing leaves it as it was used last."""
    here.check(csrf)
    level = int(intensity) if intensity.isdecimal() else intensity or None
    try:
        here.prefer(transform_type=transform_type or None, intensity=level)
    except GatewayError as error:
        return _refuse(here, error)
    return _return("defaults")


@router.post("/consent")
def consent(here: Here, csrf: Csrf, training: Annotated[Literal["yes", "no"], Form()]) -> Response:
    """Decide whether models may learn from the person."""
    here.check(csrf)
    here.ask("PUT", "/consent", {"training": training == "yes"})
    return _return("consent")


@router.post("/sessions/end-others")
def end_other_sessions(here: Here, csrf: Csrf) -> Response:
    """Sign out on all other devices."""
    here.check(csrf)
    here.ask("DELETE", "/auth/sessions")
    return _return("ended")


@router.post("/sessions/{session_id}/end")
def end_session(here: Here, csrf: Csrf, session_id: uuid.UUID) -> Response:
    """Sign out on one device."""
    here.check(csrf)
    try:
        here.ask("DELETE", f"/auth/sessions/{session_id}")
    except GatewayError as error:
        return _refuse(here, error)
    return _return("ended")


@router.post("/password")
def change_password(
    here: Here,
    csrf: Csrf,
    password: Annotated[str, Form(max_length=300)],
    new_password: Annotated[str, Form(max_length=300)],
) -> Response:
    """Change the password of the person. All their sessions end, so the sign-in page follows."""
    here.check(csrf)
    try:
        return passwords.change(here, password, new_password)
    except GatewayError as error:
        return _refuse(here, error)


def _return(done: Done) -> Response:
    return RedirectResponse(f"/profile?done={done}", 303)


def _refuse(here: Visit, error: GatewayError) -> Response:
    """The page with the reason of a refusal; any other error of the gateway goes on."""
    if error.status not in _REFUSALS:
        raise error
    return _page(here, problem=error.explain(here.words), status=error.status)


def _page(here: Visit, done: Done | None = None, problem: str | None = None, status: int = 200) -> Response:
    return here.page(
        "profile.html",
        status,
        here=router.prefix,
        me=here.me,
        preferences=here.ask("GET", "/preferences"),
        consent=here.ask("GET", "/consent"),
        sessions=[_read_session(session) for session in here.ask_all("/auth/sessions")],
        done=done,
        problem=problem,
        types=TYPES,
        levels=LEVELS,
    )


def _read_session(session: dict[str, Any]) -> dict[str, Any]:
    """A session, with its times as times."""
    times = {name: datetime.fromisoformat(session[name]) for name in ("signed_in_at", "last_used_at")}
    return {**session, **times}
