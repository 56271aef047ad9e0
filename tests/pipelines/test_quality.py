"""The figures of a snapshot's quality, which its page and the notebook on feedback show."""

from matplotlib.container import ErrorbarContainer

from data.reasons import reason
from data.snapshots.validation import Agreement, Bias, Limits, Quality
from pipelines import quality

LIMITS = Limits()
UNKNOWN = Agreement(
    alpha=None, low=None, high=None, units=2, unknown_because=reason("agreement_few", units=2, needed=30)
)
QUALITY = Quality(
    champion="v2",
    votes={"comparison": 40, "thumb": 90},
    left_out={"evidence": 7, "person": 1, "key": 0, "number": 0, "phrase": 0, "own_phrase": 0, "tied": 2},
    people_by_votes={1: 30, 4: 25},
    position=Bias(share=0.55, low=0.4, high=0.7, votes=40, people=30),
    length=Bias(share=None, low=0, high=1, votes=0, people=0),
    agreement={
        "thumbs": Agreement(alpha=0.4, low=0.2, high=0.6, units=50, unknown_because=None),
        "ratings": UNKNOWN,
        "comparisons": UNKNOWN,
    },
    types={"demonstrations": {}, "pairs": {"soften": 30}, "labels": {"clarify": 90}},
    intensities={"demonstrations": {}, "pairs": {1: 30}, "labels": {2: 90}},
    validation={"demonstrations": 0, "pairs": 3, "labels": 9},
    rejected_versions={"v1": 10, "v2": 20},
    duplicates=0,
    similarities=[0] * 20 + [8] + [0] * 19,
    near_duplicates=0,
    losing_facts={},
)


def test_the_page_and_the_figures_have_the_same_names() -> None:
    figures = quality.draw_figures(QUALITY, LIMITS, 40)
    template = quality._TEMPLATE.read_text(encoding="utf-8")
    assert all(f"{{{{ {name} }}}}" in template for name in figures)
    assert template.count("<img") == len(figures) == 4


def test_a_bias_and_an_agreement_have_their_intervals_and_what_is_unknown_is_named() -> None:
    left, right = quality.draw_judgement(QUALITY, LIMITS).axes
    (position,) = (mark for mark in left.containers if isinstance(mark, ErrorbarContainer))
    assert position.lines[0].get_xydata().tolist() == [[0.55, 0]]
    assert [label.get_text() for label in left.get_yticklabels()] == [
        "shown first\n40 votes",
        "longer\n0 votes",
    ]
    assert [text.get_text() for text in right.texts] == ["unknown", "unknown"]
    assert len(right.containers) == 1, "of thumbs"


def test_the_champion_is_named_and_not_only_coloured() -> None:
    left, _ = quality.draw_texts(QUALITY, LIMITS).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["v1", "v2 (champion)"]


def test_kinds_of_rows_differ_without_colour() -> None:
    left, _ = quality.draw_balance(QUALITY).axes
    hatches = [container.patches[0].get_hatch() for container in left.containers]
    assert len({*hatches}) == len(hatches) == 3


def test_a_measure_has_its_value_and_what_is_allowed() -> None:
    measures = {row.name: row for row in quality.list_measures(QUALITY, LIMITS)}
    assert measures["comparisons that chose the text shown first"].measured == (
        "55%, between 40% and 70% (40 votes of 30 people)"
    )
    assert measures["agreement of comparisons (alpha)"].allowed == "at least 0.10"
