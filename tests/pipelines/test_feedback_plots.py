"""The figures of feedback show the numbers that they were given."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from data.snapshots.drift import Drift
from data.traffic.participation import NoFeedbackError
from pipelines import feedback_plots

ENDS = [datetime(2026, 11, 1, tzinfo=UTC) + timedelta(weeks=n) for n in range(3)]


def test_the_curve_begins_with_the_most_active_and_the_tenth_is_named() -> None:
    figure = feedback_plots.draw_concentration([1] * 9 + [11, 0])
    (axes,) = figure.axes
    curve = axes.lines[0].get_xydata()
    assert np.allclose(curve[:2], [[0, 0], [0.1, 0.55]])
    assert np.allclose(curve[-1], [1, 1])
    assert axes.get_title().startswith("20 votes of 10 voters")
    assert any("55%" in text.get_text() for text in axes.texts)


def test_nobody_is_no_curve() -> None:
    with pytest.raises(NoFeedbackError):
        feedback_plots.draw_concentration([])


def test_only_an_index_beyond_chance_is_filled() -> None:
    weeks = [Drift(10, 900, None, None, None), Drift(300, 900, 0.02, "steady", 0.08),
             Drift(300, 900, 0.4, "alarm", 0.08)]  # fmt: skip
    few = [Drift(10, 900, None, None, None)] * 3
    figure = feedback_plots.draw_drift(ENDS, {"length": weeks, "script": few})
    length, script = figure.axes
    filled = next(line for line in length.lines if line.get_label() == "index beyond chance")
    assert filled.get_xydata().tolist() == [[2, 0.4]]
    assert length.get_ylim()[1] > 0.4
    assert [text.get_text() for text in script.texts][:1] == ["too few messages"]
    assert [label.get_text() for label in length.get_xticklabels()] == ["01 Nov", "08 Nov", "15 Nov"]
