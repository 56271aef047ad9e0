from data.records import Need, Role
from models.edits import structure
from tests.parts import decided

R, S, G = Role.REQUEST, Role.SITUATION, Role.GREETING

MESSAGE = "Hi Tom, the export is wrong. We get two rows a day. Please fix it by Friday, and call me."
PARTS = (
    (G, Need.NOTHING, 3),
    (S, Need.CONTEXT, 1),
    (S, Need.CONTEXT, 2),
    (R, Need.NEED, 1),
    (R, Need.NEED, 1),
)


def test_structure_labels_groups_in_their_order_and_adds_points() -> None:
    split = decided(MESSAGE, *PARTS)
    assert structure.label(split, 1) == (
        "Hi Tom,\nSituation: The export is wrong. We get two rows a day.\n"
        "Requests: Please fix it by Friday, and call me."
    )
    assert structure.label(split, 2) == (
        "Hi Tom,\nSituation:\n- The export is wrong\n- We get two rows a day\n"
        "Requests:\n- Please fix it by Friday\n- Call me"
    )
    assert structure.label(split, 3) == (
        "Hi Tom,\nSituation:\n- The export is wrong\n- We get two rows a day\n"
        "Requests:\n- Please fix it by Friday\n- Call me\nDeadline: Friday"
    )


def test_structure_numbers_steps() -> None:
    message = "First we need the list. Then check it. Then send it to the bank."
    split = decided(message, *[(R, Need.NEED, 1)] * 3)
    assert (
        structure.label(split, 2)
        == "1. First we need the list\n2. Then check it\n3. Then send it to the bank"
    )


def test_one_part_has_no_structure() -> None:
    assert structure.label(decided("The export is wrong.", (S, Need.CONTEXT, 1)), 2) is None


def test_a_deadline_is_named_only_where_it_is_the_only_date() -> None:
    split = decided(
        "Works start on 4 November. Send the letters by 28 October.", (S, Need.CONTEXT, 1), (R, Need.NEED, 1)
    )
    assert "Deadline" not in str(structure.label(split, 3))


def test_code_at_the_start_of_a_point_keeps_its_case() -> None:
    split = decided("sleep(5) is no strategy. Take it out.", (S, Need.CONTEXT, 1), (R, Need.NEED, 1))
    assert "- sleep(5) is no strategy" in str(structure.label(split, 3))
