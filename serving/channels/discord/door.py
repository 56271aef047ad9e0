"""Takes Discord's requests, if Discord has signed them with the key of an app within five minutes
(https://docs.discord.com/developers/interactions/overview). Discord also sends wrong signatures, to see
whether they are refused.
"""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from serving.channels import bodies

log = logging.getLogger(__name__)

PATH, EVENTS_PATH = "/discord", "/discord/events"
_MOST_BYTES = 1_000_000  # of a request
_MOST_AGE_S = 300
_PING, _PONG = 1, {"type": 1}
_REMOVED = "APPLICATION_DEAUTHORIZED"

Answer = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


def make_router(public_keys: Sequence[str], answer: Answer, hear_removed: Callable[[], None]) -> APIRouter:
    """The routes for what people do, which `answer` answers, and for events: `hear_removed` is called when
    somebody has removed the app from somewhere. ValueError when a key is none.
    """
    keys = [Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)) for key in public_keys]
    router = APIRouter()

    async def read(request: Request) -> Mapping[str, Any] | Response:
        """The content of a request, or what answers one that is not Discord's."""
        body = await bodies.read(request, _MOST_BYTES)
        if body is None:
            return PlainTextResponse("too long\n", 413, {"Connection": "close"})
        if not _is_signed(keys, request, body):
            log.warning("a request to %s without a valid signature", request.url.path)
            return PlainTextResponse("the signature is not valid\n", 401)
        content: Mapping[str, Any] = json.loads(body)
        return content

    @router.post(PATH)
    async def take(request: Request) -> Response:
        """Answer what a person does."""
        content = await read(request)
        if isinstance(content, Response):
            return content
        answered = _PONG if content["type"] == _PING else await answer(content)
        return Response(json.dumps(answered), media_type="application/json")

    @router.post(EVENTS_PATH)
    async def take_event(request: Request) -> Response:
        """Take an event, or the ping that tests this address."""
        content = await read(request)
        if isinstance(content, Response):
            return content
        if content.get("event", {}).get("type") == _REMOVED:
            hear_removed()
        return Response(status_code=204, media_type="application/json")

    return router


def _is_signed(keys: Sequence[Ed25519PublicKey], request: Request, body: bytes) -> bool:
    signature, timestamp = (
        request.headers.get(f"x-signature-{name}", "") for name in ("ed25519", "timestamp")
    )
    try:
        signed = bytes.fromhex(signature)
        is_recent = abs(time.time() - int(timestamp)) <= _MOST_AGE_S
    except ValueError:  # no hexadecimal digits, no number
        return False
    return is_recent and any(_verifies(key, signed, timestamp.encode() + body) for key in keys)


def _verifies(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
