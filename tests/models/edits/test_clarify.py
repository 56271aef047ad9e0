import json

import pytest

from data import corpus
from models.edits import clarify, script
from tests.edits import growth, rewritten

EDITS = corpus.SEED / "edits" / "english.jsonl"


def rewrite(message: str, intensity: int, without: str = "-") -> str:
    return rewritten(message, clarify.propose(message), intensity, lambda edit: without not in edit.rule)


def messages() -> list[str]:
    return [json.loads(line)["text"] for line in EDITS.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("pls send me the list by 3 pm", "Please send me the list by 3 pm."),
        ("Bring the forms tmrw w/ the labels b/c we need both.", "Bring the forms tomorrow with the labels"),
        (
            "Let's touch base on the budget on Friday at 10:00.",
            "Let's talk about the budget on Friday at 10:00.",
        ),
        ("The venue is still up in the air.", "The venue is not decided yet."),
        (
            "idk if that works, can u ask Lena by 5 pm",
            "I don't know if that works, can you ask Lena by 5 pm?",
        ),
    ],
)
def test_short_forms_and_idioms_become_plain_words_at_level_1(message: str, expected: str) -> None:
    assert expected in rewrite(message, 1)


def test_a_vague_noun_becomes_a_plain_one_with_a_note() -> None:
    result = rewrite("can someone look at it before the thing on thursday", 1)
    assert result == "Who can look at it before the meeting or event on Thursday (which one is not stated)?"


def test_a_pronoun_at_the_start_has_nothing_before_it() -> None:
    assert rewrite("It is broken again, Ana knows.", 1).startswith("It (what is not stated) is broken")
    assert "not stated" not in rewrite("It is important that Ana signs the form.", 1)


def test_they_is_noted_only_where_nobody_was_named() -> None:
    assert "They (who is not stated)" in rewrite(
        "They called again about the same thing, please do something.", 1
    )
    assert "who is not stated" not in rewrite("The neighbours were here. They called again at 9:00.", 3)
    assert "who is not stated" not in rewrite("Lena and Bo were here. They called again at 9:00.", 3)


@pytest.mark.parametrize("words", ["soon", "at some point", "when you get a chance", "asap"])
def test_a_vague_time_is_noted_unless_the_message_has_a_time(words: str) -> None:
    assert "is stated)" in rewrite(f"Could you check the totals {words}?", 3)
    assert "date is stated" not in rewrite(f"Could you check the totals {words}? Before 5 May.", 3)


def test_a_request_without_a_time_gets_a_note_by_when() -> None:
    message = "Could you send me the logo without the background?"
    assert rewrite(message, 1) == f"{message} (By when is not stated.)"
    assert rewrite(message, 2) == f"{message} By when this should be done is not stated."
    for time_named in ("by Friday", "today", "before the audit", "by 3"):
        assert "By when" not in rewrite(f"Could you send me the logo {time_named}?", 3)


def test_the_note_of_a_request_stands_before_the_thanks_at_level_2() -> None:
    result = rewrite("Could you count the flyers?\nThanks,\nAna", 2)
    assert result == "Could you count the flyers? By when this should be done is not stated.\nThanks,\nAna"


def test_a_vague_actor_gets_a_note_who_and_at_level_3_a_question() -> None:
    message = "We should tidy the shelf. The boxes need to be moved."
    assert "Who should do it, and by when, is not stated here." in rewrite(message, 2)
    assert rewrite(message, 3).endswith("Not stated: who should do it, and by when. Who can take it on?")


def test_a_ban_gets_no_note_by_when() -> None:
    assert "By when" not in rewrite("Please do not send the list to the bank.", 3)


def test_vague_states_become_plain_ones() -> None:
    assert "do not look right this week (in what way is not stated)" in rewrite(
        "numbers look weird this week, can you check", 1
    )
    assert "is not working properly again (in what way is not stated)" in rewrite(
        "Press 5 is acting up again.", 1
    )
    assert "might look off" in rewrite("It might look off at 9:00.", 1, without="state_note")


def test_a_double_negation_is_not_made() -> None:
    assert "nothing looks off" in rewrite("I checked at 9:00 and nothing looks off.", 3)


def test_vague_numbers_are_noted_after_their_noun() -> None:
    assert rewrite("Some of the boxes from Ana are wet.", 1).startswith(
        "Some of the boxes (which ones is not stated) from"
    )
    assert "a few days" in rewrite("It took a few days, 3 in all.", 1)


def test_a_named_thing_gets_no_note_which_one() -> None:
    assert "which one" not in rewrite("The report for PAY-212 is late. Please add the Q3 report by 5 pm.", 3)


def test_a_question_behind_a_comma_becomes_a_sentence_at_level_2() -> None:
    assert ". Can you check it" in rewrite("The totals for March do not match, can you check it by 5 pm", 2)


def test_a_message_in_lower_case_gets_capitals_and_a_mark() -> None:
    assert rewrite("the lift in block c works again. i told ana at 9:00", 1, without="no_action").startswith(
        "The lift in block c"
    )
    assert " I told" in " " + rewrite("ana asked. i told her at 9:00", 1)


def test_quoted_words_code_and_addresses_stay() -> None:
    message = 'Please add "asap, the thing looks weird" and `soon` to https://x.org/later/soon by 5 pm.'
    for intensity in (1, 2, 3):
        result = rewrite(message, intensity)
        assert '"asap, the thing looks weird"' in result
        assert "`soon` to https://x.org/later/soon" in result


def test_a_clear_message_stays_at_level_1() -> None:
    message = (
        "The 502 errors came from the auth service after the v3.8.1 deploy; Ana rolled it back at 14:20."
    )
    assert rewrite(message, 1) == message


def test_every_level_changes_more_than_the_one_below() -> None:
    message = "the thing is down again, someone should probably look at it soon"
    results = [rewrite(message, intensity) for intensity in (1, 2, 3)]
    assert len({message, *results}) == 4
    assert [len(result) for result in results] == sorted(len(result) for result in results)


@pytest.mark.slow
def test_every_edit_of_the_corpus_keeps_the_facts_and_applies() -> None:
    for message in messages():
        for edit in clarify.propose(message):
            assert script.keeps_facts(message, edit), (message, edit)
        for intensity in (1, 2, 3):
            rewrite(message, intensity)


def test_there_are_few_rules() -> None:
    rules = {edit.rule for message in messages() for edit in clarify.propose(message)}
    assert 20 < len(rules) <= 60


@pytest.mark.parametrize(
    "message", ["", " ", "\n\n", "...", "- ", "“", "İ" * 9, "a", "🙂", "明日の会議", "1. "]
)
def test_any_text_is_accepted(message: str) -> None:
    for edit in clarify.propose(message):
        script.apply(message, [edit])


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "!",
        '"',
        "“",
        "so we ",
        "really ",
        "the thing. ",
        "some of the boxes ",
        ", so we went",
        "i don't ",
        "is kind of ",
        "1. ",
    ],
)
def test_the_work_grows_with_the_length_of_a_hostile_text(unit: str) -> None:
    assert growth(clarify.propose, unit) < 9


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Can someone please check the totals by 5 pm?", "Who can check the totals by 5 pm?"),
        ("could somebody else send the list by 5 pm", "Who else could send the list by 5 pm?"),
        (
            "The totals differ, can anyone check them by 5 pm?",
            "The totals differ, who can check them by 5 pm?",
        ),
    ],
)
def test_a_question_whether_somebody_can_do_a_task_asks_who_can(message: str, expected: str) -> None:
    assert rewrite(message, 1) == expected


def test_a_question_for_an_answer_of_everybody_is_not_asked_of_one() -> None:
    assert rewrite("Can anyone confirm that they have the key by 5 pm?", 1).startswith("Can anyone confirm")
    assert rewrite("Can anyone come at 5 pm?", 1).startswith("Can anyone come")


def test_a_split_question_asks_who_can_too() -> None:
    result = rewrite("He took his numbers from the Q2 report, can someone check before 5 pm", 2)
    assert ". Who can check before 5 pm?" in result


def test_what_holds_until_an_event_gets_a_note_of_when_that_is() -> None:
    message = "Don't write to the table till Femi gives the ok."
    assert rewrite(message, 1) == f"{message} (When Femi gives the ok is not stated.)"
    assert "not stated" not in rewrite(f"{message} Should be at 15:00.", 3)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("We go on with the matter we discussed.", "the matter we discussed (not repeated here)"),
        ("Eun-ji needs something to get to the airport.", "needs something (what is not stated) to get"),
        ("Should we do plan B?", "plan B (what exactly is not stated)"),
        ("Customer has the old problem again.", "the old problem (which one is not stated) again"),
        ("Rania's thing has to be settled.", "Rania's thing (what exactly is not stated) has"),
        ("Friday's round went a bit sideways.", "went a bit sideways (in what way is not stated)"),
        ("someone move the thing by the entrance", "move the thing (what exactly is not stated) by"),
    ],
)
def test_more_vague_words_get_a_note(message: str, expected: str) -> None:
    assert expected in rewrite(message, 3)


def test_what_came_later_and_the_label_at_the_end_of_a_sentence_are_not_vague() -> None:
    assert "no time" not in rewrite("The one which came in later has gone.", 3)
    assert "(" not in rewrite("The shuttle stops at Gate D. Please walk from there at 9:00.", 1)


def test_the_only_oven_of_a_kitchen_is_noted_only_where_nothing_else_is_vague() -> None:
    assert "The oven (which one" in rewrite("The oven is cold.", 2)
    assert "The oven is" in rewrite("The oven is cold. The report is late.", 2)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("The guys say it is too small.", "The guys (who is not stated) say"),
        ("The gentleman was in about his account.", "The gentleman (name not stated) was"),
        ("My computer is doing the thing.", "doing the thing (what exactly is not stated)"),
        ("Those affected should get in touch.", "Those affected (who is not stated)"),
        ("We need something fresh for the launch.", "something fresh (what exactly is not stated)"),
        ("We're low again, order some more", "order some more (how many is not stated)"),
        ("Please take care of this for me.", "take care of this (how is not stated)"),
        ("The vet comes some time thurs to see them.", "some time thurs (the exact time is not stated)"),
        ("Breaks will be a bit different, ask Ana.", "a bit different (in what way is not stated)"),
        ("Don't use the old stuff.", "the old things (which ones is not stated)"),
    ],
)
def test_gaps_that_a_stranger_sees_get_a_note(message: str, expected: str) -> None:
    assert expected in rewrite(message, 3)


@pytest.mark.parametrize(
    ("message", "gap"),
    [
        ("The guys from Antwerp say it is too small.", "who is"),
        ("Anyone affected by the outage should call.", "who is"),
        ("The gentleman, Mr Haddad, was in about his account.", "name"),
        ("If something new comes up, call me.", "what exactly"),
        ("They will ask sooner or later.", "no date"),
        ("Reports go out on the usual date, 12 December.", "which one"),
        ("The printer place rang, they can do it by Friday.", "who is"),
        ("They are not happy about the noise.", "why"),
        ("Can you pull up the old case? It would be useful.", "Who should"),
    ],
)
def test_what_the_message_states_is_not_called_missing(message: str, gap: str) -> None:
    result = rewrite(message, 3)
    assert not [note for note in result.split("(")[1:] if note.startswith(gap)]
    assert "Who should" not in result


def test_a_guess_is_written_without_a_second_comma() -> None:
    assert "befor I think, without" in rewrite("Same table as befor I guess, without the totals.", 1)


def test_a_bunch_of_those_keeps_its_of_and_goods_are_no_people() -> None:
    result = rewrite("a bunch of those came in damaged, put them with the others", 3)
    assert result.startswith("Several of those came in damaged")
    assert "(who is" not in result


def test_the_lady_by_the_window_is_told_apart_by_it() -> None:
    assert "the window (" not in rewrite("Can you check on the lady by the window?", 3)
    assert "Not our call (" not in rewrite("Not our call, it came from above.", 3)


def test_some_of_things_that_stand_before_are_noted() -> None:
    message = "The samples need moving before 5 pm. Some are Ana's."
    assert "Some (which ones is not stated) are Ana's" in rewrite(message, 2)
    assert "Some (which" not in rewrite("The samples are here. Some are Ana's, others are mine.", 2)
