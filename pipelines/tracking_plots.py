"""The two plots of an ended experiment in MLflow: the evidence over time, and the effect on every metric."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments import metrics
from experiments.effects import Better, Effect
from experiments.evidence import Point

if TYPE_CHECKING:
    from pipelines.tracking import EndedExperiment

_BLUE, _RED, _GRAY = "#2458a6", "#c0392b", "#777777"
# The axis ends here: with few users an interval may be a thousand times wider.
_WIDEST = 2.2
_LONGEST_TITLE = 70


def draw_effect(figure: Figure, experiment: "EndedExperiment") -> None:
    """The win rate side by side and the effect on the primary metric, at each analysis."""
    primary, margin = str(experiment.plan["primary"]), float(experiment.plan["harm_margin"])
    better = _read_directions(experiment.plan)
    band = f"{1 - float(experiment.plan['alpha']):.0%}, at all analyses at once"
    above, below = figure.subplots(2, 1, sharex=True)
    figure.suptitle(f"{_shorten_title(experiment)}: {experiment.status.replace('_', ' ')}")
    _draw_over_time(above, experiment.win_rates, band)
    above.axhline(0.5, color=_GRAY, linestyle=":", label="chosen equally often")
    above.set(title="Side by side", ylabel=f"share that chose {experiment.challenger}", ylim=(0, 1))
    _draw_over_time(below, experiment.effects, band)
    below.axhline(0, color=_GRAY, linestyle=":", label="no difference")
    harm = -margin if better[primary] == "higher" else margin
    below.axhline(harm, color=_RED, linestyle="--", label=f"margin: a loss of {margin:g}")
    below.set(
        title="Between users",
        ylabel=f"{primary},\n{experiment.challenger} minus {experiment.baseline}",
        xlabel="time of the analysis (UTC)",
    )
    if experiment.effects:  # the first bands are very wide, so the last one sets the scale
        last = experiment.effects[-1]
        widest = 1.6 * max(abs(last.low), abs(last.high), margin)
        below.set_ylim(-widest, widest)
    if times := [*_to_utc(experiment.win_rates), *_to_utc(experiment.effects)]:
        margin_s = max((max(times) - min(times)) / 20, np.timedelta64(60, "s"))
        below.set_xlim(min(times) - margin_s, max(times) + margin_s)
    handles = {
        label: line
        for axes in (above, below)
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), fontsize=8
    )


def _to_utc(points: Sequence[Point]) -> NDArray[np.datetime64]:
    return np.array(
        [point.at.astimezone(UTC).replace(tzinfo=None) for point in points], dtype="datetime64[us]"
    )


def _shorten_title(experiment: "EndedExperiment") -> str:
    return textwrap.shorten(experiment.name, _LONGEST_TITLE, placeholder=" ...")


def _draw_over_time(axes: Axes, points: Sequence[Point], band: str) -> None:
    """Draw the values as a line within their intervals. A value holds until the next analysis."""
    if not points:
        axes.text(0.5, 0.25, "no data to compare yet", transform=axes.transAxes, ha="center", color=_GRAY)
        return
    times = _to_utc(points)
    low, high = [point.low for point in points], [point.high for point in points]
    axes.fill_between(times, low, high, step="post", color=_BLUE, alpha=0.15, label=band)
    axes.step(times, [point.value for point in points], where="post", color=_BLUE)
    last = points[-1]
    ends = [[last.value - last.low], [last.high - last.value]]
    axes.errorbar(times[-1:], [last.value], yerr=ends, fmt="o", color=_BLUE, capsize=4)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def draw_metrics(figure: Figure, experiment: "EndedExperiment") -> None:
    """The effect on every metric relative to the baseline's value; the guardrails and their margins are
    below.
    """
    assert experiment.evidence is not None, experiment.id
    users = experiment.evidence.challengers[experiment.challenger].between_users
    better = _read_directions(experiment.plan)
    primary = str(experiment.plan["primary"])
    guardrails = {name: metric for name, metric in users.metrics.items() if metric.margin is not None}
    others: dict[str, Effect | None] = {primary: users.primary}
    others |= {name: metric.effect for name, metric in users.metrics.items() if name not in guardrails}
    margins = {name: metric.margin for name, metric in guardrails.items() if metric.margin is not None}
    above, below = figure.subplots(
        2, 1, height_ratios=(len(others) + 1, len(guardrails) + 1), sharex=True, squeeze=True
    )
    figure.suptitle(
        f"{_shorten_title(experiment)}: {experiment.challenger} relative to {experiment.baseline}"
    )
    _draw_relative_effects(above, others, {primary: float(experiment.plan["harm_margin"])}, better)
    guardrail_effects = {name: metric.effect for name, metric in guardrails.items()}
    _draw_relative_effects(below, guardrail_effects, margins, better)
    above.set_title("Metrics; the primary one at the top")
    below.set(title="Guardrails", xlabel="difference / value of the baseline; |: a loss of the margin")
    largest = max((abs(x) for axes in (above, below) for x in axes.dataLim.intervalx), default=0.0)
    limit = min(_WIDEST, max(0.1, 1.1 * largest)) if math.isfinite(largest) else _WIDEST
    below.set_xlim(-limit, limit)
    below.xaxis.set_major_formatter(lambda share, _: f"{share:+.0%}" if share else "0")


def _draw_relative_effects(
    axes: Axes,
    effects: Mapping[str, Effect | None],
    margins: Mapping[str, float],
    better: Mapping[str, Better],
) -> None:
    """Draw one line for each metric, the first at the top. A metric without a relative effect gets a note."""
    axes.axvline(0, color=_GRAY, linestyle=":")
    for place, (name, effect) in enumerate(effects.items()):
        if effect is None or effect.relative is None or effect.relative_interval is None:
            note = "no data to compare yet" if effect is None else "the baseline's value is 0"
            axes.text(0.02, place, note, transform=axes.get_yaxis_transform(), va="center", color=_GRAY)
            continue
        ends = [
            [effect.relative - effect.relative_interval.low],
            [effect.relative_interval.high - effect.relative],
        ]
        axes.errorbar([effect.relative], [place], xerr=ends, fmt="o", color=_BLUE, capsize=4)
        if name in margins:
            loss = margins[name] / effect.baseline
            axes.plot([-loss if better[name] == "higher" else loss], [place], "|", color=_RED, markersize=16)
    arrows = {"higher": "more is better", "lower": "less is better"}
    axes.set_yticks(
        range(len(effects)), [f"{name}\n({arrows[better[name]]})" for name in effects], fontsize=8
    )
    axes.set_ylim(len(effects) - 0.4, -0.6)


def _read_directions(plan: Mapping[str, Any]) -> dict[str, Better]:
    own = {name: metric["better"] for name, metric in plan.get("own_metrics", {}).items()}
    return {name: metric.better for name, metric in metrics.load().items()} | own
