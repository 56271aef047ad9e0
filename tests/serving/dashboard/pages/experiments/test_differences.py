"""The marks of the differences between two rewrites."""

import pytest

from serving.dashboard.pages.experiments import mark_differences


def test_words_that_the_other_text_lacks_are_marked() -> None:
    baseline, challenger = "Fix it today.\nThank you.", "Please fix it today.\nThank you."
    assert mark_differences(baseline, challenger) == [("Fix ", True), ("it today.\nThank you.", False)]
    assert mark_differences(challenger, baseline) == [("Please fix ", True), ("it today.\nThank you.", False)]


@pytest.mark.parametrize("text", ["", " ", "  Two  spaces, \n and a line. ", "word " * 150])
def test_the_parts_are_the_text(text: str) -> None:
    assert "".join(part for part, _ in mark_differences(text, "Another one.")) == text


def test_a_long_text_has_no_marks() -> None:
    long = "word " * 10_000
    assert mark_differences(long, "other") == [(long, False)]
    assert mark_differences("other", long) == [("other", False)]
