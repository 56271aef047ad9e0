import pytest

from data.records import Need, Role
from models.edits import parts, points, requirements, structure
from tests.edits import growth
from tests.parts import decided

R, S, C = Role.REQUEST, Role.SITUATION, Need.CONTEXT


def texts(message: str, *labels: tuple[Role, Need], whole: int = 0) -> list[str]:
    return [point.text for point in points.read(decided(message, *labels), whole)]


def test_a_clause_that_speaks_of_the_clause_before_it_stays_with_it() -> None:
    message = "The form must ask for consent, that's from legal."
    assert texts(message, (R, Need.NEED), (S, C)) == [message]
    message = "Bellsa takes seven weeks, and the warranty is two years."
    assert texts(message, (S, C), (S, C)) == [message]


def test_clauses_that_stand_alone_are_points() -> None:
    message = "Chairs must be out of the ballroom before that, the band wants power on the left side."
    assert texts(message, (S, C), (S, C)) == [
        "Chairs must be out of the ballroom before that",
        "the band wants power on the left side.",
    ]


def test_a_short_sentence_stays_whole() -> None:
    message = "The old one is leaking, the new one comes in a week."
    assert texts(message, (S, C), (S, C), whole=18) == [message]


def test_roles_need_words_that_bear_them_out() -> None:
    message = (
        "Change in medication from tonight. Where it's unclear do what you can. Could you call me? Why now?"
    )
    split = decided(message, *[(R, Need.OPEN)] * 4)
    assert [point.role for point in points.read(split, 18)] == [S, S, R, Role.QUESTION]


def test_a_greeting_and_a_signature_are_no_points() -> None:
    message = "Hi Tom, it is open. It works. Regards, Ilse"
    split = decided(message, (Role.GREETING, Need.NOTHING), (S, C), (S, C), (S, C))
    assert [point.role for point in points.read(split, 18)] == [Role.GREETING, S, S, Role.CLOSING]


def test_a_sentence_with_a_verb_is_no_heading() -> None:
    message = "Sales wants an export. It has to be quick."
    split = decided(message, (Role.TOPIC, Need.NOTHING), (S, C))
    assert [point.role for point in points.read(split, 18)] == [S, S]


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    ["if it is, ", "when you go, lock the door, ", "and still not sure ", "1. ", "it, ", "two: a, and b, "],
)
def test_the_work_grows_with_the_length(piece: str) -> None:
    def work(text: str) -> None:
        split = parts.divide(text, lambda segments: [(R, Need.NEED)] * len(segments))
        structure.label(split, 3)
        requirements.sort(split, 3)

    assert growth(work, piece) < 9
