import pytest

from models.edits import background
from tests.edits import growth, rewritten


def rewrite(message: str, intensity: int) -> str:
    return rewritten(message, background.propose(message), intensity)


@pytest.mark.parametrize(
    ("message", "gap"),
    [
        ("Vera can't be on it for obvious reasons.", "what the obvious reasons are"),
        ("No visits this week, for reasons you know.", "what the reasons are"),
        ("We take the second option for the roof because of the frost.", "what the second option means"),
        ("No walnuts till Friday because of the letter.", "what the letter says"),
        ("The date was changed after the call with the printer.", "what was said in the call"),
        ("I know it's slower, but after the audit we have no choice.", "what came out of the audit"),
        ("It came from above after the May figures.", "what the May figures show"),
        (
            "Two people must sign because of the thing with the other bank.",
            "what happened with the other bank",
        ),
        ("They would like the list by Friday, after last time.", "what happened last time"),
        ("Nobody wants that again after Antwerp.", 'what "after Antwerp" refers to'),
        ("No changes here, I know what we promised in March.", "what we promised in March"),
        ("Do the nets by the 5th like they said, otherwise no tags.", "what they said"),
        ("Please use the old form, the new one has the error that Mbali found.", "what Mbali found"),
    ],
)
def test_what_only_those_know_who_were_there_is_called_not_stated(message: str, gap: str) -> None:
    assert gap in rewrite(message, 3)


@pytest.mark.parametrize(
    "message",
    [
        "After the call we will send the offer.",
        "Please lock the gate after the inspection.",
        "The desk is closed since Thurs. The key is with Ana.",
        "I go after Tomas, then you.",
        "The pump is louder than last time.",
        "We compared two options and take the second option for the roof because it is cheaper.",
        "Then send me a note saying what you told her.",
    ],
)
def test_a_time_a_turn_and_what_is_explained_are_no_allusions(message: str) -> None:
    result = rewrite(message, 3)
    assert not any(
        words in result for words in ("what came", "what was said", "refers to", "what happened", "means")
    )
    assert not any(words in result for words in ("told her is", "told her are"))


@pytest.mark.parametrize(
    ("message", "gap"),
    [
        ("were cutting the late bus.", "the reason for this decision"),
        ("Ward 7 opens as a day clinic again on Monday.", "the reason for the change"),
        ("The third floor goes back to fixed desks from 2 February.", "the reason for the change"),
        ("We're back on paper tickets for the ferry.", "the reason for the change"),
        ("I have taken Orla off the Brandt account.", "the reason for the change"),
        ("The 40% rule is back.", "the reason for the change"),
        ("All visitors sign in at gate 2.", "the reason for this rule"),
        ("Peak pay starts a week late.", "the reason for the change"),
        ("The Osterley matter is off hold.", "the reason for the change"),
        ("Gwen is taking the spring concert and not Pavel.", "the reason for the change"),
        ("nobody digs near the east fence until the surveyor signs off", "the reason for this rule"),
    ],
)
def test_an_announcement_in_everyday_words_lacks_its_reason(message: str, gap: str) -> None:
    assert f"({gap} is not stated)" in rewrite(message, 1)


@pytest.mark.parametrize(
    "message",
    [
        "Go back to bay 2 and open every box.",
        "Your colleague is back on Monday.",
        "Nobody reads your weekly summary.",
        "We no longer hand out the tablets. After the inspection we don't have a choice.",
    ],
)
def test_an_order_a_complaint_and_what_has_a_reason_get_no_note_of_a_reason(message: str) -> None:
    assert "he reason" not in rewrite(message, 3)


@pytest.mark.parametrize(
    "message",
    [
        "Peak pay starts a week late. Ask your rep not me.",
        "We stop the late bus. Questions to Thandiwe.",
        "We stop the late bus. Please don't ask.",
    ],
)
def test_nobody_offers_an_answer_where_the_message_says_whom_to_ask(message: str) -> None:
    assert "ask me" not in rewrite(message, 3)


def test_until_further_notice_is_not_repeated() -> None:
    assert "until when" not in rewrite("No seeded loaves until further notice, the mill is closed.", 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit", ["after the ", "because of the thing with ", "what we said ", "like they said"]
)
def test_the_work_grows_with_the_length_of_a_hostile_text(unit: str) -> None:
    assert growth(background.propose, unit) < 9
