"""The figure of a metric's values."""

import numpy as np
import pytest

from experiments.metric_plots import draw_distributions, list_edges
from experiments.metrics import Metric
from tests.experiments.test_aa_tests import make_units

SHARE = Metric(
    kind="ratio", of="complaints", per="answers", share=True, better="lower", says="share of answers"
)
AMOUNT = Metric(kind="mean", of="requests", cap=3, better="higher", says="requests of a user")


def test_whole_numbers_and_zero_have_a_bar_each() -> None:
    assert list_edges(np.array([0.0, 1.0, 3.0])).tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]
    shares = list_edges(np.array([0.0, 0.25, 1.0]))
    assert (shares[:2].tolist(), shares[-1]) == (pytest.approx([-0.05, 0.05]), pytest.approx(1.05))
    below = list_edges(np.array([-2.0, 0.0, 1.0]))
    assert (below[0], below[-1]) == (-2.5, 1.5)
    assert list_edges(np.array([])).tolist() == [-0.5, 0.5]
    assert len(list_edges(np.arange(0.0, 5000.0))) < 15


def test_each_arm_has_all_its_users_and_an_amount_shows_what_the_cap_cuts() -> None:
    units = make_units(
        6, variants=("v1", "v2"), share=([0, 1, 2, 0, 1, 1], [1, 1, 2, 2, 0, 1]),
        amount=([1, 2, 3, 3, 3, 3], np.zeros(6)), **{"amount~": ([1, 2, 9, 3, 5, 4], np.zeros(6))},
    )  # fmt: skip
    figure = draw_distributions(units, {"share": SHARE, "amount": AMOUNT, "latency": SHARE})
    share, amount = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["share", "amount"], "a quantile has no values"
    for axes in figure.axes:
        for bars in axes.containers:
            assert sum(bar.get_height() for bar in bars) == pytest.approx(100)  # type: ignore[attr-defined]
    labels = [text.get_text() for text in share.get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels == ["v1: 2 users, 50% are 0", "v2: 3 users, 33% are 0"], "one of v1 has no answer"
    assert share.get_xlabel() == "share of answers"
    assert amount.get_xlim()[1] > 9, "drawn without the cap"
    assert "cap: 3" in [text.get_text() for text in amount.get_legend().get_texts()]  # type: ignore[union-attr]
