"""Lists within a sentence, as items below a line: what follows a colon, a condition, or "need"."""

import re
from typing import NamedTuple

from models.edits import evidence
from models.edits.segments import OPENS_WITH_CONDITION, ORDER, VERB

_FEWEST = 3
# "When you close up, lock the door, turn off the lights": a condition, and orders that all hold under it.
_CONDITION = re.compile(rf"{evidence.CONDITION}(?P<rest>{evidence.DO})", re.IGNORECASE)
_DO = rf"(?=(?:{evidence.DO}|{ORDER}\s+[a-z]{{3,}}\s))"
_NEXT_ORDER = re.compile(rf",\s+(?:(?:and|then|and\s+then|and\s+also|also|but)\s+)?{_DO}", re.IGNORECASE)
# "When somebody leaves, the manager tells HR, HR confirms the day, IT closes the account"
_WHEN_CLAUSES = re.compile(
    r"(?P<lead>(?:when|whenever|once|after)\s+[^,.;:!?]{4,60}),\s+(?P<rest>\S)", re.IGNORECASE
)
_DOES = re.compile(r"(?:the\s+|our\s+|your\s+)?[\w-]+\s+(?:\w+[^\Ws]s|is|are|has|have|will)\s", re.IGNORECASE)
_OPENS_REST = re.compile(r"(?:otherwise|else|which|who|but|so|or|unless|because)\b", re.IGNORECASE)
# After "if" an order with "and" may hold in any case.
_IF = re.compile(r"(?:if|unless|in\s+case)\b", re.IGNORECASE)
_NEXT_ORDER_IF = re.compile(rf",\s+(?={evidence.DO})", re.IGNORECASE)
_OTHERWISE = re.compile(r",\s+(?:otherwise|else|or\s+else|unless|except|if)\b", re.IGNORECASE)
_COLON = re.compile(r"(?P<lead>[^:.!?]{3,120}):\s+(?P<rest>\S)")
DETERMINER = r"(?:an?|the|some|your|their|my|our|\d+)"
_NEED = re.compile(
    r"(?P<lead>(?:[^:,;.!?]|(?<=\d)[:.](?=\d)){2,70}?\b(?:needs?|wants?|bring|includes?|contains?|(?:would|['’]d)\s+like))\s+"
    rf"(?={DETERMINER}\s)(?P<rest>\S)",
    re.IGNORECASE,
)
_COMMA = re.compile(r",\s+(?:and\s+(?:also\s+)?|or\s+|plus\s+)?|;\s+(?:and\s+)?")
# "the list, which Ana writes, two copies"
_RELATIVE_COMMA = re.compile(rf"(?!,\s+(?:which|who|whose)\b)(?:{_COMMA.pattern})")
_LAST_AND = re.compile(rf"\s+and\s+(?=(?:{DETERMINER}|whether|who|how|when|what)\s)", re.IGNORECASE)
_TWO = re.compile(r"\b(?:two|2|both)\b", re.IGNORECASE)
# Items do not open like this: such words go on with the item before them.
GOES_ON = re.compile(
    r"(?:with|without|in|on|at|by|for|from|of|to|as|because|since|so|but|not|which|who|whose|where|that|including"
    r"|except|especially|preferably|ideally|if|when|while|ones|one(?=\s+(?:of|for|in|per|on|at|beside|each|that|more|\w+s)\b|\W*$)|it|its|they|both|all|each|only|at\s+least"
    r"|at\s+most|max|min|maybe|then|unless|until|after|before|although|though|otherwise|else|i|we|he|she|you|even|than|due|or"
    r"|must|should|can|will|has|have|needs?|is|are"
    rf"|(?!nothing|everything|something|anything)\w+ing(?!\s+{VERB}\b)|\w+\s+(?:also|only|too)"
    r"|probably|perhaps|mostly|possibly)\b",
    re.IGNORECASE,
)
_LIMITS = re.compile(r"(?:not|max|min|at\s+least|at\s+most|only|without)\s", re.IGNORECASE)
# "The caterer serves at ten" is no thing.
_MAY_BE_CLAUSE = re.compile(r"(?:the|my|our|his|her|their)\s+(?:[\w-]+\s+){1,2}\w*[^\Ws]s\s", re.IGNORECASE)
_FINITE = re.compile(
    rf"\b(?:{VERB}|should|may|closes|i|we|he|she|they|it|you|that|which|if|because)\b|[.;:!?]\s|['’](?:s|re|ve|ll|d)\s",
    re.IGNORECASE,
)


class Entry(NamedTuple):
    """A line of a list, and the items below it."""

    text: str
    items: tuple[str, ...] = ()


def entry(text: str) -> Entry:
    """A line as a line and items, or with no item where it holds no list."""
    return _orders(text) or _clauses(text) or things(text) or Entry(text)


def things(text: str) -> Entry | None:
    """A line as a line and the things that it names after a colon or "need"; None where it names none."""
    for pattern in (_COLON, _NEED):
        if match := pattern.match(text):
            items = _things(text[match.start("rest") :], pattern is _COLON, bool(_TWO.search(match["lead"])))
            return Entry(match["lead"] + ":", tuple(items)) if items else None
    return None


def bare_things(text: str) -> list[str]:
    """The things of a sentence that names three or more and nothing else: "60 cups, oat milk, no lids"."""
    items = _COMMA.split(text.rstrip(" ."))
    go_on = any(" " in item and GOES_ON.match(item) and not _LIMITS.match(item) for item in items[1:])
    # Short things are surely things beside others.
    short = any(len(item.split()) < 2 for item in items[: None if len(items) <= _FEWEST else 1])
    return [] if len(items) < _FEWEST or go_on or short or is_clause(text) else items


def is_clause(text: str) -> bool:
    """Whether a text has a subject or a verb of a sentence."""
    return bool(_FINITE.search(text))


def _orders(text: str) -> Entry | None:
    match = _CONDITION.match(text)
    if not match or _OTHERWISE.search(text) or len(match["lead"].split()) < _FEWEST:
        return None
    separator = _NEXT_ORDER_IF if _IF.match(text) else _NEXT_ORDER
    items = separator.split(text[match.start("rest") :])
    if len(items) < 2:
        return None
    return Entry(match["lead"] + ":", tuple(item[:1].upper() + item[1:] for item in items))


def _clauses(text: str) -> Entry | None:
    """What happens under a condition; None where fewer than three things happen."""
    match = _WHEN_CLAUSES.match(text)
    if not match or "(" in text:
        return None
    items: list[str] = []
    for item in _COMMA.split(text[match.start("rest") :]):
        if items and _OPENS_REST.match(item):
            items[-1] += ", " + item
        else:
            items.append(item)
    if len(items) < _FEWEST or not all(map(_DOES.match, items)):
        return None
    return Entry(match["lead"] + ":", tuple(item[:1].upper() + item[1:] for item in items))


def _things(rest: str, colon: bool, two: bool) -> list[str]:
    """The items of a list; none where some of its words may be no item. `two` says that two are enough."""
    if "(" in rest or ":" in rest or re.search(r"[.!?]\s", rest):
        return []
    items = _RELATIVE_COMMA.split(rest)
    if colon and (two or len(items) > 1) and (last := _LAST_AND.search(items[-1])):
        items[-1:] = [items[-1][: last.start()], items[-1][last.end() :]]
    unsure = bool(OPENS_WITH_CONDITION.match(rest)) or any(GOES_ON.match(item) for item in items[1:])
    if not colon:
        unsure = unsure or any(len(item.split()) < 2 for item in items)
        unsure = unsure or (len(items) <= _FEWEST and any(map(_MAY_BE_CLAUSE.match, items)))
    return [] if unsure or len(items) < (2 if two else _FEWEST) else items
