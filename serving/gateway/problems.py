"""Errors as problem details (RFC 9457): one table from exception to status, and the 422 that says what is
allowed.

Title and detail are English. The member `reasons` has the codes and values of the detail; the catalogue
(`data/reasons.yaml`) has their sentences in every language. In a 422 each of `errors` has `reason` and
`allowed_reason`, and `part` when the error is about a part of the field.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException

from data.inbound.endpoints import TooManyInboundWebhooksError
from data.jobs.queue import ReusedBatchKeyError
from data.people.accounts import EndedSessionError, LastOwnerError, TakenError
from data.people.dictionaries import TakenTermError, TooManyTermsError
from data.people.identities import RefusedKeyError
from data.reasons import Reason, ReasonedError, catalogue, reason, render, written
from data.records import TransformType
from data.rules.stored import TooManyRulesError
from data.traffic.answers import FullError
from data.traffic.comparisons import TooManyOpenError, UnknownComparisonError, VotedError
from data.traffic.feedback import ErasedError, WrongReceiptError
from data.traffic.receipts import ForgedReceiptError
from data.webhooks.events import SUBSCRIBABLE, EventType
from data.webhooks.subscriptions import TooManyWebhooksError
from experiments.decisions import UnknownExperimentError
from experiments.lifecycle import RefusedError
from serving.request_counts import LEFT
from serving.validation import reason_of

RETRY_AFTER_S = 2


class UnknownKeyError(ReasonedError):
    """No key, token or password was sent, or it is not in force."""


class SignatureError(UnknownKeyError):
    """A request is not signed as its key requires, or its signature is not valid."""


class ForeignReceiptError(ReasonedError):
    """The receipt belongs to another organisation or person."""


class NoChallengerError(ReasonedError):
    """A comparison with a challenger was requested, and there is none."""


class NothingToCompareError(ReasonedError):
    """There is no message left to compare, or its two rewrites are the same."""


class UnavailableError(ReasonedError):
    """A part that the answer needs is unavailable; the client should retry, after `retry_after_s`."""

    retry_after_s = RETRY_AFTER_S  # unless `until` says otherwise

    def until(self, retry_after_s: int) -> Self:
        """This error, with the seconds to wait."""
        self.retry_after_s = retry_after_s
        return self


class VersionFailedError(UnavailableError):
    """The inference service was called for a version and failed; another version may be able to answer."""


class VersionSlowError(UnavailableError):
    """The inference service did not answer in time for a version, but answered others for it meanwhile: it is
    busy, or this message is long. That says nothing against the version.
    """


class ForbiddenError(ReasonedError):
    """The key or token is known, and may not do this."""


class NotFoundError(ReasonedError):
    """What the address names does not exist, or not for this caller."""


class TooManyRequestsError(ReasonedError):
    """More requests than the plan allows; `headers` say when to retry."""

    headers: Mapping[str, str] = {"Retry-After": "1"}  # unless `until` says otherwise

    def until(self, retry_after_s: int, headers: Mapping[str, str] | None = None) -> "TooManyRequestsError":
        """This error, with the seconds to wait and further headers."""
        self.headers = {**(headers or {}), "Retry-After": str(retry_after_s)}
        return self


class LeftError(Exception):
    """The client has left before its answer was made."""


class ChangedError(ReasonedError):
    """What a change is about is no longer in the state that `If-Match` names."""


class TooLargeError(ReasonedError):
    """The body is longer than any valid one, or has more messages than the plan admits at once."""


class InProgressError(ReasonedError):
    """The first request with this Idempotency-Key is still being answered."""


class ReusedKeyError(ReasonedError):
    """This Idempotency-Key was sent with another request."""


class UpgradeNeededError(ReasonedError):
    """The address is for WebSockets."""


class NotInstalledError(ReasonedError):
    """The answer needs a package that is not installed here."""


class InvalidDocumentError(ReasonedError):
    """A GraphQL document is not valid, or too large."""


class InvalidError(Exception):
    """The request is not valid; `by_field` has the reason for each field. With `within` these are the parts
    of that one field.
    """

    def __init__(self, by_field: Mapping[str, Reason], within: str = "") -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in by_field.items()))
        self.by_field, self.within = by_field, within


# exception -> (status, code of the title, whether the exception's reasons are sent)
_TABLE: dict[type[Exception], tuple[int, str, bool]] = {
    UnknownKeyError: (401, "title_unknown_credentials", True),
    SignatureError: (401, "title_signature_refused", True),
    EndedSessionError: (401, "title_unknown_credentials", True),
    ForgedReceiptError: (403, "title_not_our_receipt", True),
    ForeignReceiptError: (403, "title_not_your_receipt", True),
    WrongReceiptError: (409, "title_receipt_does_not_fit", True),
    ErasedError: (410, "title_erased", True),
    RefusedError: (409, "title_not_possible_now", True),
    UnknownExperimentError: (404, "title_unknown_experiment", True),
    NoChallengerError: (409, "title_no_challenger", True),
    NothingToCompareError: (409, "title_nothing_to_compare", True),
    UnknownComparisonError: (404, "title_unknown_comparison", True),
    TooManyOpenError: (409, "title_too_many_open", True),
    VotedError: (409, "title_not_possible_now", True),
    TakenError: (409, "title_not_possible_now", True),
    LastOwnerError: (409, "title_not_possible_now", True),
    RefusedKeyError: (409, "title_not_possible_now", True),
    TakenTermError: (409, "title_not_possible_now", True),
    TooManyTermsError: (409, "title_not_possible_now", True),
    TooManyRulesError: (409, "title_not_possible_now", True),
    TooManyWebhooksError: (409, "title_not_possible_now", True),
    TooManyInboundWebhooksError: (409, "title_not_possible_now", True),
    NotFoundError: (404, "title_not_found", True),
    ForbiddenError: (403, "title_not_allowed", True),
    ChangedError: (412, "title_changed", True),
    TooLargeError: (413, "title_too_large", True),
    TooManyRequestsError: (429, "title_too_many_requests", True),
    ReusedBatchKeyError: (422, "title_key_reused", True),
    InProgressError: (409, "title_in_progress", True),
    ReusedKeyError: (422, "title_key_reused", True),
    InvalidDocumentError: (422, "title_invalid", True),
    UpgradeNeededError: (426, "title_upgrade_needed", True),
    NotInstalledError: (501, "title_not_installed", True),
    UnavailableError: (503, "title_unavailable", True),
    FullError: (503, "title_unavailable", False),
    psycopg.OperationalError: (503, "title_unavailable", False),
    PoolTimeout: (503, "title_unavailable", False),
}
# What Starlette's router answers by itself.
KINDS = (*_TABLE, InvalidError)
_OF_THE_ROUTER = {404: "title_not_found", 405: "title_method_not_allowed"}

_FIELDS = (
    "text", "intensity", "user_id", "locale", "channel", "stream", "receipt", "kind", "up", "stars",
    "preferred", "policy", "name", "role", "key_id", "kid", "algorithm", "key", "token", "email", "password",
    "new_password", "refresh_token", "account_id", "items", "training", "trains_across",
    "trains_by_default", "hypothesis", "challenger", "challengers", "plan", "target",
    "organisations", "locales", "channels",
    "share", "reason", "experiment_id", "comparison_id", "limit", "body",
    "run_at", "since", "until", "state", "before", "format", "batch_id", "job_id", "message",
    "url", "description", "enabled", "webhook_id", "delivery_id",
    "query", "documentId", "operationName", "variables", "extensions", "first", "secret_id", "required",
    "browser", "origins", "q", "status", "revoked", "answer_id",
    "scope", "term", "rule", "wording", "term_id", "erase", "session_id", "device", "language",
    "sent_on", "verification", "secret", "text_pointer", "reply_url", "reply_form", "delivers_unchanged",
    "inbound_webhook_id",
    "conditions", "words", "pattern", "ignores_case", "harsh_above", "values", "prefixes", "days", "starts",
    "ends", "time_zone", "priority", "recipient", "sent_at", "rule_id", "draft", "rewrites",
    "tour_closed", "action", "after", "about", "comment", "may_answer", "feedback_id",
)  # fmt: skip
_TYPES = ", ".join(TransformType)
_ALLOWED = {
    **{field: reason(f"allowed_{field}") for field in _FIELDS},
    "transform_type": reason("allowed_transform_type", types=_TYPES),
    "transform_types": reason("allowed_transform_types", types=_TYPES),
    "file": reason("allowed_file", types=_TYPES),
    "events": reason("allowed_events", events=", ".join(SUBSCRIBABLE)),
    "event": reason("allowed_event", events=", ".join(EventType)),
    "Idempotency-Key": reason("allowed_idempotency_key"),
    "Content-Type": reason("allowed_content_type"),
}


def status_of(kind: type[Exception]) -> int:
    """The status of an exception: by the table, 422 for InvalidError, 500 for any other."""
    if issubclass(kind, InvalidError):
        return 422
    return next((_TABLE[parent][0] for parent in kind.__mro__ if parent in _TABLE), 500)


def allowed(field: str) -> Reason:
    """What a field may contain."""
    return _ALLOWED.get(field) or reason("allowed_nothing")


def problem(
    status: int,
    title: str,
    detail: str,
    errors: Sequence[dict[str, Any]] = (),
    reasons: Sequence[Reason] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response of type application/problem+json. A 503 has Retry-After; a 500 has `Connection: close`,
    since the server closes the connection after an error.

    `reasons` are codes and values of what `detail` says in English. `detail` and the names of fields may
    quote the client's text, which UTF-8 may not be able to encode.
    """
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "reasons": [_encode(reason) for reason in reasons],
    }
    if errors:
        body["errors"] = list(errors)
    if status == 503:
        headers = {"Retry-After": str(RETRY_AFTER_S), **(headers or {})}
    elif status == 500:
        headers = {"Connection": "close"}
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(content, status, headers, media_type="application/problem+json")


def _encode(reason: Reason) -> dict[str, Any]:
    return {"code": reason.code, "values": dict(reason.values)}


def _explained(
    status: int, title: str, reasons: Sequence[Reason], headers: Mapping[str, str] | None = None
) -> Response:
    """The problem of a title's code and reasons, in English."""
    return problem(status, reason(title).render(), render(reasons), reasons=reasons, headers=headers)


def _invalid(error: InvalidError) -> Response:
    errors = []
    for name, why in error.by_field.items():
        field, part = (error.within, name) if error.within else (name, "")
        may_be = allowed(field)
        errors.append(
            {
                "field": field,
                **({"part": part} if part else {}),
                "message": f"{part}: {why}" if part else str(why),
                "allowed": str(may_be),
                "reason": _encode(why),
                "allowed_reason": _encode(may_be),
            }
        )
    detail = "; ".join(f"{e['field']}: {e['message']} (allowed: {e['allowed']})" for e in errors)
    return problem(422, reason("title_invalid").render(), detail, errors, list(error.by_field.values()))


def by_field(faults: Sequence[Any]) -> dict[str, Reason]:
    """Pydantic's errors as reasons, each by its innermost field, under the name that the client uses."""
    return {_field(fault): reason_of(fault) for fault in faults}


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
        return _invalid(error)
    kind = next((k for k in type(error).__mro__ if k in _TABLE), None)
    if kind is None:
        return _explained(500, "title_internal", [reason("internal")])
    status, title, may_show = _TABLE[kind]
    headers: Mapping[str, str] | None = None
    if isinstance(error, TooManyRequestsError):
        headers = error.headers
    elif isinstance(error, UnavailableError):
        headers = {"Retry-After": str(error.retry_after_s)}
    elif isinstance(error, InProgressError):
        headers = {"Retry-After": "1"}
    elif isinstance(error, UpgradeNeededError):
        headers = {"Upgrade": "websocket"}
    reasons = [reason("part_unavailable")]
    if may_show:
        assert isinstance(error, ReasonedError), kind
        reasons = error.reasons
    return _explained(status, title, reasons, headers)


def _answer_http(error: HTTPException) -> Response:
    """The response to an exception of FastAPI or Starlette, or to one that carries an error of the table as
    its cause.
    """
    if isinstance(error.__cause__, ReasonedError):
        return answer(error.__cause__)
    if error.status_code == 400:  # FastAPI's answer to a body that is not UTF-8
        return _invalid(InvalidError({"body": reason("body_unreadable")}))
    detail = str(error.detail)
    code = _OF_THE_ROUTER.get(error.status_code)
    reasons = [reason(code)] if code else written(detail)
    return problem(error.status_code, detail, detail, reasons=reasons)


def install(app: FastAPI) -> None:
    """Answer every exception as a problem."""
    catalogue()  # read now, since the first error would wait for it

    async def known(_: Request, error: Exception) -> Response:
        return answer(error)

    async def validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _invalid(InvalidError(by_field(error.errors())))

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _answer_http(error)

    async def left(_: Request, error: Exception) -> Response:
        return Response(status_code=LEFT)  # which nobody reads

    for kind in (*_TABLE, InvalidError, Exception):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(LeftError, left)
