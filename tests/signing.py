"""Signs requests as docs/signatures.md says, by the standard library alone."""

import base64
import hmac
import time
import uuid
from hashlib import sha256


def sign(
    keyid: str,
    secret: str,
    method: str,
    url: str,
    body: bytes = b"",
    created: int | None = None,
    nonce: str | None = None,
    label: str = "sig1",
) -> dict[str, str]:
    """The headers of a signature, made now and with a new nonce unless they are given."""
    created = int(time.time()) if created is None else created
    digest = f"sha-256=:{base64.b64encode(sha256(body).digest()).decode()}:"
    params = (
        f'("@method" "@target-uri" "content-digest");created={created};keyid="{keyid}"'
        f';alg="hmac-sha256";nonce="{nonce or uuid.uuid4()}"'
    )
    base = (
        f'"@method": {method}\n"@target-uri": {url}\n"content-digest": {digest}\n'
        f'"@signature-params": {params}'
    )
    signature = base64.b64encode(hmac.digest(secret.encode(), base.encode(), "sha256")).decode()
    return {
        "Content-Digest": digest,
        "Signature-Input": f"{label}={params}",
        "Signature": f"{label}=:{signature}:",
    }
