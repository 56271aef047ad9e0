"""Verbs become shorter: "has ended" is "ended", and a subject that stands twice stands once."""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit
from models.edits.shorten.text import find_place, main_clause

_PERFECT = re.compile(
    r"(?<=[\w'’]\s)(?P<cut>(?:has|have)\s)(?!been\b|need|had\b)(?=[a-z]{2,14}ed\s)(?!\w{1,14}\s(?:to\sbe)\b)",
)
_PERFECT_PASSIVE = re.compile(r"(?<=[\w'’]\s)(?P<cut>(?P<verb>has|have)\sbeen)(?=\s[a-z]{2,14}ed\b)")
_QUESTION = re.compile(
    r"\b(?:what|who|which|when|where|how|why|if|whether|has|have|not|never|to|will|would|could|should|may|might|must"
    r"|can|cannot|don['’]?t|doesn['’]?t|and|or|until|once|after|as\ssoon|i|unless|since|does|do|did)$",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(?:I|we|you|they)$", re.IGNORECASE)
_SINCE = re.compile(
    r"\b(?:since|so\sfar|yet|ever|always|all\s(?:day|week|month|year)|for\s(?:\d|the|a|an|two|three|four|five|six|seven"
    r"|eight|nine|ten|some|many|several|weeks|months|years)|this\s(?:week|month|year)|now|recently|lately|been)\b",
    re.IGNORECASE,
)
_AGAIN = re.compile(
    r"(?:^|(?<=[.!?]\s)|(?<=\n))(?P<first>I|We|He|She|They|we|i|he|she|they)\s[^,.;:?!()\n]{3,90}?\sand"
    r"(?P<cut>\s(?P<second>I|we|i|he|she|they))(?=\s(?!am\b|['’])[a-z]{2,})",
)
_CLAUSE = re.compile(
    r"\b(?:that|if|when|because|which|who|whether|as|while|until|so|since|what|how|where|said|says|thinks?|told|hopes?"
    r"|knows?|asked|asks|but|or|before|after|unless)\b",
    re.IGNORECASE,
)

_PARTICIPLE = (
    r"(?:(?!need|use|suppos|allow|request|expect|ask)[a-z]{2,14}ed|left(?:\sbehind)?|sent|made|built|written|taken|given|bought"
    r"|sold|paid|held|kept|lost|found|drawn|shown|broken|chosen|done|hit|put|cut)"
)
# The number of the verb shows that the word before "that" is the noun: "contracts that were signed in May".
_RELATIVE = re.compile(
    r"\b(?:[a-z]{2,18}[^s\W]s(?P<many>\s(?:that|which|who)\s(?:are|were|have\sbeen|had\sbeen))"
    r"|(?:an?|the|one|this|our|my|your|his|her|their)\s(?:[a-z-]{2,18}\s){0,2}?[a-z-]{2,18}"
    r"(?P<one>\s(?:that|which|who)\s(?:is|was|has\sbeen|had\sbeen)))"
    rf"(?=\s{_PARTICIPLE}\s(?:by|in|on|at|for|from|to|with|as|under|over|last|during|after|before|twice|yesterday)\b)"
)
_TO_BE = re.compile(
    r"(?<=[a-z]{2}\s)(?P<cut>(?:that|which)\s(?:has\sto\sbe|have\sto\sbe|had\sto\sbe|must\sbe|needs?\sto\sbe|needed\sto\sbe"
    rf"|(?:is|are|was|were)\sto\sbe))(?=\s{_PARTICIPLE}\b)"
)
_NO_NOUN = re.compile(
    r"\b(?:think|know|say|says|said|sure|hope|believe|mean|means|is|was|are|were|be|so|now|and|but|not|only|it|me|us|you"
    r"|them|him|her|told|asked|found|heard|see|saw|noted|agreed|decided|of|in|for|to|with|all)\s$",
    re.IGNORECASE,
)
_IF_YOU_WANT = re.compile(
    r"\b(?P<if>if)\syou(?:\s(?:want|wish|would\slike)|['’]d\slike)\sto\s(?=(?P<verb>[a-z]+)\b[^.?!;:()\n]{2,80},\s)",
    re.IGNORECASE,
)
_IDIOM = re.compile(r"be\s(?:sure|honest|fair|frank|safe|clear|precise)\b", re.IGNORECASE)
_EITHER = re.compile(r"\b(?P<cut>either\s)(?!of\b|way\b|one\b|side\b|end\b)(?=[^.?!;:()\n]{2,70}\sor\s)")
_AND_TO = re.compile(r"\bto\s[a-z]{2,15}\b(?:\s[\w'’-]{1,15}){0,4}?\s(?:and|or)(?P<cut>\sto)(?=\s[a-z]{2,})")
_NO_VERB = re.compile(
    r"(?:the|a|an|my|our|your|his|her|their|this|that|these|those|be|it|you|me|us|them|all|each|no|\w+s)\b"
)
_COMPLAINED = re.compile(
    r"\b(?P<cut>we(?:['’]ve|\shave)?(?:\s(?:now|also|already))?\s(?:had|got|received)\scomplaints\sfrom\s)"
    r"(?P<who>[^,.;:?!()\n]{3,40}?)(?=\sabout\s)",
    re.IGNORECASE,
)

_COSTS = re.compile(
    r",\s(?P<cut>which\s(?:would\s|will\s|could\s)?(?P<verb>costs?|takes?|lasts?|saves?|saved)\s)"
    r"(?=(?:about\s|around\s|roughly\s|some\s|nearly\s|only\s|almost\s)?(?:\d|two\b|three\b|four\b|five\b|six\b|ten\b))",
    re.IGNORECASE,
)
_HAD_BEEN = re.compile(r"(?<=[\w'’]\s)(?P<cut>had\sbeen)(?=\s[a-z]{2,14}ed\b)")
_MANY = re.compile(
    r"(?:\b\d[\d,.]*|[^s\W]s|we|they|you|both|all|two|three|four|five|six|people)\s$", re.IGNORECASE
)
_MIDDLE = re.compile(
    r"\bthe\s(?P<when>middle|beginning|start)\sof\s(?=(?:January|February|March|April|May|June|July|August|September|October"
    r"|November|December)\b)"
)
_WE_NEED = re.compile(
    r"(?:^|(?<=[.!?]\s)|(?<=\n))(?P<cut>(?:I|We|i|we)\s)(?P<verb>(?:suggest|propose|recommend)\b)(?!\s(?:you|we|I)\b\s?\?)"
)


def shorten_perfects(message: str) -> Iterator[Edit]:
    """ "The operator has ended its contract" becomes "The operator ended its contract"."""
    for pattern in (_PERFECT, _PERFECT_PASSIVE):
        for match in pattern.finditer(message):
            before = message[max(0, match.start() - 60) : match.start()].rstrip()
            rest = re.split(r"[.!?;:\n]", message[match.end() : match.end() + 120])[0]
            main = main_clause(message, match.start(), 120)
            if _QUESTION.search(before) or _SINCE.search(rest) or _SINCE.search(main):
                continue
            text = ""
            if pattern is _PERFECT_PASSIVE:
                text = "was" if match["verb"] == "has" else "were"
            start, end = match.span("cut")
            if pattern is _PERFECT and (pronoun := _PRONOUN.search(before)):
                start -= len(pronoun.group()) + 1
                text = f"{pronoun.group()} "
            # At level 3, too, where "we have" could also become "we've".
            for level in (2, 3):
                yield Edit("shorten.verb", level, (Change(start, end, text),))
    for match in _HAD_BEEN.finditer(message):
        if not _QUESTION.search(message[max(0, match.start() - 20) : match.start()].rstrip()):
            is_many = _MANY.search(message[max(0, match.start() - 20) : match.start()])
            yield Edit("shorten.verb", 1, (Change(*match.span("cut"), "were" if is_many else "was"),))


def drop_verbs(message: str) -> Iterator[Edit]:
    """ ", which costs 380 a day" becomes ", 380 a day", "I suggest" becomes "Suggest"."""
    for match in _COSTS.finditer(message):
        text = "saving " if match["verb"].lower().startswith("save") else ""
        yield Edit("shorten.which_is", 1, (Change(*match.span("cut"), text),))
    for match in _MIDDLE.finditer(message):
        text = "mid " if match["when"] == "middle" else "early "
        yield Edit("shorten.wordy", 1, (Change(match.start(), match.end(), text),))
    for match in _WE_NEED.finditer(message):
        verb = match["verb"].capitalize() if match["cut"][0].isupper() else match["verb"]
        yield Edit("shorten.note", 3, (Change(match.start("cut"), match.end("verb"), verb),))


def drop_second_subjects(message: str) -> Iterator[Edit]:
    """ "We looked at it and we found" becomes "We looked at it and found"."""
    for match in _AGAIN.finditer(message):
        inside = message[match.end("first") : match.start("cut")]
        if match["first"].lower() == match["second"].lower() and not _CLAUSE.search(inside):
            yield Edit("shorten.verb", 1, (Change(*match.span("cut"), ""),))


def shorten_infinitives(message: str) -> Iterator[Edit]:
    """ "If you want to join, write" becomes "To join, write", "to come and to cook" "to come and cook"."""
    for match in _IF_YOU_WANT.finditer(message):
        if match["verb"] not in ("have", "know") and not _IDIOM.match(message, match.end()):
            text = "To " if match["if"][0].isupper() else "to "
            yield Edit("shorten.verb", 1, (Change(match.start(), match.end(), text),))
    for match in _EITHER.finditer(message):
        yield Edit("shorten.verb", 1, (Change(*match.span("cut"), ""),))
    for match in _AND_TO.finditer(message):
        words = match.group().split()
        if not _NO_VERB.fullmatch(words[1]) and not _NO_VERB.match(message, match.end() + 1):
            yield Edit("shorten.verb", 1, (Change(*match.span("cut"), ""),))


def reduce_passives(message: str) -> Iterator[Edit]:
    """ "Contracts that were signed in May" becomes "contracts signed in May"; complaints become a verb."""
    for match in _RELATIVE.finditer(message):
        group = "many" if match["many"] else "one"
        yield Edit("shorten.which_is", 1, (Change(*match.span(group), ""),))
    for match in _TO_BE.finditer(message):
        if not _NO_NOUN.search(message[max(0, match.start() - 12) : match.start()]):
            yield Edit("shorten.which_is", 1, (Change(*match.span("cut"), "to be"),))
    for match in _COMPLAINED.finditer(message):
        if find_place(message, match.start()).kind != "words":
            who = match["who"]
            who = who[0].upper() + who[1:] if match["cut"][0].isupper() else who
            yield Edit("shorten.verb", 1, (Change(match.start(), match.end(), f"{who} complained"),))
