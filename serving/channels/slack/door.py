"""Takes Slack's requests, if Slack has signed them with one of the app's secrets within five minutes.

Bolt knows one signing secret. While it is changed there are two, so they are checked here
(https://docs.slack.dev/authentication/verifying-requests-from-slack).
"""

import logging
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from slack_bolt.adapter.fastapi.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier
from starlette.responses import Response

from serving.channels import bodies

log = logging.getLogger(__name__)

PATH = "/slack"
_MOST_BYTES = 1_000_000  # of a request


def make_router(app: AsyncApp, secrets: Sequence[str]) -> APIRouter:
    """The route for all of Slack's requests: commands, shortcuts, buttons and events."""
    verifiers = [SignatureVerifier(secret) for secret in secrets]
    handler = AsyncSlackRequestHandler(app)
    router = APIRouter()

    @router.post(PATH)
    async def take(request: Request) -> Response:
        """Answer a request of Slack's."""
        body = await bodies.read(request, _MOST_BYTES)
        if body is None:
            return PlainTextResponse("too long\n", 413, {"Connection": "close"})
        if not any(_is_signed(verifier, request, body) for verifier in verifiers):
            log.warning("a request to %s without a valid signature", PATH)
            return PlainTextResponse("the signature is not valid\n", 401)
        request._body = body  # what `request.body()` returns: the stream is read
        return await handler.handle(request)

    return router


def _is_signed(verifier: SignatureVerifier, request: Request, body: bytes) -> bool:
    timestamp, signature = (
        request.headers.get(f"x-slack-{name}") for name in ("request-timestamp", "signature")
    )
    try:
        return verifier.is_valid(body, timestamp, signature)
    except (ValueError, TypeError):  # a timestamp that is no number, a body that is not UTF-8
        return False
