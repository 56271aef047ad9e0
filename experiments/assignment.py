"""Which arm a user is in: a pure salted hash, so that any process, in any language, gives the same answer.

u = the first 8 bytes of blake2b("<salt>:<user id>"), big-endian, over 2**64, is uniform in [0, 1). The arms
lie on [0, 1) in their order, each as wide as its weight; whoever falls behind the last is not in the
experiment.
"""

import uuid
from collections.abc import Iterable
from hashlib import blake2b


def position(salt: str, user_id: uuid.UUID) -> float:
    """Where a user stands in an experiment: uniform in [0, 1), independent between salts."""
    digest = blake2b(f"{salt}:{user_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53  # 53 bits: exact in a float, never rounded up to 1.0


def assign(salt: str, user_id: uuid.UUID, weights: Iterable[tuple[str, float]]) -> str | None:
    """The user's arm, or None outside the experiment; the same for ever while salt and weights stay."""
    left = position(salt, user_id)
    for name, weight in weights:
        if left < weight:
            return name
        left -= weight
    return None
