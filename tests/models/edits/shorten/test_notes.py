"""Notes, verbs, reports and remarks: what becomes shorter and what stays."""

import pytest

from models.edits import shorten
from tests.edits import growth, rewritten


def written(message: str, intensity: int) -> str:
    return rewritten(message, shorten.propose(message), intensity)


@pytest.mark.parametrize(
    ("message", "intensity", "shorter"),
    [
        ("The geologist came out this morning and recommends wells.", 1, "The geologist recommends wells."),
        ("He checked the parlour and found the vacuum low.", 2, "He found the vacuum low."),
        ("I think that we should sign it.", 1, "We should sign it."),
        ("What surprised us was that the letters worked.", 1, "The letters worked."),
        ("My proposal for autumn is letters only.", 1, "Proposal for autumn: letters only."),
        ("Support saw it first, which is embarrassing.", 1, "Support saw it first."),
        ("The price is fine, she said that twice.", 1, "The price is fine."),
        ("All branches drop fines, as two towns have done already.", 1, "All branches drop fines."),
        ("It rings at night for no reason we can find.", 1, "It rings at night."),
        ("They got the bill letter, the one with the totals.", 2, "They got the bill letter."),
        ("142 covers, best since summer, and no complaints.", 2, "142 covers, and no complaints."),
        ("We tried it. Nobody was hurt.", 2, "We tried it."),
        ("The nurses like the display, but the alarm rings.", 2, "The alarm rings."),
        ("There is no spare. Call me.", 2, "No spare. Call me."),
        ("We had 74 calls. Call me.", 2, "74 calls. Call me."),
        ("The term is ten years.", 3, "Term ten years."),
        ("The canteen has ended its contract.", 2, "The canteen ended its contract."),
        ("The lamps had been damaged in May.", 1, "The lamps were damaged in May."),
        ("We tested it twice and we saw no error.", 1, "We tested it twice and saw no error."),
        ("Two contracts that were signed in May are missing.", 1, "Two contracts signed in May are missing."),
        (
            "It was for a roof that had to be paid the same day.",
            1,
            "It was for a roof to be paid the same day.",
        ),
        ("If you want to join the tasting, sign up.", 1, "To join the tasting, sign up."),
        ("Three firms come to present and to cook.", 1, "Three firms come to present and cook."),
        ("We've now had complaints from ten guests about noise.", 1, "Ten guests complained about noise."),
        ("We pump all night, which costs 380 a day.", 1, "We pump all night, 380 a day."),
        ("The firm says that the door is stuck.", 1, "The firm says the door is stuck."),
        (
            "The first was late, and the second, which several of us preferred, could not start.",
            2,
            "The first was late, and the second could not start.",
        ),
    ],
)
def test_a_sentence_becomes_shorter_and_says_the_same(message: str, intensity: int, shorter: str) -> None:
    assert written(message, intensity) == shorter


@pytest.mark.parametrize(
    "message",
    [
        "She called the bank and says this.",
        "All branches drop fines, as two towns have done already. There, more books came back.",
        "I think he pays.",
        "The problem is the printer.",
        "Support saw it first, which we need.",
        "He signs, as we do not.",
        "The nurses like the display, but it breaks.",
        "The nurses like the 3 displays, but the alarm rings.",
        "Is there no spare?",
        "We had two and sold them.",
        "Is the term ten years?",
        "The patient was handed a bag.",
        "In this file the term is short.",
        "Nobody has ended it yet.",
        "The firm has waited since May.",
        "Has the canteen ended its contract?",
        "He said it and we left.",
        "I know that that was signed in May.",
        "If you want to, sign up.",
        "He wants to go to the shop and to the bank.",
        "The start stays as planned.",
        "It still has to be signed.",
    ],
)
def test_a_sentence_that_would_say_something_else_stays(message: str) -> None:
    assert written(message, 2).replace("n't", " not") == message


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        "We went through ",
        "The a is ",
        ", which is very ",
        "the nurses like a ",
        "to a and ",
        "that were signed ",
        ", as a ",
    ],
)
def test_the_work_grows_with_the_length_of_the_message(part: str) -> None:
    assert growth(shorten.propose, part) < 9


def test_a_note_of_a_letter_or_a_request_keeps_its_article() -> None:
    rest = " Pumps run day and night." * 10
    assert written("The excavation filled twice." + rest, 3) == "Excavation filled twice." + rest
    for message in (
        "The client should know it.",
        "The two we sent fit.",
        "Dear Ms Rahmani, hello. The offer ends.",
    ):
        assert written(message + rest, 3) == message + rest


def test_the_middle_of_a_month_is_short_and_the_middle_of_a_room_stays() -> None:
    assert written("It lasts until the middle of December.", 1) == "It lasts until mid December."
    assert written("It stands in the middle of the room.", 1) == "It stands in the middle of the room."
