"""Summaries: what goes, what stays, and what a kept cut needs."""

from collections.abc import Sequence

import numpy as np
import pytest

from data.records import Need, Role
from models.edits import segments, shorten, summary
from models.edits.script import Change, Edit
from models.edits.segments import Segment
from models.edits.summary import anaphora, units
from tests.edits import growth
from tests.parts import decided

R, S, P, Q = Role.REQUEST, Role.SITUATION, Role.PLAN, Role.QUESTION
ASIDE, GREETING, CLOSING = Role.ASIDE, Role.GREETING, Role.CLOSING


def summarized(
    message: str,
    *roles: Role,
    light: str,
    risk: float = 0.02,
    intensity: int = 2,
    edits: Sequence[Edit] = (),
) -> str | None:
    """The summary of a message with the roles of its segments. `light` are words of the cuts, separated by a
    bar, that every summary keeps with the probability `risk`.
    """

    def weigh(places: Sequence[Segment]) -> np.ndarray:
        texts = [message[place.start : place.end] for place in places]
        is_light = [any(words in text for words in light.split("|")) for text in texts]
        return np.where(np.array(is_light)[:, None], risk, np.full(3, 0.95))

    roles = roles or (S,) * len(segments.split(message))
    parts = decided(message, *[(role, Need.CONTEXT) for role in roles])
    return summary.summarize(message, parts, weigh, edits, intensity)


def test_what_the_tagger_gives_up_goes_and_the_rest_stays() -> None:
    message = "The export is wrong. We laughed, too. Please fix it by Friday."
    assert summarized(message, light="laughed|too") == "The export is wrong. Please fix it by Friday."


def test_a_message_with_nothing_to_drop_has_no_summary() -> None:
    assert summarized("The export is wrong. Please fix it.", light="nothing", intensity=3) is None


def test_a_summary_that_is_hardly_shorter_is_none() -> None:
    message = (
        "The export of the list of all of the customers in the north of the country is wrong. Sigh. Fix it."
    )
    assert summarized(message, light="Sigh", intensity=1) is None


def test_a_cut_takes_its_facts_with_it_and_the_others_keep_theirs() -> None:
    message = "The export of 3 May is wrong. Ana told us 40 jokes. Please fix the export by Friday."
    text = summarized(message, light="jokes")
    assert text == "The export of 3 May is wrong. Please fix the export by Friday."


@pytest.mark.parametrize("place", ["https://files.example/a", "PAY-118", "#exports", "ana@nordhaven.example"])
def test_what_a_recipient_needs_to_find_something_stays(place: str) -> None:
    message = f"The export is wrong. I put it there, see {place} today. Please fix the thing by Friday."
    text = summarized(message, light="see", intensity=3)
    assert text is None or place in text


@pytest.mark.parametrize(
    ("message", "light"),
    [
        # a request
        ("The crew worked all night, so be nice to them. The bay is closed until Monday.", "be nice"),
        # whether anyone came to harm
        ("The lift got stuck on Monday. Nobody was hurt inside. The part is late, it is old.", "hurt"),
        # where something is
        ("The box broke. She sent us two, we keep those in the shared folder. We laughed.", "folder|laughed"),
        # what a change leaves as it was
        ("Dr Pham is away on the 12th. The morning goes ahead as planned. We were glad.", "ahead"),
        # the sentence that names the topic
        ("The flu jabs are late. We got 300 in May. There are 41 people booked.", "flu jabs"),
        # what a pronoun points to
        ("I was in the annex. Ana wrote a script for us. It takes ages on a laptop. Sigh.", "script"),
        # what the next sentence goes on with
        ("We have 61 keys. Nobody signed the list. So two are gone. The lock is old.", "signed"),
        ("Hotels were short. The first was full. The second took ninety. It rained.", "first was full"),
        # the question that an answer belongs to
        ("The refit is late. I did ask about one room, the answer was no. It rained.", "answer"),
    ],
)
def test_what_others_rest_on_or_a_recipient_needs_stays(message: str, light: str) -> None:
    text = summarized(message, light=light + "|rained|Sigh", intensity=3)
    assert text is None or light.split("|")[0] in text


def test_a_sentence_keeps_the_half_without_which_it_is_unfinished() -> None:
    message = (
        "The price is high. If you could look at it again, we would be pleased. The start stays 1 April."
    )
    text = summarized(message, light="pleased", intensity=3)
    assert text is None or "pleased" in text


def test_a_clause_without_a_subject_goes_with_its_subject() -> None:
    message = (
        "We saw three shops. Aroma is happy, wants 80 pots, will call us. Please send the list by Friday."
    )
    assert summarized(message, light="is happy|80 pots|call us") == (
        "We saw three shops. Please send the list by Friday."
    )
    text = summarized(message, light="is happy")
    assert text is None or "is happy" in text


def test_a_clause_goes_with_the_one_that_it_explains() -> None:
    message = "The scanner is new. We cleaned some vans, since they were there. Please use lane 6 today."
    assert summarized(message, light="cleaned|since") == "The scanner is new. Please use lane 6 today."
    assert (
        summarized(message, light="since")
        == "The scanner is new. We cleaned some vans. Please use lane 6 today."
    )


def test_an_entry_of_a_list_stays_whole_or_goes() -> None:
    message = (
        "Status:\n- dims are over\n- facts are half done, orders still to go\nPlease name a deputy today."
    )
    text = summarized(message, light="facts are half done", intensity=3)
    assert text is None or ("half done" in text) == ("orders" in text)


def test_opposite_statements_stay_together() -> None:
    message = "A reset may help. The vendor says yes, one customer says no. Please reset nothing. It rained."
    text = summarized(message, light="vendor|rained", intensity=3)
    assert text is None or ("vendor" in text) == ("customer" in text)


def test_a_higher_intensity_drops_more() -> None:
    message = (
        "The export is wrong. The weather was awful. A colleague told me about the fair. We had a long lunch"
        " with the team. I called the others. Please fix the export by Friday."
    )
    light = "weather|colleague|lunch|others"
    lengths = [
        len((summarized(message, light=light, risk=0.08, intensity=k) or message).split()) for k in (1, 2, 3)
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[2] < lengths[0]


def test_names_in_greetings_and_closings_stay_and_the_rest_of_them_goes() -> None:
    message = "Hi Ana, I hope you are well. The export is wrong. Please fix it.\n\nKind regards\nTom"
    text = summarized(message, GREETING, ASIDE, S, R, CLOSING, CLOSING, light="hope")
    assert text == "Hi Ana,\nThe export is wrong. Please fix it.\nTom"
    message = "Hi all, the export is wrong, and we laughed. Please fix it. Thank you so much!"
    text = summarized(message, GREETING, S, ASIDE, R, CLOSING, light="laughed")
    assert text == "The export is wrong. Please fix it."


def test_a_question_whose_end_is_dropped_keeps_its_mark() -> None:
    message = "The export is wrong. Can you fix it today, I had such a bad week? The tests are red."
    text = summarized(message, S, R, ASIDE, S, light="bad week", intensity=1)
    assert text == "The export is wrong. Can you fix it today? The tests are red."


def test_a_comma_between_two_clauses_that_stay_is_kept() -> None:
    message = (
        "The van is late because of the works, as always on a Monday, so we start at nine. Bring the keys."
    )
    text = summarized(message, light="as always", intensity=3)
    assert text == "The van is late because of the works, so we start at nine. Bring the keys."


def test_sentences_that_stay_become_shorter() -> None:
    message = "By the way, the export is wrong. We laughed, too. Please fix it by Friday."
    edits = [edit for edit in shorten.propose(message) if edit.rule == "shorten.filler"]
    assert summarized(message, light="laughed|too", edits=edits[:1]) == (
        "The export is wrong. Please fix it by Friday."
    )


def test_shorter_words_keep_whether_anyone_was_hurt() -> None:
    message = "The fire brigade came fast, nobody hurt. The night was long. Please be nice."
    start = message.index(", nobody")
    edit = Edit("shorten.aside", 1, (Change(start, start + len(", nobody hurt"), ""),))
    text = summarized(message, light="long", edits=[edit])
    assert text == "The fire brigade came fast, nobody hurt. Please be nice."


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
    assert summarized("I had tea. " * 300, light="tea", intensity=3) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["a-", "the a ", "it ", "A. ", "that is ", "'", "x.", "the others ", "   ", "in the a and it "]
)
def test_a_unit_of_twice_the_length_takes_about_twice_the_work(piece: str) -> None:
    def work(text: str) -> list[Edit]:
        unit = units.Unit(text, 0, len(text), frozenset({ASIDE}), 0.0, 0.0, True, False)
        assert len(unit.pronouns) <= 20
        assert (unit.words, unit.nouns, unit.says_nothing) is not None
        return []

    assert growth(work, piece) < 9
