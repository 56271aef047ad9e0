from data.records import Need, Role
from models.edits import structure
from tests.parts import decided

R, S, G = Role.REQUEST, Role.SITUATION, Role.GREETING

MESSAGE = "Hi Tom, the export is wrong. We get two rows a day. Please fix it by Friday, and call me."
PARTS = (
    (G, Need.NOTHING),
    (S, Need.CONTEXT),
    (S, Need.CONTEXT),
    (R, Need.NEED),
    (R, Need.NEED),
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
    split = decided(message, *[(R, Need.NEED)] * 3)
    assert (
        structure.label(split, 2)
        == "1. First we need the list\n2. Then check it\n3. Then send it to the bank"
    )


def test_one_part_has_no_structure() -> None:
    assert structure.label(decided("The export is wrong.", (S, Need.CONTEXT)), 2) is None


def test_a_deadline_is_named_only_where_it_is_the_only_date() -> None:
    split = decided(
        "Works start on 4 November. Send the letters by 28 October.", (S, Need.CONTEXT), (R, Need.NEED)
    )
    assert "Deadline" not in str(structure.label(split, 3))


def test_code_at_the_start_of_a_point_keeps_its_case() -> None:
    split = decided("sleep(5) is no strategy. Take it out.", (S, Need.CONTEXT), (R, Need.NEED))
    assert "- sleep(5) is no strategy" in str(structure.label(split, 3))


def test_points_whose_role_is_not_clear_have_no_label() -> None:
    message = "The mixer is loud. The red car is sold so take it off the site. Could you call the shop?"
    split = decided(message, (S, Need.CONTEXT), (S, Need.CONTEXT), (R, Need.NEED))
    assert structure.label(split, 1) == (
        "- The mixer is loud\n- The red car is sold so take it off the site\n- Could you call the shop?"
    )
    assert "- Request: Could you call the shop?" in str(structure.label(split, 2))
    assert structure.label(split, 3) == (
        "1. The mixer is loud\n2. The red car is sold so take it off the site\n"
        "3. Request: Could you call the shop?"
    )


def test_a_statement_that_the_tagger_calls_a_request_is_not_called_one() -> None:
    message = "They want the tutorial shorter. Samir called in sick. Please fix it."
    text = str(structure.label(decided(message, *[(R, Need.NEED)] * 3), 2))
    assert "Request: Please fix it" in text
    assert "Requests" not in text


def test_orders_under_one_condition_are_items_below_it() -> None:
    message = (
        "When you close up, turn off the pump, lock the door, and set the alarm. The code is in the drawer."
    )
    split = decided(message, (R, Need.NEED), (S, Need.CONTEXT))
    assert structure.label(split, 2) == (
        "Request:\n- When you close up:\n  - Turn off the pump\n  - Lock the door\n  - Set the alarm\n"
        "Details: The code is in the drawer"
    )


def test_an_order_with_and_may_hold_without_the_condition() -> None:
    message = "If you can't come, tell me, and bring the keys on Friday. The room is free."
    split = decided(message, (R, Need.NEED), (S, Need.CONTEXT))
    assert "If you can't come, tell me, and bring the keys on Friday" in str(structure.label(split, 2))


def test_a_list_after_a_colon_becomes_items() -> None:
    message = (
        "Two things are missing: the speech of the director and a list of the guests. The hall is booked."
    )
    split = decided(message, *[(S, Need.CONTEXT)] * 3)
    assert structure.label(split, 1) == (
        "- Two things are missing:\n  - the speech of the director\n  - a list of the guests\n"
        "- The hall is booked"
    )


def test_an_answer_to_a_question_stays_beside_it() -> None:
    message = "Is that fine for you? If not, I'll stop it."
    split = decided(message, (Role.QUESTION, Need.OPEN), (Role.PLAN, Need.NEED))
    assert structure.label(split, 2) == "- Question: Is that fine for you?\n- If not, I'll stop it"


def test_a_deadline_of_a_condition_is_no_deadline_of_the_request() -> None:
    message = "The rest is missing. If it isn't here by Wednesday, please warn the customer."
    split = decided(message, (S, Need.CONTEXT), (R, Need.NEED))
    assert "Deadline" not in str(structure.label(split, 3))


def test_a_condition_after_a_colon_opens_no_list() -> None:
    message = "It has a fault: if two tabs load, one gets an old page, a wrong name and a blank screen. Wait."
    split = decided(message, *[(S, Need.CONTEXT)] * 3)
    assert "\n  -" not in str(structure.label(split, 2))


def test_a_prohibition_has_no_deadline() -> None:
    split = decided(
        "The plan is done. Please don't send it before Monday.", (S, Need.CONTEXT), (R, Need.NEED)
    )
    assert "Deadline" not in str(structure.label(split, 3))


def test_a_request_within_a_sentence_has_no_label_alone() -> None:
    message = (
        "The fryers are off and filtered since eight. Nobody is late. "
        "The fish is back on fresh ice in the cold room, label the tubs with your name and today's date."
    )
    split = decided(message, *[(S, Need.CONTEXT)] * 4)
    lines = str(structure.label(split, 2)).splitlines()
    assert lines[-1] == "- Label the tubs with your name and today's date"


def test_what_a_message_is_about_is_its_heading() -> None:
    message = (
        "About the move to the third floor, pack your own desk by Thursday at 4pm, crates are in the "
        "corridor, screens are moved for you."
    )
    split = decided(message, *[(S, Need.CONTEXT)] * 3)
    assert structure.label(split, 2) == (
        "About the move to the third floor:\nRequest: Pack your own desk by Thursday at 4pm\n"
        "Details:\n- Crates are in the corridor\n- Screens are moved for you"
    )
