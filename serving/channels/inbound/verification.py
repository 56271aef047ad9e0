"""Whether a request to an inbound webhook is genuine, in one of three forms.

Every check is made with every key, whatever the form, and two keys are always compared. So the time tells
neither which inbound webhooks there are, nor how they verify. The comparisons take constant time.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from data.inbound.endpoints import Verification

_SLOTS = 2  # the newest key, and the former one
_BYTES = 32
_SIGNATURE, _SCHEME = "x-hub-signature-256", "sha256="
# The id of what happened, which a tool sends again with it: Standard Webhooks, GitHub, GitLab.
_IDS = ("webhook-id", "x-github-delivery", "idempotency-key")

Headers = Mapping[str, str]  # with names in small letters


def is_genuine(
    verification: Verification, keys: Sequence[bytes], headers: Headers, body: bytes, document: Any
) -> bool:
    """Whether one of the keys verifies a request; with no keys, none does. `document` is the body's JSON, or
    None.
    """
    tried = [*keys, *(secrets.token_bytes(_BYTES) for _ in range(_SLOTS - len(keys)))]
    results = {
        form: [check(key, headers, body, document) for key in tried] for form, check in _CHECKS.items()
    }
    return any(results[verification])


def find_event(verification: Verification, headers: Headers) -> str | None:
    """The id of what happened, if the tool sends one. That of Standard Webhooks is signed."""
    if verification is Verification.STANDARD:
        return headers["webhook-id"]
    return next((headers[name] for name in _IDS if headers.get(name)), None)


def _check_standard(key: bytes, headers: Headers, body: bytes, _: Any) -> bool:
    """Standard Webhooks: a signature over id, time and body, at most five minutes old."""
    try:
        Webhook(key).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # the latter: no base64, no UTF-8
        return False
    return True


def _check_hub(key: bytes, headers: Headers, body: bytes, _: Any) -> bool:
    """The HMAC-SHA256 of the body in hex, as GitHub and Meta send it."""
    expected = _SCHEME + hmac.new(key, body, sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), headers.get(_SIGNATURE, "").lower().encode())


def _check_token(key: bytes, headers: Headers, _: bytes, document: Any) -> bool:
    """The token itself: `Authorization: Bearer` or `Token`, GitLab's header, or the field `token` of the
    body, which Mattermost sends.
    """
    scheme, _space, token = headers.get("authorization", "").partition(" ")
    sent = [token.strip() if scheme.lower() in ("bearer", "token") else "", headers.get("x-gitlab-token", "")]
    in_body = document.get("token") if isinstance(document, dict) else None
    sent.append(in_body if isinstance(in_body, str) else "")
    digests = [sha256(each.encode("utf-8", "replace")).digest() for each in sent]
    fits = [hmac.compare_digest(key, digest) for digest in digests]
    return any(fits)


_CHECKS: Mapping[Verification, Callable[[bytes, Headers, bytes, Any], bool]] = {
    Verification.STANDARD: _check_standard,
    Verification.HUB: _check_hub,
    Verification.TOKEN: _check_token,
}
