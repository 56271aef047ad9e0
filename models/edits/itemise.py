"""Lists within a sentence: what follows a colon, a verb such as "need", or a condition, as items below a line."""

import re
from typing import NamedTuple

from models.edits import evidence
from models.edits.segments import ORDER


class Entry(NamedTuple):
    """A line of a list, and the items below it."""

    text: str
    items: tuple[str, ...] = ()


# "When you close up, lock the door, turn off the lights and ...": a condition, and orders that all hold under it.
_CONDITION = re.compile(rf"{evidence.CONDITION}(?P<rest>{evidence.DO})", re.IGNORECASE)
_NEXT_ORDER = re.compile(
    rf",\s+(?:(?:and|then|and\s+then|and\s+also|also|but)\s+)?(?=(?:{evidence.DO}|{ORDER}\s+[a-z]{{3,}}\s))", re.IGNORECASE
)
_COLON = re.compile(r"(?P<lead>[^:.!?]{3,120}):\s+(?P<rest>\S)")
_VERB = re.compile(
    r"(?P<lead>[^:,;.!?]{2,70}?\b(?:needs?|wants?|bring|includes?|contains?|(?:would|['’]d)\s+like))\s+(?=(?:an?|the|some|your|their|my|our|\d+)\s)(?P<rest>\S)",
    re.IGNORECASE,
)
_COMMA = re.compile(r",\s+(?:and\s+(?:also\s+)?|or\s+|plus\s+)?|;\s+(?:and\s+)?")
_LAST_AND = re.compile(r"\s+and\s+(?=(?:an?|the|some|your|their|my|our|whether|who|how|when|what|\d+)\s)", re.IGNORECASE)
# Items do not open like this: such words go on with the item before them.
_GOES_ON = re.compile(
    r"(?:with|without|in|on|at|by|for|from|of|to|as|because|since|so|but|not|which|who|whose|where|that|including|except"
    r"|especially|preferably|ideally|if|when|while|one|ones|it|its|they|both|all|each|only|at\s+least|at\s+most|max|min|maybe|then"
    r"|otherwise|else|i|we|he|she|you|even|than|due|or|(?!nothing|everything|something|anything)\w+ing)\b",
    re.IGNORECASE,
)
_NOT = re.compile(r"(?:not|max|min|at\s+least|at\s+most|only|with(?:out)?)\s", re.IGNORECASE)
_FINITE = re.compile(
    r"\b(?:is|are|was|were|has|have|had|will|would|can|could|must|should|may|needs?|wants?|do|does|did|i|we|he|she|they|it|you|that|which|if"
    r"|because)\b|[.;:!?]\s|n['’]t\b|['’](?:s|re|ve|ll|d)\s",
    re.IGNORECASE,
)
_OTHERWISE = re.compile(r",\s+(?:otherwise|else|or\s+else|unless|except|if)\b", re.IGNORECASE)
_FEWEST = 3
_COUNT = re.compile(r"\b(?:two|2|both)\b", re.IGNORECASE)


def entry(text: str) -> Entry:
    """A line as a line and items, or with no item where it holds no list."""
    return _orders(text) or things(text) or Entry(text)


def _orders(text: str) -> Entry | None:
    match = _CONDITION.match(text)
    if not match or _OTHERWISE.search(text):
        return None
    items = _NEXT_ORDER.split(text[match.start("rest") :])
    if len(items) < 2 or not _has_verb(match["lead"]):
        return None
    return Entry(match["lead"].rstrip(",") + ":", tuple(_capital(item) for item in items))


def things(text: str) -> Entry | None:
    """A line as a line and at least three things, or None where it holds no such list."""
    for pattern in (_COLON, _VERB):
        if not (match := pattern.match(text)):
            continue
        rest = text[match.start("rest") :]
        if "(" in rest or ":" in rest or re.search(r"[.!?]\s", rest):
            return None
        items = _COMMA.split(rest)
        counted = bool(_COUNT.search(match["lead"]))
        if pattern is _COLON and (counted or len(items) >= 2) and (last := _LAST_AND.search(items[-1])):
            items[-1:] = [items[-1][: last.start()], items[-1][last.end() :]]
        if len(items) < (2 if counted else _FEWEST) or any(_GOES_ON.match(item) for item in items[1:]):
            return None
        if pattern is _VERB and any(len(item.split()) < 2 for item in items):
            return None
        return Entry(match["lead"] + ":", tuple(items))
    return None


def bare_things(text: str) -> list[str]:
    """The things of a sentence that only names things, at least three: "60 cups a day, oat milk, no capsules"."""
    items = _COMMA.split(text.rstrip(" ."))
    if len(items) < _FEWEST or _FINITE.search(text) or any(_GOES_ON.match(item) and not _NOT.match(item) for item in items[1:]):
        return []
    return items if all(len(item.split()) > 1 for item in items) else []


def is_clause(text: str) -> bool:
    """Whether a text has a subject or a verb of a sentence."""
    return bool(_FINITE.search(text))


def _has_verb(lead: str) -> bool:
    """Whether a condition is a clause: "when you close up", "to run the tests"; not "after lunch"."""
    return len(lead.split()) > 2


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
