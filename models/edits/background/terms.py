"""Notes beside references, short names and tickets that a message does not explain."""

import re
from collections.abc import Iterator

from models.edits import clarify
from models.edits.clarify.message import Message
from models.edits.script import Change, Edit

# "Until the report is out": which one it is matters less than when that will be.
_EVENT = re.compile(r"\b(?:until|till|til|once|when|as soon as) $", re.I)


def note_references(read: Message, has_topic: bool) -> Iterator[Edit]:
    """Words that refer to something outside of the message, each with a note that it is not explained."""
    levels = iter((2, 3) if has_topic else (1, 2, 3))
    for note in clarify.gaps(read):
        if note.rule == "pronoun" and ")" in note.gap:
            continue
        if note.rule == "thing" and _EVENT.search(read.text[: note.start]):
            continue
        level = next(levels, None)
        if level is None:
            return
        gap = note.gap.replace("name not stated", "not named here").replace(
            "not stated", "not explained here"
        )
        last = read.text[note.end - 1]
        # The last letter is replaced, so that the note is no neighbour of the punctuation mark behind it.
        yield Edit(
            f"background.reference_{note.rule}", level, (Change(note.end - 1, note.end, f"{last} ({gap})"),)
        )


_TERM = re.compile(
    r"(?<![\w./'-])(?:(?P<ticket>[A-Z]{2,6}-\d+)|[A-Z]{2,6}\d{0,2}|[a-z]+_[a-z_]+)(?![\w'/-]| ?\(|\.\w)"
)
_KNOWN = re.compile(
    r"PDF|PDFS|CSV|HR|IT|OK|FYI|CEO|CFO|CTO|USB|URL|TV|AM|PM|EU|UK|US|USA|VAT|ID|IDS|FAQ|NOT|ALL|AND|OR|"
    r"NO|YES|PC|PCS|GPS|PIN|SMS|DIY|ASAP|EUR|USD|GBP|CHF|CET|UTC|GMT|MB|GB|TB|KB|KG|KM|MHZ|GHZ|THE|EOD|"
    r"ETA|NEVER|ONLY|DO|PS|RE|CC|BC|WE|YOU|IS|II|III|IV|WHY|HOW|WHAT|AI|DM|PA|AG|MP|CV|CVS|Q|PR|PRS|FW|"
    r"FWD|CAN|WILL|PLEASE|NOW|STOP",
)


def _is_loud(word: str) -> bool:
    """Whether capitals may only stress a word: few short names have five letters or more."""
    return word.isalpha() and word.isupper() and len(word) >= 5


def note_terms(read: Message, others: int) -> Iterator[Edit]:
    """The first short names and ticket numbers that the message does not explain."""
    levels = iter((2, 3) if others else (1, 2, 3))
    seen: set[str] = set()
    for match in _TERM.finditer(read.text):
        if match.group() in seen or _KNOWN.fullmatch(match.group()) or _is_loud(match.group()):
            continue
        seen.add(match.group())
        level = next(levels, None)
        if level is None:
            return
        end = match.end()
        if match.group("ticket"):
            change = Change(end, end, " (details not given here)")
        else:
            change = Change(end - 1, end, f"{read.text[end - 1]} (not explained here)")
        yield Edit("background.term", level, (change,))
