"""Finds adverbs for a place or a time that is not named: "there", "same as last time"."""

import re
from collections.abc import Iterator

from models.edits.clarify.message import Message
from models.edits.references.before import read_before, strangers
from models.edits.references.reference import Reference, ends, matches

_THERE = re.compile(
    r"\b(?:(?:i'm|we're|i am|we are|i'll be|we'll be|be)(?= there (?:until|at|by|from|to|tomorrow|today|"
    r"on))|go(?:es|ing)?|went|on site|meet|meeting|put (?:it|them|that|one)|leave (?:it|them|that)|"
    r"left (?:it|them)|send (?:it|them|him|her)|sent (?:it|them|him|her)|someone|somebody|nobody|people|"
    r"works?|working|worked|drive|driving|get|got|arrive[ds]?|stay(?:s|ed)?|park|live[sd]?|up|down|back|"
    r"from|staff|store[ds]?|stored|parked|moving|moved|delivered?|deliver) (?P<word>there)"
    + ends(
        r"anymore|any more|again|today|tomorrow|now|yesterday|this|next|on (?:mon|tues|wednes|thurs|fri|"
        r"satur|sun)day|at \d|by|before|until|and|but|because|so|or|for (?:a|the|two|three)|with|alone|yet"
    ),
    re.I,
)
_PLACE = re.compile(
    r"\b(?:in|at|to|from|on|into|near|behind|outside|inside|room|hall|office|site|floor|building|warehouse|"
    r"depot|city|place|shop|store|school|hospital|ward|clinic|kitchen|canteen|lab|plant|factory|yard|dock|"
    r"gate|port|airport|station|street|house|flat|hotel|venue|desk|folder|page|drive|server|channel|below|"
    r"link|attached|here|where|somewhere) ?(?!(?:site|time|case|fact|least|all|once|me|us|him|her|them|you|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|\d{1,2}(?::\d\d)?(?: ?[ap]m)?\b)\b)",
    re.I,
)
_LAST_TIME = re.compile(
    r"(?<![\w'-])(?:the )?same(?: [a-z]{3,12})? as (?:last time|before|last (?:week|month|year|quarter)|"
    r"the last time)" + ends("and|but|please|so|again|more or less|roughly|if|for|this|next|with|except"),
    re.I,
)
_LIKE_LAST_TIME = re.compile(
    r"(?<![\w'-])(?:like|as) last (?:time|week|month|year|quarter)" + ends("and|but|please|so|again"),
    re.I,
)
_NEARLY = re.compile(r"\b(?:get|got|almost|not quite) $")
_PLACE_LATER = re.compile(r"\b(?:in|at|to) [A-Z]|\b(?:site|office|room|hall|building)\b")
_NEGATION = re.compile(r"\b(?:not|don't|never)\b", re.I)
_TOLD_LATER = re.compile(r"\blast time\b[^.]*\b(?:was|had|did)\b", re.I)


def find_places(read: Message) -> Iterator[Reference]:
    """There as a place, where no place stands before."""
    for match in matches(read, _THERE, 1):
        at = match.start("word")
        before = read_before(read, at)
        earlier = re.sub(r"\bon site $", "", read.text[read.body : at])
        earlier = re.sub(r"\b(?:from|back|over) $", "", earlier)
        if before.capitals or _PLACE.search(earlier) or _NEARLY.search(earlier):
            return
        unsure = _PLACE_LATER.search(read.text[match.end() :]) or strangers(before) > 4
        rule = "place_unsure" if unsure else "place"
        yield Reference(rule, "there", 2, at, match.end("word"), match.group("word"), "where is not stated")


def find_last_times(read: Message) -> Iterator[Reference]:
    """The same as last time: what it was then, the message does not tell."""
    for rule, pattern, gap in (
        ("last_time", _LAST_TIME, "what it was then is not stated"),
        ("like_last_time", _LIKE_LAST_TIME, "how it was then is not stated"),
    ):
        for match in matches(read, pattern, 1):
            near = read.text[max(0, match.start() - 40) : match.start()]
            if _NEGATION.search(near) or _TOLD_LATER.search(read.text[match.end() :]):
                continue
            yield Reference(rule, "last", 3, *match.span(), match.group(), gap)
            return
