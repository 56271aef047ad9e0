"""Receipts: the signed token on every answer, which holds all that a vote needs.

The signature is keyed blake2b (RFC 7693): only gateways issue and read receipts, and a JWT would take ten
times as long. Everybody can decode the content, which has ids and no text.
"""

import base64
import binascii
import hmac
import struct
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from data.reasons import ReasonedError

# The formats: for a user that an API key names, and for a person with a token or a session.
TO_A_KEYS_USER, TO_A_PERSON = b"\x01", b"\x02"
_MAC_BYTES = 16
_HEAD = struct.Struct(">B16s16s16s16s16sII")  # format, five ids, epoch, issued at
_NONE = bytes(16)


class ForgedReceiptError(ReasonedError, ValueError):
    """The token is not a receipt, its signature is wrong, or its format is unknown."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Which person got which output, or which comparison of two (then `output_id` is the first)."""

    output_id: uuid.UUID
    organisation_id: uuid.UUID
    user_id: uuid.UUID
    experiment_id: uuid.UUID | None
    comparison_id: uuid.UUID | None
    variant: str
    version: str
    epoch: int
    issued_at: int
    is_personal: bool = False  # issued to a person with a token or a session, not to a user of an API key


def sign(receipt: Receipt, secret: bytes) -> str:
    """Sign a receipt; the URL-safe token. `secret` has 1 to 64 bytes."""
    experiment, comparison = receipt.experiment_id, receipt.comparison_id
    body = b"".join(
        (
            _HEAD.pack(
                (TO_A_PERSON if receipt.is_personal else TO_A_KEYS_USER)[0],
                receipt.output_id.bytes,
                receipt.organisation_id.bytes,
                receipt.user_id.bytes,
                experiment.bytes if experiment else _NONE,
                comparison.bytes if comparison else _NONE,
                receipt.epoch,
                receipt.issued_at,
            ),
            pack_name(receipt.variant),
            pack_name(receipt.version),
        )
    )
    mac = blake2b(body, key=secret, digest_size=_MAC_BYTES).digest()
    return base64.urlsafe_b64encode(mac + body).rstrip(b"=").decode()


class Signer:
    """Signs the receipts of single answers in two microseconds each, from parts that are packed once."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = blake2b(key=secret, digest_size=_MAC_BYTES)

    def sign(
        self,
        format: bytes,
        output_id: bytes,
        ids: bytes,
        placement: bytes,
        issued_at: bytes,
        variant: bytes,
        version: bytes,
    ) -> bytes:
        """Sign a receipt; the same token as the function `sign` gives.

        `format` is TO_A_KEYS_USER or TO_A_PERSON. `ids` are the organisation's and the user's 16 bytes each.
        `pack_placement` and `pack_name` make `placement`, `variant` and `version`; `issued_at` is 4 bytes.
        """
        body = b"".join((format, output_id, ids, placement, issued_at, variant, version))
        mac = self._keyed.copy()
        mac.update(body)
        token = binascii.b2a_base64(mac.digest() + body, newline=False)
        return token.translate(_URL_SAFE).rstrip(b"=")


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def pack_placement(experiment_id: uuid.UUID | None, epoch: int) -> bytes:
    """Pack experiment and epoch for `Signer.sign`; the receipt has no comparison."""
    return (experiment_id.bytes if experiment_id else _NONE) + _NONE + epoch.to_bytes(4)


def pack_name(name: str) -> bytes:
    """Pack a variant or a version for `Signer.sign`."""
    encoded = name.encode()
    return bytes((len(encoded),)) + encoded


class FormerSecret(NamedTuple):
    """A replaced secret, and until when (epoch seconds) receipts that it signed are accepted."""

    secret: bytes
    until: float


def read(token: str, secret: bytes, former: Sequence[FormerSecret] = ()) -> Receipt:
    """Read the receipt in a token.

    Raises ForgedReceiptError unless the secret, or a former one that is still accepted, signed it.
    """
    mac, body = _decode(token)
    now = time.time()
    for key in (secret, *(replaced.secret for replaced in former if now < replaced.until)):
        if hmac.compare_digest(mac, blake2b(body, key=key, digest_size=_MAC_BYTES).digest()):
            return _unpack(body)
    raise ForgedReceiptError("receipt_signature_wrong")


def read_unchecked(token: str) -> Receipt:
    """Read the receipt in a token from our own database; ForgedReceiptError when it is no receipt."""
    return _unpack(_decode(token)[1])


def _decode(token: str) -> tuple[bytes, bytes]:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ForgedReceiptError("receipt_malformed") from error
    return raw[:_MAC_BYTES], raw[_MAC_BYTES:]


def _unpack(body: bytes) -> Receipt:
    format, output, organisation, user, experiment, comparison, epoch, issued_at = _HEAD.unpack_from(body)
    if format not in (TO_A_KEYS_USER[0], TO_A_PERSON[0]):
        raise ForgedReceiptError("receipt_format_unknown", format=format)
    names = body[_HEAD.size :]
    variant_end = 1 + names[0]
    return Receipt(
        output_id=uuid.UUID(bytes=output),
        organisation_id=uuid.UUID(bytes=organisation),
        user_id=uuid.UUID(bytes=user),
        experiment_id=uuid.UUID(bytes=experiment) if experiment != _NONE else None,
        comparison_id=uuid.UUID(bytes=comparison) if comparison != _NONE else None,
        variant=names[1:variant_end].decode(),
        version=names[variant_end + 1 :].decode(),
        epoch=epoch,
        issued_at=issued_at,
        is_personal=format == TO_A_PERSON[0],
    )
