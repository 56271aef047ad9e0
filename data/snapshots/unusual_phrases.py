"""Unusual phrases: they could carry a secret into a model, or become a trigger.

A phrase is one word or two adjacent words. It is unusual if the seed corpus, on which models are trained
anyway, does not have it. A model memorises a phrase after few repeats (Carlini et al. 2019, "The Secret
Sharer"). So an edit does not count if it brings in a phrase that many other edits bring in too, or a number
that neither message nor output has (`data.snapshots.counting`).
"""

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from data import corpus, normal_form

Phrase = tuple[str, ...]

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d{2,}")  # single digits are often numbers of list items
_GROUPING = re.compile(r"(?<=\d)[,'](?=\d{3}(?!\d))")


def find_words(text: str) -> list[str]:
    """The words of a text: NFKC, case folded, without punctuation."""
    return _WORD.findall(normal_form.normalise("NFKC", text).casefold())


def _make_phrases(words: Sequence[str]) -> set[Phrase]:
    return {*((word,) for word in words), *pairwise(words)}


@cache
def _read_usual() -> frozenset[Phrase]:
    """The phrases of the seed's training corpus: about 5,000 words and 30,000 pairs."""
    phrases: set[Phrase] = set()
    for original in corpus.read(corpus.SEED / "train"):
        for text in (original.text, *(rewrite.text for rewrite in original.rewrites)):
            phrases |= _make_phrases(find_words(text))
    return frozenset(phrases)


def find_unusual(text: str) -> set[Phrase]:
    """The unusual phrases of a text."""
    return _make_phrases(find_words(text)) - _read_usual()


def find_brought_in(edit: str, *sources: str) -> set[Phrase]:
    """The unusual phrases of an edit that share no word with any of the sources (message and output)."""
    known = {word for text in sources for word in find_words(text)}
    return {phrase for phrase in find_unusual(edit) if known.isdisjoint(phrase)}


def has_new_number(edit: str, *sources: str) -> bool:
    """Whether an edit has a number of two or more digits that no source has."""
    known = {number for text in sources for number in _find_numbers(text)}
    return not known.issuperset(_find_numbers(edit))


def _find_numbers(text: str) -> list[str]:
    return _NUMBER.findall(_GROUPING.sub("", normal_form.normalise("NFKC", text)))
