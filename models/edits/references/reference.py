"""A reference, and what all kinds of references share."""

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from models.edits.clarify.message import Message
from models.edits.clarify.nouns import is_plural
from models.edits.references.before import listed

SHORT_TEXT = 200  # characters; a longer message may explain itself in ways that no rule sees
# Only the first such words of a message are read, so that the work does not grow with their square.
MOST = 40
GROUPS = {"he": "he", "him": "he", "she": "she", "her": "she", "they": "they", "them": "they", "it": "it"}


class Reference(NamedTuple):
    """Words at `[start:end)`, what replaces them, and what the message does not state about them.

    `rank` orders the references of a message, the most important for acting first. Two references of the same
    `group` may mean the same.
    """

    rule: str
    group: str
    rank: int
    start: int
    end: int
    words: str
    gap: str
    tail: str = ""  # what follows the note, such as the verb of "he's"


def ends(words: str) -> str:
    """The pattern of where a reference ends: before a mark, at the end of the message, or before words."""
    return rf"(?=\s*[,.!?;]|\s*$| (?:{words})\b)"


def matches(read: Message, pattern: re.Pattern[str], most: int = MOST) -> Iterator[re.Match[str]]:
    """The first matches in the body of a message."""
    return itertools.islice(pattern.finditer(read.text, read.body), most)


def which(noun: str) -> str:
    """What is not stated of a noun, which may be plural."""
    return "which ones is not stated" if is_plural(noun) else "which one is not stated"


def in_full(short: str | None, following: str) -> str | None:
    """The verb of "he's" in full; nothing where two verbs are possible."""
    following = following.strip().lower()
    match short:
        case None:
            return ""
        case "ll" | "re" | "ve":
            return {"ll": " will", "re": " are", "ve": " have"}[short]
        case "d":
            return " would" if following in {"like", "prefer", "love", "rather", "be", "need"} else None
        case _:
            if following in {"been", "got", "had"}:
                return " has"
            if following in listed("after_is") or following.endswith("ing"):
                return " is"
            return None
