"""Notes of what a message does not state: whether they are true, which are kept, how they are written."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from models.edits.clarify.message import TIMES, Message, Sentence
from models.edits.clarify.sentences import CONDITION, is_closing, is_request
from models.edits.script import Change, Edit


class Note(NamedTuple):
    """Something vague at `[start:end)`, its plain words, and what the message does not state about it."""

    rule: str
    rank: int
    start: int
    end: int
    words: str
    gap: str


_EXPLAINS = re.compile(
    r"\b(?:because|since|due to|as in|namely|for example|e\.g|such as|i\.e|that is)\b|[:(–—]", re.I
)
_NAMES_IT = re.compile(r"\b(?:namely|for example|e\.g|such as|i\.e)\b|[:(–—]", re.I)
PEOPLE = re.compile(
    r"\b(?:clients?|customers?|suppliers?|vendors?|partners?|team|people|users?|tenants?|neighbours?|"
    r"guests?|board|committee|auditors?|"
    r"lawyers?|candidates?|bank|company|agency|office|department|management|legal|finance|sales|"
    r"everyone|folks|guys|kids|parents|"
    r"students?|patients?|drivers?|colleagues?|[a-z]{3,}s)\b",
    re.I,
)
# A place or a firm that spoke: "the printer place rang, they ...".
SPOKE = re.compile(
    r"\b(?:the|our|my|this|that|an?) (?:[\w-]+ ){1,3}?(?:rang|rings|called|calls|phoned|emailed|wrote|"
    r"writes|says|said|"
    r"replied|answered|confirmed|quoted|offered|told|asks|asked|wants|wanted|promised|got back|came back)\b",
    re.I,
)
_REFERRED = re.compile(r"\b(?:one|first|both|either|two|three|options?|versions?|half|some)\b|\b[12]\b", re.I)
RANKS = {
    "pronoun": 0,
    "which": 1,
    "hint": 1,
    "whom": 2,
    "state": 2,
    "what": 3,
    "urgency": 4,
    "when": 4,
    "who": 5,
    "until": 6,
    "quantity": 6,
    "moment": 5,
    "manner": 6,
    "amount": 6,
    "action": 7,
    "that": 3,
    "person": 7,
    "thing": 8,
    "time_of_day": 9,
    "definite": 10,
}


_DAY = re.compile(
    r"\b(?:today|tonight|tomorrow|this (?:week|month|morning|afternoon)|next (?:week|month))\b", re.I
)
# What stands behind such words may not be at all; what is forbidden may well be something definite.
_MAYBE = re.compile(
    r"\b(?:if|unless|whenever|in case|whether|should (?:any|you|there)|any|no|nothing|never|without)\b", re.I
)
_DATE_FOLLOWS = re.compile(r",? (?:on |at )?\d")  # "the usual date, 12 December"
_GROUPS = ("people", "suspects", "crowd", "folks", "contacts")


def is_gap(read: Message, rule: str, start: int, end: int) -> bool:
    """Whether the message really does not state what a note on `[start:end)` says."""
    item = read.sentence(start)
    before, after = read.text[item.start : start], read.text[end : item.stop]
    if after.lstrip().startswith("("):
        return False
    match rule:
        case "moment":
            outside = [span for span in read.facts if not start <= span.start < end]
            then = read.text[start:end].lower() == "by then"
            return not any(span.kind in TIMES for span in outside) and not (then and read.has_time(0, start))
        case "urgency" | "when":
            has_time = any(span.kind in TIMES for span in read.facts)
            return not has_time and not _DAY.search(before + " " + after)
        case "whom":
            is_named = read.text[start:end].lower().startswith(("the ", "that "))
            return not read.has_names() and (is_named or not CONDITION.search(before))
        case "hint" | "manner" | "amount" | "action":
            return not _MAYBE.search(before) and not _NAMES_IT.search(after)
        case "who":
            return _lacks_person(read, start, end)
        case "until":
            return not CONDITION.search(before)
        case "state" | "what":
            return not CONDITION.search(before) and not _is_explained(read, item, end)
        case "which":
            lower = read.text.lower()
            return not _DATE_FOLLOWS.match(after) and _lacks_choice(lower[:start], lower[start:end], after)
    return True


def _lacks_person(read: Message, start: int, end: int) -> bool:
    words = read.text[start:end].lower()
    if words in {"them", "the others"}:
        earlier = read.text[read.body : start]
        return not read.has_names() and not PEOPLE.search(earlier) and not _REFERRED.search(earlier)
    return words.endswith(_GROUPS) or not read.has_names()


def _lacks_choice(earlier: str, words: str, after: str) -> bool:
    """Whether words such as "the other one" refer to nothing that is named."""
    if words.startswith(("the other", "that one", "those ones", "these ones")):
        return not _REFERRED.search(earlier) and len(earlier) < 160
    if re.search(r"\b(?:that|those) [a-z]+$", words):
        return words.split()[-1].rstrip("s") not in earlier
    return not _NAMES_IT.search(after)


def _is_explained(read: Message, item: Sentence, end: int) -> bool:
    """Whether what follows may explain something vague: the rest of the sentence or a later statement."""
    rest = read.text[end : item.stop]
    if _EXPLAINS.search(rest):
        return True
    later = [other for other in read.sentences if other.start > item.start]
    return any(
        not is_request(read.words(other))
        and not is_closing(read.words(other))
        and _STATES.match(read.words(other))
        for other in later
    )


_STATES = re.compile(r"(?:it|its|it's|they|this|that|the|there|i|he|she|one|some|both|which)\b", re.I)


_ONCE = frozenset({"thing", "until", "when", "urgency"})  # rules whose notes do not repeat each other

LATER = frozenset({"definite"})  # rules whose notes are of no use at level 1


def choose_notes(read: Message, notes: list[Note]) -> list[Note]:
    """Notes that do not overlap, at most two in a sentence and five in all, the most important ones first."""
    kept: list[Note] = []
    for note in sorted(notes, key=lambda item: (item.rank, item.start)):
        same = [other for other in kept if read.sentence(other.start) == read.sentence(note.start)]
        if len(kept) == 5 or len(same) == 2:
            continue
        if any(note.end > other.start and note.start < other.end for other in kept):
            continue
        if note.rule not in _ONCE or all(note.gap != other.gap for other in kept):
            kept.append(note)
    return kept


def write_inline_notes(notes: list[Note], has_closing: bool) -> Iterator[Edit]:
    """The most important note at level 1, the next two at level 2, the others at level 3."""
    levels = iter((1, 2, 2, 3, 3))
    for note in notes:
        level = next(levels)
        if note.rule in LATER or (note.rule == "thing" and has_closing):
            level = max(level, 2)
        yield Edit(f"clarify.{note.rule}_note", level, (Change(note.start, note.end, _bracketed(note)),))


def _bracketed(note: Note) -> str:
    """The words with the gap in brackets; a gap that closes its bracket itself goes on behind it."""
    return f"{note.words} ({note.gap}" + ("" if ")" in note.gap else ")")
