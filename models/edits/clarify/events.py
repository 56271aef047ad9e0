"""Finds what holds until something happens, where a message does not tell when that will be."""

import re

from models.edits.clarify.message import TIMES, Message

# "until the guard is replaced"
_EVENT = re.compile(
    r"\b(?:until|till) (?!further\b|now\b|then\b|when\b|recently\b|the end\b|today\b|tomorrow\b|tonight\b|"
    r"noon\b|next\b|this\b|late\b|early\b)(?=[^.,;!?]{0,60}?\b(?:is|are|has|have|gives?|comes?|decides?|agrees?|"
    r"confirms?|says?|finished|done|hears?|finish|I've|we've|he's|she's|they've|it's|signs?|clears?|arrives?|"
    r"works?)\b)",
    re.I,
)
_WHEN = re.compile(
    r"\b(?:today|tomorrow|tonight|weeks?|months?|years?|days?|hours?|soon|asap|morning|afternoon|evening|night|noon|"
    r"spring|summer|autumn|winter|lunch|o'clock|expected|probably|latest|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b",
    re.I,
)


def find_event_end(read: Message) -> int | None:
    """Where a message says that something holds until an event; nothing where it may say when that is."""
    match = _EVENT.search(read.text, read.body)
    if match is None or any(span.kind in TIMES for span in read.facts) or _WHEN.search(read.text):
        return None
    return match.start()
