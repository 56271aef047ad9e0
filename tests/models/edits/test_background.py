import json

import pytest

from data import corpus
from models.edits import background, script
from tests.edits import growth, rewritten

EDITS = corpus.SEED / "edits" / "english.jsonl"


def rewrite(message: str, intensity: int, only: str = "") -> str:
    return rewritten(
        message,
        background.propose(message),
        intensity,
        lambda edit: script.is_sure(edit) and only in edit.rule,
    )


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


def test_the_tagger_is_asked_where_a_reason_is_missing() -> None:
    message = "Vet decides, not the foreman. Do we have water? Blend from Hilltop at 60:40"
    notes = [edit for edit in background.propose(message) if edit.rule == "background.why_unsure"]
    assert [message[slice(*edit.words)] for edit in notes if edit.level == 1] == [
        "Vet decides, not the foreman.",
        "Blend from Hilltop at 60:40",
    ]
    first = script.apply(message, notes[:1])
    assert first.startswith("Vet decides, not the foreman (the reason is not stated). Do we")
    assert script.apply(message, notes[1:2]).startswith(
        "Vet decides, not the foreman. The reason for this is not stated here. Do we"
    )
    reasons = background.propose("Vet decides, not the foreman because of the lab.")
    assert not any(edit.rule == "background.why_unsure" for edit in reasons)


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("message", "gap"),
    [
        ("Login works again. Please log out once.", "what the problem was"),
        ("We're going with the Kestrel kit.", "the reason for the choice"),
        ("Line 2 stays off.", "the reason"),
        ("The other gate is no good.", "what is wrong with it"),
        ("The renewal isn't going the way we thought.", "what has gone differently"),
        ("The generator test is on Sunday at 08:00.", "the purpose of it"),
        ("We're not entering the cup this year.", "the reason for this decision"),
        ("The Thursday supplement ends with the issue of 26 March.", "the reason for this decision"),
        ("Nothing goes out of Hall 5 today.", "the reason for this rule"),
        ("From Monday no drinks on level 3.", "the reason for this rule"),
        ("Don't use the green forms any more.", "the reason for the change"),
    ],
)
def test_other_decisions_get_a_note_of_their_own(message: str, gap: str) -> None:
    assert f"({gap} is not stated)" in rewrite(message, 1)


@pytest.mark.parametrize(
    "message",
    [
        "Hi Chef, the new tablets leave marks on the glasses. May we go back to the old brand?",
        "Dear Mr Eze, your permit was issued for the wrong street. We will replace it.",
        "We're dropping the newsletter. Nobody reads it.",
        "We haven't decided on the voices yet.",
        "DB is up but read only.",
        "We need two more days for the sound mix.",
        "Call Marek if the flour doesn't turn up by 5.",
    ],
)
def test_a_reason_behind_a_greeting_and_what_is_no_decision_get_no_note_of_a_reason(message: str) -> None:
    result = rewrite(message, 3, only="reason")
    assert result == message


def test_a_reason_far_from_its_decision_or_without_a_verb_must_speak_of_a_trouble() -> None:
    plain = "We are going back to the old ink. Use up what is open. The covers are blue."
    assert "the reason for the change" in rewrite(plain, 1)
    assert "the reason" in rewrite("Night haulage is finished from Monday. Last truck out at 19:00.", 1)
    assert "the reason" not in rewrite("Night haulage is finished from Monday. Not enough drivers.", 1)
    trouble = "We are going back to the old ink. Use up what is open. The new one was too thin."
    assert "the reason for the change" not in rewrite(trouble, 3)


@pytest.mark.parametrize(
    ("message", "gap"),
    [
        ("After what happened with the smoke we do it without fire.", "what happened with the smoke"),
        ("Tuesday's decision stands.", "what was decided"),
        ("Following the incident we lock the yard.", "what happened"),
        ("Visits are allowed, same rules as last winter.", "what the rules were last winter"),
        ("The council took option C.", "what option C means"),
        ("The people from head office come at 7:30.", "the purpose of the visit"),
    ],
)
def test_what_a_message_mentions_as_known_is_called_not_stated(message: str, gap: str) -> None:
    assert gap in rewrite(message, 3).split("Not stated here: ")[-1]


def test_a_meeting_that_may_still_come_is_no_mention() -> None:
    assert "was said" not in rewrite("Monday's meeting is in room 4.", 3)


def test_a_question_for_what_happened_is_no_mention() -> None:
    assert "what happened is" not in rewrite("Can you tell me what happened?", 3)


def test_what_holds_until_an_event_gets_a_note_of_when_that_is() -> None:
    message = "We don't pay the printer until the second invoice is corrected."
    assert "when the second invoice is corrected" in rewrite(message, 3)
    assert "when the second" not in rewrite(f"{message} That should be on Friday.", 3)


def test_the_role_of_a_person_is_noted_only_behind_another_note() -> None:
    assert "ole of" not in rewrite("Piotr has the lock.", 3)
    assert "ow to reach" not in rewrite("For a new lock ask Hyun.", 3)
    assert "ole of" not in rewrite("Piotr has the report.", 1)
    assert "role of Piotr" in rewrite("Piotr has the report.", 3)
    for message in ("Our electrician Piotr has it.", "Piotr, you have the lock.", "The lock is here.\nPiotr"):
        assert "role of" not in rewrite(message, 3)


def test_above_level_1_the_note_stands_at_the_end_before_the_signature() -> None:
    message = "No orders until further notice. Open ones stay.\n\nThanks,\nRuth"
    for intensity in (2, 3):
        result = rewrite(message, intensity)
        assert result.index("Open ones stay.") < result.index("ot stated here") < result.index("Thanks")


def test_two_gaps_are_not_stated_together() -> None:
    result = rewrite("We're dropping the dark theme.", 2)
    assert result.endswith("The reason for this decision and who decided it are not stated here.")


def test_stressed_words_are_no_short_names() -> None:
    assert "not explained" not in rewrite("Who left the door open AGAIN at 9:00?", 3, only="term")


@pytest.mark.parametrize(
    ("message", "gap"),
    [
        ("we dont serve the house red anymore", "the reason for the change"),
        ("Pull the bear. All channels, today, by 5. The landing page too.", "the reason for this request"),
        ("The file share goes read only on 1 July.", "the reason for the change"),
        ("Lot 0417 is quarantined. Please list every run.", "the reason"),
        ("All trucks go via the western tunnel from 5:00.", "the reason for the change"),
        ("The board has agreed to change our year end. It will therefore be short.", "the reason for"),
        ("RFQ 219 withdrawn. No award.", "the reason"),
        ("The lift will be out of service tomorrow. Use the stairs or the goods lift.", "the cause"),
        ("The branch will remain open after all.", "the reason for the change"),
    ],
)
def test_a_decision_in_other_words_lacks_its_reason(message: str, gap: str) -> None:
    assert f"({gap}" in rewrite(message, 1)


@pytest.mark.parametrize(
    "message",
    [
        "That ladder is dodgy, dont use it.",
        "Funds are short. The board has therefore agreed to close the branch.",
        "Pull the bear, or the shop loses the contract.",
        "We're looking for a roof which children can't climb.",
        "I said no to this in the meeting.",
    ],
)
def test_a_reason_or_a_decision_of_others_in_other_words_is_read_too(message: str) -> None:
    assert "the reason" not in rewrite(message, 3)


def test_what_was_moved_in_a_clause_with_that_is_no_move() -> None:
    assert "the move" not in rewrite("Appointments that were moved to us can be moved back.", 3)


@pytest.mark.parametrize("until", ["until", "till", "til"])
def test_a_stated_end_is_not_called_missing(until: str) -> None:
    message = f"Nobody goes up on the roof {until} I've been there with the engineer."
    assert "until when" not in rewrite(message, 3)


def test_who_goes_up_somewhere_is_no_increase() -> None:
    assert "increase" not in rewrite("Nobody goes up on the roof of building C.", 3)
