import json

import pytest

from data import corpus
from data.records import TransformType
from models.edits import references, script, writer
from tests.edits import growth, rewritten

EDITS = corpus.SEED / "edits" / "english.jsonl"
CLARIFY, BACKGROUND = TransformType.CLARIFY, TransformType.BACKGROUND


def noted(message: str, intensity: int = 3, transform_type: TransformType = CLARIFY) -> str:
    return rewritten(message, references.propose(message, transform_type), intensity)


def rules(message: str) -> set[str]:
    return {edit.rule.removeprefix("clarify.ref_") for edit in references.propose(message, CLARIFY)}


def messages() -> list[str]:
    return [json.loads(line)["text"] for line in EDITS.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("he called twice this morning", "He (who is not stated) called"),
        ("he's not happy, can you call him", "He (who is not stated) is not happy"),
        ("Please ask her about the keys", "ask her (who is not stated) about"),
        ("Still nothing from them today?", "from them (who is not stated) today"),
        ("The file is wrong but they'll send it again", "but they (who is not stated) will send"),
        ("Helen wants it changed", "wants it (what is not stated) changed"),
        ("it's still there, I thought you had removed it", "It (what is not stated) is still there"),
        ("Is it ready? The room is free now", "Is it (what is not stated) ready"),
        ("Don't put that in the plan yet", "put that (what is not stated) in the plan"),
        ("We don't work on site there anymore", "on site there (where is not stated) anymore"),
        ("The figures come from the other report", "the other report (which one is not stated)"),
        ("The second candidate was better", "The second candidate (which one is not stated)"),
        ("pls use the new one", "the new one (which one is not stated)"),
        ("It is slow, same as last time", "same as last time (what it was then is not stated)"),
        ("ok so it works on mine but not on his", "not on his (whose is not stated)"),
        ("Someone else has the key", "Someone else (who is not stated) has"),
        (
            "look at the late shift thing again",
            "the late shift thing (what exactly is not stated) again",
        ),
        ("did you get the thing I sent you?", "what I sent you (what exactly is not stated)?"),
    ],
)
def test_words_without_an_antecedent_get_a_note(message: str, words: str) -> None:
    assert words in noted(message)


@pytest.mark.parametrize(
    "message",
    [
        "It's cold in here",
        "It is late, let's stop",
        "It would be good to know",
        "It takes two hours",
        "It seems that nobody is in charge",
        "it's me again",
        "It's one shift, from six to two",
        "As Anna put it: we are late",
        "Can you tell me who they are?",
        "Make it to the station by nine",
        "Let's call it a day",
        "That's why I asked",
        "The customer called, he wants his money back",
        "Halvorsen knows why, ask him",
        "I talked to the bank and they said no",
        "Both suppliers called, tell them no",
        "The invoice is wrong, can you fix it?",
        "The file is old. It needs to be replaced by you.",
        "We have two offers. The first one is cheaper.",
        "I left my laptop in room 4, is it still there?",
        "There is a problem with the export",
        "Someone should lock the door",
        "If someone is ill, call me",
        "Can you check this? https://example.com/x",
        "The old server is slow, the new one is fast",
        "He/she signs on page 2 of the form",
        'The text says "send it to him" at the end',
        "Half of them thought so",
    ],
)
def test_words_that_name_nothing_or_have_an_antecedent_stay(message: str) -> None:
    assert noted(message) == message


def test_a_name_of_a_woman_is_no_antecedent_of_him() -> None:
    assert rules("Ingrid will send the list if that's ok with him") == {"person_other"}


def test_a_doubt_gets_a_rule_of_its_own() -> None:
    assert rules("If they ask, tell the customer no") == {"group_unsure"}


def test_a_message_gets_at_most_one_note_more_at_each_level() -> None:
    message = "She told me they need it by Friday"
    assert [noted(message, intensity).count("(") for intensity in (1, 2, 3)] == [1, 2, 3]


def test_the_same_referent_gets_one_note() -> None:
    assert noted("they moved it, ask them where it is").count("who is not stated") == 1


def test_two_proposers_write_one_note_at_one_place() -> None:
    message = "They said no to the offer, so we ask them again"
    for intensity in (1, 2, 3):
        result = rewritten(message, writer._PROPOSERS[CLARIFY](message), intensity)
        assert result.count("who is not stated") == 1


def test_a_note_stays_at_higher_levels_where_short_forms_are_written_in_full() -> None:
    message = "it's still there, I thought you had removed the file"
    for intensity in (1, 2, 3):
        result = rewritten(message, writer._PROPOSERS[CLARIFY](message), intensity)
        assert "It (what is not stated) is still there" in result


def test_background_notes_say_that_it_is_not_explained() -> None:
    message = "They said no to the second instalment."
    assert (
        noted(message, 1, BACKGROUND) == "They (who is not explained here) said no to the second instalment."
    )
    assert all(edit.rule.startswith("background.ref_") for edit in references.propose(message, BACKGROUND))


def test_the_last_sentence_says_who_acts_is_not_stated() -> None:
    message = "The booking is on the wrong account, it needs to go back before we close"
    assert noted(message, 2).endswith("before we close. Who does this is not stated here.")


def test_other_types_get_no_notes() -> None:
    for transform_type in set(TransformType) - {CLARIFY, BACKGROUND}:
        assert references.propose("He called", transform_type) == []


@pytest.mark.slow
def test_every_edit_of_the_corpus_keeps_the_facts_and_applies() -> None:
    for message in messages():
        for transform_type in (CLARIFY, BACKGROUND):
            for edit in references.propose(message, transform_type):
                assert script.keeps_facts(message, edit), (message, edit)
            for intensity in (1, 2, 3):
                noted(message, intensity, transform_type)


def test_there_are_few_rules() -> None:
    names = {edit.rule for message in messages() for edit in references.propose(message, CLARIFY)}
    assert 10 < len(names) <= 30


@pytest.mark.parametrize(
    "message", ["", " ", "\n\n", "...", "“", "İ" * 9, "it", "they", "🙂", "彼に聞いて", "1. "]
)
def test_any_text_is_accepted(message: str) -> None:
    for edit in references.propose(message, CLARIFY):
        script.apply(message, [edit])


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        *("a", '"', "it ", "they ", "sent it ", "he's ", "Anna he ", "his report, ", "the other x "),
        *("the first one ", "the the thing ", "it needs to be done ", "If they "),
    ],
)
def test_the_work_grows_with_the_length_of_a_hostile_text(unit: str) -> None:
    assert growth(lambda text: references.propose(text, CLARIFY), unit) < 9


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Build is red because of the flaky one.", "the flaky one (which one is not stated)"),
        ("yes for the first, for the second I have to ask", "for the first (which one is not stated), for"),
        ("We should get more of those before Friday", "more of those (what is not stated) before"),
        ("Do it like last year", "like last year (how it was then is not stated)"),
        ("same split as last quarter please", "Same split as last quarter (what it was then is not stated)"),
    ],
)
def test_one_of_several_and_earlier_times_get_a_note(message: str, words: str) -> None:
    assert words in noted(message)


def test_one_of_several_that_are_named_gets_no_note() -> None:
    assert "any_one" not in rules("Sell the blue kettles and not the grey one.")
    assert "those" not in rules("We sold the blue mugs. Get more of those.")
    assert "bare_ordinal" not in rules("There are two options. I am for the first.")


def test_a_lady_is_no_antecedent_of_him_and_a_gentleman_none_of_her() -> None:
    assert "He (who is not stated) said" in noted("The lady in room 3 was upset. He said to wait.")
    assert "who is not stated" not in noted("The lady in room 3 was upset. She said to wait.")
    assert "who is not stated" not in noted("The doctor was here. He said to wait.")


def test_a_place_that_rang_is_an_antecedent_of_them() -> None:
    assert "who is not stated" not in noted("the printer place rang, they can do it")
    assert "who is not stated" in noted("the printer is red, they can do it")


def test_several_other_things_are_noted_unless_some_were_named() -> None:
    assert "the other samples (which ones is not stated)" in noted("Please repeat it with the other samples.")
    assert "(" not in noted("Two samples are here, the other samples come on Friday.")


def test_a_role_in_the_sentence_is_who_is_meant() -> None:
    for message in ("Make sure that counsel has what she needs.", "The cellist says he is late."):
        assert "who is not stated" not in noted(message)


def test_what_a_message_begins_with_as_they_is_noted_at_every_intensity() -> None:
    for intensity in (1, 2, 3):
        result = noted("they've given us until the 5th", intensity, BACKGROUND)
        assert result == "They (who is not explained here) have given us until the 5th"
