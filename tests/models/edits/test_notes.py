import pytest

from models.edits import notes


def test_notes_between_commas_are_points() -> None:
    text = "stock count saturday, doors shut at 6, two people per aisle one counts, no picking while counting"
    assert notes.points(text) == [
        "stock count saturday",
        "doors shut at 6",
        "two people per aisle one counts",
        "no picking while counting",
    ]
    text = "Weigh 6 g of salt, add 800 ml water, adjust to pH 7.5"
    assert notes.points(text) == ["Weigh 6 g of salt", "add 800 ml water", "adjust to pH 7.5"]


@pytest.mark.parametrize(
    "text",
    [
        "Ms Farah, our head of year, is arranging it, not me",
        "The report covers the north region, the west region, and all the new stores",
        "It must be small, show the time, and run on batteries",
        "Both need a laptop, Ifeoma also a second monitor, accounts created by Friday with a password",
        "Work starts at 7 so the floor has to be swept, pump booked by the foreman, and the road closed",
        "In the afternoon only the core team, we go through the list",
        "He said the pump is broken, the road is closed",
        "Label each box by Monday with name, content and date or they stay",
        "So label each box with name, content and date or they stay",
        "So I drove out there, two hours each way, only to find the door open",
        "As some of you know, there was a leak, restored now, whether it is gone I don't know",
        "Following the audit in August, the team found two faults in the ward",
        "We close on Friday or at 700, whichever comes first",
        "The projector is fixed, after I'd taken half the ceiling apart",
        "If it rains, the band is inside, the food stays out",
    ],
)
def test_what_hangs_on_the_words_before_it_stays_there(text: str) -> None:
    assert notes.points(text) == [text]


def test_what_may_hold_under_a_condition_stays_with_it() -> None:
    text = "stalls from 7, if it rains everything moves inside, teardown at 5, first aid is by the door"
    assert notes.points(text)[1] == "if it rains everything moves inside, teardown at 5"
