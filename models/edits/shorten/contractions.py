"""Full forms become short ones, as in speech."""

import re
from collections.abc import Iterator

from models.edits.script import Change, Edit
from models.edits.shorten.text import find_place

_CONTRACTED = re.compile(
    r"\b(?:(?P<pronoun>I|we|you|they|he|she|it|that|there)\s(?P<verb>am|are|is|will|have|has|had|would)"
    r"|(?P<aux>do|does|did|is|are|was|were|has|have|had|could|would|should|can"
    r"|will)\s?(?P<not>not))(?=\s(?!(?:not\s)?able\b|unable\b|(?:not\s)?allowed\b|going\sto\b|but\b|and\b"
    r"|or\b|if\b|because\b|when\b|so\b)[a-z])",
    re.IGNORECASE,
)
_CONTRACTIONS = {
    **{f"{pronoun} have": f"{pronoun}'ve" for pronoun in ("i", "we", "you", "they")},
    **{f"{pronoun} are": f"{pronoun}'re" for pronoun in ("we", "you", "they")},
    **{f"{pronoun} will": f"{pronoun}'ll" for pronoun in ("i", "we", "you", "they", "he", "she", "it")},
    **{f"{pronoun} is": f"{pronoun}'s" for pronoun in ("he", "she", "it", "that", "there")},
    "i am": "I'm",
}
# "have" is contracted only where it is an auxiliary.
_PARTICIPLE = re.compile(
    r"\s(?:(?:not|already|also|just|now|never|always|only|still)\s)?(?:been|had|[a-z]{2,12}ed|done|made"
    r"|sent|seen|got|gone|written|put|set|found|told|given|taken|come|said|left|lost|begun|known|run|paid"
    r"|met|read|bought|brought|kept|heard|built|chosen)\b"
)
_OPENS_SUBJECT = re.compile(
    r"\b(?:if|when|that|unless|whether|until|since|once|before|after|while|though|although|think|says?|said|hope|sure)\s$",
    re.IGNORECASE,
)
# After these words a form of "be" or "have" can end its clause, so it keeps its full form.
_STRANDS = re.compile(
    r"\b(?:as|than|where|here|how|what|who|which|why|wherever|whatever|like|all|of|to|for|with|about|from"
    r"|in|on|at|by)\s$",
    re.IGNORECASE,
)


_NOT = re.compile(r"\snot(?=\s[a-z])")


def contract(message: str) -> Iterator[Edit]:
    """ "do not" becomes "don't", as in speech; a word in capitals is meant to stand out and stays."""
    for match in _CONTRACTED.finditer(message):
        change = _contract_not(match) if match["not"] else _contract_pronoun(message, match)
        if change:
            yield Edit("shorten.contraction", 3, (change,))


def _contract_not(match: re.Match[str]) -> Change | None:
    if match["not"] != "not" or match["aux"].isupper():
        return None
    short = {"can": "can't", "will": "won't"}.get(match["aux"].lower(), f"{match['aux']}n't")
    short = short[0].upper() + short[1:] if match["aux"][0].isupper() else short
    return Change(match.start(), match.end(), short)


def _contract_pronoun(message: str, match: re.Match[str]) -> Change | None:
    negated = _NOT.match(message, match.end()) if match["verb"] in ("will", "have") else None
    if negated:
        short = "won't" if match["verb"] == "will" else "haven't"
        return Change(match.start("verb"), negated.end(), short)
    key = " ".join(match.group().lower().split())
    if key not in _CONTRACTIONS or match["verb"].isupper():
        return None
    if key.endswith(" have") and not _PARTICIPLE.match(message, match.end()):
        return None
    # These can be an object or an adverb before a verb: "those who use it will get an error".
    if match["pronoun"].lower() in ("there", "that", "it", "you"):
        before = message[max(0, match.start() - 12) : match.start()]
        if find_place(message, match.start()).kind == "words" and not _OPENS_SUBJECT.search(before):
            return None
    if _STRANDS.search(message[max(0, match.start() - 10) : match.start()]):
        return None
    return Change(match.start(), match.end(), match.group()[0] + _CONTRACTIONS[key][1:])
