"""Finds what holds until something happens, where a message does not tell when that will be."""

import re
from typing import NamedTuple

from models.edits.clarify.message import TIMES, Message

_EVENT = re.compile(
    r"\b(?:until|till|til) (?!further\b|now\b|then\b|when\b|recently\b|the end\b|today\b|tomorrow\b|"
    r"tonight\b|"
    r"noon\b|next\b|this\b|late\b|early\b)(?P<event>[^.,;:!?\n]{0,60}?\b(?:is|are|has|have|gives?|comes?|"
    r"decides?|agrees?|confirms?|says?|finished|done|hears?|hear|finish|I've|we've|he's|she's|they've|it's|"
    r"signs?|"
    r"clears?|arrives?|works?|dries|dry)\b[^.,;:!?\n]{0,40})",
    re.I,
)
_WHEN = re.compile(
    r"\b(?:today|tomorrow|tonight|weeks?|months?|years?|days?|hours?|soon|asap|morning|afternoon|evening|"
    r"night|noon|"
    r"spring|summer|autumn|winter|lunch|o'clock|expected|probably|latest|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b",
    re.I,
)
# Of such an event "when I have heard" would be said, so it is not repeated.
_NOT_REPEATED = re.compile(r"\b(?:I|we|you|has|have)\b|'(?:s|ve|re)\b|\b(?:and|but|or|so|because)\b", re.I)


class EventEnd(NamedTuple):
    """Where a message says that something holds until an event, and the clause of when that is."""

    at: int
    gap: str


def find_event_end(read: Message) -> EventEnd | None:
    """Until which event something holds; nothing where the message may say when that is."""
    match = _EVENT.search(read.text, read.body)
    if match is None or any(span.kind in TIMES for span in read.facts) or _WHEN.search(read.text):
        return None
    event = match.group("event").strip()
    return EventEnd(match.start(), "when that will be" if _NOT_REPEATED.search(event) else f"when {event}")
