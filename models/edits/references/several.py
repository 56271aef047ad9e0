"""Finds one of several that are not told apart: "the other report", "the second candidate", "the new one"."""

import re
from collections.abc import Iterator

from models.edits.clarify.message import Message
from models.edits.clarify.nouns import is_plural
from models.edits.references.before import (
    has_noun,
    has_plural,
    listed,
    read_before,
    singular,
    strangers,
)
from models.edits.references.reference import SHORT_TEXT, Reference, ends, matches, which

_OTHER = re.compile(
    r"(?<![\w'-])the other (?P<noun>[a-z]{3,20})(?=\s*[.!?;]|\s*$|, (?!the\b|which\b|that\b|not\b|in\b|"
    r"on\b|from\b)| (?:is|was|are|were|has|have|needs?|still|also|too|again|instead|today|tomorrow|by|"
    r"before|after|until|and|but|because|so|if|first|please|yet|can|will|should)\b)",
    re.I,
)
_SEVERAL = re.compile(
    r"\b(?:(?<!the )one|first|both|either|two|three|several|another|some|each|all|these|those|this|options?|"
    r"versions?|[a-z]+ and [a-z]+s)\b|\b[12]\b",
    re.I,
)
_NUMBERED = (
    r"supplier|vendor|candidate|offer|option|version|proposal|quote|variant|applicant|bidder|alternative|"
    r"idea|design|provider|contractor|draft|sample|logo|suggestion|shipment|batch"
)
_ORDINAL = re.compile(
    rf"(?<![\w'-])the (?:first|second|third|fourth|former|latter)(?: one| (?:{_NUMBERED}))"
    + ends(
        "is|was|after|and|but|because|so|if|please|has|can't|can|will|would|should|looks|again|instead|"
        "today|better|more|too|for now|now|with|by|before"
    ),
    re.I,
)
_COUNTED = re.compile(
    r"\b(?:two|three|four|both|either|several|options?|between|or|one of|list|[23]|\d\))\b|\n\s*[-*\d]", re.I
)
_ONE = re.compile(
    r"(?<![\w'-])the (?:new|old|top|bottom|other|big|small|last|right|wrong|red|blue|green|latest|previous|"
    r"current|final|good|bad|cheap|cheaper|bigger|smaller|newer|older|long|short|longer|shorter|black|"
    r"white|original|updated) (?P<noun>ones?)"
    + ends(
        "is|was|are|were|has|for|from|not|and|but|please|instead|today|tomorrow|before|by|because|so|if|"
        "again|first|now|too|isn't|doesn't|needs|can|will|should|until"
    ),
    re.I,
)
_ONE_FROM = re.compile(
    r"(?<![\w'-])the (?P<noun>ones?) from (?:last (?:week|month|time|year|night)|yesterday|before|"
    r"this morning|(?:mon|tues|wednes|thurs|fri|satur|sun)day)"
    + ends("is|was|are|were|and|but|please|again|instead|not|because|so|if")
    + r"|(?<=take )both|(?<=need )both|(?<=want )both|(?<=do )both|(?<=send )both|(?<=use )both",
    re.I,
)
_ANY_ONE = re.compile(
    r"(?<![\w'-])the (?!one\b|only\b|first\b|second\b|third\b|fourth\b|last\b|next\b|same\b|former\b|"
    r"latter\b|best\b|"
    r"right\b|two\b|three\b)(?P<word>[a-z]{3,12}) (?P<noun>ones?)"
    + ends(
        "is|was|are|were|has|have|and|but|please|instead|today|tomorrow|before|by|because|so|if|again|now|too|"
        "isn't|doesn't|needs|can|will|should|until"
    ),
    re.I,
)
_THOSE = re.compile(
    r"(?<![\w'-])(?:more|some|any|one|all|most|none|both|two|a few|plenty|lots) of (?P<word>those|these)"
    + ends("and|but|please|before|by|for|again|because|so|if|from|today|tomorrow|this|next|now|too|until"),
    re.I,
)
_BARE_ORDINAL = re.compile(
    r"\b(?:for|about|on|like|liked|prefer|preferred|to|regarding|with|take|use|"
    r"send) (?P<word>the (?:first|second|third|"
    r"former|latter))(?=\s*[,.!?;]|\s*$| (?:better|more|less|but|and)\b)",
    re.I,
)


def find_others(read: Message) -> Iterator[Reference]:
    """The other report: one that the message does not tell apart."""
    for match in matches(read, _OTHER):
        noun = match.group("noun").lower()
        if noun in listed("no_other"):
            continue
        earlier = read.text[read.body : match.start()].lower()
        # The first of two is named before: "the report on A ... the other report".
        if singular(noun) in earlier:
            continue
        gap = "what exactly is not stated" if noun == "stuff" else which(noun)
        far = len(earlier) > SHORT_TEXT
        rule = "others" if is_plural(noun) else "other"
        if _SEVERAL.search(earlier) or far:
            rule = "other_unsure"
        yield Reference(rule, "other", 2, match.start(), match.end(), match.group(), gap)


def find_ordinals(read: Message) -> Iterator[Reference]:
    """The first one: of what is not stated."""
    for match in matches(read, _ORDINAL, 1):
        earlier = read.text[read.body : match.start()]
        if _COUNTED.search(earlier):
            return
        before = read_before(read, match.start())
        named = match.group().lower().endswith(" one")
        strange = strangers(before)
        if (named and strange > 2) or (
            before.tokens[-1:] and before.tokens[-1] in {"is", "it's", "that's", "was"}
        ):
            return
        rule = "ordinal_unsure" if named and strange else "ordinal"
        yield Reference(rule, "one", 2, match.start(), match.end(), match.group(), which("one"))


def find_ones(read: Message) -> Iterator[Reference]:
    """The new one: where no noun before it can be meant."""
    match = _ONE.search(read.text, read.body) or _ONE_FROM.search(read.text, read.body)
    if match is None or (
        match.group().lower() == "both" and not re.match(r"\s*(?:[,.!?;]|$)", read.text[match.end() :][:3])
    ):
        return
    before = read_before(read, match.start())
    strange = strangers(before)
    if strange and has_noun(before):
        return
    if strange > 1 or before.capitals or set(before.tokens) & {"one", "ones", "two", "both"}:
        return
    gap = which((match.group("noun") or "ones").lower())
    rule = "one_unsure" if strange else "one"
    yield Reference(rule, "one", 2, match.start(), match.end(), match.group(), gap)


def find_any_ones(read: Message) -> Iterator[Reference]:
    """The flaky one: one of several by a property that the message has not named before."""
    for match in matches(read, _ANY_ONE, 1):
        earlier = read.text[read.body : match.start()].lower()
        if _ONE.match(read.text, match.start()) and match.group("noun").lower() == "one":
            return
        # "The blue kettles ... the grey one" names what is grey.
        if has_plural(read_before(read, match.start())):
            return
        if re.search(rf"\b{match.group('word').lower()}\b", earlier):
            return
        if len(earlier) > SHORT_TEXT or _COUNTED.search(earlier) or re.search(r"\bones?\b", earlier):
            return
        yield Reference("any_one", "one", 2, *match.span(), match.group(), which(match.group("noun").lower()))


def find_those(read: Message) -> Iterator[Reference]:
    """More of those: of what, where no plural stands before."""
    for match in matches(read, _THOSE, 1):
        before = read_before(read, match.start())
        if has_plural(before) or before.capitals or strangers(before) > 2:
            return
        word = match.group("word")
        yield Reference("those", "it", 1, match.start("word"), match.end("word"), word, "what is not stated")


def find_bare_ordinals(read: Message) -> Iterator[Reference]:
    """The first, the second: of what is not stated."""
    for match in matches(read, _BARE_ORDINAL, 1):
        earlier = read.text[read.body : match.start()]
        if (
            _COUNTED.search(earlier)
            or len(earlier) > SHORT_TEXT
            or strangers(read_before(read, match.start())) > 2
        ):
            return
        start, end = match.span("word")
        yield Reference("bare_ordinal", "one", 2, start, end, match.group("word"), which("one"))
