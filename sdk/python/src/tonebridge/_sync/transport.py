"""Sends requests by HTTP, again where that is safe."""

from collections.abc import Generator
from time import sleep

import httpx

from tonebridge import deprecations, errors
from tonebridge.errors import NotFoundError, ToneBridgeError, UnreachableError
from tonebridge.exchange import Credentials, Request
from tonebridge.retries import Retries

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Transport:
    """Sends requests of one caller to one gateway."""

    def __init__(self, url: str, credentials: Credentials, retries: Retries, http: httpx.Client) -> None:
        self.url, self.credentials, self.retries = url.rstrip("/"), credentials, retries
        self._http = http

    def send(self, request: Request) -> bytes:
        """The body of the answer to a request; ToneBridgeError."""
        return (self.fetch(request))[0]

    def fetch(self, request: Request) -> tuple[bytes, str | None]:
        """As `send`, and the tag of the document."""
        attempts = self.retries.begin(request.is_repeatable)
        while True:
            try:
                response = self.attempt(request)
                body = b"".join([piece for piece in self.read(request, response)])
                return body, response.headers.get("etag")
            except ToneBridgeError as error:
                is_gone = isinstance(error, NotFoundError) and request.method == "DELETE"
                if is_gone and attempts.may_be_done:
                    return b"", None  # an attempt before this one has removed it, and its answer was lost
                wait_s = attempts.wait_s(error)
            sleep(wait_s)

    def open(self, request: Request) -> httpx.Response:
        """The answer to a request, whose body is not read yet: read it to its end, or close it."""
        attempts = self.retries.begin(request.is_repeatable)
        while True:
            try:
                return self.attempt(request)
            except ToneBridgeError as error:
                wait_s = attempts.wait_s(error)
            sleep(wait_s)

    def read(self, request: Request, response: httpx.Response) -> Generator[bytes, None, None]:
        """The body of an answer as it comes."""
        try:
            for piece in response.iter_bytes():
                yield piece
        except httpx.TransportError as error:
            raise UnreachableError(
                f"the connection broke before the answer was complete ({type(error).__name__}: {error})",
                was_sent=True,
                request_id=request.id,
            ) from error
        finally:
            response.close()

    def attempt(self, request: Request) -> httpx.Response:
        """The answer to a request that is sent once, as `open`."""
        built = self._http.build_request(
            request.method, self.url + request.path, content=request.content, headers=request.headers()
        )
        # The address as it is sent, which is what the signature is about.
        headers = self.credentials.headers(request.method, str(built.url), request.content)
        if request.bearer is not None:
            headers["Authorization"] = f"Bearer {request.bearer}"
        built.headers.update(headers)
        try:
            response = self._http.send(built, stream=True)
        except httpx.TransportError as error:
            raise UnreachableError(
                f"no answer from {self.url} ({type(error).__name__}: {error}); check that it runs there",
                was_sent=not isinstance(error, _NOT_SENT),
                request_id=request.id,
            ) from error
        deprecations.warn(request.method, request.path, response.headers)
        if response.is_success:
            return response
        body = b"".join([piece for piece in self.read(request, response)])
        raise errors.from_response(response.status_code, response.headers, body, request.id)
