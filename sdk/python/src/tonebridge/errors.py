"""What a call may raise. The message of an error says what is wrong and what to do."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tonebridge.types import Reason


class ToneBridgeError(Exception):
    """A call that failed."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        problem: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """`status` is None when there was no answer; `problem` is the document (RFC 9457) of an answer."""
        super().__init__(message)
        self.status, self.problem = status, dict(problem or {})
        self.request_id, self.retry_after_s = request_id, retry_after_s

    @property
    def reasons(self) -> list[Reason]:
        """Codes and values of what the message says, for programs."""
        return list(self.problem.get("reasons", ()))


class UnauthorizedError(ToneBridgeError):
    """401: no key, token or password was sent, or it is not in force."""


class ForbiddenError(ToneBridgeError):
    """403: the caller may not do this."""


class NotFoundError(ToneBridgeError):
    """404: there is no such thing, or not for this caller."""


class ConflictError(ToneBridgeError):
    """409: this is not possible now."""


class ChangedError(ToneBridgeError):
    """412: what a call would change is no longer in the state that `if_match` names; nothing was done."""


class InvalidRequestError(ToneBridgeError):
    """422: the request is not valid; `fields` says which of its fields."""

    @property
    def fields(self) -> dict[str, str]:
        """What is wrong, by the name of the field."""
        return {fault["field"]: fault["message"] for fault in self.problem.get("errors", ())}


class TooManyRequestsError(ToneBridgeError):
    """429: more requests than the plan allows. `retry_after_s` says when to try again."""


class UnavailableError(ToneBridgeError):
    """502, 503 or 504: a part of ToneBridge is unavailable. `retry_after_s` says when to try again."""


class UnreachableError(ToneBridgeError):
    """No answer came: the connection could not be opened, or it broke."""

    def __init__(self, message: str, *, was_sent: bool, request_id: str | None = None) -> None:
        """`was_sent`: the request may have been received, and done."""
        super().__init__(message, request_id=request_id)
        self.was_sent = was_sent


class WebhookError(Exception):
    """A webhook that is not to be trusted."""


_BY_STATUS: dict[int, type[ToneBridgeError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    412: ChangedError,
    422: InvalidRequestError,
    429: TooManyRequestsError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def from_problem(
    problem: Mapping[str, Any], retry_after_s: float | None = None, request_id: str | None = None
) -> ToneBridgeError:
    """The error of a problem document, or of an error in the shape of OpenAI's."""
    status = int(problem.get("status", 500))
    of_openai = problem.get("error")
    detail = of_openai.get("message") if isinstance(of_openai, dict) else problem.get("detail")
    message = f"{status}: {detail or problem.get('title') or 'the answer says no more'}"
    kind = _BY_STATUS.get(status, ToneBridgeError)
    return kind(message, status=status, problem=problem, request_id=request_id, retry_after_s=retry_after_s)


def from_response(status: int, headers: Mapping[str, str], body: bytes, request_id: str) -> ToneBridgeError:
    """The error of an answer; a proxy's has no problem document."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    problem = document if isinstance(document, dict) else {}
    return from_problem(
        {**problem, "status": status},
        _read_retry_after(headers.get("retry-after")),
        headers.get("x-request-id", request_id),
    )


def _read_retry_after(header: str | None) -> float | None:
    """Seconds (RFC 9110, 10.2.3), which proxies may also give as a date."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
