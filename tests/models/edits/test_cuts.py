"""The cuts of a message, as the tagger sees them and as parts."""

import pytest

from data.records import Need, Role
from models.edits import cuts
from tests.edits import growth
from tests.parts import decided


@pytest.mark.parametrize(
    ("message", "texts"),
    [
        ("The export is wrong.", ["The export is wrong."]),
        (
            "The lift is out, as you know, so use the stairs because the part is late.",
            ["The lift is out,", "as you know,", "so use the stairs", "because the part is late."],
        ),
        ("Bring the drill (the red one) and gloves.", ["Bring the drill", "(the red one)", "and gloves."]),
        ("Two boxes - both wet - came today.", ["Two boxes", "both wet", "came today."]),
        ("It costs 1,200 and 3.5 kg.", ["It costs 1,200 and 3.5 kg."]),
        ("- first thing\n- second thing", ["first thing", "second thing"]),
    ],
)
def test_a_message_is_cut_at_commas_dashes_brackets_and_clauses(message: str, texts: list[str]) -> None:
    split = cuts.split(message)
    assert [message[cut.start : cut.end] for cut in split] == texts
    assert split[0].opens_sentence


def test_the_cuts_of_parts_are_those_of_the_message() -> None:
    message = "Hi Ana, the lift is out, as you know. Use the stairs, please.\n- no trolleys, though"
    labels = [(Role.SITUATION, Need.CONTEXT)] * 4
    pieces = cuts.divide(decided(message, *labels))
    assert [piece.text for piece in pieces] == [message[cut.start : cut.end] for cut in cuts.split(message)]
    assert "".join(piece.joint + piece.mark + piece.text for piece in pieces) == message


@pytest.mark.slow
@pytest.mark.parametrize("piece", [", ", "a, ", " - ", "( ) ", "because ", "a because "])
def test_twice_the_length_takes_about_twice_the_work(piece: str) -> None:
    assert growth(lambda text: [*cuts._places(text)], piece) < 9
