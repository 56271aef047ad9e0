"""Errors as problem details (RFC 9457): one table from exception to status, and the 422 that says what is
allowed.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException

from data.answers import FullError
from data.feedback import WrongReceiptError
from data.receipts import ForgedReceiptError
from data.records import TransformType

RETRY_AFTER_S = 2


class UnknownKeyError(Exception):
    """No key was sent, or none that is in force."""


class ForeignReceiptError(Exception):
    """The receipt belongs to another organisation."""


class NoChallengerError(Exception):
    """A comparison with a challenger was asked for, and there is none."""


class UnavailableError(Exception):
    """Something that the answer needs is away; the client should come back."""


# exception -> (status, title, whether the exception's own words may be shown)
_TABLE: dict[type[Exception], tuple[int, str, bool]] = {
    UnknownKeyError: (401, "Unknown API key", True),
    ForgedReceiptError: (403, "Not our receipt", True),
    ForeignReceiptError: (403, "Not your receipt", True),
    WrongReceiptError: (409, "Receipt and vote do not fit", True),
    NoChallengerError: (409, "No challenger", True),
    UnavailableError: (503, "Try again shortly", True),
    FullError: (503, "Try again shortly", False),
    psycopg.OperationalError: (503, "Try again shortly", False),
    PoolTimeout: (503, "Try again shortly", False),
}

_ALLOWED = {
    "text": "1 to 8,000 characters, not only white space, no NUL",
    "transform_type": f"one of {', '.join(TransformType)}",
    "intensity": "a whole number from 0 to 3",
    "user_id": "1 to 200 characters without NUL, or leave it out",
    "receipt": "the token that came with the answer",
    "kind": "thumb, rating, edit, comparison or comment",
    "up": "true or false",
    "stars": "a whole number from 1 to 5",
    "preferred": "first, second or neither",
    "policy": "two_samples or champion_against_challenger",
    "body": "a JSON object, in UTF-8",
}


def problem(status: int, title: str, detail: str, errors: Sequence[dict[str, str]] = ()) -> JSONResponse:
    """A response of type application/problem+json; a 503 says when to come back."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if errors:
        body["errors"] = list(errors)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def _invalid(by_field: dict[str, str]) -> JSONResponse:
    errors = [
        {"field": field, "message": message, "allowed": _ALLOWED.get(field, "nothing of this name")}
        for field, message in by_field.items()
    ]
    detail = "; ".join(f"{e['field']}: {e['message']} (allowed: {e['allowed']})" for e in errors)
    return problem(422, "The request does not fit", detail, errors)


def _field(fault: dict[str, Any]) -> str:
    """The innermost field that a validation error is about, as the client knows it."""
    if fault["type"].startswith("union_tag"):
        return str(fault["ctx"]["discriminator"]).strip("'")
    names = [part for part in fault["loc"] if isinstance(part, str)]
    if fault["type"] == "extra_forbidden":
        return names[-1]
    return next((name for name in reversed(names) if name in _ALLOWED), "body")


def install(app: FastAPI) -> None:
    """Answer every exception of the table, and every validation error, as a problem."""

    async def known(_: Request, error: Exception) -> JSONResponse:
        kind = next(k for k in type(error).__mro__ if k in _TABLE)
        status, title, may_show = _TABLE[kind]
        return problem(status, title, str(error) if may_show else "a part of the service is away")

    async def validation(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        by_field = {_field(fault): fault["msg"] for fault in error.errors()}
        return _invalid(by_field)

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 400:  # FastAPI's word for a body that is not UTF-8
            return _invalid({"body": "not readable"})
        return problem(error.status_code, str(error.detail), str(error.detail))

    for kind in _TABLE:
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
