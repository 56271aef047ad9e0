import json

import pytest

from data import corpus
from models.edits import background, script
from tests.edits import growth, rewritten

EDITS = corpus.SEED / "edits" / "english.jsonl"


def rewrite(message: str, intensity: int, only: str = "") -> str:
    return rewritten(message, background.propose(message), intensity, lambda edit: only in edit.rule)


def messages() -> list[str]:
    return [json.loads(line)["text"] for line in EDITS.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("We're moving the release to 12 June.", "the reason for the move"),
        ("The pilot is postponed to Q3.", "the reason for the postponement"),
        ("The load test is cancelled for this week.", "the reason for the cancellation"),
        ("From Monday the side entrance stays locked after 18:00.", "the reason for the closure"),
        ("We will switch off the old endpoint on 30 April.", "the reason for switching it off"),
        ("From 31 December we will no longer accept paper receipts.", "the reason for the change"),
        ("Your proposal was not selected.", "the reason for the refusal"),
        ("We have decided to fill the post internally.", "the reason for the decision"),
        ("Novak raised the prices by 12%.", "the reason for the increase"),
        ("The shipment from Antwerp is late.", "the reason for the delay"),
        ("Legal wants the display changed.", "the reason for this wish"),
        ("Please don't print the password.", "the reason for this rule"),
        ("We had a short outage of the booking page this morning.", "the cause"),
    ],
)
def test_the_main_decision_gets_a_specific_note(message: str, reason: str) -> None:
    stem = message.rstrip(".")
    assert rewrite(message, 1, only="reason") == f"{stem} ({reason} is not stated)."
    capital = reason[0].upper() + reason[1:]
    assert rewrite(message, 2, only="reason").startswith(f"{message} {capital}")


@pytest.mark.parametrize(
    "message",
    [
        "We're moving the release to 12 June because testing took longer.",
        "We're moving the release to 12 June, as the tests are not done.",
        "We're moving the release to 12 June. The tests took longer than we thought.",
        "The tests took longer than we thought. We're moving the release to 12 June.",
        "We're moving the release to 12 June: too many open bugs.",
        "The release is postponed, there's a problem.",
        "Could you rename tmp2? I had to read it three times.",
        "The disk was full, so we moved the backup to 3 am.",
    ],
)
def test_a_message_that_may_give_the_reason_gets_no_note_of_it(message: str) -> None:
    assert "reason" not in rewrite(message, 3)


def test_sentences_that_give_no_reason_do_not_hide_that_it_is_missing() -> None:
    message = "The Danish pilot is postponed. Ana will send a new date. Please don't call the bank."
    assert "The Danish pilot is postponed (the reason for the postponement is not stated)." in rewrite(
        message, 1
    )


def test_a_condition_is_no_problem() -> None:
    assert "cause" not in rewrite("Please call Ana if the page is down.", 3)


def test_a_question_is_no_decision() -> None:
    assert "reason" not in rewrite("Who moved the bins to the yard?", 3)


def test_a_polite_request_gets_its_note_before_the_question_mark_at_level_1() -> None:
    result = rewrite("Could you send me the transcripts by Friday?", 1, only="reason")
    assert result == "Could you send me the transcripts by Friday (the reason for the request is not stated)?"


def test_a_date_that_is_given_is_not_called_missing() -> None:
    assert "the new date" not in rewrite("The pilot is postponed to 4 May.", 3)
    assert "the new date" in rewrite("The pilot is postponed.", 3)
    assert "until when" not in rewrite("Door C stays locked until Friday.", 3)


def test_an_absence_asks_who_stands_in_and_for_no_reason() -> None:
    assert "who stands in is not stated" in rewrite("Piotr is on leave.", 1)
    assert "stands in" not in rewrite("Piotr is on leave, ask Ana instead.", 3)


def test_references_to_what_an_outsider_does_not_know_are_noted() -> None:
    result = rewrite("Ludovic will be there at 9:00 about the thing from the town hall.", 3)
    assert "the thing (what exactly is not explained here) from the town hall" in result


def test_short_names_and_tickets_are_noted_as_not_explained() -> None:
    result = rewrite("The ETL run dropped rows because of PAY-212.", 3, only="term")
    assert (
        result == "The ETL (not explained here) run dropped rows because of PAY-212 (details not given here)."
    )


def test_without_another_note_the_message_offers_to_explain() -> None:
    message = "Thanks for the good work so far!"
    assert rewrite(message, 1) == f"{message} Please ask me if you need more background."


def test_the_offer_stands_before_the_signature() -> None:
    result = rewrite("We're moving the release to 12 June.\nBest regards,\nAna", 3)
    assert result.index("Please ask me") < result.index("Best regards")


def test_quoted_words_stay() -> None:
    message = 'Please add "We moved the release. The client is late" to the page.'
    assert '"We moved the release. The client is late"' in rewrite(message, 3)


def test_every_level_changes_more_than_the_one_below() -> None:
    message = "We're moving the release to 12 June."
    results = [rewrite(message, intensity) for intensity in (1, 2, 3)]
    assert len({message, *results}) == 4
    assert [len(result) for result in results] == sorted(len(result) for result in results)


def test_every_edit_of_the_corpus_keeps_the_facts_and_applies() -> None:
    for message in messages():
        for edit in background.propose(message):
            assert script.keeps_facts(message, edit), (message, edit)
        for intensity in (1, 2, 3):
            rewrite(message, intensity)


def test_there_are_few_rules() -> None:
    rules = {edit.rule for message in messages() for edit in background.propose(message)}
    assert 20 < len(rules) <= 60


@pytest.mark.parametrize(
    "message", ["", " ", "\n\n", "...", "- ", "“", "İ" * 9, "a", "🙂", "明日の会議", "1. "]
)
def test_any_text_is_accepted(message: str) -> None:
    for edit in background.propose(message):
        script.apply(message, [edit])


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "!",
        '"',
        "We moved it. ",
        "We moved it because. ",
        "Ana will ",
        "no more ",
        "hold ",
        "not ",
        "API ",
        "x, ",
        "is late ",
    ],
)
def test_the_work_grows_with_the_length_of_a_hostile_text(unit: str) -> None:
    assert growth(background.propose, unit) < 9


def test_that_nobody_came_is_no_rule() -> None:
    assert "this rule" not in rewrite("No one from product came to the visit.", 3)
