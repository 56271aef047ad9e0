"""The client of the gateway's API: the dashboard uses it for every write, and to identify people."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import httpx
from markupsafe import Markup, escape

from data.reasons import Language, Reason, catalogue, load, reason, render, written
from serving.dashboard.words import Words, isolated

IDEMPOTENCY_KEY = r"^[!-~]{1,200}$"  # it becomes a header, which holds no other characters
_TIMEOUT_S = 10.0
_BETWEEN: Mapping[Language, str] = {"en": "; ", "ja": " "}  # between the faults of several fields


class Fault(NamedTuple):
    """What is wrong with a field, and what is allowed in it. `part` is the part of the field, if any."""

    field: str
    reason: Reason
    allowed: Reason
    part: str = ""


class GatewayError(Exception):
    """The gateway refused a request, or does not answer. The message is English; `reasons` and `title_reason`
    are for the person's language, and `faults` are those of single fields.
    """

    def __init__(
        self, status: int, title_reason: Reason, reasons: Sequence[Reason], faults: Sequence[Fault] = ()
    ) -> None:
        super().__init__(render(reasons))
        self.status, self.title_reason, self.reasons, self.faults = status, title_reason, reasons, faults

    @property
    def fields(self) -> dict[str, Reason]:
        """The reason for each field, or for each part of a field that has parts."""
        return {fault.part.partition(".")[0] or fault.field: fault.reason for fault in self.faults}

    def explain(self, words: Words) -> Markup:
        """The detail in the reader's language; with faults, each field with what is allowed in it."""
        if not self.faults:
            return words.reasons(self.reasons)
        language = words.language
        sentences = []
        for fault in self.faults:
            message = fault.reason.render(language, isolated)
            if fault.part:
                message = f"{isolated(fault.part)}: {message}"
            allowed = fault.allowed.render(language)
            sentence = reason("field_fault", field=fault.field, message=message, allowed=allowed)
            sentences.append(words.reasons([sentence]))
        return escape(_BETWEEN[language]).join(sentences)


class SignedOutError(Exception):
    """The session has ended; the person has to sign in again."""


class Tokens(NamedTuple):
    """The tokens of a session at the gateway; `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int


class GatewayClient:
    """Calls one gateway, from any thread; `close()` it at the end. With the service token it may name the
    address of a person who signs in.
    """

    def __init__(self, url: str, service_token: str = "") -> None:
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT_S)
        self._service_token = service_token

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def sign_in(self, email: str, password: str, address: str = "") -> Tokens:
        """A new session for a person, from their IP address. GatewayError, 401 when e-mail or password are
        wrong.
        """
        body = {"email": email, "password": password}
        headers = {"X-Service-Token": self._service_token, "X-Forwarded-For": address}
        return _tokens(self._send("POST", "/auth/login", body, headers))

    def refresh(self, refresh_token: str) -> Tokens:
        """The next tokens; SignedOutError when the session has ended."""
        try:
            return _tokens(self._post("/auth/refresh", {"refresh_token": refresh_token}))
        except GatewayError as error:
            if error.status == 401:
                raise SignedOutError from error
            raise

    def sign_out(self, refresh_token: str) -> None:
        """End a session."""
        self._post("/auth/logout", {"refresh_token": refresh_token})

    def ask(
        self,
        access_token: str,
        method: str,
        path: str,
        body: Any = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """The JSON that the gateway answers. SignedOutError when the token is no longer valid; GatewayError
        when the gateway refuses otherwise, 503 when it does not answer.
        """
        headers = {"Authorization": f"Bearer {access_token}"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        try:
            return self._send(method, path, body, headers)
        except GatewayError as error:
            if error.status == 401:
                raise SignedOutError from error
            raise

    def _post(self, path: str, body: Any) -> Any:
        return self._send("POST", path, body, {})

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        try:
            response = self._http.request(method, f"/api/v1{path}", json=body, headers=headers)
        except httpx.HTTPError as error:
            raise unavailable("gateway_unreachable") from error
        if response.is_success:
            return response.json() if response.content else None
        raise _problem(response)


def _tokens(answer: Any) -> Tokens:
    return Tokens(answer["access_token"], answer["refresh_token"], answer["expires_in"])


def unavailable(code: str) -> GatewayError:
    """The error, 503, when a part that the dashboard needs does not answer."""
    return GatewayError(503, reason("title_unavailable"), [reason(code)])


def _problem(response: httpx.Response) -> GatewayError:
    """The error of a problem. A server in front of the gateway may answer with a problem without reasons,
    whose English is shown, or with anything else.
    """
    try:
        body = response.json()
        title, reasons = body["title"], load(body.get("reasons")) or written(body["detail"])
        faults = [
            Fault(
                error["field"],
                Reason.model_validate(error["reason"]),
                Reason.model_validate(error["allowed_reason"]),
                error.get("part", ""),
            )
            for error in body.get("errors", [])
        ]
    except (ValueError, LookupError, TypeError, AttributeError):  # ValidationError is a ValueError
        status = response.status_code
        return GatewayError(status, reason("title_refused"), [reason("gateway_status", status=status)])
    code = _titles().get(title)
    title_reason = reason(code) if code else written(title)[0]
    return GatewayError(response.status_code, title_reason, reasons, faults)


@cache
def _titles() -> dict[str, str]:
    """The code of each title that the gateway sends in English."""
    sentences = catalogue()["reasons"].items()
    return {sentence["en"]: code for code, sentence in sentences if code.startswith("title_")}
