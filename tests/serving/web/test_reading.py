"""How the page shows an analysis: levels with their certainty in words, and dates in the reader's form."""

from datetime import date
from typing import Any

import pytest

from data.reasons import Language
from models.analysis import analyse
from serving.gateway.routes import analysis
from serving.sites.words import Words
from serving.web import reading
from serving.web.reading import Aspect, Reading

MONDAY = date(2026, 11, 30)
HARSH = "Are you blind? Your report is useless. Send it again by Friday."


def answer(text: str) -> Any:
    """What the gateway answers."""
    return analysis.describe(analyse(text, MONDAY), text, "en").model_dump(mode="json")


def aspect(name: str, read: Reading) -> Aspect:
    """An aspect of a reading."""
    return next(each for each in read.aspects if each.name == name)


def test_a_likely_level_is_called_likely() -> None:
    tone = aspect("Tone", reading.from_analysis(answer(HARSH), Words("en")))
    assert (tone.level, tone.certainty, tone.needs_a_look) == ("Harsh", "very likely", True)


def test_a_level_that_its_words_show_says_so_where_it_is_not_the_likeliest() -> None:
    answered = answer("Fix it asap.")
    assert answered["priority"]["level"] == "urgent"
    assert answered["priority"]["probabilities"]["urgent"] < 0.5
    priority = aspect("Priority", reading.from_analysis(answered, Words("en")))
    assert (priority.level, priority.certainty) == ("Urgent", "perhaps: some of its words say so")
    answered["priority"]["because"] = []
    priority = aspect("Priority", reading.from_analysis(answered, Words("en")))
    assert priority.certainty == "perhaps: some readers would say so"


@pytest.mark.parametrize(
    ("probability", "certainty"),
    [(0.9, "very likely"), (0.899, "likely"), (0.5, "likely"), (0.499, "perhaps")],
)
def test_the_certainty_follows_the_probability_of_the_level(probability: float, certainty: str) -> None:
    answered = answer(HARSH)
    answered["tone"]["probabilities"]["harsh"] = probability
    shown = aspect("Tone", reading.from_analysis(answered, Words("en"))).certainty
    assert shown.partition(":")[0] == certainty


def test_a_level_of_which_there_is_no_probability_is_shown_by_its_words() -> None:
    answered = answer("Could you look at the export? No rush, whenever you have time.")
    assert answered["priority"]["level"] == "low"
    priority = aspect("Priority", reading.from_analysis(answered, Words("en")))
    assert (priority.level, priority.certainty) == ("Can wait", "perhaps: some of its words say so")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_date_of_a_deadline_is_in_the_readers_form(language: Language) -> None:
    words = Words(language)
    groups = reading.from_analysis(answer(HARSH), words).groups
    [due] = [group for group in groups if group.reason.code == "analysis_deadline_date"]
    assert due.words[0].text == "by Friday"
    sentence = str(words.reasons([due.reason]))
    assert words.day(date(2026, 12, 4)) in sentence
    assert "2026-12-04" not in sentence


def test_words_of_one_kind_with_the_same_date_are_one_group() -> None:
    groups = reading.from_analysis(answer("Send it by Friday. I need it by Friday."), Words("en")).groups
    [due] = [group for group in groups if group.reason.code == "analysis_deadline_date"]
    assert [word.text for word in due.words] == ["by Friday", "by Friday"]
