"""Finds nouns behind "the" that a message has not named before, such as "the tree" in its first sentence."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from models.edits.clarify.message import MOST, QUOTED, Message
from models.edits.clarify.notes import RANKS, Note
from models.edits.clarify.nouns import KNOWN_HERE, is_plural
from models.edits.clarify.sentences import CONDITION
from models.edits.word_lists import read_lists

_LISTS = Path(__file__).with_suffix(".yaml")
_DEFINITE = re.compile(
    r"(?<![\w'-])(?i:the) (?P<noun>[a-z]{3,20})(?=\s*[,.!?;]|$|"
    r" (?:is|are|was|were|has|have|needs?|will|can|can't|could|should|must|does|doesn't|do|don't|did|"
    r"didn't|isn't|"
    r"aren't|wasn't|won't|and|but|before|after|again|today|tomorrow|yet|still|now|because|so|or|if|until|"
    r"please|pls|"
    r"asap|soon|later|when|where|too|first|instead|then|this week|next week|looks?|looked|keeps|came|comes|"
    r"went|got|broke|seems?|stopped)\b)"
)
# "That" before a noun, and not before a clause.
_THAT = re.compile(
    r"\b(?:in|at|on|for|with|from|to|about|by|making|makes|use|using|need|needs|do|take|send|get|has|have|"
    r"like|sign) "
    r"(?P<words>(?:that|those) (?P<noun>[a-z]{3,20}))(?=\s*[,.!?;]|$| (?:and|but|again|because|so|or|if|"
    r"until|please|"
    r"pls|before|for|near|yet|now)\b)"
)
_NO_NOUN = re.compile(r"(?:ed|ing|est|ly|ful|ous|ive|able|er|al|ic)$")
_BEFORE = re.compile(r"\b(?:of|in|at|on|all|by|with|through|into|over|during|within|under|per|for) $", re.I)
_MOST_CHARACTERS = 300
_MOST_FIGURES = 2
_SPECIFIC = frozenset({"ticket", "identifier", "url", "version"})


def find_definites(read: Message) -> Iterator[Note]:
    """Each such noun once. A long message, or one with figures and names of things, is no vague one."""
    figures = sum(span.kind in {"number", "time", "date"} for span in read.facts)
    specific = any(span.kind in _SPECIFIC for span in read.facts) or QUOTED.search(read.text)
    if len(read.text) > _MOST_CHARACTERS or figures > _MOST_FIGURES or specific:
        return
    lists = read_lists(_LISTS)
    yield from _find_those(read, lists["times"] | lists["function"])
    for match in itertools.islice(_DEFINITE.finditer(read.text, read.body), MOST):
        noun = match.group("noun")
        known = KNOWN_HERE.fullmatch(noun) or any(noun in words for words in lists.values())
        if known or _NO_NOUN.search(noun):
            continue
        earlier = read.text[: match.start()]
        if re.search(rf"(?<![\w'-]){re.escape(noun.rstrip('s'))}", earlier, re.I):
            continue
        if _BEFORE.search(earlier[-12:]) or CONDITION.search(earlier[read.sentence(match.start()).start :]):
            continue
        words = match.group()
        words = words[:1].upper() + words[1:] if match.start() in read.starts else words
        gap = "which ones is not stated" if is_plural(noun) else "which one is not stated"
        yield Note("definite", RANKS["definite"], *match.span(), words, gap)


def _find_those(read: Message, known: frozenset[str]) -> Iterator[Note]:
    """Nouns behind "that" or "those" that the message has not named before."""
    for match in itertools.islice(_THAT.finditer(read.text, read.body), MOST):
        noun = match.group("noun")
        start, end = match.span("words")
        if noun in known or _NO_NOUN.search(noun):
            continue
        if re.search(rf"(?<![\w'-]){re.escape(noun.rstrip('s'))}", read.text[:start], re.I):
            continue
        if CONDITION.search(read.text, read.sentence(start).start, start):
            continue
        several = match.group("words").startswith("those")
        gap = "which ones is not stated" if several else "which one is not stated"
        yield Note("that", RANKS["that"], start, end, match.group("words"), gap)
