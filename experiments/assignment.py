"""Which arm a unit is in, a user or an organisation: a pure salted hash, so that any process, in any
language, gives the same answer.

u = the first 8 bytes of blake2b("<salt>:<unit's id>"), big-endian, over 2**64, is uniform in [0, 1). Whether
a unit is in an experiment is decided by its position under the name of the experiment's layer, which lies in
the open part of the experiment's slots or does not; in which arm, by its position under the experiment's
salt. The arms lie on [0, 1) in their order, each as wide as its weight.
"""

import uuid
from collections.abc import Sequence
from hashlib import blake2b


def position(salt: str, unit_id: uuid.UUID) -> float:
    """Where a unit stands in a layer or an experiment: uniform in [0, 1), independent between salts."""
    digest = blake2b(f"{salt}:{unit_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53  # 53 bits: exact in a float, never rounded up to 1.0


def assign(salt: str, unit_id: uuid.UUID, weights: Sequence[tuple[str, float]]) -> str:
    """The unit's arm; the same for ever while salt and weights stay. The weights sum to 1."""
    left = position(salt, unit_id)
    for name, weight in weights:
        if left < weight:
            return name
        left -= weight
    return next(name for name, weight in reversed(weights) if weight)  # as sums of floats may end below 1
