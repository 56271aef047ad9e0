"""The text of a summary: the kept units of a message, with shorter sentences."""

import re
from collections.abc import Iterator, Sequence

from data.records import Role
from models.edits import script
from models.edits.parts import LINK, capital, closed
from models.edits.script import Change, Edit
from models.edits.summary.costs import SIGN_OFF
from models.edits.summary.units import Unit

_QUESTION = re.compile(
    r"\W*(?:can|could|would|will|do|does|did|is|are|was|were|has|have|should|shall|may|what|when|where|who"
    r"|why|how|which)\b",
    re.IGNORECASE,
)


def shorten(message: str, start: int, end: int, edits: Sequence[Edit]) -> str:
    """`message[start:end]` after the edits that lie inside it, or that start at the comma before it."""
    inside = [
        Edit(
            edit.rule,
            edit.level,
            tuple(Change(max(a, start) - start, b - start, text) for a, b, text in edit.changes),
        )
        for edit in edits
        if start - 2 <= edit.start and edit.end <= end and edit.changes[0].end > start
    ]
    return script.apply(message[start:end], inside) if inside else message[start:end]


def write(
    message: str,
    units: Sequence[Unit],
    kept: Sequence[int],
    edits: Sequence[Edit],
    intensity: int,
    formal: bool,
) -> str:
    """The kept units as prose; `formal`: the writer starts sentences with capitals."""
    text = ""
    for first, last in _runs(kept):
        start, end = units[first], units[last]
        run = shorten(message, start.start, end.end, edits)
        if not run.strip(" .,;:!"):  # nothing is left of a whole remark
            continue
        if first > 0:
            gap = message[units[first - 1].end : start.start]
            if not start.opens_sentence or not text or text.endswith((".", "!", "?")):
                run = capital(LINK.sub("", run), formal)
            after_greeting = bool(text) and Role.GREETING in _last_roles(units, kept, first)
            joint = gap if "\n" in gap else "\n" if after_greeting else " "
            text = (text + joint if text else "") + run
        else:
            text = run
        if last < len(units) - 1 and not end.is_courtesy:  # what is dropped may have ended the sentence
            text = _close(text, units, last)
    if (bare := LINK.sub("", text)) != text and not LINK.match(message):
        text = capital(bare, formal)
    if not units[kept[-1]].roles <= {Role.CLOSING}:
        return _close(text, units, kept[-1]).strip()
    return (SIGN_OFF.sub("", text) if intensity >= 2 else text).strip()


def _runs(kept: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last index of each run of kept units that follow each other."""
    first = kept[0]
    for i, following in zip(kept, [*kept[1:], None], strict=True):
        if following != i + 1:
            yield first, i
            first = following or 0


def _last_roles(units: Sequence[Unit], kept: Sequence[int], i: int) -> frozenset[Role]:
    """The roles of the last kept unit before `i`."""
    return units[max(k for k in kept if k < i)].roles


def _close(text: str, units: Sequence[Unit], last: int) -> str:
    """A text that ends with a mark: a question mark where its dropped end had one and the rest asks, too."""
    end = next((unit.text for unit in units[last + 1 :] if unit.text.endswith(("?", ".", "!"))), "")
    asks = end.endswith("?") and bool(_QUESTION.match(LINK.sub("", units[last].text)))
    return closed(text, "?" if asks else ".")
