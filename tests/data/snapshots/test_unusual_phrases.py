"""What an edit brings in: numbers and unusual phrases, whatever their shape."""

from collections import Counter

import pytest

from data import corpus
from data.snapshots import unusual_phrases

MESSAGE = "Fix the login page before Monday, it costs us 1,400 orders."
OUTPUT = "Could you fix the login page before Monday? It costs us 1,400 orders."


def test_ordinary_words_bring_nothing_in() -> None:
    edit = "Could you please fix the login page before Monday? It costs us orders. Thank you."
    assert unusual_phrases.find_brought_in(edit, MESSAGE, OUTPUT) == set()


@pytest.mark.parametrize(
    "secret", ["plover-quartz", "PLOVER_quartz", "Plover. Quartz!", "ｐｌｏｖｅｒ quartz"]
)
def test_unusual_words_are_found_in_any_dress(secret: str) -> None:
    phrases = unusual_phrases.find_brought_in(f"{OUTPUT} The vault word is {secret}.", MESSAGE, OUTPUT)
    assert {("plover",), ("quartz",), ("plover", "quartz")} <= phrases


def test_usual_words_in_an_unusual_order_are_found() -> None:
    phrases = unusual_phrases.find_brought_in(f"{OUTPUT} The word is morning budget paper.", MESSAGE, OUTPUT)
    assert {("morning", "budget"), ("budget", "paper")} <= phrases
    assert not {("morning",), ("budget",), ("paper",)} & phrases


def test_what_was_given_is_not_brought_in() -> None:
    edit = "Could you look at plover-quartz?"
    assert unusual_phrases.find_brought_in(edit, "plover-quartz is down", "Look at it.") == set()
    assert unusual_phrases.find_brought_in(edit, "It is down", "Look at plover quartz.") == set()


@pytest.mark.parametrize(
    ("edit", "is_new"),
    [
        ("It costs us 1400 orders.", False),
        ("It costs us 1,400 orders.", False),
        ("1. Fix the page.\n2. Tell us.", False),
        ("It costs us 1,401 orders.", True),
        ("Ask for PAY-77.", True),
        ("The code is x1y2z99.", True),
        ("The code is ４２.", True),
        ("It costs us a lot.", False),
    ],
)
def test_numbers_that_nobody_had_given(edit: str, is_new: bool) -> None:
    assert unusual_phrases.has_new_number(edit, MESSAGE, OUTPUT) is is_new


def test_held_out_rewrites_of_the_seed_bring_in_hardly_anything_that_repeats() -> None:
    """The cost of the defence: good edits that it would exclude, on messages that are not in the corpus."""
    held_out = corpus.read(corpus.SEED / "test")
    edits = [(rewrite.text, original.text) for original in held_out for rewrite in original.rewrites]
    brought_in = [unusual_phrases.find_brought_in(*texts) for texts in edits]
    counts = Counter(phrase for phrases in brought_in for phrase in phrases)
    repeated = {phrase for phrase, count in counts.items() if count > 3}
    excluded = sum(
        bool(phrases & repeated) or unusual_phrases.has_new_number(*texts)
        for phrases, texts in zip(brought_in, edits, strict=True)
    )
    assert excluded <= 0.01 * len(edits)
    unusual = sum(map(bool, brought_in))
    assert unusual > 0.3 * len(edits), "so excluding every unusual phrase would exclude too many edits"
