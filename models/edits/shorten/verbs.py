"""Verbs become shorter: "has ended" is "ended", and a subject that stands twice stands once."""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit
from models.edits.shorten.text import main_clause

_PERFECT = re.compile(
    r"(?<=[\w'’]\s)(?P<cut>(?:has|have)\s)(?!been\b|need|had\b)(?=[a-z]{2,14}ed\s)(?!\w{1,14}\s(?:to\sbe)\b)",
)
_PERFECT_PASSIVE = re.compile(r"(?<=[\w'’]\s)(?P<cut>(?P<verb>has|have)\sbeen)(?=\s[a-z]{2,14}ed\b)")
_QUESTION = re.compile(
    r"\b(?:what|who|which|when|where|how|why|if|whether|has|have|not|never|to|will|would|could|should|may|might|must"
    r"|can|cannot|don['’]?t|doesn['’]?t|and|or|until|once|after|as\ssoon|i|unless|since|does|do|did)$",
    re.IGNORECASE,
)
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
            yield Edit("shorten.perfect", 2, (Change(*match.span("cut"), text),))


def drop_second_subjects(message: str) -> Iterator[Edit]:
    """ "We looked at it and we found" becomes "We looked at it and found"."""
    for match in _AGAIN.finditer(message):
        inside = message[match.end("first") : match.start("cut")]
        if match["first"].lower() == match["second"].lower() and not _CLAUSE.search(inside):
            yield Edit("shorten.second_subject", 1, (Change(*match.span("cut"), ""),))
