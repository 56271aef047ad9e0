"""The client of the gateway's API: the sites use it for every write, and to identify people."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from markupsafe import Markup, escape
from opentelemetry.trace import SpanKind

from data.reasons import Language, Reason, catalogue, load, reason, render, written
from serving.observability import spans
from serving.sites.words import Words, isolated

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


class Page(NamedTuple):
    """A page of a list. The next one begins after the row `before`; None: there is no next one."""

    rows: list[dict[str, Any]]
    before: str | None


class GatewayClient:
    """Calls one gateway, from any thread; `close()` it at the end. With the service token it may name the
    address of a person who signs in.
    """

    def __init__(self, url: str, service_token: str = "") -> None:
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT_S)
        self._service_token = service_token
        self._observers: list[Callable[[str, int], None]] = []

    def observe(self, observer: Callable[[str, int], None]) -> None:
        """Tell an observer the path and the status of each answer from now on; 503 when there is none."""
        self._observers.append(observer)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def is_up(self, path: str, timeout_s: float) -> bool:
        """Whether the gateway answers 2xx at a path outside of its API, such as `/readyz`."""
        try:
            return self._http.get(path, timeout=timeout_s).is_success
        except httpx.HTTPError:
            return False

    def sign_in(self, email: str, password: str, address: str = "", device: str | None = None) -> Tokens:
        """A new session for a person, from their IP address, with a device for their list of sessions.
        GatewayError, 401 when e-mail or password are wrong.
        """
        body = {"email": email, "password": password} | ({"device": device} if device else {})
        headers = {"X-Service-Token": self._service_token, "X-Forwarded-For": address}
        return _tokens(_content(self._send("POST", "/auth/login", body, headers)))

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
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return _content(self._ask(access_token, method, path, body, headers))

    def ask_page(self, access_token: str, path: str, query: Mapping[str, Any]) -> Page:
        """A page of a list; errors as `ask`."""
        encoded = urlencode(query, doseq=True)
        response = self._ask(access_token, "GET", f"{path}?{encoded}", None, {})
        next = response.links.get("next", {}).get("url", "")
        return Page(response.json(), parse_qs(urlsplit(next).query).get("before", [None])[0])

    def _ask(
        self, access_token: str, method: str, path: str, body: Any, headers: Mapping[str, str]
    ) -> httpx.Response:
        try:
            return self._send(method, path, body, {"Authorization": f"Bearer {access_token}", **headers})
        except GatewayError as error:
            if error.status == 401:
                raise SignedOutError from error
            raise

    def _post(self, path: str, body: Any) -> Any:
        return _content(self._send("POST", path, body, {}))

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> httpx.Response:
        """Send a request, which continues the current trace."""
        status = 503
        with spans.span("gateway", SpanKind.CLIENT):
            try:
                response = self._http.request(
                    method, f"/api/v1{path}", json=body, headers={**headers, **spans.inject()}
                )
                status = response.status_code
            except httpx.HTTPError as error:
                raise unavailable("gateway_unreachable") from error
            finally:
                spans.describe(method=method, status=status)  # not the path, which has ids and searches
                for observer in self._observers:
                    observer(path, status)
        if response.is_success:
            return response
        raise refusal(response.status_code, response.content)


def _content(response: httpx.Response) -> Any:
    """The JSON of a response; None when it has none."""
    return response.json() if response.content else None


def _tokens(answer: Any) -> Tokens:
    return Tokens(answer["access_token"], answer["refresh_token"], answer["expires_in"])


def unavailable(code: str) -> GatewayError:
    """The error, 503, when a part that a site needs does not answer."""
    return GatewayError(503, reason("title_unavailable"), [reason(code)])


def refusal(status: int, content: bytes) -> GatewayError:
    """The error of a problem document; a `status` of 0 is in the document. A server in front of the gateway
    may answer with a problem without reasons, whose English is shown, or with anything else.
    """
    try:
        body = json.loads(content)
        status = status or int(body["status"])
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
        status = status or 502
        return GatewayError(status, reason("title_refused"), [reason("gateway_status", status=status)])
    code = _titles().get(title)
    title_reason = reason(code) if code else written(title)[0]
    return GatewayError(status, title_reason, reasons, faults)


@cache
def _titles() -> dict[str, str]:
    """The code of each title that the gateway sends in English."""
    sentences = catalogue()["reasons"].items()
    return {sentence["en"]: code for code, sentence in sentences if code.startswith("title_")}
