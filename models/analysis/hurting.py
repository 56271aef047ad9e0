"""Whether a sentence hurts: words of a list, or in English what readers said about its words and pairs of
words.

`hurting.json` has a weight for each; `models.analysis.fit` makes it.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from models.analysis import words
from models.analysis.prose import Prose, Run

FILE = Path(__file__).with_suffix(".json")
_WORD = re.compile(r"[a-z']+|[?!]", re.IGNORECASE)
_FEWEST_WORDS = 2
# The probability from which a sentence of a harsh message counts; chosen on the development half.
_OF_HARSH = 0.12
_LONGEST = 600  # characters of a sentence that are read: its weights would only add up


def tokens(text: str) -> set[str]:
    """The words and pairs of neighbours of an English sentence, in small letters."""
    parts = ["<", *(word.lower() for word in _WORD.findall(text[:_LONGEST])), ">"]
    return {*parts[1:-1], *(f"{left} {right}" for left, right in pairwise(parts))}


@cache
def _read() -> Mapping[str, Any]:
    loaded: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


def forget() -> None:
    """Read the file again at the next use, since a fit has written it."""
    _read.cache_clear()


def probability(text: str) -> float:
    """The probability that an English sentence hurts; 0 for a text without English words."""
    found = tokens(text)
    if sum(token.isalpha() for token in found) < _FEWEST_WORDS:
        return 0.0
    return logistic(_read()["weights"], found)


def logistic(weights: Mapping[str, float], found: Iterable[str]) -> float:
    """The logistic function of the sum of the weights."""
    total = weights["intercept"] + sum(weights.get(token, 0.0) for token in found)
    return 1 / (1 + math.exp(-total))


def may_hurt(prose: Prose, sentence: Run) -> bool:
    """Whether a sentence of a harsh message is likely to be one that hurts."""
    return probability(prose.text[sentence.start : sentence.end]) >= _OF_HARSH


def find_worst(prose: Prose) -> list[Run]:
    """The English sentence that is likeliest to hurt; none in a message without English words."""
    chances = {each: probability(prose.text[each.start : each.end]) for each in prose.sentences}
    worst = max(chances, key=lambda each: chances[each], default=None)
    return [worst] if worst is not None and chances[worst] > 0 else []


def hurts(prose: Prose, sentence: Run) -> bool:
    """Whether a sentence hurts."""
    if words.find("hurts", prose, sentence):
        return True
    return probability(prose.text[sentence.start : sentence.end]) >= _read()["threshold"]
