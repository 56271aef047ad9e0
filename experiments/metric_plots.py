"""Figures of metrics: how their values are distributed over the units of each arm."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments import metrics
from experiments.metrics import Metric
from experiments.unit_values import Floats, UnitValues

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BARS, _MOST_WHOLE = 10, 25  # bars of a metric, and of one whose values are whole numbers
# The colours of Okabe and Ito, which colour-blind readers can tell apart; hatches differ, too.
_STYLES = (("#0072B2", ""), ("#E69F00", "///"), ("#009E73", "..."), ("#CC79A7", "xxx"))


def draw_distributions(units: UnitValues, measured: Mapping[str, Metric]) -> "Figure":
    """A panel for each metric: the units of each arm by their value, in percent, with the share of zeros.

    A metric with a cap is drawn without it, and a dashed line is the cap. Metrics without values of units
    (quantiles) are left out.
    """
    from matplotlib.figure import Figure

    shown = {name: metric for name, metric in measured.items() if name in units.numbers}
    figure = Figure(figsize=(5.2 * max(len(shown), 1), 3.6), layout="constrained")
    panels = figure.subplots(1, max(len(shown), 1), squeeze=False)[0]
    for axes, (name, metric) in zip(panels, shown.items(), strict=False):
        numbers = units.numbers[name if metric.cap is None else metrics.uncapped(name)]
        _draw(axes, units.variants, numbers.values(metric))
        axes.set(title=name, xlabel=metric.says, ylabel="users of the arm, %")
        if metric.cap is not None:
            axes.axvline(metric.cap, color="#333333", linestyle="--", label=f"cap: {metric.cap:g}")
        axes.legend(frameon=False)
    return figure


def _draw(axes: Any, variants: np.ndarray, values: Floats) -> None:
    edges = list_edges(values[~np.isnan(values)])
    arms = {str(arm): values[(variants == arm) & ~np.isnan(values)] for arm in np.unique(variants)}
    width = 0.8 * (edges[1] - edges[0]) / max(len(arms), 1)
    for place, ((arm, own), (colour, hatch)) in enumerate(zip(arms.items(), _STYLES, strict=False)):
        heights = 100 * np.histogram(own, edges)[0] / max(len(own), 1)
        centres = (edges[:-1] + edges[1:]) / 2 + (place - (len(arms) - 1) / 2) * width
        zeros = f"{arm}: {len(own)} users, {np.mean(own == 0):.0%} are 0" if len(own) else f"{arm}: no users"
        axes.bar(centres, heights, width, color=colour, hatch=hatch, edgecolor="white", label=zeros)


def list_edges(values: Floats) -> Floats:
    """The edges of bars of equal width for these values, with a bar around 0 and around each whole number if
    there are few.
    """
    low, high = min(0.0, values.min(initial=0.0)), values.max(initial=0.0)
    is_whole = bool(np.all(values == np.round(values))) and 1 <= high - low <= _MOST_WHOLE
    step = 1.0 if is_whole else float(high - low) / _BARS or 1.0
    first = np.floor(low / step)
    return step * (np.arange(first, np.ceil(high / step - 1e-9) + 2) - 0.5)
