"""Errors as pages: one table from exception to status, title and detail."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from data.reasons import Reason, ReasonedError, reason
from serving.sites import session
from serving.sites.api import GatewayError, SignedOutError
from serving.sites.session import ForgedError
from serving.sites.visit import SiteVisit
from serving.validation import reason_of

_MAX_LENGTH = 2000  # characters of the path to return to after signing in


class Problem(NamedTuple):
    """What the page of an error says."""

    status: int
    title: str
    detail: str


def install(
    app: FastAPI,
    signed_in_if_possible: Callable[[Request], SiteVisit],
    explain: Callable[[Exception, Any], Problem | None],
    kinds: tuple[type[Exception], ...] = (),
) -> None:
    """Answer every error as a page that explains it. Unexpected errors are logged. `explain` comes first: it
    knows the errors that only this site raises, which have these `kinds`.
    """

    def signed_out(request: Request, _: Exception) -> Response:
        to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.method != "GET" or len(to) > _MAX_LENGTH:
            to = "/"
        response = RedirectResponse(f"/sign-in?to={quote(to)}", 303)
        response.delete_cookie(session.COOKIE)
        return response

    def explained(request: Request, error: Exception) -> Response:
        here = signed_in_if_possible(request)
        problem = explain(error, here) or _explain(error, here)
        return here.page("problem.html", problem.status, title=problem.title, detail=problem.detail)

    app.add_exception_handler(SignedOutError, signed_out)
    for kind in (*kinds, GatewayError, ForgedError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, explained)


def _explain(error: Exception, here: SiteVisit) -> Problem:
    say = here.words.say
    match error:
        case GatewayError():
            return Problem(error.status, here.words.reasons([error.title_reason]), error.explain(here.words))
        case ForgedError():
            return Problem(403, say("This form cannot be used"), say(str(error)))
        case RequestValidationError():
            faults = (f"{fault['loc'][-1]}: {_sentence(fault, here)}" for fault in error.errors())
            return Problem(422, say("This does not fit"), "; ".join(faults))
        case HTTPException(status_code=404):
            detail = str(error.detail)
            if isinstance(error.__cause__, ReasonedError):
                detail = here.words.reasons(error.__cause__.reasons)
            elif detail == HTTPStatus.NOT_FOUND.phrase:  # no handler has said more
                detail = say("It may have been renamed. Begin at the first page.")
            return Problem(404, say("There is no such page"), detail)
        case HTTPException():
            detail = here.words.reasons([_refusal(error)])
            return Problem(error.status_code, say("The request was refused"), detail)
    return Problem(500, say("Something broke here"), say("It has been logged. Try again."))


def _refusal(error: HTTPException) -> Reason:
    """The reason of a refusal: ours in its `detail`, or one in place of the framework's English sentence."""
    detail: object = error.detail
    if isinstance(detail, Reason):
        return detail
    return reason("title_method_not_allowed") if error.status_code == 405 else reason("form_unreadable")


def _sentence(fault: Mapping[str, Any], here: SiteVisit) -> str:
    return reason_of(fault).render(here.words.language)
