import re

import pytest

from data.records import TransformType
from models.edits import writer
from models.edits.clarify import space
from models.edits.script import Change, Edit
from tests.edits import rewritten

_VAGUE = (
    "A resident called about the tree. The other thing is still open. Please take care of this. "
    "He wants the usual before the other meeting."
)


def rewrite(message: str, intensity: int) -> str:
    return rewritten(message, writer.propose(message, TransformType.CLARIFY) or [], intensity)


def note(message: str, words: str, rule: str, gap: str) -> Edit:
    start = message.index(words)
    return Edit(rule, 1, (Change(start, start + len(words), f"{words} ({gap})"),))


@pytest.mark.parametrize("intensity", [1, 2, 3])
def test_a_sentence_has_one_note_and_a_message_three(intensity: int) -> None:
    result = rewrite(_VAGUE, intensity)
    sentences = re.split(r"(?<=[.?!]) ", result)
    assert all(sentence.count("(") <= 1 for sentence in sentences)
    assert result.count("not stated") <= 4, "three notes, and what is named at the end"


def test_a_higher_intensity_has_more_notes() -> None:
    first, second, third = (rewrite(_VAGUE, intensity) for intensity in (1, 2, 3))
    assert len(first) < len(second) < len(third)


def test_the_note_that_matters_most_for_acting_is_made_first() -> None:
    message = "He wants some changes to the wording of it."
    edits = [
        note(message, "some changes", "clarify.quantity_note", "which ones is not stated"),
        note(message, "He", "clarify.ref_person", "who is not stated"),
    ]
    assert rewritten(message, space(message, edits), 1).startswith(
        "He (who is not stated) wants some changes"
    )
    assert "some changes (" not in rewritten(message, space(message, edits), 3)


def test_what_gets_no_note_is_named_at_the_end_at_level_3() -> None:
    message = "The guys say that the other one doesn't fit. It comes at 5 pm."
    assert rewrite(message, 3).endswith('What is meant by "the guys" is not stated either.')


def test_a_missing_deadline_is_noted_once() -> None:
    message = "Could you make the change? Opposing side would like it back fairly quickly."
    assert rewrite(message, 1).lower().count("by when") == 1


def test_a_usual_time_is_no_second_note_of_a_missing_deadline() -> None:
    result = rewrite("Can we get back to her within the usual time?", 1)
    assert result.count("not stated") == 1


def test_edits_without_notes_stay_as_they_are() -> None:
    edits = [Edit("clarify.abbreviation", 1, (Change(0, 3, "Please"),))]
    assert space("pls send the list by 5 pm", edits) == edits
    assert space("...", edits) == edits
