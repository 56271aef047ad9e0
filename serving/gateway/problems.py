"""Errors as problem details (RFC 9457): one table from exception to status, and the 422 that says what is
allowed.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException

from data.people.accounts import LastOwnerError
from data.records import TransformType
from data.traffic.answers import FullError
from data.traffic.comparisons import TooManyOpenError, UnknownComparisonError, VotedError
from data.traffic.feedback import ErasedError, WrongReceiptError
from data.traffic.receipts import ForgedReceiptError
from experiments.decisions import UnknownExperimentError
from experiments.lifecycle import RefusedError

RETRY_AFTER_S = 2


class UnknownKeyError(Exception):
    """No key, token or password was sent, or it is not in force."""


class ForeignReceiptError(Exception):
    """The receipt belongs to another organisation or person."""


class NoChallengerError(Exception):
    """A comparison with a challenger was requested, and there is none."""


class NothingToCompareError(Exception):
    """There is no message left to compare, or its two rewrites are the same."""


class UnavailableError(Exception):
    """A part that the answer needs is unavailable; the client should retry."""


class VersionFailedError(UnavailableError):
    """The inference service was called for a version and failed; another version may be able to answer."""


class ForbiddenError(Exception):
    """The key or token is known, and may not do this."""


class TooManyRequestsError(Exception):
    """More requests than the plan allows; `headers` say when to retry."""

    def __init__(self, detail: str, retry_after_s: int, headers: Mapping[str, str]) -> None:
        super().__init__(detail)
        self.headers = {**headers, "Retry-After": str(retry_after_s)}


class TooLargeError(Exception):
    """The body is longer than any valid one, or has more messages than the plan admits at once."""


class InProgressError(Exception):
    """The first request with this Idempotency-Key is still being answered."""


class ReusedKeyError(Exception):
    """This Idempotency-Key was sent with another request."""


class InvalidError(Exception):
    """The request is not valid; `by_field` has a message for each field."""

    def __init__(self, by_field: Mapping[str, str]) -> None:
        super().__init__(str(by_field))
        self.by_field = by_field


# exception -> (status, title, whether the exception's message is sent as the detail)
_TABLE: dict[type[Exception], tuple[int, str, bool]] = {
    UnknownKeyError: (401, "Unknown credentials", True),
    ForgedReceiptError: (403, "Not our receipt", True),
    ForeignReceiptError: (403, "Not your receipt", True),
    WrongReceiptError: (409, "Receipt and vote do not fit", True),
    ErasedError: (410, "Erased", True),
    RefusedError: (409, "Not as things stand", True),
    UnknownExperimentError: (404, "Unknown experiment", True),
    NoChallengerError: (409, "No challenger", True),
    NothingToCompareError: (409, "Nothing to compare", True),
    UnknownComparisonError: (404, "Unknown comparison", True),
    TooManyOpenError: (409, "Too many open comparisons", True),
    VotedError: (409, "Not as things stand", True),
    LastOwnerError: (409, "Not as things stand", True),
    ForbiddenError: (403, "Not allowed", True),
    TooLargeError: (413, "The request is too large", True),
    TooManyRequestsError: (429, "Too many requests", True),
    InProgressError: (409, "Still being answered", True),
    ReusedKeyError: (422, "Idempotency-Key used twice", True),
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
    "locale": "a language tag such as ja or en-GB, or leave it out",
    "channel": "1 to 40 of a-z, 0-9, '.', '_' and '-', or leave it out",
    "receipt": "the receipt that came with the answer",
    "kind": "thumb, rating, edit, comparison or comment",
    "up": "true or false",
    "stars": "a whole number from 1 to 5",
    "preferred": "first, second or neither",
    "policy": "two_samples or champion_against_challenger",
    "name": "1 to 200 characters",
    "role": "member, viewer, experimenter, admin or owner",
    "key_id": "the id of an API key",
    "kid": "1 to 64 letters, digits, '.', '_' or '-'",
    "algorithm": "HS256 or EdDSA",
    "key": "base64url: a secret of 32 bytes or more, or the 32 bytes of an Ed25519 public key",
    "token": "a token (JWT) of your organisation",
    "email": "an e-mail address of at most 254 characters",
    "password": "12 to 200 characters without NUL",
    "new_password": "12 to 200 characters without NUL",
    "refresh_token": "the one that came with the newest access token",
    "account_id": "the id of an account",
    "items": "1 to 100 messages",
    "training": "true or false",
    "trains_across": "true or false",
    "trains_by_default": "true or false",
    "hypothesis": "a sentence of 1 to 2,000 characters: which effect you expect, and on whom",
    "challenger": "the name of a version that passed the gate, such as v3",
    "plan": "fields of configs/experiment.yaml, with values that they may have",
    "target": "transform_types, organisations, locales and channels, each a list or left out",
    "transform_types": f"some of {', '.join(TransformType)}",
    "organisations": "ids of organisations",
    "locales": "language tags such as ja or en-GB",
    "channels": "each 1 to 40 of a-z, 0-9, '.', '_' and '-'",
    "share": "more than 0, and at most 1",
    "reason": "a sentence of 1 to 2,000 characters",
    "experiment_id": "the id of an experiment",
    "comparison_id": "the id of a comparison",
    "limit": "a whole number from 1 to 200",
    "Idempotency-Key": "1 to 200 printable characters",
    "body": "a JSON object, in UTF-8",
}


def problem(
    status: int,
    title: str,
    detail: str,
    errors: Sequence[dict[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response of type application/problem+json. A 503 has Retry-After; a 500 has `Connection: close`,
    since the server closes the connection after an error.

    `detail` may quote the client's text, which UTF-8 may not be able to encode.
    """
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if errors:
        body["errors"] = list(errors)
    if status == 503:
        headers = {"Retry-After": str(RETRY_AFTER_S)}
    elif status == 500:
        headers = {"Connection": "close"}
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(content, status, headers, media_type="application/problem+json")


def _invalid(by_field: Mapping[str, str]) -> Response:
    errors = [
        {"field": field, "message": message, "allowed": _ALLOWED.get(field, "nothing of this name")}
        for field, message in by_field.items()
    ]
    detail = "; ".join(f"{e['field']}: {e['message']} (allowed: {e['allowed']})" for e in errors)
    return problem(422, "The request does not fit", detail, errors)


def by_field(faults: Sequence[Any]) -> dict[str, str]:
    """Messages of Pydantic's errors, each by its innermost field, under the name that the client uses."""
    return {_field(fault): fault["msg"] for fault in faults}


def _field(fault: dict[str, Any]) -> str:
    """The innermost field of a validation error, under the name that the client uses."""
    if fault["type"].startswith("union_tag"):
        return str(fault["ctx"]["discriminator"]).strip("'")
    names = [part for part in fault["loc"] if isinstance(part, str)]
    if fault["type"] == "extra_forbidden":
        return names[-1]
    return next((name for name in reversed(names) if name in _ALLOWED), "body")


def answer(error: Exception) -> Response:
    """The response to an exception: by the table, 422 for InvalidError, 500 for any other."""
    if isinstance(error, InvalidError):
        return _invalid(error.by_field)
    kind = next((k for k in type(error).__mro__ if k in _TABLE), None)
    if kind is None:
        return problem(500, "Our mistake", "the gateway failed; the error has been logged")
    status, title, may_show = _TABLE[kind]
    headers: Mapping[str, str] | None = None
    if isinstance(error, TooManyRequestsError):
        headers = error.headers
    elif isinstance(error, InProgressError):
        headers = {"Retry-After": "1"}
    return problem(
        status, title, str(error) if may_show else "a part of the service is unavailable", headers=headers
    )


def install(app: FastAPI) -> None:
    """Answer every exception as a problem."""

    async def known(_: Request, error: Exception) -> Response:
        return answer(error)

    async def validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _invalid(by_field(error.errors()))

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 400:  # FastAPI's answer to a body that is not UTF-8
            return _invalid({"body": "not readable"})
        return problem(error.status_code, str(error.detail), str(error.detail))

    for kind in (*_TABLE, InvalidError, Exception):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
