"""The published figures of the analysis are those that it has, and the labels are what the data card says."""

import json
import re
from typing import Any

import pytest

from data.reasons import LANGUAGES
from models.analysis import labels, measure

ROOT = measure.PAGE.parent.parent
PAGE, RULES = ((ROOT / name).read_text(encoding="utf-8") for name in ("analysis.md", "rules.md"))


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return measure.measure("test")


def test_the_published_figures_are_those_of_the_test_half(measured: dict[str, Any]) -> None:
    assert json.loads(measure.PAGE.read_text(encoding="utf-8")) == measured


def test_the_tables_of_the_page_are_those_that_the_command_prints(measured: dict[str, Any]) -> None:
    printed, page = list(filter(None, measure.tables(measured))), PAGE.splitlines()
    assert [line for line in printed if line not in page] == []
    with_figures = [line for line in page if line.startswith("|") and re.search(r"\d %|\d of \d", line)]
    assert [line for line in with_figures if line not in printed] == []


def test_the_sentences_of_the_pages_have_the_figures_that_the_command_prints(
    measured: dict[str, Any],
) -> None:
    pages = " ".join(f"{PAGE} {RULES}".split())
    assert [sentence for sentence in measure.sentences(measured) if sentence not in pages] == []


def test_the_page_states_the_published_speed() -> None:
    speed = json.loads((ROOT / "results" / "analysis_speed.json").read_text(encoding="utf-8"))
    english, japanese, longest, first = (speed[name] for name in ("en", "ja", "longest", "first"))
    page = " ".join(PAGE.split())
    assert (
        f"{english['analysis_ms']:.1f} ms for an English message and {japanese['analysis_ms']:.1f} ms for a"
        f" Japanese one, {longest['analysis_ms']:.0f} ms for 8,000 characters"
    ) in page
    assert f"takes {english['proselint_ms']:.1f} and {longest['proselint_ms']:.0f} ms in the same run" in page
    assert f"{first['seconds']:.0f} second and {first['mb']:.0f} MB" in page


def test_each_figure_is_better_than_the_usual_level(measured: dict[str, Any]) -> None:
    for language in LANGUAGES:
        for aspect, figures in measured[language]["levels"].items():
            assert figures["right"]["share"] > figures["always_the_usual"]["share"], (language, aspect)


def test_three_hundred_messages_are_labelled_and_half_of_them_only_measure() -> None:
    rows = labels.read()
    assert len(rows) == 300
    assert [sum(row.half == half for row in rows) for half in ("dev", "test")] == [149, 151]
    assert all(row.first.words.keys() == row.second.words.keys() for row in rows)
