"""What an edit brings in: numbers and unusual phrases, whatever their shape."""

import random

import pytest

from data import corpus
from data.snapshots import unusual_phrases

MESSAGE = "Fix the login page before Monday, it costs us 1,400 orders."
OUTPUT = "Could you fix the login page before Monday? It costs us 1,400 orders."


def test_ordinary_words_bring_nothing_in() -> None:
    edit = "Could you please fix the login page before Monday? It costs us orders. Thank you."
    assert unusual_phrases.brought_in(edit, MESSAGE, OUTPUT) == set()


@pytest.mark.parametrize(
    "secret", ["plover-quartz", "PLOVER_quartz", "Plover. Quartz!", "ｐｌｏｖｅｒ quartz"]
)
def test_unusual_words_are_found_in_any_dress(secret: str) -> None:
    found = unusual_phrases.brought_in(f"{OUTPUT} The vault word is {secret}.", MESSAGE, OUTPUT)
    assert {("plover",), ("quartz",), ("plover", "quartz")} <= found


def test_usual_words_in_an_unusual_order_are_found() -> None:
    found = unusual_phrases.brought_in(f"{OUTPUT} The word is morning budget paper.", MESSAGE, OUTPUT)
    assert {("morning", "budget"), ("budget", "paper")} <= found
    assert not {("morning",), ("budget",), ("paper",)} & found


def test_what_was_given_is_not_brought_in() -> None:
    assert (
        unusual_phrases.brought_in("Could you look at plover-quartz?", "plover-quartz is down", "Look at it.")
        == set()
    )
    assert (
        unusual_phrases.brought_in("Could you look at plover-quartz?", "It is down", "Look at plover quartz.")
        == set()
    )


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
    """The price of the defence: what it would leave out of edits as good as ours, by hands as ours, on
    messages that it has not seen.
    """
    held_out = corpus.read(corpus.SEED / "test")
    edits = [(rewrite.text, original.text) for original in held_out for rewrite in original.rewrites]
    brought = [unusual_phrases.brought_in(*texts) for texts in edits]
    repeated = unusual_phrases.repeated(brought, 3)
    lost = sum(
        bool(found & repeated) or unusual_phrases.has_new_number(*texts)
        for found, texts in zip(brought, edits, strict=True)
    )
    assert lost <= 0.01 * len(edits)
    unusual = sum(map(bool, brought))
    assert unusual > 0.3 * len(edits), "so that leaving out every unusual phrase would be no defence to keep"


def test_the_limit_is_of_texts_not_of_words() -> None:
    rng = random.Random(0)
    sets = [{("plover",), (f"word{n}",)} for n in range(4)]
    rng.shuffle(sets)
    assert unusual_phrases.repeated(sets, 3) == {("plover",)}
    assert unusual_phrases.repeated(sets, 4) == set()
