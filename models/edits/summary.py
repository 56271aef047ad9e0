"""Summaries: the parts of an English message that matter, as prose."""

import re
from collections.abc import Callable, Sequence

from data.records import Role
from models import facts
from models.edits.parts import LINK, Part, capital, closed, is_formal, join, refers_back

# Parts of these roles always stay in a summary.
_ESSENTIAL = frozenset({Role.REQUEST, Role.QUESTION, Role.DATE, Role.OPEN})
_NEGATION = re.compile(r"\b(?:no|not|never|nobody|nothing|none|neither|without|\w+n['’]t)\b", re.IGNORECASE)
# The first sentence says what a message is about: "I had a look at your branch".
_NAMES_TOPIC = re.compile(
    r"\b(?:about|regarding|concerning)\s+\w|\b(?:at|with|through|on)\s+(?:your|our)\b", re.IGNORECASE
)
# Openings that a summary drops although they are the first sentence.
_OPENING = re.compile(
    r"\b(?:sorry|hope|update|heads[ -]?up|fyi|long|short|quick|just so|as (?:you|some)"
    r"|note|promise\w*|know)\b",
    re.IGNORECASE,
)


def summarize(parts: Sequence[Part], intensity: int, shorten: Callable[[str], str]) -> str | None:
    """The parts that a summary of this intensity keeps, as prose, shortened by `shorten`. None when that
    drops next to nothing.

    Requests, questions, dates and what is open always stay, and so does a part with a fact that no other has.
    """
    joined, formal = join(parts), is_formal(parts)
    drops = [_drops(joined, i, intensity) for i in range(len(joined))]
    for i in range(len(joined) - 1, 0, -1):  # what a kept part refers to is kept
        if drops[i - 1] and not drops[i] and refers_back(joined[i]):
            drops[i - 1] = joined[i - 1].role in (Role.GREETING, Role.CLOSING)
    kept = [i for i, dropped in enumerate(drops) if not dropped]
    if not any(joined[i].role not in (Role.GREETING, Role.CLOSING) for i in kept):
        return None
    text = ""
    for position, i in enumerate(kept):
        part = joined[i]
        if position > 0 and kept[position - 1] == i - 1:
            text += part.joint + part.text
            continue
        # What stood before it is dropped, so it starts a sentence, or a line after a greeting.
        greeted = position > 0 and joined[kept[position - 1]].role is Role.GREETING
        start = "\n" if greeted else "" if not text else " " if text.endswith((".", "!", "?", ":")) else ". "
        text = (text if greeted else text.rstrip(" ,;")) + start
        text += capital(LINK.sub("", part.text), formal)
    text = shorten(closed(text))
    length = sum(len(part.text.split()) for part in parts)
    return None if len(text.split()) > 0.95 * length else text


def _drops(joined: Sequence[Part], i: int, intensity: int) -> bool:
    """Whether a summary of this intensity drops a part."""
    part = joined[i]
    if part.importance == 2 and part.role is not Role.ASIDE:
        return all(_may_drop(joined, j, intensity) for j in _sentence_of(joined, i))
    return _may_drop(joined, i, intensity)


def _sentence_of(joined: Sequence[Part], i: int) -> range:
    """The indices of the parts of a part's sentence."""
    start, end = i, i + 1
    while start > 0 and not joined[start].opens_sentence:
        start -= 1
    while end < len(joined) and not joined[end].opens_sentence:
        end += 1
    return range(start, end)


def _may_drop(joined: Sequence[Part], i: int, intensity: int) -> bool:
    """Whether a summary of this intensity loses nothing without a part."""
    part = joined[i]
    if part.role in _ESSENTIAL or part.importance == 1:
        return part.role is Role.GREETING and intensity >= 2
    if facts.missing(part.text, " ".join(other.text for j, other in enumerate(joined) if j != i)):
        return False
    if not part.opens_sentence and _NEGATION.search(part.text):  # "I asked, she didn't know"
        return False
    before = [other for other in joined[:i] if other.role is not Role.GREETING]
    if part.role is Role.CLOSING or part.role is Role.GREETING:
        return part.importance == 3 and (part.role is Role.CLOSING or intensity >= 2)
    if not before and (_NAMES_TOPIC.search(part.text) or not _OPENING.search(part.text)):
        return False  # the first sentence says what the message is about
    if part.role is Role.TOPIC and before:
        return False  # it says what the parts after it are about
    if part.importance == 3 or part.role is Role.ASIDE:
        return True
    return part.role is Role.REASON and intensity >= 2
