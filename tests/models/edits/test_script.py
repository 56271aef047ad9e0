import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import corpus
from models.edits import script
from models.edits.script import Change, Edit


def edit(level: int, *changes: tuple[int, int, str], rule: str = "test.rule") -> Edit:
    return Edit(rule, level, tuple(Change(*change) for change in changes))


def everything(_: Edit) -> bool:
    return True


def test_the_higher_level_wins_where_two_edits_touch_the_same_words() -> None:
    message = "Fix it."
    please, could = edit(1, (0, 3, "Please fix")), edit(2, (0, 3, "Could you fix"), (6, 7, "?"))
    assert script.apply(message, script.select([please, could], 1, everything)) == "Please fix it."
    assert script.apply(message, script.select([please, could], 3, everything)) == "Could you fix it?"


def test_a_refused_edit_leaves_its_place_to_the_next() -> None:
    please, could = edit(1, (0, 3, "Please fix")), edit(2, (0, 3, "Could you fix"), (6, 7, "?"))
    chosen = script.select([please, could], 3, lambda candidate: candidate is please)
    assert chosen == [please]


def test_edits_at_other_places_are_applied_together() -> None:
    message = "Fix it now. Send it now."
    edits = [edit(1, (0, 3, "Please fix")), edit(1, (12, 16, "please send")), edit(1, (20, 23, "today"))]
    assert (
        script.apply(message, script.select(edits, 1, everything))
        == "Please fix it now. please send it today."
    )


def test_two_insertions_at_one_place_do_not_fit_together() -> None:
    first, second = edit(1, (0, 0, "Hi, ")), edit(1, (0, 0, "Hello, "))
    assert script.select([first, second], 1, everything) == [first]


def test_a_sentence_is_written_once() -> None:
    note = ". The reason for this is not stated here."
    edits = [edit(2, (7, 8, note)), edit(2, (16, 17, note))]
    assert script.apply("Stop it. Send it.", script.select(edits, 2, everything)).count("The reason") == 1
    both = [edit(1, (7, 7, " (which one)")), edit(1, (16, 16, " (which one)"))]
    assert len(script.select(both, 2, everything)) == 2


def test_a_deletion_leaves_no_double_space_and_no_lonely_comma() -> None:
    message = "It is, honestly, late."
    assert script.apply(message, [edit(1, (7, 15, ""))]) == "It is, late."
    assert script.apply("just a test , really.", [edit(1, (0, 5, ""))]) == "a test , really."
    assert script.apply("It is late, honestly.", [edit(1, (12, 20, ""))]) == "It is late."
    assert script.apply("It is late - as you know - again.", [edit(1, (13, 24, ""))]) == "It is late - again."


def test_the_capital_of_a_deleted_start_goes_to_the_next_word() -> None:
    message = "You fool, and I mean it, the pump is off. Are you blind? We wait."
    start, aside, question = (0, 9, ""), (10, 24, ""), (42, 55, "")
    assert script.apply("By the way, it is late.", [edit(1, (0, 10, ""))]) == "It is late."
    assert script.apply(message, [edit(1, start)]).startswith("I mean it, the pump")
    assert script.apply(message, [edit(1, start), edit(1, aside)]).startswith("The pump is off.")
    assert script.apply(message, [edit(1, start, aside), edit(1, (34, 36, "was"))]).startswith("The pump was")
    assert script.apply(message.lower(), [edit(1, start)]).startswith("and i mean it")
    assert script.apply(message, [edit(1, question)]).endswith("the pump is off. We wait.")


def test_a_sentence_of_which_nothing_is_left_goes_with_its_mark() -> None:
    message = "It is off. You fool, are you blind? We wait."
    assert script.apply(message, [edit(1, (11, 20, "")), edit(1, (21, 34, ""))]) == "It is off. We wait."


def test_an_edit_that_loses_a_fact_is_found() -> None:
    message = "Send it by Friday."
    assert script.keeps_facts(message, edit(1, (0, 4, "Please send")))
    assert not script.keeps_facts(message, edit(1, (8, 17, "soon")))


@given(st.data())
def test_what_no_edit_touches_stays(data: st.DataObject) -> None:
    words = data.draw(st.lists(st.text("abcdef", min_size=1, max_size=6), min_size=1, max_size=12))
    message = " ".join(words)
    starts = [sum(len(word) + 1 for word in words[:i]) for i in range(len(words))]
    edits = [
        edit(data.draw(st.integers(1, 3)), (starts[i], starts[j] + len(words[j]), f"<{i}-{j}>"))
        for i, j in data.draw(
            st.lists(
                st.integers(0, len(words) - 1).flatmap(
                    lambda i: st.tuples(st.just(i), st.integers(i, len(words) - 1))
                ),
                max_size=6,
            )
        )
    ]
    chosen = script.select(edits, 3, everything)
    result = script.apply(message, chosen)
    replaced = {k for each in chosen for k, start in enumerate(starts) if each.start <= start < each.end}
    kept = [word for k, word in enumerate(words) if k not in replaced]
    assert [word for word in result.split() if not word.startswith("<")] == kept
    assert all(first.end <= second.start for first, second in pairwise(chosen))


@pytest.mark.slow
def test_only_edits_that_touch_a_fact_are_checked_and_none_is_missed() -> None:
    for original in corpus.read(corpus.SEED / "edits")[::7]:
        message = original.text
        words = [(match.start(), match.end()) for match in re.finditer(r"\S+", message)]
        edits = [edit(1, (start, end, text)) for start, end in words for text in ("", "x")]
        edits += [edit(1, (end, end, text)) for _, end in words for text in ("x", " (x)")]
        kept = [candidate for candidate in edits if script.keeps_facts(message, candidate)]
        assert script.keep_facts(message, edits) == kept
