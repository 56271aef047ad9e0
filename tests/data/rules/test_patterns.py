"""Patterns are RE2's: what it refuses is explained, and none is slow."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.rules import patterns
from data.rules.patterns import LONGEST, MOST_INSTRUCTIONS, RefusedPatternError, compile_pattern
from tests.edits import growth

# What makes other engines slow, and what fills RE2's memory.
HOSTILE = (
    "(a+)+$", "(a|aa)+$", "(a|a?)+$", "(.*a){20}", "(x+x+)+y", "[ab]*a[ab]{900}c", "(?s)(.*a.{200})*b",
    r"\pL+\d", "(?i)(あ|い)*う{500}", "((a?){20}){20}b", "(^|a)*$",
)  # fmt: skip
# A text that each of them has to read to its end.
TEXTS = ("a", "ab", "aab b", "漢字かな", "x" * 7 + "!")


@pytest.mark.parametrize(
    ("pattern", "fault", "part", "position"),
    [
        ("late(?=ly)", "re2_look_around", "(?=", 5),
        ("(?<!not )ok", "re2_look_around", "(?<!", 1),
        (r"(a)\1", "re2_back_reference", r"\1", 4),
        (r"a\q", "re2_escape", r"\q", 2),
        ("[a-", "re2_bracket", "[a-", 1),
        ("x[z-a]", "re2_class", "z-a", 3),
        ("(a", "re2_open", None, None),
        ("a)", "re2_closed", None, None),
        ("*a", "re2_nothing_repeated", "*", 1),
        ("a**", "re2_repetition_twice", "**", 2),
        ("a{1001}", "re2_repetition_size", "{1001}", 2),
        ("納期\\", "re2_backslash", "\\", 3),
        ("(?P<1 2>a)", "re2_group", None, None),
    ],
)
def test_what_re2_refuses_is_said_and_where(
    pattern: str, fault: str, part: str | None, position: int | None
) -> None:
    with pytest.raises(RefusedPatternError) as refused:
        compile_pattern(pattern, False)
    [why] = refused.value.reasons
    assert (why.code, why.values["fault"]) == ("pattern_refused", fault)
    if part is not None:
        assert why.values == {"fault": fault, "part": part, "position": position}
    assert fault not in why.render("en")
    assert fault not in why.render("ja")


@pytest.mark.parametrize("pattern", ["[ぁ-んァ-ヶ]{900}", r"\pL{1,50}"])
def test_a_pattern_that_is_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(RefusedPatternError) as refused:
        compile_pattern(pattern, False)
    assert refused.value.reasons[0].code in ("pattern_too_large", "pattern_refused_as_a_whole")


def test_what_is_forgotten_is_compiled_again() -> None:
    first = compile_pattern("forget me", False)
    assert compile_pattern("forget me", False) is first
    patterns.forget()
    assert compile_pattern("forget me", False) is not first


@pytest.mark.parametrize("pattern", HOSTILE)
@pytest.mark.parametrize("piece", TEXTS)
def test_the_time_of_a_search_grows_with_the_text_only(pattern: str, piece: str) -> None:
    """Of texts of 8,000 and 32,000 characters, since RE2 may take another engine for shorter ones."""
    compiled = compile_pattern(pattern, False)
    assert growth(lambda text: compiled.search(text * 4), piece) < 9


@settings(max_examples=200)
@given(st.text("ab()[]|*+?{}.^$\\0123,あ納", max_size=LONGEST))
def test_any_pattern_is_refused_or_bounded(pattern: str) -> None:
    try:
        compiled = compile_pattern(pattern, True)
    except RefusedPatternError:
        return
    assert compiled.programsize <= MOST_INSTRUCTIONS
    compiled.search("".join(random.Random(1).choices("ab納あ1", k=2_000)))
