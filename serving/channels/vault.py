"""Encrypts the tokens of connected workspaces for Postgres: a reader of the database can use none of them."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12  # of AES-GCM; random ones repeat after billions of messages, which no installation sends


class UnreadableError(ValueError):
    """A sealed text was made with another secret, or for another place, or was changed."""


class Vault:
    """Seals texts with a key that is derived from a secret, each for a place, which a copy does not have."""

    def __init__(self, secret: str) -> None:
        # The secret is random, at least 32 bytes long, so no salt and no slow function is needed.
        key = HKDF(SHA256(), length=32, salt=None, info=b"tonebridge channels").derive(secret.encode())
        self._cipher = AESGCM(key)

    def seal(self, text: str, place: str) -> bytes:
        """The text, encrypted: a nonce, then AES-GCM's ciphertext, authenticated with its place."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), place.encode())

    def open(self, sealed: bytes, place: str) -> str:
        """The text that was sealed for a place; UnreadableError if it was not, with this secret."""
        nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, content, place.encode()).decode()
        except (InvalidTag, ValueError) as error:  # the latter: too short for a nonce
            raise UnreadableError(
                f"what is stored for {place} cannot be decrypted: TONEBRIDGE_CHANNEL_SECRET has changed"
                " since; connect the workspace again"
            ) from error
