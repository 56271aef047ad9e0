"""The report as a plot of six panels."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.calibration.report import Estimate, Report

# The colours of Okabe and Ito, which colour-blind readers can tell apart. Lines differ in their markers, too.
_BLUE, _ORANGE, _GREEN, _RED, _GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
_LINE_COLOURS = (_BLUE, _ORANGE, _GREEN, _RED, "#CC79A7", "#56B4E9", "#000000", _GREY)
_MARKERS = "os^vD<>pPXh*"

Axes = Any  # matplotlib has no types


def plot(report: Report, file: Path) -> None:
    """Draw the report as a PNG file of 1600 by 950 pixels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 9.5), layout="constrained")
    (false_winners, coverage, decided), (first_analysis, sample_ratios, bandits) = figure.subplots(2, 3)
    _draw_false_winners(false_winners, report)
    _draw_coverage(coverage, report)
    _draw_decided(decided, report)
    _draw_first_analysis(first_analysis, report)
    _draw_sample_ratios(sample_ratios, report)
    _draw_bandits(bandits, report)
    figure.savefig(file, dpi=100)


def _draw_false_winners(axes: Axes, report: Report) -> None:
    """Draw the false winners of our interval and of both controls: a row for each setting."""
    results = report.settings.values()
    series = (
        ("our interval", _BLUE, "o", [result.shipped.aa_false_winner_rate for result in results]),
        (
            "fixed-horizon test, repeated",
            _ORANGE,
            "s",
            [result.naive_false_winner_rate for result in results],
        ),
        (
            "our interval, with the typical mistake",
            _RED,
            "X",
            [result.control_false_winner_rate for result in results],
        ),
    )
    for label, colour, marker, rates in series:
        points = [(rate.value, row) for row, rate in enumerate(rates) if rate]
        values, rows = np.array(points, dtype=float).T
        axes.plot(100 * values, rows, marker, color=colour, label=label)
    axes.axvline(5, color=_GREY, linestyle="--")
    axes.set(
        title="False winners in A/A experiments (dashed: 5 %)",
        xlabel="experiments with a winner, %",
        xlim=(-2, 102),
    )
    axes.legend(frameon=False, fontsize=8)
    _name_rows(axes, report)


def _draw_coverage(axes: Axes, report: Report) -> None:
    """Draw the coverage with both values of n_star: a row for each setting."""
    results = report.settings.values()
    for shift, label, colour, marker, characteristics in (
        (-0.12, "n_star of the plan", _BLUE, "o", [result.shipped for result in results]),
        (0.12, "n_star at the fixed-horizon sample", _GREEN, "D", [result.tied for result in results]),
    ):
        rows = [row + shift for row, figures in enumerate(characteristics) if figures]
        values, errors = _to_percent(figures.coverage for figures in characteristics if figures)
        axes.errorbar(values, rows, xerr=errors, fmt=marker, color=colour, label=label)
    axes.axvline(95, color=_GREY, linestyle="--")
    axes.set(
        title="True effect covered at every analysis (dashed: 95 %)",
        xlabel="experiments, %, with the Monte-Carlo interval",
    )
    axes.legend(frameon=False, fontsize=7, loc="upper left")
    _name_rows(axes, report)


def _draw_decided(axes: Axes, report: Report) -> None:
    """Draw the share of experiments with a decision, by sample size: a line for each setting."""
    for index, (name, result) in enumerate(report.settings.items()):
        _draw_line(axes, index, name, result.shipped.decided_by)
    axes.axvline(1.6, color=_GREY, linestyle="--")
    axes.axhline(80, color=_GREY, linestyle=":")
    axes.set(
        title="Decided (targets: half by 1.6, 80 % by 2.5)",
        xlabel="users, in fixed-horizon samples",
        ylabel="experiments with a decision, %",
    )
    axes.legend(frameon=False, fontsize=7, loc="lower right", bbox_to_anchor=(1, 0.22))


def _draw_first_analysis(axes: Axes, report: Report) -> None:
    """Draw the share of intervals that ever miss the effect, by users at the first analysis."""
    for index, (name, result) in enumerate(report.settings.items()):
        _draw_line(axes, index, name, result.shipped.missed_from)
    axes.axhline(5, color=_GREY, linestyle="--")
    axes.axvline(report.plan.minimum_users_an_arm, color=_GREY, linestyle=":")
    axes.set(
        title="Early first analyses (dashed: 5 %; dotted: the plan)",
        xlabel="users (votes) per arm before the first analysis",
        ylabel="experiments whose interval ever misses the effect, %",
        xscale="log",
        ylim=(0, 12),
    )
    axes.legend(frameon=False, fontsize=8, loc="upper right")


def _draw_sample_ratios(axes: Axes, report: Report) -> None:
    """Draw the share of alarms, by sample size: a line for each true split."""
    for (split, rates), colour, marker in zip(
        report.srm_power.items(), (_GREY, _ORANGE, _RED), _MARKERS, strict=False
    ):
        values, errors = _to_percent(rates.values())
        axes.errorbar(list(rates), values, yerr=errors, fmt=marker + "-", color=colour, label=split)
    axes.set(
        title="Sample ratio alarms, by true split",
        xlabel="users of both arms; an analysis after every 250",
        ylabel="experiments with an alarm, %",
        xscale="log",
    )
    axes.legend(frameon=False, fontsize=8)


def _draw_bandits(axes: Axes, report: Report) -> None:
    """Draw decision error against regret: a point for each rule and number of arms."""
    for (arms, rules), marker in zip(report.bandits.regret.items(), "os", strict=True):
        for (rule, regret), colour in zip(rules.items(), (_GREY, _BLUE, _ORANGE, _RED), strict=True):
            values, errors = _to_percent([report.bandits.decision_error[arms][rule]])
            label = f"{arms} arms, {rule}"
            axes.errorbar(regret.value, values, yerr=errors, fmt=marker, color=colour, label=label)
    axes.legend(frameon=False, fontsize=8, ncols=2)
    axes.margins(x=0.1, y=0.3)
    axes.set_ylim(bottom=0)
    axes.set(
        title="Bandits: regret and decision error",
        xlabel="regret: mean loss per user, in effects",
        ylabel="experiments whose best-looking arm is not the best, %",
    )


def _name_rows(axes: Axes, report: Report) -> None:
    """Name the rows of a panel after the settings, the first at the top."""
    axes.set_yticks(range(len(report.settings)), list(report.settings))
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)


def _draw_line(axes: Axes, index: int, name: str, shares: dict[Any, float]) -> None:
    """Draw one setting's shares in percent, with the colour and the marker of its index."""
    axes.plot(
        list(shares),
        [100 * share for share in shares.values()],
        color=_LINE_COLOURS[index % len(_LINE_COLOURS)],
        linestyle="-" if index < len(_LINE_COLOURS) else "--",
        marker=_MARKERS[index % len(_MARKERS)],
        markersize=4,
        label=name,
    )


def _to_percent(estimates: Iterable[Estimate]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of shape (estimates,), and the lengths of their error bars below and above, (2, estimates)."""
    bounds = [(estimate.value, estimate.low, estimate.high) for estimate in estimates]
    values, low, high = 100 * np.array(bounds, dtype=float).T
    return values, np.stack([values - low, high - values])
