"""A summary of a message: its cuts without those that the tagger gives up, and with shorter sentences."""

from collections.abc import Callable, Sequence

import numpy as np

from models import facts
from models.edits import cuts
from models.edits.parts import Part, is_formal
from models.edits.script import Edit
from models.edits.segments import Segment
from models.edits.summary import choice, prose, units
from models.edits.summary.units import Unit

# By intensity: the share of the words; a longer "summary" is none, since nobody would see that it is shorter.
_LONGEST = {1: 0.94, 2: 0.92, 3: 0.9}
# By intensity: the probability that every summary keeps a unit, up to which it may go.
_RISKS = {1: 0.2, 2: 0.2, 3: 0.2}
_MOST_UNITS = 200  # the work grows with their square

Weigh = Callable[[Sequence[Segment]], np.ndarray]


def summarize(
    message: str,
    parts: Sequence[Part],
    weigh: Weigh,
    edits: Sequence[Edit],
    intensity: int,
    gives_up: Callable[[float, float], bool] = lambda risk, most: risk <= most,
) -> str | None:
    """A summary of an English message, or None when too little can go or the message is very long.

    `weigh` gives the probability that a summary keeps a cut, (cuts, 3), by intensity. `edits` shorten
    sentences, fit together and lose no fact. `gives_up` decides by the probability that every summary keeps a
    unit, and the largest with which one may go. A summary has all facts of the words that it keeps, and no
    others.
    """
    weights = weigh(cuts.split(message))
    split = units.split(cuts.divide(parts), weights[:, intensity - 1].tolist(), weights[:, -1].tolist())
    if len(split) > _MOST_UNITS:
        return None

    def may_go(unit: Unit) -> bool:
        return gives_up(unit.risk, _RISKS[intensity])

    edits = [edit for edit in edits if not _drops_harm(message, edit)]
    sizes = [len(prose.shorten(message, unit.start, unit.end, edits).split()) for unit in split]
    kept = choice.choose(split, sizes, len(message.split()), intensity, may_go)
    if all(split[i].is_courtesy for i in kept):
        return None
    text = prose.write(message, split, kept, edits, intensity, is_formal(parts))
    whole = " ".join(message[split[i].start : split[i].end] for i in kept if not split[i].is_courtesy)
    if facts.missing(whole, text) or facts.missing(text, message):
        return None
    return text if len(text.split()) <= _LONGEST[intensity] * len(message.split()) else None


def _drops_harm(message: str, edit: Edit) -> bool:
    """Whether an edit deletes whether anyone came to harm."""
    return any(not text and choice.tells_of_harm(message[start:end]) for start, end, text in edit.changes)
