"""The credentials of an inbound webhook: the secret that it shares with a tool, and the API key that rewrites
for it. Both are encrypted in Postgres, each for its place.

What verifies a request is a key: for `standard` the bytes behind the secret's base64, for `hub` the secret
itself, and for `token` only its SHA-256, since the tool sends the token.
"""

import base64
import secrets
import uuid
from hashlib import sha256

from data.inbound.endpoints import Endpoint, Verification
from data.reasons import ReasonedError
from data.webhooks import subscriptions
from serving.channels.vault import Vault

_PREFIX = "whsec_"
_BYTES = 32
_FEWEST_BYTES, _MOST_BYTES = 24, 64  # of a key, as Standard Webhooks says


class RefusedSecretError(ReasonedError, ValueError):
    """A secret of a tool has not the form that its verification needs."""


def make_secret(verification: Verification) -> str:
    """A new random secret."""
    if verification is Verification.STANDARD:
        return subscriptions.write_secret(secrets.token_bytes(_BYTES))
    return secrets.token_urlsafe(_BYTES)


def derive_key(verification: Verification, secret: str) -> bytes:
    """What verifies requests with a secret; RefusedSecretError when it has not the form that is needed."""
    if verification is Verification.HUB:
        return secret.encode()
    if verification is Verification.TOKEN:
        return sha256(secret.encode()).digest()
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError as error:  # no base64, or not even ASCII
        raise RefusedSecretError("inbound_secret_malformed") from error
    if not (secret.startswith(_PREFIX) and _FEWEST_BYTES <= len(key) <= _MOST_BYTES):
        raise RefusedSecretError("inbound_secret_malformed")
    return key


def seal_verifying_key(vault: Vault, id: uuid.UUID, key: bytes) -> bytes:
    """What verifies requests, encrypted for its inbound webhook."""
    return vault.seal(base64.b64encode(key).decode(), f"inbound webhook {id}, secret")


def open_verifying_keys(vault: Vault, endpoint: Endpoint) -> list[bytes]:
    """What verifies the requests of an inbound webhook: the newest, and the former one while it is accepted.
    UnreadableError when they were encrypted with another secret.
    """
    place = f"inbound webhook {endpoint.id}, secret"
    sealed = [endpoint.secret, *([endpoint.former_secret] if endpoint.former_secret is not None else [])]
    return [base64.b64decode(vault.open(each, place)) for each in sealed]


def seal_api_key(vault: Vault, id: uuid.UUID, api_key: str) -> bytes:
    """The API key that rewrites for an inbound webhook, encrypted."""
    return vault.seal(api_key, f"inbound webhook {id}, key")


def open_api_key(vault: Vault, endpoint: Endpoint) -> str:
    """The API key that rewrites for an inbound webhook; errors as `open_verifying_keys`."""
    return vault.open(endpoint.sealed_key, f"inbound webhook {endpoint.id}, key")
