import io

import pytest

from models import score_plots
from models.results import Estimate

HIGH, LOW = Estimate(mean=0.9, low=0.8, high=1.0), Estimate(mean=0.2, low=0.1, high=0.4)


def test_each_score_has_a_panel_with_the_labels_from_top_to_bottom():
    rows = [("v2: sft+dpo", {"meaning": HIGH, "copied": LOW}), ("v1: tagger", {"meaning": LOW})]
    figure = score_plots.draw_scores(rows, ("meaning", "copied"))
    meaning, copied = figure.axes
    assert [meaning.get_title(), copied.get_title()] == ["meaning", "copied"]
    assert [label.get_text() for label in meaning.get_yticklabels()] == ["v2: sft+dpo", "v1: tagger"]
    assert meaning.get_ylim()[0] > meaning.get_ylim()[1], "the first label is at the top"
    assert [len(axes.containers) for axes in (meaning, copied)] == [2, 1], "v1 has no second score"
    line, _, [interval] = meaning.containers[0]
    assert line.get_xydata().tolist() == [[0.9, 0.0]]
    assert interval.get_segments()[0][:, 0].tolist() == pytest.approx([0.8, 1.0])
    figure.savefig(io.BytesIO())


def test_differences_are_sorted_and_their_mean_is_below_them():
    figure = score_plots.draw_differences([0.3, -0.1, 0.2], Estimate(mean=0.133, low=-0.1, high=0.3), "loss")
    [axes] = figure.axes
    points = axes.get_lines()[0].get_xydata()
    assert points.tolist() == [[-0.1, 1], [0.2, 2], [0.3, 3]]
    mean = axes.containers[0][0].get_xydata()
    assert (mean[0, 0], axes.get_xlabel()) == (0.133, "loss")
    assert mean[0, 1] < points[:, 1].min()
    figure.savefig(io.BytesIO())
