"""Applies the edits that a module proposes, and measures how its work grows with the length of a text."""

import time
from collections.abc import Callable, Iterable

from models.edits import script
from models.edits.script import Edit

_SHORT, _LONG = 2_000, 8_000  # characters; a message has at most 8,000
_RUNS = 3


def rewritten(
    message: str, edits: Iterable[Edit], intensity: int, accepts: Callable[[Edit], bool] = script.is_sure
) -> str:
    """The message with the accepted edits of an intensity that fit together."""
    return script.apply(message, script.select(edits, intensity, accepts))


def growth(work: Callable[[str], object], piece: str) -> float:
    """How many times longer the work takes on four times as many repetitions of a piece.

    4 if it grows with the length, 16 if with its square; so a test allows 9. The time is that of this process
    alone, and the least of several runs, which the load of the machine changes least.
    """
    texts = [(piece * length)[:length] for length in (_SHORT, _LONG)]
    least = [float("inf")] * len(texts)
    work(piece)
    for _ in range(_RUNS):
        for index, text in enumerate(texts):
            start = time.process_time()
            work(text)
            least[index] = min(least[index], time.process_time() - start)
    short, long = least
    return long / max(short, 1e-3)
