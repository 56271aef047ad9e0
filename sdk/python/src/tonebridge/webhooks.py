"""Verifies webhooks by Standard Webhooks (standardwebhooks.com): ToneBridge has sent them, and lately."""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tonebridge.errors import WebhookError

_PREFIX = "whsec_"


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance_s: float = 300,
    now: float | None = None,
) -> Any:
    """The document of a webhook; WebhookError when it is not to be trusted.

    `body` is the body as it came, byte by byte. While a secret is replaced, give both. A webhook may come
    twice: its `webhook-id` is the same then.
    """
    named = {name.lower(): value for name, value in headers.items()}
    try:
        id, sent_at = named["webhook-id"], named["webhook-timestamp"]
        signatures = named["webhook-signature"]
    except KeyError as error:
        raise WebhookError(f"this webhook has no header {error.args[0]}: do not trust it") from None
    if not sent_at.isascii() or not sent_at.isdecimal():
        raise WebhookError("webhook-timestamp is no number of seconds: do not trust it")
    age_s = (time.time() if now is None else now) - int(sent_at)
    if abs(age_s) > tolerance_s:
        raise WebhookError(
            f"this webhook was sent {age_s:.0f} s ago, and {tolerance_s:.0f} s are the most: it may be a copy"
            " of an old one; if they all are, set this machine's clock"
        )
    content = b".".join((id.encode(), sent_at.encode(), body))
    given = [_decode(value) for version, _, value in _split(signatures) if version == "v1"]
    for key in _keys(secret):
        expected = hmac.digest(key, content, "sha256")
        if any(hmac.compare_digest(expected, signature) for signature in given):
            return json.loads(body)
    raise WebhookError("no signature of this webhook fits the secret: do not trust it, or correct the secret")


def _split(signatures: str) -> list[tuple[str, str, str]]:
    return [signature.partition(",") for signature in signatures.split(" ")]


def _decode(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return b""


def _keys(secret: str | Sequence[str]) -> list[bytes]:
    texts = [secret] if isinstance(secret, str) else secret
    keys = [_decode(text.removeprefix(_PREFIX)) for text in texts]
    if not all(keys) or not keys:
        raise ValueError(f"a secret of webhooks is {_PREFIX} and base64, as it was shown when it was made")
    return keys
