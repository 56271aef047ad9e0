"""Assigns units (users or organisations) to arms with a pure salted hash, so that every process, in any
language, computes the same arm.

u = the first 8 bytes of blake2b("<salt>:<unit's id>"), big-endian, divided by 2**64, is uniform in [0, 1). A
unit is in an experiment if its position, with the name of the experiment's layer as salt, is in the open part
of the experiment's slots. Its position with the experiment's own salt selects the arm: the arms divide [0, 1)
in their order, each with a width equal to its weight.
"""

import uuid
from collections.abc import Sequence
from hashlib import blake2b

from data.traffic.routing import Routing, Target
from experiments.lifecycle import RefusedError


def position(salt: str, unit_id: uuid.UUID) -> float:
    """A unit's position in a layer or an experiment: uniform in [0, 1), independent between salts."""
    digest = blake2b(f"{salt}:{unit_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53  # 53 bits: exact in a float, never rounded up to 1.0


def assign(salt: str, unit_id: uuid.UUID, weights: Sequence[tuple[str, float]]) -> str:
    """Assign a unit to an arm. The result depends on salt and weights only. The weights sum to 1."""
    remainder = position(salt, unit_id)
    for name, weight in weights:
        if remainder < weight:
            return name
        remainder -= weight
    return next(name for name, weight in reversed(weights) if weight)  # the weights' float sum can be below 1


def find_slots(live: Routing, share: float, target: Target) -> tuple[float, float]:
    """The lowest free slots for an experiment that covers `target` and takes a `share` of the users outside
    the holdout. Raises RefusedError when running experiments that may cover the same messages leave no gap
    that is wide enough.
    """
    held_out = live.holdout
    begin = held_out.slots[1] if held_out else 0.0
    taken = sorted(
        split.slots for split in live.experiments if not split.is_holdout and split.target.overlaps(target)
    )
    lows = [begin, *(high for _, high in taken)]
    highs = [*(low for low, _ in taken), 1.0]
    width, widest = share * (1 - begin), max(high - low for low, high in zip(lows, highs, strict=True))
    for low, high in zip(lows, highs, strict=True):
        if high - low >= width - 1e-9:
            return low, min(low + width, high)
    raise RefusedError("no_free_users", needed=share, free=max(widest, 0.0) / (1 - begin))
