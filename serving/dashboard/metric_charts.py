"""Plots of metrics as SVG files of their own, in the style of the pages: for notebooks."""

from collections.abc import Mapping, Sequence

from experiments.aa_tests import AATest
from experiments.metric_choice import Gain
from serving.dashboard.charts import Ranged, draw_ranges, with_light_colours


def draw_aa_tests(tests: Mapping[str, AATest], alpha: float) -> str:
    """The share of random splits with a false winner, by metric and test. The dashed line is alpha."""
    series = {
        "confidence sequence": [Ranged(name, *test.by_interval) for name, test in tests.items()],
        "fixed-horizon test": [Ranged(name, *test.by_fixed) for name, test in tests.items()],
        "answers as users": [
            Ranged(name, *(test.by_part or (None, None, None))) for name, test in tests.items()
        ],
    }
    title = "Share of random splits of one arm in which a test names a winner"
    return with_light_colours(draw_ranges(series, title, "splits with a winner", [alpha], percent=True))


def draw_gains(gains: Sequence[Gain]) -> str:
    """The challenger's gain in each metric with its confidence sequence, in detectable differences."""
    rows = [Ranged(row.name, row.gain, row.gain_low, row.gain_high) for row in gains]
    title = "Gain of the challenger in each metric, with its confidence sequence"
    return with_light_colours(draw_ranges({"": rows}, title, "gain, in detectable differences", [0.0]))
