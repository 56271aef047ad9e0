"""Plots for those who choose a metric: every row and series is there, also without values."""

import re

from experiments.aa_tests import AATest, Rate
from experiments.metric_choice import Gain
from serving.dashboard.metric_charts import draw_aa_tests, draw_gains

NOBODY = Rate(None, None, None)


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_metrics_with_and_without_rates_have_a_row() -> None:
    rate = Rate(0.05, 0.03, 0.08)
    tests = {
        "needed_work": AATest(300, 10, Rate(0.0, 0.0, 0.01), rate, Rate(0.2, 0.15, 0.25)),
        "rare": AATest(300, 300, NOBODY, NOBODY, None),
    }
    shown = texts(draw_aa_tests(tests, 0.05))
    assert {"needed_work", "rare", "splits with a winner"} < set(shown)
    assert {"confidence sequence", "fixed-horizon test", "answers as users"} < set(shown)


def test_gains_are_named_after_their_metrics() -> None:
    gain = Gain("needed_work", 0.5, 0.3, -0.3, -0.1, 0.01, 0.1, 0.15, 1.3, 0.7, 2.0)
    svg = draw_gains([gain, gain._replace(name="liked", gain=-0.2, gain_low=-1.0, gain_high=0.6)])
    assert {"needed_work", "liked", "gain, in detectable differences"} < set(texts(svg))
    assert "var(" not in svg
    assert draw_gains([]).startswith("<svg ")
