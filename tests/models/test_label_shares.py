"""Counts, shares and the plot of labels, by hand and against the page `docs/quality.md`."""

import pytest

from data.corpus import Label
from models import label_shares, labels
from tests.labelled import label_rewrite

LABELS: list[Label] = ["usable", "timid", "usable", "wrong"]
ROWS = [label_rewrite(label, number=number) for number, label in enumerate(LABELS)]
SHARES = label_shares.count_labels(ROWS, ["b", "b", "b", "a"])


def test_shares_by_hand() -> None:
    assert [(s.group, s.label, s.number, s.rewrites) for s in SHARES] == [
        ("b", "usable", 2, 3), ("b", "timid", 1, 3), ("b", "wrong", 0, 3), ("b", "broken", 0, 3),
        ("a", "usable", 0, 1), ("a", "timid", 0, 1), ("a", "wrong", 1, 1), ("a", "broken", 0, 1),
    ]  # fmt: skip
    assert SHARES[0].share.mean == pytest.approx(2 / 3)
    # Clopper and Pearson, for none of three.
    assert SHARES[2].share.high == pytest.approx(1 - 0.025 ** (1 / 3))
    with pytest.raises(ValueError, match="zip"):
        label_shares.count_labels(ROWS, ["a"])


def test_a_table_has_a_row_a_group_in_their_order() -> None:
    table = label_shares.tabulate(SHARES)
    assert list(table) == ["b", "a"]
    assert table["a"]["read"] == "1"
    assert table["a"]["wrong"] == "1 (100 %, 3 to 100)"  # 0.025 for one of one: Clopper and Pearson
    assert list(table["b"]) == ["read", "usable", "timid", "wrong", "broken"]


def test_the_shares_are_those_of_the_page_on_quality() -> None:
    rows = [row for row in labels.read_labels(labels.EDITS) if row.system == labels.CHAMPION]
    shares = label_shares.count_labels(rows, [row.system for row in rows])
    line = labels.tabulate(rows, [row.system for row in rows]).splitlines()[2]
    numbers = " | ".join(f"{100 * share.share.mean:.0f} %" for share in shares)
    assert f"| {shares[0].rewrites} | {numbers} |" in line


def test_the_plot_has_a_bar_a_label_without_colour_and_every_count() -> None:
    figure = label_shares.draw(SHARES, "Read")
    [axes] = figure.axes
    bars = [bar for bar in axes.patches if bar.get_width()]
    assert [round(bar.get_width(), 3) for bar in bars] == [0.667, 0.333, 1.0]
    hatches = [container.patches[0].get_hatch() for container in axes.containers[:4]]
    assert len(set(hatches)) == 4, "labels differ in their hatch"
    assert [text.get_text() for text in axes.texts] == ["2", "1", "1"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["b (3)", "a (1)"]
    assert "95 % interval" in axes.get_xlabel()
