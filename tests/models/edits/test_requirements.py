from data.records import Need, Role
from models.edits import requirements
from tests.parts import decided

R, S = Role.REQUEST, Role.SITUATION


def test_requirements_are_sorted_and_say_what_is_not_stated() -> None:
    message = "We need the export as CSV. No salaries. Whether it is zipped is open."
    split = decided(message, (R, Need.NEED, 1), (R, Need.CONSTRAINT, 1), (Role.OPEN, Need.OPEN, 1))
    assert requirements.sort(split, 1) == (
        "Need: the export as CSV\nConstraint: No salaries\nOpen: Whether it is zipped is open"
    )
    assert requirements.sort(split, 2) == (
        "Need: the export as CSV\nConstraint: No salaries\n"
        "Open:\n- Whether it is zipped is open\n- by when (not stated)"
    )


def test_a_stated_date_is_not_called_missing() -> None:
    split = decided("We need the export by Friday. No salaries.", (R, Need.NEED, 1), (R, Need.CONSTRAINT, 1))
    assert "not stated" not in str(requirements.sort(split, 2))


def test_a_message_without_need_or_constraint_has_no_requirements() -> None:
    assert (
        requirements.sort(decided("It rains. We stay.", (S, Need.CONTEXT, 1), (S, Need.CONTEXT, 1)), 2)
        is None
    )


def test_whom_to_ask_stays_with_what_is_open() -> None:
    message = "We need 40 headsets. Don't know which colour they need, ask the manager."
    split = decided(message, (R, Need.NEED, 1), (Role.OPEN, Need.OPEN, 1), (R, Need.NEED, 1))
    assert "Open: Don't know which colour they need, ask the manager" in str(requirements.sort(split, 1))
