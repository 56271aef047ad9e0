"""Finds adverbs for a place or a time that is not named: "there", "same as last time"."""

import re
from collections.abc import Iterator

from models.edits.clarify.message import Message
from models.edits.references.before import read_before, strangers
from models.edits.references.reference import Reference

_THERE = re.compile(
    r"\b(?:(?:i'm|we're|i am|we are|i'll be|we'll be|be)(?= there (?:until|at|by|from|to|tomorrow|today|"
    r"on))|go(?:es|ing)?|went|on site|meet|meeting|put (?:it|them|that|one)|leave (?:it|them|that)|"
    r"left (?:it|them)|send (?:it|them|him|her)|sent (?:it|them|him|her)|someone|somebody|nobody|people|"
    r"works?|working|worked|drive|driving|get|got|arrive[ds]?|stay(?:s|ed)?|park|live[sd]?|up|down|back|"
    r"from|staff|store[ds]?|stored|parked|moving|moved|delivered?|deliver) (?P<word>there)(?=\s*[,.!?;]|"
    r"\s*$| (?:anymore|any more|again|today|tomorrow|now|yesterday|this|next|on (?:mon|tues|wednes|thurs|"
    r"fri|satur|sun)day|at \d|by|before|until|and|but|because|so|or|for (?:a|the|two|three)|with|alone|"
    r"yet)\b)",
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
    r"(?<![\w'-])(?:the )?same as (?:last time|before|last (?:week|month|year)|the last time)(?=\s*[,.!?;]|"
    r"\s*$| (?:and|but|please|so|again)\b)",
    re.I,
)
_LIKE_LAST_TIME = re.compile(
    r"(?<![\w'-])(?:like|as) last time(?=\s*[,.!?;]|\s*$| (?:and|but|please|so|again)\b)", re.I
)


def find_places(read: Message) -> Iterator[Reference]:
    """There as a place, where no place stands before."""
    match = _THERE.search(read.text, read.body)
    if match is None:
        return
    at = match.start("word")
    before = read_before(read, at)
    earlier = re.sub(r"\bon site $", "", read.text[read.body : at])
    earlier = re.sub(r"\b(?:from|back|over) $", "", earlier)
    if before.capitals or _PLACE.search(earlier) or re.search(r"\b(?:get|got|almost|not quite) $", earlier):
        return
    later = re.search(
        r"\b(?:in|at|to) [A-Z]|\b(?:site|office|room|hall|building)\b",
        read.text[match.end() :],
    )
    rule = "place_unsure" if later or strangers(before) > 4 else "place"
    yield Reference(rule, "there", 2, at, match.end("word"), match.group("word"), "where is not stated")


def find_last_times(read: Message) -> Iterator[Reference]:
    """The same as last time: what it was then, the message does not tell."""
    for pattern in (_LAST_TIME, _LIKE_LAST_TIME):
        match = pattern.search(read.text, read.body)
        if match and re.search(
            r"\b(?:not|don't|never)\b", read.text[max(0, match.start() - 40) : match.start()], re.I
        ):
            continue
        if match and not re.search(r"\blast time\b[^.]*\b(?:was|had|did)\b", read.text[match.end() :], re.I):
            gap = "what it was then is not stated"
            gap = gap if pattern is _LAST_TIME else "how it was then is not stated"
            rule = "last_time" if pattern is _LAST_TIME else "like_last_time"
            yield Reference(rule, "last", 3, *match.span(), match.group(), gap)
            return
