"""Proposes explanations of terms: a gloss in brackets after the first use of a term in a message."""

from collections.abc import Iterable, Sequence

from data.records import Term
from models.edits.script import Change, Edit
from models.edits.terminology.places import find_own_places, find_places
from models.edits.terminology.scan import WORD, Scan


def _explain(end: int, gloss: str) -> Edit:
    return Edit("terminology.own", 1, (Change(end, end, f" ({gloss})"),))


def explain_own(message: str, own_terms: Sequence[Term], edits: Iterable[Edit]) -> list[Edit]:
    """Explanations of the terms of a dictionary, at every level, and those of the edits that do not touch
    the explained words.
    """
    own = list(find_own_places(Scan(message), own_terms)) if own_terms else []
    rest = (
        edit
        for edit in edits
        if not any(
            start < change.end and change.start <= end for start, end, _ in own for change in edit.changes
        )
    )
    return [*(_explain(end, gloss) for _, end, gloss in own), *rest]


def propose(message: str, own_terms: Sequence[Term] = ()) -> list[Edit]:
    """Glosses for the terms of a message: level 1 for the most specialised ones, 2 for all, 3 fuller ones.

    A lone term has its fuller gloss at level 2. An abbreviation has both at level 3, what it stands for and
    what that is, unless the two say nearly the same.
    `own_terms` are those of dictionaries. They are explained at every level, and win over the glossary.
    """
    scan = Scan(message)
    edits = [_explain(end, gloss) for _, end, gloss in find_own_places(scan, own_terms)]
    places = find_places(scan)
    if not places:
        return sorted(edits, key=lambda edit: edit.start)
    ranked = sorted(places, key=lambda place: (-place.entry.specialised, place.start))
    at_once = 1 if len(places) < 3 else 2
    for rank, place in enumerate(ranked):
        entry = place.entry
        short, fuller = entry.named(entry.short, place.form), entry.named(entry.fuller, place.form)
        fullest = fuller
        if "e" in entry.kind and not _repeats(short, fuller):
            fullest = f"{short}: {entry.gloss(entry.fuller, place.form)}"
        if len(places) > 1:
            glosses = [(1 if rank < at_once else 2, short), (3, fullest)]
        else:
            glosses = [(1, short), (2, fuller), *([(3, fullest)] if fullest != fuller else [])]
        edits += [
            Edit(place.rule, level, (Change(place.at, place.at, f" ({place.label}{gloss})"),))
            for level, gloss in glosses
        ]
    return sorted(edits, key=lambda edit: (edit.start, edit.level))


def _repeats(short: str, fuller: str) -> bool:
    """Whether a fuller gloss has so many words of the short one that both together would sound silly."""
    words = [word for word in WORD.findall(fuller.lower()) if len(word) > 3]
    known = set(WORD.findall(short.lower()))
    return sum(word in known or word.rstrip("s") in known for word in words) * 2 >= len(words)
