"""Finds terms of a field that a message does not explain, by the glossaries of the edit writer."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from models.analysis.prose import Prose
from models.edits.japanese.terminology import unexplained_terms
from models.edits.terminology.places import find_places
from models.edits.terminology.scan import Scan

# An abbreviation that no glossary has. The letters may have small ones between them, and a plural s.
_ABBREVIATION = re.compile(r"(?<![\w#/.@'-])[A-Z][A-Za-z]{0,2}[A-Z]\w{0,3}s?(?![\w/'@-]|\.\w)", re.ASCII)
_KNOWN_TEXT = """
OK I A EU US UK UN HR IT CV CVS ID IDS AM PM TV CEO CFO CTO NOT ASAP FYI PDF PDFS FAQ AI PC PCS USB DVD
SMS GPS VIP ATM PS RSVP NB CC BCC AC DC KG KM UTC GMT CET EST PST BST MP3 USA JST HTML WIFI DIY TBC TBD
PLEASE AGAIN NOW NO YES STOP NEVER ALL AND THE FOR YOU WHY WHO WHAT HOW
"""
_KNOWN = frozenset(_KNOWN_TEXT.split())


class UnexplainedTerm(NamedTuple):
    """A term, and what it means in a few words."""

    start: int
    end: int
    meaning: str  # empty for an abbreviation that no glossary has


def find(prose: Prose) -> list[UnexplainedTerm]:
    """The terms that a colleague of another field may not know, each at its first place, in order."""
    terms: list[UnexplainedTerm] = []
    if "en" in prose.scripts:
        terms += (
            UnexplainedTerm(place.start, place.at, place.entry.named(place.entry.short, place.form))
            for place in find_places(Scan(prose.text))
        )
    if "ja" in prose.scripts:
        terms += (
            UnexplainedTerm(end - len(term.word), end, term.short)
            for end, term in unexplained_terms(prose.text)
        )
    return sorted([*terms, *_abbreviations(prose.text, terms)])


def _abbreviations(text: str, known: Sequence[UnexplainedTerm]) -> Iterator[UnexplainedTerm]:
    """The abbreviations that are in no term, each at its first place. One in brackets or before some
    explains or is explained.
    """
    ends = {at for term in known for at in range(term.start, term.end)}
    seen: set[str] = set()
    for match in _ABBREVIATION.finditer(text):
        word = match.group()
        is_explained = text[match.start() - 1 : match.start()] in ("(", "（") or re.match(
            r"\s?[(（]", text[match.end() : match.end() + 2]
        )
        if (
            word not in seen
            and word.upper().removesuffix("S") not in _KNOWN
            and word.upper() not in _KNOWN
            and match.start() not in ends
            and not is_explained
        ):
            seen.add(word)
            yield UnexplainedTerm(*match.span(), "")
