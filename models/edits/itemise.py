"""Lists within a sentence, as items below a line: what follows a colon, a condition, or "need"."""

import re
from typing import NamedTuple

from models.edits import evidence
from models.edits.parts import LINK
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
_DETERMINER = r"(?:an?|the|some|your|their|my|our|\d+)"
_NEED = re.compile(
    r"(?P<lead>(?:[^:,;.!?]|(?<=\d)[:.](?=\d)){2,70}?\b(?:needs?|wants?|bring|includes?|contains?|(?:would|['’]d)\s+like))\s+"
    rf"(?={_DETERMINER}\s)(?P<rest>\S)",
    re.IGNORECASE,
)
_COMMA = re.compile(r",\s+(?:and\s+(?:also\s+)?|or\s+|plus\s+)?|;\s+(?:and\s+)?")
# "the list, which Ana writes, two copies"
_RELATIVE_COMMA = re.compile(rf"(?!,\s+(?:which|who|whose)\b)(?:{_COMMA.pattern})")
_LAST_AND = re.compile(rf"\s+and\s+(?=(?:{_DETERMINER}|whether|who|how|when|what)\s)", re.IGNORECASE)
_TWO = re.compile(r"\b(?:two|2|both)\b", re.IGNORECASE)
# Items do not open like this: such words go on with the item before them.
_GOES_ON = re.compile(
    r"(?:with|without|in|on|at|by|for|from|of|to|as|because|since|so|but|not|which|who|whose|where|that|including"
    r"|except|especially|preferably|ideally|if|when|while|ones|one(?=\s+(?:of|for|in|per|on|at|beside|each|that|more|\w+s)\b|\W*$)|it|its|they|both|all|each|only|at\s+least"
    r"|at\s+most|max|min|maybe|then|unless|until|after|before|although|though|otherwise|else|i|we|he|she|you|even|than|due|or"
    r"|must|should|can|will|has|have|needs?|is|are"
    rf"|(?!nothing|everything|something|anything)\w+ing(?!\s+{VERB}\b)|\w+\s+(?:also|only|too)"
    r"|probably|perhaps|mostly|especially|possibly)\b",
    re.IGNORECASE,
)
_LIMITS = re.compile(r"(?:not|max|min|at\s+least|at\s+most|only|without)\s", re.IGNORECASE)
# "The caterer serves at ten" is no thing.
_MAY_BE_CLAUSE = re.compile(r"(?:the|my|our|his|her|their)\s+(?:[\w-]+\s+){1,2}\w*[^\Ws]s\s", re.IGNORECASE)
_FINITE = re.compile(
    rf"\b(?:{VERB}|should|may|closes|i|we|he|she|they|it|you|that|which|if|because)\b|[.;:!?]\s|['’](?:s|re|ve|ll|d)\s",
    re.IGNORECASE,
)


# Pieces between commas, as people write notes: "doors shut at 6, sheets go to Ana, no picking".
_PIECE = re.compile(r",\s+")
_CONDITIONAL = re.compile(
    r"(?:(?:and|but)\s+)?(?:only\s+)?(?:if|when|whenever|once|unless|until|while|before|after|as\s+soon\s+as)\b",
    re.IGNORECASE,
)
_CONDITION_FIRST = re.compile(rf"(?!while\b){_CONDITIONAL.pattern}", re.IGNORECASE)
_PREDICATE = re.compile(
    rf"(?:[\w'’-]+\s+){{1,6}}?(?<!\bthe\s)(?<!\ba\s)(?<!\bour\s)(?<!\bmy\s)(?<!\byour\s)(?P<verb>{VERB}|closes|shut|stay|come|go|due)\b",
    re.IGNORECASE,
)
# A participle may hang on a verb before it: "the floor has to be swept, the gate closed".
_PARTICIPLE = re.compile(
    r"\w+ed|left|held|found|sent|kept|made|brought|paid|sold|met|told|put|shut", re.IGNORECASE
)
_ORDER = re.compile(
    rf"(?:(?:and|then|also|please|pls)\s+)*(?:{evidence.DO}|{ORDER}\s+(?!of\b|is\b|are\b|due\b|\w+\s+(?:is|are|due)\b)\w)",
    re.IGNORECASE,
)
# These words want the things after them: "we need a tent, two tables".
_GOVERNS = re.compile(rf"^{ORDER}\b|\b(?:needs?|wants?|must|should|(?:has|have)\s+to|bring)\b", re.IGNORECASE)
# A word, or words that say when or where, belong to the clause after them: "in the afternoon, we ...".
_INTRODUCES = re.compile(
    rf"(?:\S+|(?:quick|day|good|bad|small)\s\S+|(?:as|because|since|although|though|given)\s.*|(?:\w+ing|in|on|at|by|for|from|to|with|without|before|after|during)(?:(?!\s{VERB}\b)\s+\S+)*)",
    re.IGNORECASE,
)
_AND_THE = re.compile(r"and\s+the\b", re.IGNORECASE)  # "and the warranty is two years"
_LONGEST_INTRODUCTION = 80
_LONGEST_SEARCHED = 200  # characters of a point, so that the work stays linear
_PERSON = re.compile(r"(?:i|we|you|he|she|it|they)\b", re.IGNORECASE)
_WE = re.compile(r"(?:and\s+)?we\s+\w+\s+\w", re.IGNORECASE)
_FORBIDS = re.compile(r"no\s+\w+ing\b", re.IGNORECASE)
_DETERMINED = re.compile(
    rf"(?:and\s+|or\s+)?(?:{_DETERMINER}|two|three|four|five|six|seven|eight|nine|ten|all|more)\b",
    re.IGNORECASE,
)
_COUNTS = re.compile(r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten)\b", re.IGNORECASE)
_NO_NOTES = re.compile(r":\s|[(\"]")
# What follows these words may be a part of what somebody says or of a reason.
_REPORTS = re.compile(
    r"\b(?:said|says|say|told|thinks?|thought|because|whether|(?:so|know|sure|means?)\s+that)\b",
    re.IGNORECASE,
)
# A condition, and the verbs of it and of what holds under it.
_HOLDS_IF = re.compile(r"(?:(?:and|but)\s+)?(?:only\s+)?(?:if|when|once)\b", re.IGNORECASE)
_SUBJECTS = re.compile(
    rf"\b(?:(?:i|we|you|he|she|it|they|everything|everyone|everybody)\s+\w+|{VERB}|{ORDER})\b", re.IGNORECASE
)
# Such a piece has no subject, or speaks of the piece before it: "looks like a leak", "whether it is so".
_NO_POINT = re.compile(
    rf"(?:and\s+|or\s+)?(?!(?:could|can|would|will)\s+(?:you|we|i|the|one|some\w+)\b)"
    rf"(?:{VERB}|\w+ed|\w+\s+than|wh(?:ether|at|ichever|atever|oever|erever)|how|nor|neither|either|no\s+matter)\b",
    re.IGNORECASE,
)
_FEWEST_PIECES = 5  # of a sentence that is written as notes


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
    go_on = any(" " in item and _GOES_ON.match(item) and not _LIMITS.match(item) for item in items[1:])
    # Short things are surely things beside others.
    short = any(len(item.split()) < 2 for item in items[: None if len(items) <= _FEWEST else 1])
    return [] if len(items) < _FEWEST or go_on or short or is_clause(text) else items


def notes(text: str) -> list[str]:
    """The points of a sentence that strings them together with commas; the text itself if it is one point.

    A piece between two commas that cannot stand alone stays with the piece before it.
    """
    if _NO_NOTES.search(text) or _CONDITION_FIRST.match(text):
        return [text]
    pieces = _PIECE.split(text)
    opening = LINK.sub("", pieces[0])
    clauses = sum(map(_is_point, pieces))
    in_notes = not (_has_verb(opening) or _PERSON.match(opening)) or (
        len(pieces) >= _FEWEST_PIECES and clauses * 2 > len(pieces)
    )
    points = [pieces[0]]
    before = pieces[0]
    for piece in pieces[1:]:
        if not _introduces(points[-1]) and _stands(piece, before, points[-1], in_notes):
            points.append(piece)
        else:
            points[-1] += ", " + piece
        before = piece
    return points


def _stands(piece: str, before: str, point: str, in_notes: bool) -> bool:
    """Whether a piece can stand alone after the piece before it, the last of a point."""
    orders = bool(_ORDER.match(point))
    if _CONDITIONAL.match(piece):
        return bool(_HOLDS_IF.match(piece)) and len(_SUBJECTS.findall(piece)) > 1
    if _CONDITION_FIRST.match(before) or _REPORTS.search(before) or _AND_THE.match(piece):
        return False  # it may hold only under that condition
    if _ORDER.match(piece):
        return in_notes or orders
    if _NO_POINT.match(piece):
        return False
    if _is_point(piece):
        return True
    words = len(piece.split())
    names = _DETERMINED.match(piece) and (not _COUNTS.match(piece) or words <= _FEWEST)
    governed = orders or _GOVERNS.search(point[:_LONGEST_SEARCHED])
    return in_notes and words >= _FEWEST and not (names or governed or _GOES_ON.match(piece))


def _introduces(text: str) -> bool:
    if len(text) > _LONGEST_INTRODUCTION or _ORDER.match(text):
        return False
    return bool(_INTRODUCES.fullmatch(LINK.sub("", text)))


def _is_point(piece: str) -> bool:
    """Whether a piece is an order, or has a subject and a verb."""
    if _ORDER.match(piece) or _FORBIDS.match(piece) or _WE.match(piece):
        return True
    return not _GOES_ON.match(piece) and _has_verb(piece)


def _has_verb(piece: str) -> bool:
    verb = _PREDICATE.match(piece)
    return verb is not None and not _PARTICIPLE.fullmatch(verb["verb"])


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
    unsure = bool(OPENS_WITH_CONDITION.match(rest)) or any(_GOES_ON.match(item) for item in items[1:])
    if not colon:
        unsure = unsure or any(len(item.split()) < 2 for item in items)
        unsure = unsure or (len(items) <= _FEWEST and any(map(_MAY_BE_CLAUSE.match, items)))
    return [] if unsure or len(items) < (2 if two else _FEWEST) else items
