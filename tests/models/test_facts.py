"""Facts: what a rewrite must not lose, names at the beginning of a sentence among them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import facts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Priya, PAY-123 is late. Marek's in Oslo.", ["Priya", "Marek", "Oslo"]),
        ("Will said yes. Will you?", ["Will"]),
        ("Mark it, then ask Mark.", ["Mark"]),
        ("May I have it by May 3? Hope so.", []),
        ("'Anna' and José, says Łukasz.", ["Anna", "José", "Łukasz"]),
        ("ask anna", []),  # a rewrite may spell it with a capital, and is_kept ignores case
        ("The order: ship it. Then wait. Please.", []),
        ("Jory asks Penrose. Tegen agrees.", ["Jory", "Penrose", "Tegen"]),  # as redaction calls people
    ],
)
def test_names_are_facts(text: str, expected: list[str]) -> None:
    assert [fact for kind, fact in facts.extract(text) if kind == "name"] == expected


def test_a_rewrite_that_drops_a_name_at_the_beginning_loses_it() -> None:
    assert facts.missing("Ravi, why is #482 merged?", "Could you say why #482 is merged?") == ["Ravi"]
    assert facts.missing("Ravi, why is #482 merged?", "Ravi, could you say why #482 is merged?") == []


PIECES = st.sampled_from(
    ["Anna", "O'Grady", "José", "PAY-12", "Friday", "14:30", "a@b.io", "#ops", "x_y", ". ", ", "]
)


@given(st.lists(PIECES | st.text(max_size=4), max_size=10))
def test_spans_do_not_overlap(parts: list[str]) -> None:
    spans = sorted(facts.spans(" ".join(parts)), key=lambda span: span.start)
    assert all(before.end <= after.start for before, after in pairwise(spans))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("By the 14th, room 3B, 30mm, flight 0620Z.", ["14th", "3B", "30mm", "0620Z"]),
        ("5k users, 5 % of 12,000, 3.5GB", ["5k", "5 %", "12,000", "3.5GB"]),
        ("明日は17時に3件、新しいv2.4はPAY-12です。", ["PAY-12", "v2.4", "17", "3"]),
    ],
)
def test_a_number_is_taken_with_what_is_written_on_to_it(text: str, expected: list[str]) -> None:
    assert [fact for _, fact in facts.extract(text)] == expected
    assert facts.missing(text, text) == []


def test_another_number_keeps_no_fact() -> None:
    assert facts.missing("room 3B by the 14th", "room 13B by the 14") == ["3B", "14th"]
    assert facts.missing("は17時に", "は117時に") == ["17"]


def test_a_japanese_fact_may_stand_next_to_a_number() -> None:
    assert facts.is_kept("10月15日", "10月15日10時30分より")
    assert facts.is_kept("関東", "全国8%に対し、3関東は12%です")
    assert not facts.is_kept("10月15日", "110月15日")


def test_many_facts_are_found_as_a_few_are() -> None:
    numbers = [str(number) for number in range(90, 490)]  # some begin as others do: 90 and 90.5
    text = ", ".join([*numbers[::2], "90.5", "1004", "Anna's"])
    wanted = [*numbers, "anna", "04"]
    assert facts.lost(wanted, text) == [fact for fact in wanted if not facts.is_kept(fact, text)]
    assert facts.lost(wanted, text) == [*numbers[1::2], "04"]
    words = {fact: f"N{fact}" for fact in [*numbers, "94, 96", "anna"]}
    replaced = facts.replace(text, words)
    assert replaced.startswith("N90, N92, N94, 96, N98, ")
    assert replaced.endswith("N488, 90.5, 1004, Nanna's")
