"""Entries of a list of requirements: what a clause adds at its end is an entry of its own."""

import re
from dataclasses import dataclass, replace

from data.records import Need
from models.edits import itemise, needs
from models.edits.parts import Part

SEPARATE = (Need.NEED, Need.CONSTRAINT)  # kinds of which each clause is an entry
# A comma, and then limits up to the end: "ten slides, no jargon, and not the draft numbers".
_TAIL = re.compile(rf",\s+(?:and\s+|but\s+)*(?={needs.LIMIT}\s+\S)", re.IGNORECASE)
_COMMA_ONLY = re.compile(r",\s")
_COMMA = re.compile(r",\s+(?:and\s+|but\s+)*", re.IGNORECASE)
# Another need of the same thing: "four scanners, must survive a drop".
_ALSO_MUST = re.compile(
    r",\s+(?:and\s+|but\s+)*(?=(?:must|should|(?:has|have|needs?)\s+to)\s+\w)", re.IGNORECASE
)
# A wish up to the end: "a shelf, and on wheels if possible".
_WISH = re.compile(
    r",\s+(?:and\s+|but\s+)*(?=(?:ideally|preferably)\s+[^,]+$|[^,]{4,60}\b"
    rf"{needs.IF_POSSIBLE}\b[^,]*$)",
    re.IGNORECASE,
)
# "and ready by the end of May" at the end
_READY = re.compile(
    r",?\s+and\s+(?=(?:to\s+be\s+)?(?:ready|done|live|finished|in\s+place|delivered|running|online)\s+(?:by|before|until|from|no\s+later\s+than)"
    r"\s+[^,]+$)",
    re.IGNORECASE,
)
# Words at the end that leave something open: "hosting to be decided", "paper or tablet, not decided yet"
_OPEN_END = re.compile(
    r"\b(?:not\s+(?:yet\s+)?(?:decided|clear|known|fixed|settled|confirmed|sure)|undecided|tb[acd]"
    r"|to\s+be\s+(?:decided|confirmed|agreed|defined)|still\s+open)\b",
    re.IGNORECASE,
)
_OPENS_DOUBT = re.compile(
    r"(?:(?:but|and)\s+)?(?:still\s+)?(?:not|to\s+be|tb[acd]|undecided|still)\b", re.IGNORECASE
)
# Such a limit says nothing without the words before it: "nothing else", "read only, NOT write", "not the blue
# ones".
_NO_LIMIT_ALONE = re.compile(
    r"(?:no|nothing|not)\s+(?:more|else|less|other)\W*$"
    r"|not\s+(?!(?:the|an?|on|in|at|before|after|more|less|longer|from|by|any|all|for|with)\b)"
    r"|.*\b(?:ones?|it|they|them|that|those|these)\b",
    re.IGNORECASE,
)
_FEWEST_WORDS = 3  # of a need before its limits
_BUDGET = re.compile(r"(?:(?:and|our|the|total|max)\s+)*budget\b(?!\s+by\b)[^,]{0,40}\d", re.IGNORECASE)


@dataclass
class Entry:
    """An entry of a list; `joint` is the text between it and the entry before it in the message."""

    text: str
    need: Need
    joint: str


def apart(part: Part) -> list[Part]:
    """A part, and as one of its own what its end leaves open."""
    pieces = _COMMA_ONLY.split(part.text)
    if (limited := _budget_apart(part, pieces)) is not None:
        return limited
    at = next((i for i, piece in enumerate(pieces) if i and _OPEN_END.search(piece)), 0)
    if at and _OPENS_DOUBT.match(pieces[at]):
        at -= 1  # it speaks of the piece before it
    known = ", ".join(pieces[:at])
    if len(known.split()) < _FEWEST_WORDS or _OPEN_END.search(known) or part.text.endswith("?"):
        return [part]
    stated = replace(part, text=known)
    if needs.kind(stated) is Need.CONTEXT:
        return [part]  # "she returns in March, date not known"
    rest = replace(part, text=", ".join(pieces[at:]), need=Need.OPEN, joint=", ", opens_sentence=False)
    return [stated, rest]


def _budget_apart(part: Part, pieces: list[str]) -> list[Part] | None:
    """The budget at the start of a part, and what follows it, such as a date, as parts of their own."""
    rest = ", ".join(pieces[1:])
    if not _BUDGET.match(pieces[0]) or not needs.says_when(rest) or part.text.endswith("?"):
        return None
    budget = replace(part, text=pieces[0], need=Need.CONSTRAINT)
    return [budget, replace(part, text=rest, need=Need.DEADLINE, joint=", ", opens_sentence=False)]


def split(entry: Entry) -> list[Entry]:
    """A need and what its clauses add to it; or the things of a sentence that only names things."""
    if entry.need not in SEPARATE or "(" in entry.text:
        return [entry]
    if things := itemise.bare_things(entry.text):
        return [
            Entry(
                thing,
                Need.CONSTRAINT if needs.MEASURES.search(thing) else Need.NEED,
                ", " if i else entry.joint,
            )
            for i, thing in enumerate(things)
        ]
    if len(pieces := _ALSO_MUST.split(entry.text)) > 1 and len(pieces[0].split()) >= _FEWEST_WORDS:
        return [
            piece
            for i, text in enumerate(pieces)
            for piece in _split_end(Entry(text, entry.need, ", " if i else entry.joint))
        ]
    return _split_end(entry)


def _split_end(entry: Entry) -> list[Entry]:
    """A need, and the deadline, the wish or the limits at its end."""
    for pattern, need in ((_READY, Need.DEADLINE), (_WISH, Need.WISH)):
        match = pattern.search(entry.text)
        if match and len(entry.text[: match.start()].split()) >= _FEWEST_WORDS:
            before = Entry(entry.text[: match.start()], entry.need, entry.joint)
            return [*_split_limits(before), Entry(entry.text[match.end() :], need, ", ")]
    return _split_limits(entry)


def _split_limits(entry: Entry) -> list[Entry]:
    match = _TAIL.search(entry.text)
    if entry.need is Need.CONSTRAINT or not match:
        return [entry]
    need, limits = entry.text[: match.start()], _COMMA.split(entry.text[match.end() :])
    if len(need.split()) < _FEWEST_WORDS or not all(
        needs.LIMITS_FIRST.match(limit) and not _NO_LIMIT_ALONE.match(limit) for limit in limits
    ):
        return [entry]
    return [
        Entry(need, Need.NEED, entry.joint),
        *(Entry(limit, Need.CONSTRAINT, ", ") for limit in limits),
    ]
