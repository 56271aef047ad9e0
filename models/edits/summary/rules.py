"""A summary of a message, from its parts and the edits that shorten its sentences."""

from collections.abc import Callable, Sequence

from models import facts
from models.edits.parts import Part, is_formal
from models.edits.script import Change, Edit
from models.edits.summary import background, choice, prose, tails, units
from models.edits.summary.units import Unit

# By intensity: the share of the words; a longer "summary" is none, since nobody would see that it is shorter.
_LONGEST = {1: 0.94, 2: 0.93, 3: 0.92}
# What is added to the logit of that a part may go.
# Which findings may go at all, `costs` and `background` decide.
_LEANS = {1: 0.4, 2: 0.6, 3: 0.9}
_MOST_UNITS = 200  # the work grows with their square


def summarize(
    message: str,
    parts: Sequence[Part],
    weights: Sequence[float],
    edits: Sequence[Edit],
    intensity: int,
    accepts: Callable[[Edit, float], bool] = lambda edit, lean: True,
) -> str | None:
    """A summary of an English message, or None when too little can go or the message is very long.

    `weights` has the probability that a part belongs to every summary, by part. `edits` shorten sentences,
    fit together and lose no fact. `accepts` can refuse that a part is dropped; a higher number makes it
    accept more. A summary has all facts of the parts that it keeps, but for those of `tails`, and no others.
    """
    edits = [edit for edit in edits if not _drops_harm(message, edit)]
    split = units.split(parts, weights)
    if len(split) > _MOST_UNITS:
        return None

    def may_go(unit: Unit) -> bool:
        return unit.is_courtesy or accepts(drop(unit.start, unit.end), _LEANS[intensity])

    sizes = [len(prose.shorten(message, unit.start, unit.end, edits).split()) for unit in split]
    kept = choice.choose(split, sizes, len(message.split()), intensity, may_go)
    if all(split[i].is_courtesy for i in kept):
        return None
    text = prose.write(message, split, kept, edits, intensity, is_formal(parts))
    ends = [edit for edit in edits if edit.rule == tails.RULE]
    whole = " ".join(
        prose.shorten(message, split[i].start, split[i].end, ends) for i in kept if not split[i].is_courtesy
    )
    if facts.missing(whole, text) or facts.missing(text, message):
        return None
    return text if len(text.split()) <= _LONGEST[intensity] * len(message.split()) else None


def drop(start: int, end: int) -> Edit:
    """The edit of which the tagger says whether a summary may lose `message[start:end]`."""
    return Edit("summary.drop", 1, (Change(start, end, ""),))


def _drops_harm(message: str, edit: Edit) -> bool:
    """Whether an edit deletes whether anyone came to harm."""
    return any(not text and background.tells_of_harm(message[start:end]) for start, end, text in edit.changes)
