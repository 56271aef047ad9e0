"""What the words of a part in a list of requirements say whatever the tagger says: that it is wanted, allowed
or in doubt.
"""

import re

from models.edits import evidence, itemise

_FIND_OUT = (
    r"(?!\s+to\s+(?:know|hear|check|ask|find|decide|discuss|clarify|vote|thank|say|tell|let|inform"
    r"|make\s+sure)\b)"
)
_NO_STATEMENT = r"(?!(?:i|we|you|it|if|whether|who|what|which|how|that|when|where|not|no|nobody|nothing)\b)"
_WANTS = re.compile(
    r"(?:(?:for|following|after|before|since|in|at|with)\s+[^,.;:]{3,60}?,?\s+)?"
    r"(?:(?:what\s+)?(?:i|we)(?:(?:['’]?d|\s+would)\s+(?:\w+ly\s+|also\s+|still\s+|just\s+)?(?:need|want|like|love)"
    r"|\s+(?:\w+ly\s+|also\s+|still\s+|just\s+|only\s+|now\s+)?(?:need|want))"
    r"|(?:i['’]?m|i\s+am|we['’]?re|we\s+are)\s+(?:after|looking\s+(?:for|to))"
    rf"|(?:{_NO_STATEMENT}[\w'’-]+\s+){{1,4}}needs?(?=\s+(?:better|more|new|other|another|an?|some)\b))\b"
    rf"{_FIND_OUT}",
    re.IGNORECASE,
)
# A reason at the end, whose doubts are about something else: "single phase because we haven't got the other"
_REASON = re.compile(
    r"\s(?:because|since|as|cos|bc)\s+(?:i|we|he|she|they|it|there|the|nobody)\b", re.IGNORECASE
)
# "let me know what it costs"
_ASKS_ANSWER = re.compile(
    r"(?:and\s+)?(?:lmk|let\s+(?:me|us)\s+know|tell\s+(?:me|us))\s+(?:\w+\s+)?"
    r"(?:what|if|whether|how|when|where|who|which)\b",
    re.IGNORECASE,
)
# "Used is fine if it comes with a warranty"
_PERMITS = re.compile(
    r"\b(?:is|are)\s+(?:also\s+)?(?:fine|ok|okay|enough|allowed|acceptable)\b"
    r"\s+(?:if|for|as\s+long\s+as)\b"
    r"|\b(?:can|may)\s+only\b|\bonly\s+if\b",
    re.IGNORECASE,
)
# "Kofo would like the same for tablets"
_SOMEBODY_WANTS = re.compile(
    rf"(?:{_NO_STATEMENT}(?!(?:he|she|they|people|customers|guests)\b)[\w'’-]+\s+){{1,3}}?"
    rf"(?:(?:would|['’]d)\s+like|wants|needs)\b{_FIND_OUT}",
    re.IGNORECASE,
)
# "Batteries can't go", and not "a screen reader can't use your form at all"
_FORBIDS = re.compile(
    r"(?!(?:i|we|he|she|they|you|it)\b)(?:[\w'’-]+\s+){1,2}(?:can['’]?t|cannot|may\s+not)\s+\w+(?:\s+\w+)?\W*$",
    re.IGNORECASE,
)
_BECAUSE_OF = re.compile(r"\b(?:because|as\s+a\s+result)\s+of\b", re.IGNORECASE)
_NOW = re.compile(r"\b(?:already|was|were|used\s+to|so\s+far)\b", re.IGNORECASE)
# Money that somebody gives, and what it depends on
_FUNDS = re.compile(
    r"(?:(?!(?:need|needs|want|wants|must)\b)[\w'’]+\s+){0,5}?(?:grant|subsidy|subsidies|funding|sponsors?|foundation|donors?)\b",
    re.IGNORECASE,
)
_DEPENDS = re.compile(
    r"\b(?:must|(?:has|have|needs?)\s+to|provided|only|if|unless|before|by|until|up\s+to)\b", re.IGNORECASE
)
# Such things have a date of their own: "apply for it before 30 September".
_OWN_DATE = re.compile(
    r"\b(?:grants?|subsid\w+|funding|foundation|appl(?:y|ies|ied|ication\w*)|offers?|quotes?|quotations?"
    r"|discounts?|early[ -]bird|vouchers?)\b",
    re.IGNORECASE,
)
_MAY_MONTH = re.compile(r"\bMay\b")
# Words of a clause that `itemise.is_clause` does not know: "voted 7 to 4", "follows tomorrow"
_TELLS = re.compile(
    r"\b\w{2,}ed\s+(?:\d|(?:the|an?|to|that|for|on|us|me)\b)"
    r"|\b\w{3,}s\s+(?:tomorrow|today|tonight|next|this|the|us|me|it|my|our|nothing|something|up|down|out|again|\w+day)\b"
    r"|^\w+\s+\w+ed\W*$"
    r"|^(?:just|still|as|for|so|thanks?|sorry|fyi|nothing|no|none|yes|not)\b",
    re.IGNORECASE,
)
# A detail is short, counts something, or lists: "about 50 a month", "readable on a phone".
_DETAIL = re.compile(
    r"(?:about|around|roughly|some|one|two|three|four|five|six|ten|first|each|same|with|for|from|at|either|\d[\d.,]*)\b",
    re.IGNORECASE,
)
# A first part that names a thing, and not an occasion: "cabins for 12 people"
_NAMES_THING = re.compile(r"(?:[\w'’-]+\s+){1,3}for\s+(?:\d|the|our|my|an?)", re.IGNORECASE)
_FEW_WORDS = 5
_LONGEST_PERMIT = 20  # words
_GOES_ON_AS_CLAUSE = re.compile(
    r"\s*(?:i|we|you|he|she|it|they|there|is|are|was|were|has|have|had|will|which"
    r"|who(?!\s+\w+\s+(?:what|which|when|where|how)\b))\b",
    re.IGNORECASE,
)
MONEY = re.compile(r"\b(?:fees?|prices?|costs?|rent|pay|paid|rates?|funds?)\b|[$€£]", re.IGNORECASE)


def wants(text: str) -> bool:
    """Whether the words say from their start on that something is wanted."""
    return bool(_WANTS.match(text)) and not _NOW.search(text.partition(",")[0])


def somebody_wants(text: str) -> bool:
    """Whether the words say that a named person or group wants something."""
    return bool(_SOMEBODY_WANTS.match(text))


def doubts(text: str) -> bool:
    """Whether the words leave something open, and not only their reason does."""
    return evidence.leaves_open(_REASON.split(text)[0]) and not wants(text)


def asks_answer(text: str) -> bool:
    """Whether the words ask for an answer without a question mark."""
    return bool(_ASKS_ANSWER.match(text))


def limits(text: str) -> bool:
    """Whether the words say under which condition something is allowed, or that it is not."""
    if _FORBIDS.match(text):
        return True
    is_short = len(text.split()) <= _LONGEST_PERMIT
    return is_short and bool(_PERMITS.search(text)) and not _NOW.search(text)


def funds(text: str) -> bool:
    """Whether the words are about money that somebody gives."""
    return bool(_FUNDS.match(text)) and not wants(text)


def depends(text: str) -> bool:
    """Whether the words name a condition or a date."""
    return bool(_DEPENDS.search(text))


def has_own_date(text: str) -> bool:
    """Whether a date in the words may be that of an offer or a grant, and not that of the thing."""
    return bool(_OWN_DATE.search(text))


def is_fragment(text: str) -> bool:
    """Whether the words only name something: there is no verb before the first comma."""
    first, _, rest = _MAY_MONTH.sub("", _BECAUSE_OF.sub("", text)).partition(",")
    is_clause = itemise.is_clause(first) or _TELLS.search(text) or _GOES_ON_AS_CLAUSE.match(rest)
    return not is_clause


def is_detail(text: str) -> bool:
    """Whether the words only name something, and are sure to be no statement with an unknown verb."""
    is_sure = _DETAIL.match(text) or MONEY.search(text) or "," in text or len(text.split()) <= _FEW_WORDS
    return bool(is_sure) and is_fragment(text) and not evidence.hedges(text)


def names_thing(text: str) -> bool:
    """Whether the words only name a thing that somebody could want, and no occasion."""
    return bool(_NAMES_THING.match(text)) and is_fragment(text)
