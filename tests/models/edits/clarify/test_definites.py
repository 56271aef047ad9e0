import pytest

from models.edits.clarify.definites import find_definites
from models.edits.clarify.message import read_message
from tests.edits import growth


def named(message: str) -> list[str]:
    read = read_message(message)
    return [] if read is None else [f"{note.words} ({note.gap})" for note in find_definites(read)]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("A resident called regarding the tree.", "the tree (which one is not stated)"),
        ("The controls looked strange.", "The controls (which ones is not stated)"),
        ("They can't do it in that size.", "that size (which one is not stated)"),
    ],
)
def test_a_noun_that_was_not_named_before_gets_a_note(message: str, words: str) -> None:
    assert words in named(message)


@pytest.mark.parametrize(
    "message",
    [
        "Please lock the door in the morning.",  # everybody knows which one
        "A tree fell on the fence. The tree is still there.",  # named before
        "If the tree falls, call us.",  # there may be none
        "I think that people like it.",  # a clause
        "Please use that today.",
        "The pump of line 4 is at 3.2 bar, see INC-331, and the valve is open.",  # no vague message
    ],
)
def test_a_noun_that_is_known_or_was_named_gets_none(message: str) -> None:
    assert named(message) == []


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["the tree ", "in that size, ", "the ", "the trees."])
def test_the_work_grows_with_the_length_of_a_hostile_text(piece: str) -> None:
    assert growth(named, piece) < 9
