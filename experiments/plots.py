"""Figures of an experiment that its pages do not have."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

_BLUE, _ORANGE, _GRAY = "#2458a6", "#8a5a00", "#777777"


def draw_p_values(
    at: Sequence[datetime], naive: Sequence[float], anytime: Sequence[float], alpha: float
) -> Figure:
    """The p-values of a difference at each analysis, on a logarithmic axis: of a test at a time that is fixed
    in advance, repeated at each analysis, and of the confidence sequence, which may be repeated. A value below
    `alpha` is called a difference.
    """
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    days = [float(date2num(moment)) for moment in at]  # type: ignore[no-untyped-call]
    for name, values, colour, style, mark in (
        ("test at a fixed time, repeated", naive, _ORANGE, "--", "s"),
        ("confidence sequence", anytime, _BLUE, "-", "o"),
    ):
        axes.plot(days, values, color=colour, linestyle=style, marker=mark, markersize=4, label=name)
    axes.axhline(alpha, color=_GRAY, linestyle=":")
    axes.annotate(
        f"called a difference below {alpha:g}", (0.99, alpha), xycoords=("axes fraction", "data"),
        ha="right", va="bottom", color=_GRAY, fontsize=9,
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(top=1.5)
    axes.set_ylabel("p-value of no difference")
    axes.set_xlabel("time of the analysis (UTC)")
    locator: Any = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.grid(axis="y", linewidth=0.4)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    return figure
