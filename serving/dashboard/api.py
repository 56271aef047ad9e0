"""The client of the gateway's API: the dashboard uses it for every write, and to identify people."""

from typing import Any, NamedTuple

import httpx

_TIMEOUT_S = 10.0


class GatewayError(Exception):
    """The gateway refused a request, with a problem (RFC 9457) that can be shown to the person."""

    def __init__(self, status: int, title: str, detail: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.fields = fields or {}


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
            raise GatewayError(503, "Try again shortly", "The gateway does not answer.") from error
        if response.is_success:
            return response.json() if response.content else None
        raise _problem(response)


def _tokens(answer: Any) -> Tokens:
    return Tokens(answer["access_token"], answer["refresh_token"], answer["expires_in"])


def _problem(response: httpx.Response) -> GatewayError:
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    fields = {error["field"]: error["message"] for error in body.get("errors", [])}
    title = body.get("title", "The gateway refused")
    return GatewayError(
        response.status_code, title, body.get("detail", f"status {response.status_code}"), fields
    )
