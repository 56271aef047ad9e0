"""Clauses go or join others: reasons, purposes, concessions, preambles."""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit
from models.edits.shorten.text import NUMBER_WORDS, delete_opening, find_place, main_clause

_BECAUSE = re.compile(
    r"\.\s(?P<cut>(?:The\s(?:main\s)?reason\s(?:for\s(?:this|that)\s)?is\sthat|(?:This|That)\sis\sbecause"
    r"|That['’]s\sbecause|It['’]s\sbecause|The\s(?:main\s)?reason:|Reason:)\s)(?=(?P<next>[A-Za-z][\w'’]*))"
)
_THATS_WHY = re.compile(
    r"(?:(?<=[.!?]\s)|^|(?<=\n))(?:That['’]s|That\sis|This\sis)\s(?:also\s|exactly\s)?why\s(?=(?:I|we|you"
    r"|he|she|it|they|the|please)\b)"
)
_WHILE = re.compile(
    r"\b(?P<cut>(?:as|while|when)\s(?:I|we)\s(?:was|were)\s(?:[\w'’-]+\s){1,9}?(?:I|we)\s(?:noticed|saw"
    r"|realised|realized|found(?:\sout)?)\sthat\s)(?=\w)",
    re.IGNORECASE,
)
# Words of a clause that requests something, or says what is planned.
REQUEST = re.compile(
    r"\b(?:please|pls|(?:could|can|would|will)\s(?:you|we|someone|somebody|anyone|I)|let['’]s|don['’]t"
    r"|do\snot|must|needs?\sto|have\sto|has\sto|should)\b|(?:^|[,;:]\s|\band\s)(?:tell|send|sign|write|ask"
    r"|call|keep|bring|put|use|check|register|leave|give|add|move|stop|count|wait|take)\b",
    re.IGNORECASE,
)
PLAN = re.compile(
    r"\b(?:suggest\w*|propos\w*|plan|will|won['’]t|can['’]t|cannot|may\snot)\b|['’]ll\s", re.IGNORECASE
)
_NEGATED = re.compile(r"\b(?:not|never|no|nobody|nothing|none|cannot)\b|n['’]t\b", re.IGNORECASE)
_REASON = re.compile(
    r"(?P<cut>(?P<comma>,)?\s(?P<link>because|since|as)\s(?:(?:I|we|he|she|it|they|there|the|my|our|nobody"
    r"|people|everyone|this|some|most)\b|(?:I|we|he|she|it|they"
    r"|there)['’])(?P<inside>[^,.!?;:()\n]{4,110}))(?=[.!?](?:\s|$)|$|\n|,\s(?:and|but|so|please|then|or)\b)"
)
_PURPOSE = re.compile(
    r"(?P<cut>(?:,?\sso\sthat|(?<!,)\sso)\s(?:I|we|he|she|it|they|everyone|everybody|people|nobody)\s(?:can"
    r"|could|know|knows|get|gets|don['’]t|doesn['’]t|has"
    r"|have)\b(?!\s?not)(?P<inside>[^,.!?;:()\n]{2,90}))(?=[.!?](?:\s|$)|$|\n)"
)
_NO_REASON = re.compile(
    r"\b(?:not|just|only|simply|mainly|partly|maybe|perhaps|probably|is|was|be|are|largely|mostly|exactly"
    r"|that['’]s|it['’]s|especially|precisely)$",
    re.IGNORECASE,
)
_TO_ACT_ON = re.compile(r"\b(?:you|please|must|otherwise|if|unless|until|before|after)\b", re.IGNORECASE)
_MOST_READ = 200  # characters of a main clause
_I_KNOW_BUT = re.compile(
    r"\b(?P<cut>(?:I|we)\s(?:know|understand|realise|realize|see|get)\s(?!nothing|how|what|who|where"
    r"|whether|if\b)[^.,;:?!\n]{3,90},\sbut\s)(?=\w)",
    re.IGNORECASE,
)
_IF_THEN = re.compile(r"\bif\s[^.?!;:,\n]{3,120}(?P<cut>,\s(?P<then>then\s))(?=\w)", re.IGNORECASE)
_PREAMBLE = re.compile(
    r"\b(?P<cut>(?:and\s)?(?:I\sknow|I['’]m\saware|I\sam\saware|I\ssay\sthis|I\spromise|I\sdid|let\sme"
    r"|I['’]ll\ssay|I\swill\ssay|I\swant\sto\swrite\sthis\sdown|I\swant\sto\ssay\sthis|I['’]ve\sbeen\sasked"
    r"|I\swas\sasked|you\sknow\sI)\b[^.:;?!\n()]{3,130}:\s)(?=[\w\"“])",
    re.IGNORECASE,
)
_SO = re.compile(
    r",\s(?P<link>which\smeans(?:\sthat)?|meaning\sthat|which\sis\s(?:also\s)?why|and\s(?:that['’]s"
    r"|that\sis|this\sis)\swhy|(?:that['’]s|that\sis)\swhy|with\sthe\sresult\sthat|and\sso"
    r"|and\sthen)\s(?!that\b|the\ssame|again)(?=[\w\"“])",
    re.IGNORECASE,
)


def merge_reasons(message: str) -> Iterator[Edit]:
    """A sentence that gives the reason of the one before joins it."""
    for match in _BECAUSE.finditer(message):
        following = match["next"]
        if following[0].isupper() and following not in (
            "The",
            "We",
            "It",
            "They",
            "He",
            "She",
            "A",
            "My",
            "Our",
            "I",
        ):
            continue
        end = match.end()
        lower = following if following == "I" else following[0].lower()
        changes = [Change(match.start(), end, ", because ")]
        if following != "I" and following[0].isupper():
            changes = [Change(match.start(), end + 1, f", because {lower}")]
        yield Edit("shorten.merge_because", 3, tuple(changes))
    for match in _THATS_WHY.finditer(message):
        yield Edit("shorten.merge_because", 3, (Change(match.start(), match.end(), "So "),))


def drop_reasons(message: str) -> Iterator[Edit]:
    """The reason of a request or plan goes; the reason of an event can be the point of a message."""
    for match in _REASON.finditer(message):
        main = main_clause(message, match.start(), _MOST_READ)
        is_bound = not match["comma"] and (match["link"] != "because" or _NEGATED.search(main))
        if not is_bound and _explains(main, match["inside"]):
            rule = "shorten.reason" if REQUEST.search(main) else "shorten.reason_of_plan"
            yield Edit(rule, 2, (Change(*match.span("cut"), ""),))
        elif not is_bound and _is_beside(main, match["inside"]):
            yield Edit("shorten.reason_of_event", 3, (Change(*match.span("cut"), ""),))
    for match in _PURPOSE.finditer(message):
        main = main_clause(message, match.start(), _MOST_READ)
        if REQUEST.search(main) and _explains(main, match["inside"]):
            yield Edit("shorten.purpose", 2, (Change(*match.span("cut"), ""),))


def _explains(main: str, reason: str) -> bool:
    """Whether the main clause requests or plans something, and the reason can go."""
    is_request = bool(REQUEST.search(main) or PLAN.search(main))
    return is_request and len(main.split()) >= 3 and _can_go(main, reason)


def _is_beside(main: str, reason: str) -> bool:
    """Whether the reason of an event or a state can go."""
    return len(main.split()) >= 4 and _can_go(main, reason)


def _can_go(main: str, reason: str) -> bool:
    """Whether a reason has nothing to act on, and is no answer."""
    return not (
        _NO_REASON.search(main.rstrip(",")) or _TO_ACT_ON.search(reason) or NUMBER_WORDS.search(reason)
    )


def drop_concessions(message: str) -> Iterator[Edit]:
    """ "I know it is late, but could you" becomes "Could you"."""
    for match in _I_KNOW_BUT.finditer(message):
        place = find_place(message, match.start())
        if place.kind in ("sentence", "clause") and not NUMBER_WORDS.search(match["cut"]):
            yield delete_opening(message, "shorten.i_know_but", 2, match.start(), match.end(), place)


def replace_links(message: str) -> Iterator[Edit]:
    """ ", which means that" becomes ", so"."""
    for match in _SO.finditer(message):
        text = "then" if match["link"].lower() == "and then" else "so"
        yield Edit("shorten.so", 1, (Change(*match.span("link"), text),))


def drop_then(message: str) -> Iterator[Edit]:
    """ "If it rains, then we stay" is "If it rains, we stay"."""
    for match in _IF_THEN.finditer(message):
        if find_place(message, match.start()).kind != "words":
            yield Edit("shorten.so", 1, (Change(*match.span("then"), ""),))


def drop_preambles(message: str) -> Iterator[Edit]:
    """ "I know this is the third mail about it: the room" becomes "The room"."""
    for match in _PREAMBLE.finditer(message):
        place = find_place(message, match.start())
        if place.kind in ("sentence", "clause") and not NUMBER_WORDS.search(match["cut"]):
            yield delete_opening(message, "shorten.preamble", 2, match.start(), match.end(), place)


def drop_announcements(message: str) -> Iterator[Edit]:
    """ "As I was walking through after lunch I noticed that" goes."""
    for match in _WHILE.finditer(message):
        place = find_place(message, match.start())
        if place.kind != "words":
            yield delete_opening(message, "shorten.announce", 2, match.start(), match.end(), place)
