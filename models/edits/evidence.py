"""What the words of an English clause do: whether they order, ask, doubt, plan, or leave something open.

A label that stands beside the wrong words misleads. So a label needs evidence in the words.
"""

import re

from models.edits.segments import ORDER, PREPOSITION

# Words that may come before an order: "and then", "if it rains,", "also".
_LEAD = (
    r"^\W*(?:(?:and|but|so|or|then|also|first|firstly|finally|lastly|now|oh|ok|okay|right|just|otherwise|instead|again"
    r"|afterwards|after\s+that|before\s+that|until\s+then|till?\s+then|by\s+then|for\s+now|from\s+now\s+on|next\s+time"
    r"|in\s+future|in\s+the\s+meantime|meanwhile|always|kindly|simply|maybe|perhaps|anyway|either\s+way)\b[,\s]*)*"
)
# A condition and the end of it. Without a comma a plural before a verb is its subject: "if it's late the
# guards open the gate".
CONDITION = (
    r"(?P<lead>(?:if|when|whenever|once|before|after|until|till|til|unless|as\s+soon\s+as|in\s+case)\s+[^,.;:!?]{4,90}?)"
    r"(?:,\s+|\s+(?=(?:please|pls)\b)|(?<!s)(?<!\bi)(?<!\bwe)(?<!\byou)(?<!\bthey)(?<!people)(?<!children)(?<!staff)(?<!\bto)(?<!\band)(?<!\bor)"
    r"(?<!\bcan)(?<!\bmay)(?<!\bdo)(?<!could)(?<!would)(?<!should)(?<!must)(?<!might)(?<!will)(?<!['’]ll)(?<!['’]d)(?<!n['’]t)"
    r"(?<!\bnot)(?<!\bdid)(?<!does)\s+)"
)
_UNNAMED_CONDITION = CONDITION.replace("?P<lead>", "?:")  # for patterns that have it in several places
_CONDITION = f"(?:{_UNNAMED_CONDITION})?"
_VERBS = (
    rf"(?:{ORDER}|allow|arrange|attach|avoid|block|bag|carry|choose|contact|continue|count|cover|deliver|enter|ensure"
    r"|feed|file|focus|follow|forward|hand|hang|help|hold|ignore|include|inform|install|invite|join|label|let|limit|list|load"
    r"|log|make\s+sure|measure|message|note|number|pack|phone|ping|prepare|prioriti[sz]e|provide|pull|quote|raise|reach|refer"
    r"|reject|remember|remind|replace|request|reset|ring|rinse|roll|rotate|scan|separate|show|skip|speak|split|spin|sweep|swap"
    r"|sync|throw|transfer|type|unload|unlock|unplug|verify|weigh|wipe|wrap)"
)
# After an order comes what it is about; not after a noun: "order 3 is late", "report for March".
_OBJECT = (
    r"(?:the|an?|my|our|your|his|her|its|their|this|that|these|those|it|them|me|us|him|all|both|each|every|any"
    r"|some|no|nothing|everything|everyone|everybody|somebody|someone|anyone|nobody|whoever|whatever|what|who"
    r"|where|how|whether|if|one|two|three|\d[\w.,:/-]*|not|off|up|out|in(?=\s+(?:the|your|my|our|an?|this|it)\b)"
    r"|down|back|away|over|sure|only)\b(?!['’])(?!\s+(?:is|are|was|were|has|had|will|starts?|ends?)\b)"
)
# An order with its object, or a prohibition.
DO = (
    rf"(?:(?:please\s+)?{_VERBS}\s+{_OBJECT}|(?:please\s+)?(?:do\s+not|don['’]?t|never)\s+\w"
    r"|(?:please|pls)\s+\w)"
)
_ORDERS = re.compile(
    rf"{_LEAD}{_CONDITION}(?:please\s+)?{_VERBS}\s+(?!(?:is|are|was|were|has|had)\b){_OBJECT}", re.IGNORECASE
)
_MAY_ORDER = re.compile(
    rf"{_LEAD}{_CONDITION}{_VERBS}\b(?!\s+(?:in|for|of|with|from|about|by|to|at|on|is|are|was|were|has|had|will|can|must)\b)",
    re.IGNORECASE,
)
_FEELS = r"(?:know|have|think|see|understand|care|want|mind|need|like)"  # "don't know" leaves out "I"
_FORBIDS = re.compile(
    rf"{_LEAD}{_CONDITION}(?:do\s+not|don['’]?t|never|no\s+need\s+to)\s+(?!(?:{PREPOSITION}|{_FEELS})\b)\w",
    re.IGNORECASE,
)
_PLEASE = re.compile(r"\b(?:please|pls|plz)\b", re.IGNORECASE)
_PLEASE_NOT = re.compile(r"\b(?:please|pls)\s+(?:do\s+not|don['’]?t|never|no)\b", re.IGNORECASE)
_PLEASE_FIRST = re.compile(
    rf"{_LEAD}(?:{_UNNAMED_CONDITION}"
    r"|(?:on|from|by|at|in|for|until|till|til|after|before|next|this)\s+[^,.;:]{2,40}?,?\s+)?(?:please|pls)\b",
    re.IGNORECASE,
)
_ENDS_WITH_PLEASE = re.compile(r"\b(?:please|pls)\W*$", re.IGNORECASE)
_GOES_ON = re.compile(r"\b(?:so|but|because)\b", re.IGNORECASE)
# "Please note that ..." tells, and asks for nothing.
_TELLS = re.compile(
    r"\b(?:please|pls)\s+(?:also\s+)?(?:note|be\s+aware|be\s+advised|find|see\s+attached|accept\s+my|forgive|excuse)\b",
    re.IGNORECASE,
)
_ASKS_TO = re.compile(
    r"\b(?:can|could|would|will)\s+(?!you\s+(?:like|prefer|rather|be\s+(?:ok|okay|fine|there|free)))(?:you|someone|somebody|anyone|anybody|one\s+of\s+you|each\s+of\s+you|everyone|everybody)\b"
    r"|\b(?:can|could|may)\s+(?:we|i)\s+(?:please\s+|maybe\s+)?(?:have|get|borrow|see|ask\s+you)\b"
    r"|\bwould\s+(?:it\s+be\s+possible|you\s+mind)\b|\bcan\s+(?:we|i)\s+please\b",
    re.IGNORECASE,
)
_SOMEBODY = re.compile(
    r"\b(?:someone|somebody|whoever|one\s+of\s+you|each\s+of\s+you|everyone|everybody|all\s+of\s+you|you)\s+(?:also\s+|still\s+)?"
    r"(?:(?:has|have|needs?|ought)\s+to|must|should)\b"
    rf"|^\W*(?:and\s+|so\s+)?(?:someone|somebody)\s+(?:please\s+)?{ORDER}\b"
    r"|\b(?:i|we)(?:\s+would|['’]d)\s+(?:really\s+)?(?:like|appreciate\s+it\s+if|be\s+(?:grateful|glad|happy)\s+if|need)\s+(?:you|somebody|someone)\b"
    r"|\b(?:i|we)\s+(?:also\s+|still\s+|just\s+)?need\s+(?:you|somebody|someone)\s+to\b",
    re.IGNORECASE,
)
# Words that could ask for something in the middle of a sentence: "it is sold so take it off".
_MAY_ASK = re.compile(
    rf"\b(?:so|but|or|and|then|therefore|just|better)\s+(?:please\s+)?{ORDER}\b(?!\s+(?:is|are|was|were|has|had)\b)"
    r"|\b(?:don['’]?t|do\s+not|never|tells?|must|should|shd|shall|(?:has|have|ought|needs?)\s+to|may\s+not|mustn['’]?t"
    r"|shouldn['’]?t|needs?|anyone|whoever|everybody|everyone|nobody|no\s+one)\b",
    re.IGNORECASE,
)
_UNDECIDED = re.compile(
    r"""
      \b(?:not|isn['’]?t|aren['’]?t|wasn['’]?t|weren['’]?t|hasn['’]?t|haven['’]?t|nothing|still|never)\s+(?:\w+\s+){0,2}?
        (?:decided|clear|known|fixed|settled|sure|certain|agreed|confirmed|answered|discussed|said|heard
          |told\s+(?:me|us)|found\s+out)\b
    | \bto\s+be\s+(?:decided|confirmed|agreed|defined)\b
    | \bha(?:ve|s)n['’]?t\s+(?:\w+\s+)?(?:asked|checked|got)\b
    | \b(?:don['’]?t|doesn['’]?t|do\s+not|does\s+not|didn['’]?t)\s+(?:\w+\s+)?know\b
    | \b(?:don['’]?t|do\s+not|doesn['’]?t)\s+have\b[^.!?]{0,50}\byet\b
    | \bi\s+(?:don['’]?t|do\s+not)\s+have\s+(?:an?|any|the|his|her|their|your)\b
    | \b(?:no\s+(?:idea|clue|answer|reply)|undecided|tb[cda]|unsure|waiting\s+(?:for|to))\b
    | (?<!where\sit['’]s\s)(?<!thing\sis\s)(?<!thing['’]s\s)\bunclear\b
    | \b(?:nobody|no\s+one|none\s+of\s+us)\s+(?:\w+\s+){0,2}?
        (?:knows|told|said|decided|knew|asked|could|has(?!\s+to\b))\b
    | \b(?:could|can)(?:n['’]?t|not|\s+not)\s+(?:find\s+out|tell|say|answer)\b
    | \bi\s+(?:still\s+)?(?:have|need)\s+to\s+(?:check|ask|find\s+out)\b
    | \b(?:asked|asks|asking|wondering)\s+(?:if|whether)\b
    | \b(?:is|are|remains?)\s+(?:\w+\s+)?(?:open|up\s+in\s+the\s+air)(?=\W*$|,)
    | \bthat['’]s\s+(?:still\s+)?open(?=\W*$|,)
    | \bstill\s+(?:open|missing|discuss\w*|wait\w*|check\w*|being\s+\w+|with\s+\w+|to\s+be)\b
    | (?:\bis|\bare|['’]s)\s+(?:still\s+)?(?:a|an\s+open|the)\s+question\b(?!\s+(?:of|for|from|about|that)\b)
    | \b(?:depends?\s+on|question\s+is|(?:i['’]m|we['’]re)\s+missing)\b
    | \bwhat\s+(?:i|we)\s+(?:haven['’]?t|don['’]?t)\b
    | ^\W*open(?:\s+(?:point|question|issue))?s?\s*:
    | ^\W*(?:(?:and|but)\s+)?
        (?:whether|which|who|how\s+(?:long|many|much|often|big)|where\s+(?:exactly|from))\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_HEDGED = re.compile(
    r"\b(?:i\s+(?:think|believe|guess|suppose|assume)|maybe|perhaps|probably|possibly|might|not\s+sure"
    r"|wasn['’]?t\s+sure)\b",
    re.IGNORECASE,
)
_PLAN = re.compile(
    r"\b(?:(?:i|we|he|she|they)['’]ll|will|going\s+to|won['’]t|(?:i|we)(?:['’]d|\s+would)|(?:plan|intend)\s+to)\b",
    re.IGNORECASE,
)


def orders(text: str) -> bool:
    """Whether the words are an order, a prohibition or a request, without doubt."""
    if _TELLS.search(text):
        return False
    if text.rstrip().endswith("?"):
        return bool(_ASKS_TO.search(text) or _PLEASE.search(text))
    return bool(
        _PLEASE.search(text)
        or _ORDERS.search(text)
        or _FORBIDS.search(text)
        or _SOMEBODY.search(text)
        or _ASKS_TO.search(text)
    )


def forbids(text: str) -> bool:
    """Whether the words are a prohibition."""
    return bool(_FORBIDS.search(text) or _PLEASE_NOT.search(text))


def may_order(text: str) -> bool:
    """Whether the words could be an order without an object: "just come by"."""
    return bool(_MAY_ORDER.search(text))


def may_ask(text: str) -> bool:
    """Whether somebody could be asked for something within the words."""
    return bool(_MAY_ASK.search(text) or _MAY_ORDER.search(text) or orders(text)) and not _TELLS.search(text)


def only_orders(text: str) -> bool:
    """Whether the words are a request from their start on: "it leaks, please call them" is more than that."""
    if _TELLS.search(text):
        return False
    if text.rstrip().endswith("?"):
        return orders(text)
    ends = _ENDS_WITH_PLEASE.search(text) and not _GOES_ON.search(text)
    return bool(
        ends
        or _ORDERS.search(text)
        or _FORBIDS.search(text)
        or _SOMEBODY.match(text)
        or _PLEASE_FIRST.search(text)
    )


def questions(text: str) -> bool:
    """Whether the words are a question that wants an answer, and not an action."""
    return text.rstrip().endswith("?") and not orders(text)


def leaves_open(text: str) -> bool:
    """Whether the words say that something is not known or not decided."""
    return bool(_UNDECIDED.search(text))


def hedges(text: str) -> bool:
    """Whether the writer is not sure of what the words say."""
    return bool(_HEDGED.search(text))


def plans(text: str) -> bool:
    """Whether the words speak of what will be done."""
    return bool(_PLAN.search(text))
