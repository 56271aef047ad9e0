"""The differences of two texts: their marks, and that no character gets lost."""

import html
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import TransformType
from models.judge import Pair
from serving.differences import compare, mark, mark_differences, split, tabulate

# Texts of few words, so that both have much in common; with marks of HTML, and Japanese.
WORDS = [
    *("fix", "Fix", "it", "today", ".", ",", " ", "  ", "\n", "- ", "don't", "14:00", "<ins>", "</del>"),
    *("&amp;", "&", "直", "して", "ください", "ページ", "。", "é", "\0"),
]
texts = st.lists(st.sampled_from(WORDS), max_size=30).map("".join) | st.text(max_size=40)


def keep(marked: str, tag: str) -> str:
    """What is left of a marked text without the parts in a tag."""
    return html.unescape(
        re.sub(r"</?(?:ins|del)>", "", re.sub(f"<{tag}>.*?</{tag}>", "", marked, flags=re.S))
    )


@given(texts, texts)
def test_without_what_was_inserted_it_is_the_old_text_and_without_what_was_deleted_the_new_one(
    old: str, new: str
) -> None:
    marked = mark(old, new)
    assert keep(marked, "ins") == old
    assert keep(marked, "del") == new
    parts = compare(old, new)
    assert "".join(part.text for part in parts if part.kind != "insert") == old
    assert "".join(part.text for part in parts if part.kind != "delete") == new
    assert all(part.text for part in parts)
    assert (old == new) == all(part.kind == "equal" for part in parts)


@given(texts, texts)
def test_every_tag_in_a_marked_text_is_a_mark(old: str, new: str) -> None:
    marked = mark(old, new)
    assert "<" not in re.sub(r"</?(?:ins|del)>", "", marked)
    opened = re.findall(r"<(/?)(ins|del)>", marked)
    pairs = zip(opened[::2], opened[1::2], strict=True)
    assert all(first[0] == "" and last == ("/", first[1]) for first, last in pairs), "no mark within another"


@given(texts)
def test_the_tokens_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text


def test_tokens_are_words_and_runs_of_one_script() -> None:
    assert split("Don't pay $1,450 at 14:00.") == [
        *("Don't", " ", "pay", " ", "$", "1,450", " ", "at", " ", "14:00", "."),
    ]
    assert split("PAY-12のログイン画面を直す。") == [
        "PAY-12",
        "の",
        "ログイン",
        "画面",
        "を",
        "直",
        "す",
        "。",
    ]


@pytest.mark.parametrize(
    ("old", "new", "marked"),
    [
        ("Fix it today.", "Please fix it today.", "<del>Fix</del><ins>Please fix</ins> it today."),
        ("Same.", "Same.", "Same."),
        ("", "New.", "<ins>New.</ins>"),
        ("One point, two points.", "One point, and two points.", "One point, <ins>and </ins>two points."),
        # Two words that a replaced sentence has in common with the old one are not left between the marks.
        (
            "Send me the report. You never do.",
            "Send me the report. I rarely get it, and you know.",
            "Send me the report. <del>You never do</del><ins>I rarely get it, and you know</ins>.",
        ),
        (
            "金曜日までにログインページを直してください。",
            "お手数ですが、金曜日までにログイン画面を直していただけますか。",
            "<ins>お手数ですが、</ins>金曜日までに<del>ログインページを直してください</del>"
            "<ins>ログイン画面を直していただけますか</ins>。",
        ),
        ("1 < 2 & 3", "1 < 2 & 4", "1 &lt; 2 &amp; <del>3</del><ins>4</ins>"),
    ],
)
def test_the_marks_of_a_pair(old: str, new: str, marked: str) -> None:
    assert mark(old, new) == marked


def test_words_that_the_other_text_lacks_are_marked_on_each_side() -> None:
    baseline, challenger = "Fix it today.\nThank you.", "Please fix it today.\nThank you."
    assert mark_differences(baseline, challenger) == [("Fix", True), (" it today.\nThank you.", False)]
    assert mark_differences(challenger, baseline) == [("Please fix", True), (" it today.\nThank you.", False)]


def test_the_time_for_a_repeated_word_grows_like_the_product_of_both_lengths() -> None:
    """`difflib` needs 1.3 seconds for 400 equal words, and eight times as long for 800."""

    def measure(words: int) -> float:
        begin = time.process_time()
        compare("word other " * words, "word some other " * words)
        return time.process_time() - begin

    measure(100)
    short, long = min(measure(500) for _ in range(3)), min(measure(2000) for _ in range(3))
    assert long < 40 * short + 0.05, "sixteen times as much, not sixty-four times"


def test_a_table_has_both_texts_and_escapes_what_people_wrote() -> None:
    row = Pair("Fix <it>.", TransformType.SOFTEN, 2, "Please fix <it>.", "Could you fix <it>?")
    table = tabulate([row], "v1 & more", "v2")
    assert "<th>v1 &amp; more</th><th>v2</th>" in table
    assert "soften 2" in table
    assert "Fix &lt;it&gt;." in table
    assert "<del>Please</del> fix &lt;it&gt;<del>.</del>" in table
    assert "<ins>Could you</ins> fix &lt;it&gt;<ins>?</ins>" in table
    assert table.count("<tr>") == 2


def test_places_of_the_new_text_are_underlined_within_the_marks() -> None:
    marked = mark("Fix <b> by 5 pm.", "Please fix <b> by 5 pm & 6 am.", [(7, 10), (18, 22), (25, 29)])
    assert marked == (
        "<del>Fix</del><ins>Please <u>fix</u></ins> &lt;b&gt; by <u>5 pm</u><ins> &amp; <u>6 am</u></ins>."
    )
    assert mark("a b", "a b", [(0, 3)]) == "<u>a b</u>"
    across = mark("one two", "one three", [(2, 9)])
    assert across == "on<u>e </u><del>two</del><ins><u>three</u></ins>", "a place may go on into a change"


@given(texts, texts, st.sets(st.integers(0, 40), max_size=8))
def test_underlining_changes_nothing_else(old: str, new: str, ends: set[int]) -> None:
    inside = sorted(end for end in ends if end <= len(new))
    places = list(zip(inside[::2], inside[1::2], strict=False))
    underlined = mark(old, new, places)
    assert re.sub("</?u>", "", underlined) == mark(old, new)
    assert underlined.count("<u>") == underlined.count("</u>") >= len(places)
