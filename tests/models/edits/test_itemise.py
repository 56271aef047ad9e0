import pytest

from models.edits import itemise


def test_things_after_need_are_items() -> None:
    text = "New students need a card from the porter, an account, and the talk on Thursday"
    assert itemise.things(text) == itemise.Entry(
        "New students need:", ("a card from the porter", "an account", "the talk on Thursday")
    )


def test_a_clause_is_no_item() -> None:
    assert itemise.things("The band wants a stage, the lights off, and the caterer serves at ten") is None
    assert itemise.things("We need a quad, must tow 600 kg, fit on the trailer") is None


def test_two_things_are_a_list_only_if_the_line_says_so() -> None:
    assert itemise.things("Bugs: the boat floats and the music stops") is None
    assert itemise.things("Two wishes: a picture for step 4 and a note") == itemise.Entry(
        "Two wishes:", ("a picture for step 4", "a note")
    )


def test_a_plural_before_a_verb_is_its_subject() -> None:
    text = "If it's late the guards open the gate, lock the shed"
    assert itemise.entry(text) == itemise.Entry(text)


def test_what_holds_otherwise_is_no_item() -> None:
    text = "If you were there, call me, tell Ann, otherwise there is nothing to do"
    assert itemise.entry(text) == itemise.Entry(text)


def test_a_sentence_with_a_verb_does_not_only_name_things() -> None:
    assert itemise.bare_things("60 cups a day, oat milk option, no lids.") == [
        "60 cups a day",
        "oat milk option",
        "no lids",
    ]
    assert itemise.bare_things("It has to be red, oat milk option, no lids.") == []


def test_notes_between_commas_are_points() -> None:
    text = "stock count saturday, doors shut at 6, two people per aisle one counts, no picking while counting"
    assert itemise.notes(text) == [
        "stock count saturday",
        "doors shut at 6",
        "two people per aisle one counts",
        "no picking while counting",
    ]
    text = "Weigh 6 g of salt, add 800 ml water, adjust to pH 7.5"
    assert itemise.notes(text) == ["Weigh 6 g of salt", "add 800 ml water", "adjust to pH 7.5"]


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
        "So I drove out there, two hours each way, only to find the door open",
        "As some of you know, there was a leak, restored now, whether it is gone I don't know",
        "Following the audit in August, the team found two faults in the ward",
        "We close on Friday or at 700, whichever comes first",
        "The projector is fixed, after I'd taken half the ceiling apart",
        "If it rains, the band is inside, the food stays out",
    ],
)
def test_what_hangs_on_the_words_before_it_stays_there(text: str) -> None:
    assert itemise.notes(text) == [text]


def test_what_may_hold_under_a_condition_stays_with_it() -> None:
    text = "stalls from 7, if it rains everything moves inside, teardown at 5, first aid is by the door"
    assert itemise.notes(text)[1] == "if it rains everything moves inside, teardown at 5"


def test_what_happens_when_something_happens_is_items() -> None:
    text = (
        "When someone leaves, the boss tells HR, HR confirms the day, IT closes the account, otherwise we pay"
    )
    assert itemise.entry(text) == itemise.Entry(
        "When someone leaves:",
        ("The boss tells HR", "HR confirms the day", "IT closes the account, otherwise we pay"),
    )
    text = "When we met, the boss, who is new, was late, and it rained"
    assert itemise.entry(text) == itemise.Entry(text)


def test_a_relative_clause_stays_with_its_item() -> None:
    text = "For 10:30 we need the witness list, which Ana writes, two bundles printed, and a taxi for counsel"
    assert itemise.things(text) == itemise.Entry(
        "For 10:30 we need:",
        ("the witness list, which Ana writes", "two bundles printed", "a taxi for counsel"),
    )


def test_only_an_order_is_an_item_under_an_if() -> None:
    text = "If she gets worse ring 0155 not the mobile, feed lorry due Friday"
    assert itemise.entry(text) == itemise.Entry(text)
