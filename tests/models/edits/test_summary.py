from data.records import Need, Role
from models.edits import summary
from tests.parts import decided

R, S = Role.REQUEST, Role.SITUATION


def test_a_summary_keeps_requests_and_facts() -> None:
    message = (
        "Sorry, a long day. The export of 3 May is wrong because of me. Because it was late. Please fix it."
    )
    split = decided(
        message,
        (Role.CLOSING, Need.NOTHING, 3),
        (Role.ASIDE, Need.NOTHING, 3),
        (S, Need.CONTEXT, 3),  # has a fact that no other part has
        (Role.REASON, Need.CONTEXT, 2),
        (R, Need.NEED, 3),
    )
    kept = "The export of 3 May is wrong because of me."
    assert summary.summarize(split, 1, lambda text: text) == f"{kept} Because it was late. Please fix it."
    assert summary.summarize(split, 2, lambda text: text) == f"{kept} Please fix it."


def test_a_message_with_nothing_to_drop_has_no_summary() -> None:
    split = decided("The export is wrong. Please fix it.", (S, Need.CONTEXT, 1), (R, Need.NEED, 1))
    assert summary.summarize(split, 3, lambda text: text) is None


def test_a_summary_keeps_what_a_kept_part_refers_to() -> None:
    message = "Sorry, I am late. The naming is a matter of taste, leave it. Please add a limit."
    aside = (Role.ASIDE, Need.NOTHING, 3)
    split = decided(message, aside, aside, (S, Need.CONTEXT, 3), (R, Need.NEED, 1), (R, Need.NEED, 1))
    text = summary.summarize(split, 3, lambda text: text)
    assert text == "The naming is a matter of taste, leave it. Please add a limit."


def test_a_summary_says_what_it_is_about() -> None:
    message = "I've been thinking about the fair. The weather was fine. Please book a stand."
    split = decided(message, (Role.ASIDE, Need.NOTHING, 3), (S, Need.CONTEXT, 3), (R, Need.NEED, 1))
    text = summary.summarize(split, 3, lambda text: text)
    assert text == "I've been thinking about the fair. Please book a stand."
