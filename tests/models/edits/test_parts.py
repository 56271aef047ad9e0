from data.records import Need, Role
from tests.parts import decided

R, S = Role.REQUEST, Role.SITUATION


def test_a_label_that_the_words_do_not_bear_out_is_weakened() -> None:
    split = decided(
        "They want the tutorial shorter. I'd keep the visit. Do you take the lamps? Please call me.",
        *[(R, Need.NEED)] * 4,
    )
    assert [part.role for part in split] == [S, Role.PLAN, Role.QUESTION, R]
