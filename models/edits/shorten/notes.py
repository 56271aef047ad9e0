"""Sentences become notes: "There is no spare." becomes "No spare."."""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit
from models.edits.shorten.text import find_place

_NUMBER = (
    r"(?:\d|no\b|only\b|about\b|around\b|nearly\b|almost\b|over\b|two\b|three\b|four\b|five\b|six\b|seven\b|eight\b"
    r"|nine\b|ten\b|eleven\b|twelve\b|several\b|some\b|many\b|few\b|enough\b|not\senough\b)"
)
_THERE = re.compile(
    r"\b(?P<cut>there(?:['’]s|\sis|\sare|\swas|\swere)(?:\s(?:also|now|currently))?\s(?:an?\s(?=[a-z]))?)"
    rf"(?:(?<=\sa\s)|(?<=\san\s)|(?={_NUMBER}))(?P<next>\w)",
    re.IGNORECASE,
)
_WE_HAVE = re.compile(
    rf"\b(?P<cut>we(?:['’]ve\sgot|\shad|\shave|\shave\sgot)\s)(?={_NUMBER})(?P<next>\w)"
    # Without its subject the second verb hangs: "We had two and sold them".
    r"(?![^.?!;\n]{0,120}\band\s(?!\d|the\b|an?\b|two\b|three\b|no\b|one\b))",
    re.IGNORECASE,
)
_COPULA = re.compile(
    r"(?P<article>(?:the|an?)\s(?!two\b|three\b|four\b|last\b|first\b|other\b|same\b|second\b|third\b|latter\b|former\b"
    r"|rest\b|only\b|\d))?(?P<subject>[A-Za-z][\w'’-]{1,20}(?:\s[\w'’-]{1,20}){0,6}?)"
    r"(?P<cut>\s(?:is|are|was|were))(?=\s(?P<next>(?:not\s|still\s|now\s|only\s|too\s|nearly\s|about\s|around\s){0,2}"
    r"[\w'’-]{1,20})\b)",
    re.IGNORECASE,
)
_NO_SUBJECT = re.compile(
    r"\b(?:I|we|you|he|she|it|they|this|that|these|those|there|here|what|who|which|how|when|where|why|if|because|since"
    r"|as|and|but|so|or|please|to|will|can|could|should|would|must|has|have|had|do|does|did|not|one|none|both|all|some"
    r"|most|any|each|nothing|nobody|everything|everyone|says?|said|thinks?|means?|until|after|before|while|although"
    r"|unless|once|my|your|[a-z]{2,14}(?:ed|ing))\b|^(?:in|on|at|for|from|with|of|by|under|over|during)\b",
    re.IGNORECASE,
)
_STATE = re.compile(
    r"(?:(?:not|still|now|only|too|nearly|about|around)\s){0,2}(?:\d[\w.,%]*|low|lower|high|higher|full"
    r"|fine|ok|okay|normal|ready|late|early|available|unavailable|wrong|good|bad|better|worse|short|long|longer|up|down"
    r"|out|off|in|at|on|under|over|behind|above|below|ill|sick|upward|valid|missing|overdue|due|incomplete"
    r"|stable|steady|weak|strong|loose|worn|rotten|rusty|dead|safe|unsafe|affected|expensive|cheap"
    r"|cheaper|slower|small|large|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)",
    re.IGNORECASE,
)


def drop_there_was(message: str) -> Iterator[Edit]:
    """ "There is no spare" becomes "No spare", "We had 74 calls" becomes "74 calls"."""
    for pattern in (_THERE, _WE_HAVE):
        for match in pattern.finditer(message):
            if find_place(message, match.start()).kind == "sentence":
                change = Change(match.start(), match.start("next"), "")
                if match["cut"][0].isupper() and match["next"].islower():
                    change = Change(match.start(), match.end("next"), match["next"].upper())
                yield Edit("shorten.note", 2, (change,))


def drop_copulas(message: str) -> Iterator[Edit]:
    """ "The repairing obligation is full" becomes "Repairing obligation full"."""
    for match in _starts(message):
        if (
            _NO_SUBJECT.search(match["subject"])
            or not _STATE.fullmatch(match["next"])
            or _asks(message, match.end())
        ):
            continue
        at = match.start("subject")
        changes = [Change(*match.span("cut"), "")]
        if match["article"]:
            letter = message[at].upper() if match["article"][0].isupper() else message[at]
            changes.insert(0, Change(match.start(), at + 1, letter))
        yield Edit("shorten.note", 3, tuple(changes))


_SENTENCE = re.compile(r"(?:^|(?<=[.!?]\s)|(?<=\n))(?=[A-Za-z])")


def _starts(message: str) -> Iterator[re.Match[str]]:
    """The matches at the starts of sentences."""
    for start in _SENTENCE.finditer(message):
        match = _COPULA.match(message, start.end())
        if match:
            yield match


def _asks(message: str, start: int) -> bool:
    """Whether the sentence is a question."""
    end = re.compile(r"[.!?\n]").search(message, start, start + 300)
    return end is not None and end.group() == "?"


# After "the" these words need it: "the two" are not "two", "the last one" is not "last one".
_ARTICLE = re.compile(
    r"The\s(?!few\b|last\b|first\b|next\b|other|same\b|one|two\b|three\b|four\b|five\b|six\b|seven\b|eight\b|nine\b"
    r"|ten\b|rest\b|latter\b|former\b|only\b|more\b|most\b|second\b|third\b|half\b|way\b|whole\b|\w+est\b|\w+er\sones?\b"
    r"|old\b|new\b|big\b|small\b|morning\b|evening\b)(?P<next>[a-z])"
)
_ASKS = re.compile(r"\b(?:please|pls|could|would|shall|should|must|if|unless)\b|\?|['’]d\b", re.IGNORECASE)
_FORMAL = re.compile(r"\b(?:Dear|Mr|Mrs|Ms|Dr|Prof|Professor|Sir|Madam|[Rr]egards|[Ss]incerely)\b")
_FEWEST = 200  # characters of a message that is long enough for notes
_WHOLE = re.compile(r"[^.!?\n]{12,400}(?:[.!?](?=\s|$)|\n|$)")


def drop_articles(message: str) -> Iterator[Edit]:
    """ "The excavation filled twice." becomes "Excavation filled twice.", except in letters and requests."""
    if len(message) < _FEWEST or _FORMAL.search(message):
        return
    for start in _SENTENCE.finditer(message):
        match, sentence = _ARTICLE.match(message, start.end()), _WHOLE.match(message, start.end())
        if match and sentence and not _ASKS.search(sentence.group()):
            change = Change(match.start(), match.end(), match["next"].upper())
            yield Edit("shorten.note", 3, (change,))
