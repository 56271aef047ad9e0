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
