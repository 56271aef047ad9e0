"""The text of a summary: the kept units of a message, with shorter sentences."""

import re
from collections.abc import Iterator, Sequence

from data.records import Role
from models.edits import script
from models.edits.parts import LINK, capital, closed
from models.edits.script import Change, Edit
from models.edits.summary import courtesies
from models.edits.summary.units import Unit

_BUT = re.compile(r"(?:but|and|also|plus)\b", re.IGNORECASE)
_STUB = re.compile(r"[,;]?\s+(?:and|or|but|so)[,;]?\s*$", re.IGNORECASE)
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
    last_kept: int | None = None
    for first, last in _runs(kept):
        run = shorten(message, units[first].start, units[last].end, edits)
        if not run.strip(" .,;:!"):  # nothing is left of a whole remark
            continue
        if last_kept is None:
            text = run if first == 0 else _open(run, formal)
        elif any(units[i].opens_sentence for i in range(last_kept + 1, first + 1)):
            text = text if units[last_kept].is_courtesy else _close(text, units, last_kept)
            gap = message[units[first - 1].end : units[first].start]
            is_after_greeting = Role.GREETING in units[last_kept].roles
            text += gap if "\n" in gap else "\n" if is_after_greeting else " "
            text += _open(run, formal) if _leans(run, units[first]) else run
        else:
            # The comma between two clauses may stand in front of what is dropped, or at its end.
            mark = units[first - 1].text[-1]
            text += (mark if mark in ",;" and text[-1] not in ",;:" else "") + " " + run
        last_kept = last
    if (bare := LINK.sub("", text)) != text and not LINK.match(message):
        text = capital(bare, formal)
    if not units[kept[-1]].roles <= {Role.CLOSING}:
        return _close(text, units, kept[-1]).strip()
    return (courtesies.sign(text) if intensity >= 2 else text).strip()


def _leans(text: str, unit: Unit) -> bool:
    """Whether the start of a text, of which a unit is the first, leans on what stood before it."""
    return not unit.opens_sentence or bool(_BUT.match(text))


def _open(text: str, formal: bool) -> str:
    """The words of a sentence that has lost its beginning."""
    return capital(LINK.sub("", text), formal)


def _runs(kept: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last index of each run of kept units that follow each other."""
    first = kept[0]
    for i, following in zip(kept, [*kept[1:], None], strict=True):
        if following != i + 1:
            yield first, i
            first = following or 0


def _close(text: str, units: Sequence[Unit], last: int) -> str:
    """A text that ends with a mark: a question mark where its dropped end had one and the rest asks, too."""
    text = _STUB.sub("", text)
    end = next((unit.text for unit in units[last + 1 :] if unit.text.endswith(("?", ".", "!"))), "")
    asks = end.endswith("?") and bool(_QUESTION.match(LINK.sub("", units[last].text)))
    return closed(text, "?" if asks else ".")
