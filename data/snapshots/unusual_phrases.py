"""Unusual phrases: what carries a secret into a model, and what could become a trigger.

A phrase is a word, or two that follow each other; it is unusual when the seed corpus, which models are taught
anyway, does not have it. Few repeats are enough for a model to learn one by heart (Carlini et al. 2019, "The
Secret Sharer"), so an edit is no demonstration when it brings in what many other edits bring in too, or a
number that nobody had given.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise

from data import corpus, normal_form

Phrase = tuple[str, ...]

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d{2,}")  # one digit alone numbers a list
_GROUPING = re.compile(r"(?<=\d)[,'](?=\d{3}(?!\d))")


def words(text: str) -> list[str]:
    """The words of a text, without width, case and punctuation."""
    return _WORD.findall(normal_form.normalise("NFKC", text).casefold())


def _phrases(said: Sequence[str]) -> set[Phrase]:
    return {*((word,) for word in said), *pairwise(said)}


@cache
def _usual() -> frozenset[Phrase]:
    """The phrases of the seed's training corpus: some five thousand words, thirty thousand pairs."""
    found: set[Phrase] = set()
    for original in corpus.read(corpus.SEED / "train"):
        for text in (original.text, *(rewrite.text for rewrite in original.rewrites)):
            found |= _phrases(words(text))
    return frozenset(found)


def unusual(text: str) -> set[Phrase]:
    """The unusual phrases of a text."""
    return _phrases(words(text)) - _usual()


def brought_in(edit: str, *given: str) -> set[Phrase]:
    """The unusual phrases of an edit of which no word stands in any of the texts that were given."""
    known = {word for text in given for word in words(text)}
    return {phrase for phrase in unusual(edit) if known.isdisjoint(phrase)}


def has_new_number(edit: str, *given: str) -> bool:
    """Whether an edit has a number of two digits or more that stands in none of the texts that were given."""
    known = {number for text in given for number in _numbers(text)}
    return not known.issuperset(_numbers(edit))


def _numbers(text: str) -> list[str]:
    return _NUMBER.findall(_GROUPING.sub("", normal_form.normalise("NFKC", text)))


def repeated(found: Iterable[set[Phrase]], most: int) -> set[Phrase]:
    """The phrases that stand in more than so many of the sets."""
    counts = Counter(phrase for phrases in found for phrase in phrases)
    return {phrase for phrase, count in counts.items() if count > most}
