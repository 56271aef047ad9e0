"""Errors as pages: one table from exception to status, title and detail."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from configs import ConfigError
from data.reasons import Reason, ReasonedError, reason
from serving.dashboard import session
from serving.dashboard.api import GatewayError, SignedOutError
from serving.dashboard.session import ForgedError
from serving.dashboard.visit import NotAllowedError, Visit, signed_in_if_possible
from serving.validation import reason_of, reasons_of

_MAX_LENGTH = 2000  # characters of the path to return to after signing in


def install(app: FastAPI) -> None:
    """Answer every error as a page that explains it. Unexpected errors are logged."""

    def signed_out(request: Request, _: Exception) -> Response:
        to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.method != "GET" or len(to) > _MAX_LENGTH:
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
                status, title = error.status, here.words.reasons([error.title_reason])
                detail = error.explain(here.words)
            case NotAllowedError():
                status, title, detail = 403, say("This page is not for you"), str(error)
            case ForgedError():
                status, title, detail = 403, say("This form cannot be used"), say(str(error))
            case ConfigError():
                status, title = 500, say("A file of settings is not valid")
                detail = here.words.reasons(reasons_of(error))
            case OperationalError():
                status, title = 503, say("Try again shortly")
                detail = say("Postgres does not answer. The gateway goes on with what it knows.")
            case RequestValidationError():
                status, title = 422, say("This does not fit")
                faults = (f"{fault['loc'][-1]}: {_sentence(fault, here)}" for fault in error.errors())
                detail = "; ".join(faults)
            case HTTPException(status_code=404):
                status, title, detail = 404, say("There is no such page"), str(error.detail)
                if isinstance(error.__cause__, ReasonedError):
                    detail = here.words.reasons(error.__cause__.reasons)
                elif detail == HTTPStatus.NOT_FOUND.phrase:  # no handler has said more
                    detail = say("It may have been renamed. Begin at the list of experiments.")
            case HTTPException():
                status, title = error.status_code, say("The request was refused")
                detail = here.words.reasons([_refusal(error)])
        return here.page("problem.html", status, title=title, detail=detail)

    app.add_exception_handler(SignedOutError, signed_out)
    for kind in (
        GatewayError, NotAllowedError, ForgedError, ConfigError, OperationalError, RequestValidationError,
        HTTPException, Exception,
    ):  # fmt: skip
        app.add_exception_handler(kind, explained)


def _refusal(error: HTTPException) -> Reason:
    """The reason of a refusal: ours in its `detail`, or one in place of the framework's English sentence."""
    detail: object = error.detail
    if isinstance(detail, Reason):
        return detail
    return reason("title_method_not_allowed") if error.status_code == 405 else reason("form_unreadable")


def _sentence(fault: Mapping[str, Any], here: Visit) -> str:
    return reason_of(fault).render(here.words.language)
