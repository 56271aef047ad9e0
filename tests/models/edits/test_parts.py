from data.records import Need, Role
from models.edits import parts
from tests.parts import decided

R, S = Role.REQUEST, Role.SITUATION


def test_what_follows_from_a_condition_stays_with_it() -> None:
    message = "I'm with Nia unless the money comes, then we can't wait."
    split = decided(message, (S, Need.CONTEXT, 1), (S, Need.CONSTRAINT, 1))
    assert [part.text for part in parts.join(split)] == [message]


def test_a_label_that_the_words_do_not_bear_out_is_weakened() -> None:
    split = decided(
        "They want the tutorial shorter. I'd keep the visit. Do you take the lamps? Please call me.",
        *[(R, Need.NEED, 1)] * 4,
    )
    assert [part.role for part in split] == [S, Role.PLAN, Role.QUESTION, R]


def test_a_purpose_stays_with_what_serves_it() -> None:
    message = "We would like to split the currency bit off, so that accounting can test it."
    split = decided(message, (R, Need.NEED, 1), (R, Need.CONSTRAINT, 1))
    assert [part.text for part in parts.join(split)] == [message]
