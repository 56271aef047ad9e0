"""Figures of feedback and messages that `pipelines.quality` does not draw: how unequally people vote, and how
messages drift.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from data.snapshots.drift import ALARM, SHIFTING, Drift
from data.traffic import participation

_BLUE, _PALE, _GRAY = "#2458a6", "#dfe7f2", "#666666"


def draw_concentration(votes: Sequence[int]) -> Figure:
    """The share of all votes by the share of the voters that cast them, the most active first. `votes` is the
    number of votes of each person. NoFeedbackError without votes.
    """
    measured = participation.measure_concentration(votes)
    shares = participation.compute_lorenz(votes)
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(np.linspace(0, 1, len(shares)), shares, color=_BLUE, linewidth=2)
    axes.plot([0, 1], [0, 1], color=_GRAY, linestyle="--")
    axes.annotate("if all cast equally many", (0.6, 0.5), color=_GRAY)
    axes.plot([0.1], [measured.most_active], "o", color=_BLUE)
    axes.annotate(
        f"the most active\ntenth casts {measured.most_active:.0%}",
        (0.1, measured.most_active),
        xytext=(10, -4),
        textcoords="offset points",
        va="top",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
    axes.set_title(f"{measured.votes:,} votes of {measured.voters:,} voters (Gini {measured.gini:.2f})")
    axes.set_xlabel("share of the voters, the most active first")
    axes.set_ylabel("share of the votes")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_drift(ends: Sequence[datetime], drifts: Mapping[str, Sequence[Drift]]) -> Figure:
    """The stability index of each week by trait, with the limit below which chance can explain it.

    `ends` are the ends of the weeks of `drifts`. A filled marker is beyond chance. A week with too few
    messages has no marker.
    """
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    panels = figure.subplots(1, len(drifts), sharey=True, squeeze=False)[0]
    known = [week.psi for weeks in drifts.values() for week in weeks if week.psi is not None]
    for axes, (trait, weeks) in zip(panels, drifts.items(), strict=True):
        _draw_trait(axes, weeks)
        axes.set_title(trait)
        axes.set_xticks(range(len(ends)), [f"{end:%d %b}" for end in ends], rotation=45)
        axes.set_xlim(-0.4, len(ends) - 0.6)
        axes.set_xlabel("end of the week (UTC)")
    panels[0].set_ylim(0, 1.12 * max([ALARM, *known]))
    panels[0].set_ylabel("population stability index")
    for name, limit in (("shifting", SHIFTING), ("alarm", ALARM)):
        place = ("axes fraction", "data")
        panels[-1].annotate(name, (1.02, limit), xycoords=place, va="center", color=_GRAY)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _draw_trait(axes: Axes, weeks: Sequence[Drift]) -> None:
    psi = np.array([np.nan if week.psi is None else week.psi for week in weeks])
    chance = np.array([np.nan if week.chance is None else week.chance for week in weeks])
    places = np.arange(len(weeks))
    axes.fill_between(
        places, chance, step="mid", facecolor=_PALE, edgecolor="#b9c8de", hatch="///", linewidth=0,
        label="what chance can explain",
    )  # fmt: skip
    axes.plot(places, psi, color=_BLUE, marker="o", markerfacecolor="white", label="index")
    is_beyond = psi > chance
    axes.plot(
        places[is_beyond], psi[is_beyond], "o", color=_BLUE, linestyle="none", label="index beyond chance"
    )
    for limit in (SHIFTING, ALARM):
        axes.axhline(limit, color=_GRAY, linewidth=1, linestyle="--")
    if np.isnan(psi).all():
        axes.text(0.5, 0.5, "too few messages", transform=axes.transAxes, ha="center", color=_GRAY)
    axes.spines[["top", "right"]].set_visible(False)
