"""What a sentence asks for: a request, a bare order, or a question; and whether it says what will be done."""

import re

from models.analysis import words
from models.analysis.prose import Prose, Run
from models.edits import evidence

_LONGEST = 400  # characters of a sentence that are read for what it asks
_QUESTION = re.compile(r"[?？]")
_POLITE = ("please", "courtesy")


def asks(prose: Prose, sentence: Run) -> bool:
    """Whether a sentence is a request, an order or a prohibition."""
    if words.find("asks", prose, sentence) or orders(prose, sentence):
        return True
    return "en" in prose.scripts and evidence.orders(_text(prose, sentence))


def orders(prose: Prose, sentence: Run) -> bool:
    """Whether a sentence is a bare order, without a word of courtesy."""
    if any(words.find(name, prose, sentence) for name in _POLITE) or is_question(prose, sentence):
        return False
    if words.begin("order", prose, sentence) or words.end("order", prose, sentence):
        return True
    return "en" in prose.scripts and evidence.only_orders(_text(prose, sentence))


def is_question(prose: Prose, sentence: Run) -> bool:
    """Whether a question mark follows."""
    return _QUESTION.match(prose.text, sentence.end) is not None


def plans(prose: Prose, sentence: Run) -> bool:
    """Whether an English sentence says what will be done."""
    return "en" in prose.scripts and evidence.plans(_text(prose, sentence))


def _text(prose: Prose, sentence: Run) -> str:
    return prose.text[sentence.start : min(sentence.end, sentence.start + _LONGEST)]
