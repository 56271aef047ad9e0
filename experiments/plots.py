"""Figures of an experiment that its pages do not have."""

from collections.abc import Sequence
from typing import Any

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from experiments.evidence import Dated

_BLUE, _ORANGE, _GRAY = "#2458a6", "#8a5a00", "#777777"


def draw_p_values(analyses: Sequence[Dated], challenger: str, alpha: float) -> Figure:
    """The p-values of the primary metric at each analysis with an effect, on a logarithmic axis: of a test
    for one analysis at a time that is fixed in advance, and of the confidence sequence, which holds at all
    analyses. A value below `alpha` is called a difference.
    """
    results = [(at, each.challengers.get(challenger)) for at, each in analyses]
    effects = [(at, result.between_users.primary) for at, result in results if result is not None]
    steps = [(at, effect) for at, effect in effects if effect is not None]
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    days = [float(date2num(at)) for at, _ in steps]  # type: ignore[no-untyped-call]
    naive, anytime = [effect.fixed_p for _, effect in steps], [effect.p for _, effect in steps]
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
