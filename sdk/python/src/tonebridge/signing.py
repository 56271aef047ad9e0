"""Signs requests by HTTP Message Signatures (RFC 9421), in the one profile that the gateway accepts: method,
address and body (`Content-Digest`, RFC 9530), by HMAC-SHA256, with a time and a nonce of its own.
"""

import base64
import hashlib
import hmac
import secrets
import time

LABEL = "sig1"
_COMPONENTS = '("@method" "@target-uri" "content-digest")'


def sign(
    method: str,
    url: str,
    body: bytes,
    keyid: str,
    secret: str | bytes,
    *,
    created: int | None = None,
    nonce: str | None = None,
) -> dict[str, str]:
    """The headers that sign a request. `url` is what the client calls, query included. Each attempt needs a
    signature of its own: a nonce is accepted once. A `secret` that is a text is its UTF-8 bytes.
    """
    created = int(time.time()) if created is None else created
    nonce = nonce or secrets.token_urlsafe(18)
    digest = f"sha-256=:{_encode(hashlib.sha256(body).digest())}:"
    parameters = f'{_COMPONENTS};created={created};keyid="{keyid}";alg="hmac-sha256";nonce="{nonce}"'
    base = "\n".join(
        (
            f'"@method": {method.upper()}',
            f'"@target-uri": {url}',
            f'"content-digest": {digest}',
            f'"@signature-params": {parameters}',
        )
    )
    key = secret.encode() if isinstance(secret, str) else secret
    signature = _encode(hmac.digest(key, base.encode(), "sha256"))
    return {
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={parameters}",
        "Signature": f"{LABEL}=:{signature}:",
    }


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
