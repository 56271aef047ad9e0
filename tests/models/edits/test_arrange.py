from collections.abc import Sequence

from data.records import Need, Role
from models.edits import arrange
from models.edits.arrange import Part
from models.edits.segments import Segment

R, S, G = Role.REQUEST, Role.SITUATION, Role.GREETING


def parts(message: str, *labels: tuple[Role, Need, int]) -> list[Part]:
    def decide(split: Sequence[Segment]) -> Sequence[tuple[Role, Need, int]]:
        assert len(split) == len(labels), [message[each.start : each.end] for each in split]
        return labels

    return arrange.parts(message, decide)


MESSAGE = "Hi Tom, the export is wrong. We get two rows a day. Please fix it by Friday, and call me."
PARTS = (
    (G, Need.NOTHING, 3),
    (S, Need.CONTEXT, 1),
    (S, Need.CONTEXT, 2),
    (R, Need.NEED, 1),
    (R, Need.NEED, 1),
)


def test_structure_labels_groups_in_their_order_and_adds_points() -> None:
    decided = parts(MESSAGE, *PARTS)
    assert arrange.structure(decided, 1) == (
        "Hi Tom,\nSituation: The export is wrong. We get two rows a day.\n"
        "Requests: Please fix it by Friday, and call me."
    )
    assert arrange.structure(decided, 2) == (
        "Hi Tom,\nSituation:\n- The export is wrong\n- We get two rows a day\n"
        "Requests:\n- Please fix it by Friday\n- Call me"
    )
    assert arrange.structure(decided, 3) == (
        "Hi Tom,\nSituation:\n- The export is wrong\n- We get two rows a day\n"
        "Requests:\n- Please fix it by Friday\n- Call me\nDeadline: Friday"
    )


def test_structure_numbers_steps() -> None:
    message = "First we need the list. Then check it. Then send it to the bank."
    decided = parts(message, *[(R, Need.NEED, 1)] * 3)
    assert (
        arrange.structure(decided, 2)
        == "1. First we need the list\n2. Then check it\n3. Then send it to the bank"
    )


def test_one_part_has_no_structure() -> None:
    assert arrange.structure(parts("The export is wrong.", (S, Need.CONTEXT, 1)), 2) is None


def test_what_follows_from_a_condition_stays_with_it() -> None:
    message = "I'm with Nia unless the money comes, then we can't wait."
    decided = parts(message, (S, Need.CONTEXT, 1), (S, Need.CONSTRAINT, 1))
    assert [part.text for part in arrange.join(decided)] == [message]


def test_requirements_are_sorted_and_say_what_is_not_stated() -> None:
    message = "We need the export as CSV. No salaries. Whether it is zipped is open."
    decided = parts(message, (R, Need.NEED, 1), (R, Need.CONSTRAINT, 1), (Role.OPEN, Need.OPEN, 1))
    assert arrange.requirements(decided, 1) == (
        "Need: the export as CSV\nConstraint: No salaries\nOpen: Whether it is zipped is open"
    )
    assert arrange.requirements(decided, 2) == (
        "Need: the export as CSV\nConstraint: No salaries\n"
        "Open:\n- Whether it is zipped is open\n- by when (not stated)"
    )


def test_a_stated_date_is_not_called_missing() -> None:
    decided = parts("We need the export by Friday. No salaries.", (R, Need.NEED, 1), (R, Need.CONSTRAINT, 1))
    assert "not stated" not in str(arrange.requirements(decided, 2))


def test_a_message_without_need_or_constraint_has_no_requirements() -> None:
    assert (
        arrange.requirements(parts("It rains. We stay.", (S, Need.CONTEXT, 1), (S, Need.CONTEXT, 1)), 2)
        is None
    )


def test_a_summary_keeps_requests_and_facts() -> None:
    message = (
        "Sorry, a long day. The export of 3 May is wrong because of me. Because it was late. Please fix it."
    )
    decided = parts(
        message,
        (Role.CLOSING, Need.NOTHING, 3),
        (Role.ASIDE, Need.NOTHING, 3),
        (S, Need.CONTEXT, 3),  # has a fact that no other part has
        (Role.REASON, Need.CONTEXT, 2),
        (R, Need.NEED, 3),
    )
    kept = "The export of 3 May is wrong because of me."
    assert arrange.summarize(decided, 1, lambda text: text) == f"{kept} Because it was late. Please fix it."
    assert arrange.summarize(decided, 2, lambda text: text) == f"{kept} Please fix it."


def test_a_message_with_nothing_to_drop_has_no_summary() -> None:
    decided = parts("The export is wrong. Please fix it.", (S, Need.CONTEXT, 1), (R, Need.NEED, 1))
    assert arrange.summarize(decided, 3, lambda text: text) is None


def test_a_summary_keeps_what_a_kept_part_refers_to() -> None:
    message = "Sorry, I am late. The naming is a matter of taste, leave it. Please add a limit."
    aside = (Role.ASIDE, Need.NOTHING, 3)
    decided = parts(message, aside, aside, (S, Need.CONTEXT, 3), (R, Need.NEED, 1), (R, Need.NEED, 1))
    summary = arrange.summarize(decided, 3, lambda text: text)
    assert summary == "The naming is a matter of taste, leave it. Please add a limit."


def test_a_summary_says_what_it_is_about() -> None:
    message = "I've been thinking about the fair. The weather was fine. Please book a stand."
    decided = parts(message, (Role.ASIDE, Need.NOTHING, 3), (S, Need.CONTEXT, 3), (R, Need.NEED, 1))
    summary = arrange.summarize(decided, 3, lambda text: text)
    assert summary == "I've been thinking about the fair. Please book a stand."


def test_a_label_that_the_words_do_not_bear_out_is_weakened() -> None:
    decided = parts(
        "They want the tutorial shorter. I'd keep the visit. Do you take the lamps? Please call me.",
        *[(R, Need.NEED, 1)] * 4,
    )
    assert [part.role for part in decided] == [S, Role.PLAN, Role.QUESTION, R]


def test_whom_to_ask_stays_with_what_is_open() -> None:
    message = "We need 40 headsets. Don't know which colour they need, ask the manager."
    decided = parts(message, (R, Need.NEED, 1), (Role.OPEN, Need.OPEN, 1), (R, Need.NEED, 1))
    assert "Open: Don't know which colour they need, ask the manager" in str(arrange.requirements(decided, 1))


def test_a_deadline_is_named_only_where_it_is_the_only_date() -> None:
    decided = parts(
        "Works start on 4 November. Send the letters by 28 October.", (S, Need.CONTEXT, 1), (R, Need.NEED, 1)
    )
    assert "Deadline" not in str(arrange.structure(decided, 3))
