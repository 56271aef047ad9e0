"""Request bodies as lines of JSON, equal in every run except for texts that must be new."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.records import TransformType

HIT_SHARE = 0.85
POPULAR = 5_000  # texts that the mix repeats
ZIPF_EXPONENT = 1.0
_USERS = 1_000
_TYPES = [kind.value for kind in TransformType]
_PARTS = (
    (
        "The release of the billing service",
        "The export for the finance team",
        "Your change of the login",
    ),
    ("broke again last night", "still has no tests", "cannot go out like this", "took 14 hours to build"),
    ("because nobody read the ticket.", "and the customer called twice.", "although we agreed on Monday."),
    (
        "Fix it before the demo on Thursday.",
        "Tell me who is responsible.",
        "I will not ask a third time.",
    ),
)


def _body(text: str, n: int) -> bytes:
    return json.dumps(
        {
            "text": text,
            "transform_type": _TYPES[n % len(_TYPES)],
            "intensity": n % 4,
            "user_id": f"user-{n % _USERS}",
        }
    ).encode()


def _text(n: int, name: str) -> str:
    rng = random.Random(n)
    return " ".join(rng.choice(part) for part in _PARTS) + f" This is about {name}-{n}."


def known(count: int) -> list[bytes]:
    """The first `count` known texts, which requests repeat."""
    return [_body(_text(n, "PAY"), n) for n in range(count)]


def fresh(count: int, run: str) -> Iterator[bytes]:
    """Texts that no other run has."""
    return (_body(_text(n, f"NEW-{run}"), n) for n in range(count))


def mix(count: int, run: str, seed: int = 0) -> list[bytes]:
    """`HIT_SHARE` of the requests repeat a known text, by Zipf's law over `POPULAR`; the rest are new."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, POPULAR + 1) ** ZIPF_EXPONENT
    ranks = rng.choice(POPULAR, count, p=weights / weights.sum())
    repeats = rng.random(count) < HIT_SHARE
    popular = known(POPULAR)
    new = fresh(count, run)
    return [popular[n] if is_repeat else next(new) for n, is_repeat in zip(ranks, repeats, strict=True)]


def write(bodies: Iterator[bytes] | list[bytes], path: Path) -> Path:
    """Write the bodies to a file for the load generator."""
    path.write_bytes(b"\n".join(bodies))
    return path
