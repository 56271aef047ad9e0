"""Plots of scores with their intervals. Free of torch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.results import Estimate

_BLUE, _GRAY = "#2458a6", "#777777"


def draw_scores(rows: Sequence[tuple[str, Mapping[str, Estimate]]], names: Sequence[str]) -> Figure:
    """One panel for each score, and in it one line for each label of `rows`, the first at the top: the mean
    and its 95 % interval. A label without a score has an empty line.
    """
    figure = Figure(figsize=(3 * len(names), 0.36 * len(rows) + 1.2), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        for place, (_, row) in enumerate(rows):
            if estimate := row.get(name):
                draw_estimates(axes, [estimate], [place], color=_BLUE, capsize=3)
        axes.set(
            title=name.replace("_", " "),
            yticks=range(len(rows)),
            yticklabels=[label for label, _ in rows],
            ylim=(len(rows) - 0.5, -0.5),
        )
        axes.grid(axis="x", alpha=0.3)
    figure.supxlabel("mean score and its 95 % interval", fontsize=9)
    return figure


def draw_differences(differences: Sequence[float], mean: Estimate, label: str) -> Figure:
    """The differences of the cases from the lowest to the highest, and below them their mean with its 95 %
    interval. `label` names the difference and its unit.
    """
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    places = range(1, len(differences) + 1)
    axes.plot(sorted(differences), places, "o", color=_GRAY, markersize=4)
    draw_estimates(axes, [mean], [-1], color=_BLUE, capsize=3)
    axes.axvline(0, color="black", linestyle=":")
    axes.set(
        xlabel=label,
        yticks=[-1, len(differences) / 2],
        yticklabels=[f"mean, 95 % interval:\n{mean}", f"{len(differences)} cases,\nsorted"],
        ylim=(-2.5, len(differences) + 1),
    )
    axes.grid(axis="x", alpha=0.3)
    return figure


def draw_estimates(
    axes: Axes, estimates: Sequence[Estimate], places: Sequence[float], fmt: str = "o", **style: Any
) -> None:
    """Draw the means and their intervals along the x axis, each at its place on the y axis.

    `fmt` and `style` are those of matplotlib's `errorbar`.
    """
    means = np.array([estimate.mean for estimate in estimates])
    lengths = [  # (2, estimates); rounding may put a mean just outside of its interval
        [max(0.0, estimate.mean - estimate.low) for estimate in estimates],
        [max(0.0, estimate.high - estimate.mean) for estimate in estimates],
    ]
    axes.errorbar(means, places, xerr=lengths, fmt=fmt, **style)
