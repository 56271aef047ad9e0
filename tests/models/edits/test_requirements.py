from itertools import takewhile

import pytest

from data.records import Need, Role
from models.edits import requirements, segments
from models.edits.parts import Part
from tests.edits import growth
from tests.parts import decided

R, S = Role.REQUEST, Role.SITUATION


def test_requirements_are_sorted_and_say_what_is_not_stated() -> None:
    message = "We need the export as CSV. No salaries. Whether it is zipped is open."
    split = decided(message, (R, Need.NEED), (R, Need.CONSTRAINT), (Role.OPEN, Need.OPEN))
    assert requirements.sort(split, 1) == (
        "Need: the export as CSV\nConstraint: No salaries\nOpen: Whether it is zipped is open"
    )
    assert requirements.sort(split, 2) == (
        "Need: the export as CSV\nConstraint: No salaries\n"
        "Open:\n- Whether it is zipped is open\n- by when (not stated)"
    )


def test_a_stated_date_is_not_called_missing() -> None:
    split = decided("We need the export by Friday. No salaries.", (R, Need.NEED), (R, Need.CONSTRAINT))
    assert "not stated" not in str(requirements.sort(split, 2))


def test_a_message_without_need_or_constraint_has_no_requirements() -> None:
    assert requirements.sort(decided("It rains. We stay.", (S, Need.CONTEXT), (S, Need.CONTEXT)), 2) is None


def test_whom_to_ask_stays_with_what_is_open() -> None:
    message = "We need 40 headsets. Don't know which colour they need, ask the manager."
    split = decided(message, (R, Need.NEED), (Role.OPEN, Need.OPEN), (R, Need.NEED))
    assert "Open: Don't know which colour they need, ask the manager" in str(requirements.sort(split, 1))


def test_limits_at_the_end_of_a_need_are_constraints() -> None:
    split = decided("We need ten slides about the plan, no jargon, and not the old numbers.", (R, Need.NEED))
    assert requirements.sort(split, 1) == (
        "Need: ten slides about the plan\nConstraints: no jargon; not the old numbers"
    )


def test_a_limit_that_says_nothing_alone_stays_with_its_need() -> None:
    split = decided("We need gloves that grip, not the blue ones. No latex.", *[(R, Need.NEED)] * 2)
    assert "Need: gloves that grip, not the blue ones\nConstraint: No latex" in str(
        requirements.sort(split, 1)
    )


def test_a_reason_stays_with_what_it_explains() -> None:
    message = "We need a form. It can't have photos, security doesn't allow it, and it needs to be short."
    split = decided(
        message,
        (R, Need.NEED),
        (R, Need.CONSTRAINT),
        (S, Need.CONTEXT),
        (R, Need.CONSTRAINT),
    )
    assert requirements.sort(split, 1) == (
        "Need: a form\nConstraints: It can't have photos, security doesn't allow it; it needs to be short"
    )


def test_what_speaks_of_another_part_is_printed_after_it() -> None:
    message = (
        "We need quotes for a coach. The road is closed. That makes the trip longer. It must leave at 7:30."
    )
    split = decided(message, (R, Need.NEED), (S, Need.CONTEXT), (R, Need.CONSTRAINT), (R, Need.CONSTRAINT))
    assert "The road is closed. That makes the trip longer" in str(requirements.sort(split, 1))


def test_a_doubt_makes_open_what_it_doubts() -> None:
    message = "We need an export. Only managers should see it, I think, or maybe everyone in the office."
    split = decided(message, (R, Need.NEED), (R, Need.CONSTRAINT), (Role.OPEN, Need.OPEN))
    assert requirements.sort(split, 1) == (
        "Need: an export\nOpen: Only managers should see it, I think, or maybe everyone in the office"
    )


def test_words_overrule_the_tagger() -> None:
    message = "We need a bag. The budget is 40. How big it is depends on Ann. A red one would be nice."
    split = decided(message, *[(S, Need.NEED)] * 3, (S, Need.OPEN))
    assert requirements.sort(split, 1) == (
        "Need: a bag\nWish: A red one would be nice\nConstraint: The budget is 40\n"
        "Open: How big it is depends on Ann"
    )


def test_a_sentence_that_only_names_things_is_a_list_of_them() -> None:
    message = "Coffee machine:\n60 cups a day, oat milk option, contract not longer than a year."
    split = decided(message, (Role.TOPIC, Need.NOTHING), (R, Need.NEED))
    assert requirements.sort(split, 1) == (
        "Coffee machine:\nNeeds: 60 cups a day; oat milk option\nConstraint: contract not longer than a year"
    )


def test_the_only_deadline_of_the_needs_is_named() -> None:
    split = decided("We need the list by Friday, please. No names.", *[(R, Need.NEED)] * 2)
    assert "Deadline: by Friday" in str(requirements.sort(split, 2))
    assert "not stated" not in str(requirements.sort(split, 2))


def test_a_stated_time_is_not_called_missing() -> None:
    for when in ("by 4", "for the 22nd", "after Easter", "in two weeks", "next term"):
        split = decided(f"We need the list {when}. No names.", *[(R, Need.NEED)] * 2)
        assert "by when" not in str(requirements.sort(split, 2)), when


def test_a_prohibition_has_no_deadline() -> None:
    split = decided("We need the list. Please don't announce it before Monday.", *[(R, Need.NEED)] * 2)
    assert requirements.sort(split, 2) == "Need: the list\nConstraint: don't announce it before Monday"


def test_each_must_is_an_entry_and_the_wish_at_the_end() -> None:
    message = "We need four scanners, must survive a drop, and in red if possible."
    assert requirements.sort(decided(message, (R, Need.NEED)), 1) == (
        "Needs: four scanners; must survive a drop\nWish: in red if possible"
    )


def test_what_the_end_of_a_clause_leaves_open_is_open() -> None:
    message = "The form must be short. Launch is planned for 1 September, hosting to be decided."
    split = decided(message, (R, Need.NEED), (S, Need.DEADLINE))
    assert requirements.sort(split, 1) == (
        "Need: The form must be short\nDeadline: Launch is planned for 1 September\n"
        "Open: hosting to be decided"
    )
    message = "We need a form. The inspector returns in March, exact date not known."
    split = decided(message, (R, Need.NEED), (S, Need.CONTEXT))
    assert "The inspector returns in March, exact date not known" in str(requirements.sort(split, 1))


def test_a_time_of_each_day_is_no_deadline() -> None:
    message = "We need a form. The office needs to see everything before 8:45."
    split = decided(message, (R, Need.NEED), (R, Need.NEED))
    assert "Deadline" not in str(requirements.sort(split, 2))


def test_what_must_be_done_by_a_date_is_a_deadline() -> None:
    message = "We need a form. Money must be spent by year end. By region, changes since last week marked."
    split = decided(message, (R, Need.NEED), (R, Need.NEED), (R, Need.NEED))
    assert "\nDeadline: Money must be spent by year end" in str(requirements.sort(split, 1))


def test_a_limit_that_states_the_only_need_is_the_need() -> None:
    message = "The guard must be replaced by one that can't be opened. It must be cleaned without tools."
    split = decided(message, (R, Need.CONSTRAINT), (R, Need.CONSTRAINT))
    assert requirements.sort(split, 1) == (
        "Need: The guard must be replaced by one that can't be opened\n"
        "Constraint: It must be cleaned without tools"
    )


def test_a_budget_is_a_limit_and_the_date_beside_it_a_deadline() -> None:
    message = "We need a new website. budget 25k give or take, live by 1 march."
    split = decided(message, (R, Need.NEED), (R, Need.DEADLINE))
    assert requirements.sort(split, 1) == (
        "Need: a new website\nConstraint: budget 25k give or take\nDeadline: live by 1 march"
    )


def test_a_budget_beside_no_date_stays_whole() -> None:
    message = "We need a van. The budget is 30,000, not more."
    split = decided(message, (R, Need.NEED), (R, Need.CONSTRAINT))
    assert "Constraint: The budget is 30,000, not more" in str(requirements.sort(split, 1))


def test_when_something_begins_and_ends_is_no_deadline() -> None:
    message = "We need two cabins. They stay from 3 Feb til about Aug."
    split = decided(message, (R, Need.NEED), (S, Need.DEADLINE))
    assert "Deadline" not in str(requirements.sort(split, 1))


def test_a_bare_doubt_takes_along_what_it_is_about() -> None:
    message = "We need a log. It must be done by Q3, cloud is fine if QA is fine with it, they haven't said"
    labels = [(R, Need.NEED), (R, Need.DEADLINE), (S, Need.CONTEXT), (Role.OPEN, Need.OPEN)]
    split = decided(message, *labels)
    assert "Open: cloud is fine if QA is fine with it, they haven't said" in str(requirements.sort(split, 1))


@pytest.mark.parametrize("need", [Need.CONSTRAINT, Need.DEADLINE, Need.CONTEXT])
def test_a_detail_of_what_is_wanted_is_no_context(need: Need) -> None:
    message = "We need a list of the samples. Barcode per box, who took what, works with wet gloves."
    split = decided(message, (R, Need.NEED), (S, need))
    assert "- Barcode per box, who took what, works with wet gloves" in _under("Needs", split)


def test_what_a_part_tells_stays_context() -> None:
    message = "We need real headings. Students complained. Screen reader users jump from heading to heading."
    split = decided(message, (R, Need.NEED), (S, Need.CONTEXT), (S, Need.CONTEXT))
    assert len(_under("Context", split)) == 2


def test_a_doubt_in_a_reason_or_about_which_leaves_nothing_open() -> None:
    message = "What I'd like is a board that shows which bay is open. Small because we haven't got room."
    split = decided(message, (S, Need.CONTEXT), (R, Need.NEED))
    assert len(_under("Needs", split)) == 2


def test_an_open_question_without_a_question_mark_is_open() -> None:
    message = "We need a robot for the shed. Power's a question, the cable is thin. Lmk what that costs."
    split = decided(message, (R, Need.NEED), (S, Need.CONTEXT), (S, Need.CONTEXT))
    assert _under("Open", split)[:2] == [
        "- Power's a question, the cable is thin",
        "- Lmk what that costs",
    ]


def test_a_grant_has_a_date_of_its_own() -> None:
    message = "We need a fence. There is a grant but you have to apply before 30 September."
    split = decided(message, (R, Need.NEED), (R, Need.NEED))
    assert "There is a grant but you have to apply before 30 September" in str(_under("Constraint", split))
    assert not _under("Deadline", split)


def test_a_preference_is_a_wish_and_a_need_with_a_preference_is_a_need() -> None:
    message = "We need a freezer for the samples, minus eighty preferably, by the lift. Preferably a new one."
    split = decided(message, (R, Need.WISH), (R, Need.NEED))
    assert len(_under("Need", split)) == 1
    assert _under("Wish", split) == ["- Preferably a new one"]


def test_a_limit_beside_a_date_is_no_deadline() -> None:
    message = "We need a reminder for owners. Not more than 60 a month, and before summer if possible."
    split = decided(message, (R, Need.NEED), (S, Need.DEADLINE))
    assert _under("Constraint", split) == ["- Not more than 60 a month"]
    assert _under("Wish", split) == ["- before summer if possible"]


def test_how_long_something_holds_is_no_deadline() -> None:
    message = "We need a room for the class. The gym is closed until Easter."
    split = decided(message, (R, Need.NEED), (S, Need.CONSTRAINT))
    assert _under("Constraint", split) == ["- The gym is closed until Easter"]


def test_what_is_allowed_under_a_condition_is_a_limit() -> None:
    message = "We need a mixer. Used is fine if it comes with a warranty. Chlorine is ok."
    split = decided(message, (R, Need.NEED), (S, Need.CONTEXT), (S, Need.CONTEXT))
    assert _under("Constraint", split) == ["- Used is fine if it comes with a warranty"]
    assert _under("Context", split) == ["- Chlorine is ok"]


def test_a_must_after_a_doubt_is_not_open() -> None:
    message = "We want a page. Legal hasn't told us if it needs consent, oh and it must be in Spanish."
    split = decided(message, (R, Need.NEED), (S, Need.OPEN), (S, Need.NEED))
    assert "Spanish" not in str(_under("Open", split))


def test_the_thing_at_the_start_is_a_need_and_an_occasion_is_none() -> None:
    decisions = ((S, Need.CONTEXT), (R, Need.NEED))
    thing = decided("Site cabins for 12 people from 3 February. It must have a drying room.", *decisions)
    occasion = decided("Customer audit on 23 May. It must have a quiet room.", *decisions)
    assert "- Site cabins for 12 people from 3 February" in _under("Needs", thing)
    assert "- Customer audit on 23 May" in _under("Context", occasion)


def test_who_wants_what_and_a_short_ban_are_no_context() -> None:
    message = (
        "We need a van. Kofo would like the same for tablets. Batteries can't go. The door can't be used by "
        "anybody since the flood."
    )
    split = decided(message, (R, Need.NEED), *[(S, Need.CONTEXT)] * 3)
    assert "- Kofo would like the same for tablets" in _under("Needs", split)
    assert _under("Constraint", split) == ["- Batteries can't go"]
    assert _under("Context", split) == ["- The door can't be used by anybody since the flood"]


def _under(label: str, split: list[Part]) -> list[str]:
    """The entries under a label at intensity 3."""
    lines = str(requirements.sort(split, 3)).splitlines()
    if f"{label}:" not in lines:
        return []
    rest = lines[lines.index(f"{label}:") + 1 :]
    return list(takewhile(lambda line: line.startswith("- "), rest))


def test_a_long_sentence_is_cut_at_commas_between_requirements() -> None:
    message = (
        "Client wants 12 units on the plot, though the zoning gives us ten at most, at least 3 barrier free,"
        " timber, but the fire brigade needs to agree on the stair, and passive standard would be nice."
    )
    texts = [message[cut.start : cut.end] for cut in requirements.split_lists(message)]
    assert texts == [
        "Client wants 12 units on the plot",
        "though the zoning gives us ten at most,",
        "at least 3 barrier free, timber,",
        "but the fire brigade needs to agree on the stair,",
        "and passive standard would be nice.",
    ]
    short = "We need a shelf, two hooks, a lamp and some paint."
    assert requirements.split_lists(short) == segments.split(short)


@pytest.mark.slow
def test_the_work_on_lists_grows_with_the_length() -> None:
    assert growth(requirements.split_lists, "a needed thing, ") < 9
