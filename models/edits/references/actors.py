"""Finds people who acted or have to act and are not named: "someone", "it needs to go back"."""

import re
from collections.abc import Iterator

from models.edits.clarify.message import Message, Sentence
from models.edits.clarify.sentences import is_closing, missing_mark
from models.edits.references.reference import MOST, SHORT_TEXT, Reference, matches
from models.edits.script import Change, Edit

_SOMEBODY = re.compile(
    r"(?<![\w'-])(?:someone|somebody)(?: else)?(?= (?:is|was|has(?! to\b)|had(?! to\b)|took|did|came|sent|"
    r"put|used|forgot|opened|parked|already|keeps|does|wrote|booked|entered|wants|wanted|needs|works|"
    r"turned|switched)\b)",
    re.I,
)
_MAYBE = re.compile(
    r"\b(?:if|unless|whenever|when|until|in case|make sure|whether|that|so|check|does|has|is|did|was|till|"
    r"once|before|after|maybe|like|because|only|how|who|want|need) $",
    re.I,
)
_CONDITION = re.compile(r"\b(?:if|unless|until|when|whenever|before|in case)\b", re.I)
_EVENTS = re.compile(r" (?:wants|needs) to\b", re.I)
_TO_DO = re.compile(
    r"(?<![\w'-])(?:(?:it|this|that|they|these|those|one of them|both|(?:the|that|this|my|"
    r"our) [a-z-]+(?: [a-z-]+)?) (?:still )?(?:needs?|has|have) to (?:go back|go out|go away|go|move|"
    r"come (?:out|off|back)|be (?!in\b|at\b|on\b|a\b|the\b|able\b|careful\b|there\b|ready\b|"
    r"better\b)[a-z]+(?:ed|ne|nt|wn|de)))\b",
    re.I,
)
_ACTOR = re.compile(
    r"\b(?:i'll|i will|i can|i'm|we'll|we will|you|your|let me|please|will|by [A-Z]|someone|somebody|who|"
    r"can(?!'t)|could|would|if|unless|not|don't|never|no longer|let's|must)\b",
    re.I,
)
_WHO_ACTS = (
    "(Who does this is not stated.)",
    "Who does this is not stated here.",
    "Who does this is not stated. Who can take it on?",
)


def find_somebody(read: Message) -> Iterator[Reference]:
    """Someone who did something, in a statement."""
    if len(read.text) > SHORT_TEXT:
        return
    for match in matches(read, _SOMEBODY, 1):
        item = read.sentence(match.start())
        if "?" in read.text[item.stop : item.end] or _EVENTS.match(read.text, match.end()):
            return
        if _MAYBE.search(read.text[max(0, match.start() - 12) : match.start()]):
            return
        if _CONDITION.search(read.text[item.start : match.start()]):
            return
        yield Reference("somebody", "someone", 3, *match.span(), match.group(), "who is not stated")


def propose_who_acts(read: Message) -> Iterator[Edit]:
    """Something that has to happen, with no one who does it."""
    if len(read.text) > SHORT_TEXT:
        return
    item = next((item for item in read.sentences[:MOST] if _TO_DO.search(read.words(item))), None)
    if item is None or "?" in read.text[item.stop : item.end]:
        return
    match = _TO_DO.search(read.words(item))
    at = item.start + match.start() if match else item.start
    rest = read.text[at : at + 400]
    if _ACTOR.search(rest) or re.search(
        r"\b(?:if|unless|i'll|i will|you)\b", read.text[read.body : at], re.I
    ):
        return
    end = _last(read)
    mark = read.text[end.stop : end.end]
    mark = mark if mark.strip() else missing_mark(read.words(end))
    for level, text in enumerate(_WHO_ACTS, start=1):
        yield Edit("clarify.ref_who_acts", level, (Change(end.stop, end.end, f"{mark} {text}"),))


def _last(read: Message) -> Sentence:
    """The last sentence before the thanks and the signature."""
    body = [item for item in read.sentences if not is_closing(read.words(item))] or read.sentences
    return body[-1]
