"""Summaries: what goes, what stays, and what a kept part needs."""

from collections.abc import Sequence

import pytest

from data.records import Need, Role
from models.edits import shorten, summary
from models.edits.script import Change, Edit
from models.edits.summary import anaphora, units
from tests.edits import growth
from tests.parts import decided

Label = tuple[Role, Need, int]
REQUEST, SITUATION = (Role.REQUEST, Need.NEED, 1), (Role.SITUATION, Need.CONTEXT, 1)
BESIDE, REASON = (Role.SITUATION, Need.CONTEXT, 2), (Role.REASON, Need.CONTEXT, 2)
ASIDE, GREETING = (Role.ASIDE, Need.NOTHING, 3), (Role.GREETING, Need.NOTHING, 3)
CLOSING, PLAN = (Role.CLOSING, Need.NOTHING, 3), (Role.PLAN, Need.CONTEXT, 2)
WEIGHTS = {1: 0.9, 2: 0.2, 3: 0.0}  # by the importance of a label


def summarized(
    message: str, *labels: Label, intensity: int = 2, edits: Sequence[Edit] = (), refuses: str = "\0"
) -> str | None:
    """The summary of a message with labels of its segments; a part with the words `refuses` has to stay."""
    weights = [WEIGHTS[importance] for _, _, importance in labels]
    return summary.summarize(
        message,
        decided(message, *labels),
        weights,
        edits,
        intensity,
        lambda edit, lean: refuses not in message[edit.start : edit.end],
    )


def test_asides_go_and_requests_stay() -> None:
    message = "The export is wrong. We laughed, too. Please fix it by Friday."
    assert summarized(message, SITUATION, ASIDE, REQUEST, intensity=1) == (
        "The export is wrong. Please fix it by Friday."
    )


def test_a_message_with_nothing_to_drop_has_no_summary() -> None:
    assert summarized("The export is wrong. Please fix it.", SITUATION, REQUEST, intensity=3) is None


def test_a_part_takes_its_facts_with_it_and_the_others_keep_theirs() -> None:
    message = "The export of 3 May is wrong. Ana told us 40 jokes. Please fix the export by Friday."
    text = summarized(message, SITUATION, BESIDE, REQUEST)
    assert text == "The export of 3 May is wrong. Please fix the export by Friday."


def test_what_a_recipient_needs_to_find_something_stays() -> None:
    for place in ("https://files.example/a", "PAY-118", "#exports", "ana@nordhaven.example"):
        message = f"The export is wrong. I put it there, see {place} today. Please fix the thing by Friday."
        text = summarized(message, SITUATION, BESIDE, REQUEST, intensity=3)
        assert text is None or place in text


def test_a_date_goes_only_with_what_is_over() -> None:
    over = "The lift is locked. The supplier came on Thursday and adjusted something. Please use the stairs."
    assert summarized(over, SITUATION, BESIDE, REQUEST) == "The lift is locked. Please use the stairs."
    ahead = "The lift is locked. The supplier comes on Thursday and adjusts something. Please use the stairs."
    assert summarized(ahead, SITUATION, BESIDE, REQUEST) is None


def test_a_summary_keeps_what_a_kept_part_refers_to() -> None:
    message = "The export is wrong. Ana wrote a script for it. It takes ages on my laptop. Please fix it."
    text = summarized(message, SITUATION, BESIDE, SITUATION, REQUEST)
    assert text is None or "Ana wrote a script" in text


def test_a_thing_that_is_known_keeps_the_part_that_introduces_it() -> None:
    message = "The import is slow. We keep a list of old files. Could you remove the list?"
    text = summarized(message, SITUATION, BESIDE, REQUEST, intensity=3)
    assert text is None or "We keep a list" in text


def test_a_summary_says_what_it_is_about() -> None:
    message = "I've been thinking about the fair. The weather was fine. Please book a stand."
    text = summarized(message, ASIDE, BESIDE, REQUEST, intensity=3)
    assert text == "I've been thinking about the fair. Please book a stand."


def test_an_empty_opening_is_not_what_a_message_is_about() -> None:
    message = "Sorry for the long mail. The scanner prints twice. Please press once and wait."
    assert summarized(message, ASIDE, SITUATION, REQUEST, intensity=1) == (
        "The scanner prints twice. Please press once and wait."
    )


def test_a_first_sentence_that_only_announces_keeps_the_next_one() -> None:
    message = (
        "I want to flag what occurred. A patient got a wrong bag of tablets. Please ask for the address."
    )
    assert summarized(message, SITUATION, BESIDE, REQUEST, intensity=3) is None


def test_a_contrast_is_not_torn_from_what_it_limits() -> None:
    message = "The search works now, but it fails with empty lists. Please test the whole page by Friday."
    assert summarized(message, SITUATION, BESIDE, REQUEST, intensity=3) is None


def test_a_clause_goes_with_the_one_that_it_explains() -> None:
    message = "The scanner is new. We tested some vans, since they were there. Please use lane 6 today."
    assert summarized(message, SITUATION, BESIDE, REASON, REQUEST) == (
        "The scanner is new. Please use lane 6 today."
    )


def test_a_clause_in_the_middle_of_another_one_stays() -> None:
    message = "The export is wrong. I know why the file, which came in late, has gone. Please fix the export."
    text = summarized(message, SITUATION, BESIDE, REQUEST, intensity=3)
    assert text is None or ("why the file" in text) == ("has gone" in text)


def test_opposite_statements_stay_together() -> None:
    message = "A reset may help. The vendor says yes, one customer says no. Please reset nothing."
    text = summarized(message, SITUATION, BESIDE, BESIDE, REQUEST, intensity=3)
    assert text is None or ("vendor" in text) == ("customer" in text)


def test_what_is_said_of_where_things_are_stays() -> None:
    message = (
        "The box is broken. She sent pictures, we keep those in the shared folder. Please order a new box."
    )
    text = summarized(message, SITUATION, BESIDE, BESIDE, REQUEST, intensity=3)
    assert text is None or "in the shared folder" in text


def test_a_condition_without_if_is_one_with_its_consequence() -> None:
    message = "The boat leaves at 7. Should you be late, we are afraid the boat cannot wait. Please be early."
    text = summarized(message, SITUATION, BESIDE, ASIDE, REQUEST, intensity=3)
    assert text is None or ("Should you be late" in text) == ("cannot wait" in text)


def test_a_sentence_of_a_word_stays_with_the_one_before_it() -> None:
    message = (
        "Stop promising dates. The factory was late and guess who got the calls. Me. Please ask me first."
    )
    text = summarized(message, REQUEST, BESIDE, SITUATION, REQUEST, intensity=3)
    assert text is None or "Me. " not in text or "guess who" in text


def test_what_a_change_leaves_as_it_was_stays() -> None:
    message = (
        "Dr Pham is away on the 12th. The children's morning goes ahead. Please move the other patients."
    )
    assert summarized(message, SITUATION, BESIDE, REQUEST, intensity=3) is None


def test_a_part_that_the_tagger_refuses_to_drop_stays() -> None:
    message = "The export is wrong. We laughed, too. Please fix it by Friday."
    assert summarized(message, SITUATION, ASIDE, REQUEST, refuses="laughed") is None


def test_a_higher_intensity_drops_more() -> None:
    message = (
        "The export is wrong. The weather was awful. A colleague told me about the fair. Then we had lunch"
        " with the team. I called the others. Please fix the export by Friday."
    )
    labels = (SITUATION, ASIDE, BESIDE, BESIDE, PLAN, REQUEST)
    texts = [summarized(message, *labels, intensity=intensity) for intensity in (1, 2, 3)]
    lengths = [len((text or message).split()) for text in texts]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[2] < lengths[0]


def test_names_in_greetings_and_closings_stay_and_the_rest_of_them_goes() -> None:
    message = "Hi Ana, I hope you are well. The export is wrong. Please fix it.\n\nKind regards\nTom"
    labels = (GREETING, ASIDE, SITUATION, REQUEST, CLOSING, CLOSING)
    assert summarized(message, *labels) == "Hi Ana,\nThe export is wrong. Please fix it.\nTom"
    message = "Hi all, the export is wrong, and we laughed. Please fix it. Thank you so much!"
    assert summarized(message, GREETING, SITUATION, ASIDE, REQUEST, CLOSING) == (
        "The export is wrong. Please fix it."
    )


def test_a_question_whose_end_is_dropped_keeps_its_mark() -> None:
    message = "The export is wrong. Can you fix it today, I had such a bad week? The tests are red."
    text = summarized(message, SITUATION, REQUEST, ASIDE, SITUATION, intensity=1)
    assert text == "The export is wrong. Can you fix it today? The tests are red."


def test_sentences_that_stay_become_shorter() -> None:
    message = "By the way, the export is wrong. We laughed, too. Please fix it by Friday."
    edits = [edit for edit in shorten.propose(message) if edit.rule == "shorten.filler"]
    assert summarized(message, SITUATION, ASIDE, REQUEST, edits=edits[:1]) == (
        "The export is wrong. Please fix it by Friday."
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Please check it today.", "it"),
        ("The export is done, please check it.", None),
        ("For an empty list it still fails.", "it"),
        ("It is important that we wait.", None),
        ("I think that we should wait.", None),
        ("I can't accept that.", "that"),
        ("The others I have released.", "the others"),
        ("Then we wait.", "that"),
        ("Is there a lift?", None),
        ("Results are due at noon.", "that"),
        ("The caretaker says he'll lock it.", "it"),
    ],
)
def test_a_pronoun_without_a_noun_of_its_own_points_back(text: str, word: str | None) -> None:
    assert anaphora.pronouns(text) == ((word,) if word else ())


def test_nouns_are_the_last_words_of_noun_phrases() -> None:
    assert anaphora.heads("I talked about the new export button with Ana Lopes") == {"button", "Lopes"}
    assert anaphora.heads("They really like it and went home") == set()
    assert anaphora.heads("Just back from the council, we had 84 applications") == {
        "council",
        "applications",
    }


def test_a_pronoun_stands_for_nouns_of_its_kind() -> None:
    assert anaphora.can_stand_for("it", "export")
    assert not anaphora.can_stand_for("it", "drivers")
    assert not anaphora.can_stand_for("she", "blanket")
    assert anaphora.can_stand_for("she", "Ana")
    assert anaphora.can_stand_for("they", "supplier")


def test_a_message_of_very_many_parts_is_returned() -> None:
    message = "I had tea. " * 300
    assert summarized(message, *[ASIDE] * 300, intensity=3) is None


@pytest.mark.parametrize(
    "piece", ["a-", "the a ", "it ", "A. ", "that is ", "'", "x.", "the others ", "   ", "in the a and it "]
)
def test_a_part_of_twice_the_length_takes_about_twice_the_work(piece: str) -> None:
    def work(text: str) -> list[Edit]:
        unit = units.Unit(text, 0, len(text), frozenset({Role.ASIDE}), 0.0, True, False)
        assert len(unit.pronouns) <= 20
        assert (unit.words, unit.nouns, unit.introduced, unit.known, unit.says_nothing) is not None
        return []

    assert growth(work, piece) < 9


LIGHT = (Role.SITUATION, Need.CONTEXT, 3)


@pytest.mark.parametrize(
    "message",
    [
        # what is done already
        "We must tell the grid operator. Rahel did that this morning. The part is late. Please reset it.",
        # what the next sentence concludes from
        "We have 61 keys. Nobody signed the cupboard list. So two are gone. Please reset the lock.",
        # an entry of a series
        "Hotels were short. The first was full. The second took ninety. Please reset the list.",
        # what a later part speaks of
        "Fire in the bay. A battery was in a bag. This is the fourth battery. Please reset the alarm.",
        "The vans are new. We locked a cage. Nobody breaks the lock. Please reset the alarm.",
        # a question and its answers
        "The contract ends. We asked people in a survey. Many guests replied. Please reset the list.",
        # whether anyone came to harm
        "The lift got stuck. Nobody was hurt inside. The part is late. Please reset the alarm.",
        # a condition
        "The lift got stuck. It works if nobody jumps. The part is late. Please reset the alarm.",
    ],
)
def test_a_finding_stays_that_others_rest_on(message: str) -> None:
    text = summarized(message, SITUATION, LIGHT, SITUATION, REQUEST, intensity=3)
    assert text is None or message.split(". ")[1] in text


def test_a_light_finding_goes() -> None:
    message = "The alarm rings. Some guests were rude to Farida. The part is late. Please reset it by Friday."
    assert summarized(message, SITUATION, LIGHT, SITUATION, REQUEST, intensity=3) == (
        "The alarm rings. The part is late. Please reset it by Friday."
    )


def test_a_talk_that_only_leads_in_goes() -> None:
    message = "We talked with the designer in the bar. The scene change takes long. Please bring the table."
    assert summarized(message, ASIDE, SITUATION, REQUEST) == (
        "The scene change takes long. Please bring the table."
    )


def test_shorter_words_keep_whether_anyone_was_hurt() -> None:
    message = "The fire brigade came fast, nobody hurt. The night was long. Please be nice."
    start = message.index(", nobody")
    edit = Edit("shorten.aside", 1, (Change(start, start + len(", nobody hurt"), ""),))
    text = summarized(message, SITUATION, SITUATION, ASIDE, REQUEST, edits=[edit])
    assert text == "The fire brigade came fast, nobody hurt. Please be nice."
