from hypothesis import given
from hypothesis import strategies as st

from models.edits import segments


def split(message: str) -> list[str]:
    return [message[segment.start : segment.end] for segment in segments.split(message)]


def test_clauses_with_a_verb_of_their_own_are_split() -> None:
    message = "Kafka lag is at 2 million, consumers are rebalancing in a loop, and I'll pin the partitions."
    assert split(message) == [
        "Kafka lag is at 2 million",
        "consumers are rebalancing in a loop",
        "and I'll pin the partitions.",
    ]


def test_lists_of_nouns_stay_whole() -> None:
    assert split("We need bread, butter, and the milk.") == ["We need bread, butter, and the milk."]


def test_what_depends_on_a_condition_stays_with_it() -> None:
    assert split("If it rains, don't come, call me.") == ["If it rains, don't come, call me."]


def test_a_relative_clause_has_no_verb_of_its_own() -> None:
    assert split("I threw out the double ones, and the ones that took less than a minute.") == [
        "I threw out the double ones, and the ones that took less than a minute."
    ]


def test_greetings_and_headings_are_parts() -> None:
    assert split("Hi Ruslan, the new switch is in.") == ["Hi Ruslan,", "the new switch is in."]
    assert split("Handover for tomorrow: bed 12 is going home.") == [
        "Handover for tomorrow:",
        "bed 12 is going home.",
    ]


def test_abbreviations_and_numbers_do_not_end_a_sentence() -> None:
    assert split("See No. 5 or ask Dr. Lim, e.g. today.") == ["See No. 5 or ask Dr. Lim, e.g. today."]
    assert split("No. We go on.") == ["No.", "We go on."]
    assert split("It blocks for 3 s. That is basic.") == ["It blocks for 3 s.", "That is basic."]


def test_bullets_are_marks_and_no_text() -> None:
    message = "Open:\n- the key\n2. the door"
    parts = segments.split(message)
    assert [message[part.start : part.end] for part in parts] == ["Open:", "the key", "the door"]
    assert [part.mark for part in parts] == [0, 2, 3]


@given(st.text(alphabet="abi ,.;:!?\n-()\"'ANDwethn", max_size=200))
def test_segments_are_in_order_and_lose_only_separators(message: str) -> None:
    parts = segments.split(message)
    end = 0
    for part in parts:
        assert end <= part.start - part.mark
        assert part.start < part.end
        between = message[end : part.start - part.mark]
        assert not any(character.isalnum() for character in between), between
        end = part.end
    assert not any(character.isalnum() for character in message[end:])


def test_each_condition_opens_a_part_of_its_own() -> None:
    message = "If it is the upper one ring the engineer, if it's the lower one check the float first."
    assert split(message) == [
        "If it is the upper one ring the engineer",
        "if it's the lower one check the float first.",
    ]
    assert split("Call me on the phone, if it rains a lot.") == ["Call me on the phone, if it rains a lot."]


def test_orders_after_a_subject_of_theirs_are_not_split() -> None:
    message = "The app must let people pay, show the warning and print it."
    assert split(message) == [message]


def test_what_is_not_known_is_split_without_a_comma() -> None:
    assert split("The opening is on 3 May and we haven't decided on the voices.") == [
        "The opening is on 3 May",
        "and we haven't decided on the voices.",
    ]
    whole = "The rabbit needs feeding and hasn't passed anything."
    assert split(whole) == [whole]


def test_contractions_without_an_apostrophe_have_a_verb() -> None:
    assert split("The job is late, the truck cant park here.") == [
        "The job is late",
        "the truck cant park here.",
    ]
