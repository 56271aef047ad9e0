"""Plots as SVG in the page, by matplotlib. A reader can select their text, a screen reader can read it, and
their colours follow the page, light or dark.
"""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup, escape

from experiments.evidence import Exposed, Point
from experiments.novelty import Point as DayPoint
from experiments.readings import EpochRow
from serving import sites

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Placeholder colours in matplotlib's output. `_to_svg` replaces them with variables of the style sheet.
_INK, _FAINT, _LINE, _FIRST, _SECOND, _GOOD, _BAD = (
    "#010203", "#010204", "#010205", "#010206", "#010207", "#010208", "#010209",
)  # fmt: skip
_COLOURS = {
    _INK: "ink", _FAINT: "faint", _LINE: "line", _FIRST: "one", _SECOND: "other", _GOOD: "good", _BAD: "bad",
}  # fmt: skip
_WIDE, _HIGH = 6.4, 2.9  # inches; 72 units each
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _FAINT,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "grid.color": _LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

BASE_STYLE = Path(sites.__file__).parent / "static" / "base.css"  # the colours are its custom properties

_drawing = Lock()


@contextmanager
def _apply_style() -> Iterator[None]:
    """Allow one drawing at a time: pages are made in threads, and matplotlib's style is global."""
    from matplotlib import rc_context

    with _drawing, rc_context(_STYLE), warnings.catch_warnings():
        # The text stays text in the SVG: the browser has fonts for scripts that matplotlib's font lacks.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        yield


def _make_figure(wide: float = _WIDE, high: float = _HIGH) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(wide, high), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.grid(axis="y", linewidth=0.6)
    return figure, axes


def _to_svg(figure: "Figure", description: str) -> Markup:
    """The figure as SVG; `description` is its text for screen readers."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    for colour, name in _COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    svg = re.sub(r"font: ([0-9.]+px)[^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r'^<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'^<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)
    svg = svg.replace("<svg ", f'<svg class="chart" role="img" aria-label="{escape(description)}" ', 1)
    return Markup(svg)  # noqa: S704 (matplotlib escapes the texts)


def with_light_colours(chart: str) -> str:
    """A chart in the colours of the light theme, for a notebook or a page without the dashboard's style."""
    styles = BASE_STYLE.read_text(encoding="utf-8")
    light: dict[str, str] = {}
    for name, colour in re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", styles):
        light.setdefault(name, colour)  # the dark theme follows the light one
    svg = re.sub(r"var\(--([a-z-]+)\)", lambda match: light[match[1]], str(chart))
    wide, high = re.findall(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', svg)[0]  # in points
    size = f'width="{wide}pt" height="{high}pt"'
    return svg.replace("<svg ", f'<svg {size} style="max-width: 100%; background: {light["card"]}" ', 1)


def _to_days(moments: Sequence[datetime]) -> list[float]:
    """Moments in matplotlib's unit: days since 1970."""
    from matplotlib.dates import date2num

    return [float(date2num(moment)) for moment in moments]  # type: ignore[no-untyped-call]


def _format_time_axis(axes: "Axes", first: float, last: float) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator: Any = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    if first < last:
        axes.set_xlim(first, last)


def draw_effect(
    points: Sequence[Point], description: str, ylabel: str, nothing: float = 0.0, percent: bool = False
) -> Markup:
    """A number over time with its confidence sequence; the dashed line at `nothing` means no difference. An
    empty chart without points.
    """
    from matplotlib.ticker import PercentFormatter

    with _apply_style():
        figure, axes = _make_figure()
        axes.set_ylabel(ylabel)
        if not points:
            return _to_svg(figure, description)
        at = _to_days([point.at for point in points])
        low, high = [point.low for point in points], [point.high for point in points]
        axes.fill_between(at, low, high, color=_FIRST, alpha=0.18, linewidth=0)
        axes.plot(at, [point.value for point in points], color=_FIRST, linewidth=1.8)
        axes.axhline(nothing, color=_FAINT, linewidth=1, linestyle=(0, (4, 3)))
        _format_time_axis(axes, at[0], at[-1])
        # Early intervals are many times wider than the effect: the frame cuts them off.
        half = len(points) // 2
        edges = [*low[half:], *high[half:], *(point.value for point in points), nothing]
        margin = 0.15 * (max(edges) - min(edges) or 1.0)
        axes.set_ylim(min(edges) - margin, max(edges) + margin)
        if percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        return _to_svg(figure, description)


def draw_days(
    points: Sequence[DayPoint], names: Sequence[str], description: str, xlabel: str, ylabel: str
) -> Markup:
    """The effect by day with its intervals. `names` are those of the days; empty where days are numbers."""
    from matplotlib.ticker import MaxNLocator

    with _apply_style():
        figure, axes = _make_figure(3.6, 2.6)
        lengths = [
            [point.difference - point.interval.low for point in points],
            [point.interval.high - point.difference for point in points],
        ]
        axes.errorbar(
            [point.day for point in points], [point.difference for point in points], yerr=lengths, fmt="o",
            color=_FIRST, markersize=4, capsize=2,
        )  # fmt: skip
        axes.axhline(0, color=_FAINT, linewidth=1, linestyle=(0, (4, 3)))
        if names:
            axes.set_xticks(range(len(names)), names)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        return _to_svg(figure, description)


def draw_exposures(
    counts: Sequence[Exposed],
    epochs: Sequence[EpochRow],
    names: tuple[str, str],
    description: str,
    ylabel: str,
) -> Markup:
    """Exposed users of both arms over time; a dotted line marks the start of each epoch."""
    with _apply_style():
        figure, axes = _make_figure()
        at = _to_days([count.at for count in counts])
        for name, colour, style, values in (
            (names[0], _SECOND, "--", [count.baseline for count in counts]),
            (names[1], _FIRST, "-", [count.challenger for count in counts]),
        ):
            axes.plot(at, values, color=colour, linestyle=style, linewidth=1.8, label=name)
        _format_time_axis(axes, at[0], at[-1])
        for epoch in epochs:
            if at[0] <= (began := _to_days([epoch.started_at])[0]) <= at[-1]:
                axes.axvline(began, color=_FAINT, linewidth=0.8, linestyle=":")
        axes.set_ylim(bottom=0)
        axes.set_ylabel(ylabel)
        axes.legend(frameon=False, loc="upper left", labelcolor=_INK)
        return _to_svg(figure, description)


_NARROW = 5.0  # inches: about the width of a phone, where text keeps its size

# Series differ in colour, line, marker and hatch, so that a reader can distinguish them without colour.
_SERIES = (
    (_FIRST, "-", "o", ""), (_SECOND, "--", "s", "///"), (_GOOD, "-.", "^", "..."), (_BAD, ":", "v", "xxx"),
    (_FAINT, "-", "D", "\\\\\\"),
)  # fmt: skip


class Ranged(NamedTuple):
    """A value with its interval, as a row of a plot; None means unknown."""

    name: str
    value: float | None
    low: float | None
    high: float | None


def draw_stacked(
    days: Sequence[datetime], counts: Mapping[str, Sequence[int]], description: str, ylabel: str
) -> Markup:
    """Counts of several kinds day by day, on top of each other."""
    from matplotlib.ticker import MaxNLocator

    with _apply_style():
        figure, axes = _make_figure(_NARROW, 3.0)
        at = _to_days(days)
        below = [0] * len(days)
        for (name, values), (colour, _, _, hatch) in zip(counts.items(), _SERIES, strict=False):
            heights = [value or float("nan") for value in values]  # a bar of height 0 would show an edge
            axes.bar(at, heights, 0.85, below, color=colour, alpha=0.3 if hatch else 1.0)
            face = "none" if hatch else colour
            axes.bar(
                at, heights, 0.85, below, color=face, edgecolor=colour, hatch=hatch, linewidth=0.6, label=name
            )
            below = [base + value for base, value in zip(below, values, strict=True)]
        _format_time_axis(axes, at[0] - 0.5, at[-1] + 0.5)
        axes.set_ylim(0, 1.05 * max(1, *below))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel(ylabel)
        figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=_INK)
        return _to_svg(figure, description)


def draw_lines(
    at: Sequence[datetime],
    series: Mapping[str, Sequence[float | None]],
    limits: Mapping[str, float],
    most: float,
    description: str,
    ylabel: str,
) -> Markup:
    """Several series over time with named limits; None is a gap.

    A value above `most` is drawn at `most`, because a jump would flatten the rest of the plot.
    """
    with _apply_style():
        figure, axes = _make_figure(_NARROW, 3.0)
        days = _to_days(at)
        for (name, values), (colour, style, mark, _) in zip(series.items(), _SERIES, strict=False):
            heights = [float("nan") if value is None else min(value, most) for value in values]
            axes.plot(
                days,
                heights,
                color=colour,
                linestyle=style,
                marker=mark,
                markersize=5,
                label=name,
                clip_on=False,
            )
        for name, limit in limits.items():
            axes.axhline(limit, color=_FAINT, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(name, (0.005, limit), xycoords=("axes fraction", "data"), ha="left", va="bottom",
                          color=_FAINT, fontsize=9)  # fmt: skip
        _format_time_axis(axes, days[0], days[-1])
        known = [value for values in series.values() for value in values if value is not None]
        axes.set_ylim(0, min(most, 1.15 * max([*known, *limits.values()])))
        axes.set_ylabel(ylabel)
        figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=_INK)
        return _to_svg(figure, description)


def draw_ranges(
    series: Mapping[str, Sequence[Ranged]],
    description: str,
    xlabel: str,
    limits: Sequence[float] = (),
    within: tuple[float, float] | None = None,
    percent: bool = False,
) -> Markup:
    """Values with their intervals, a row for each name, of one or more series; dashed lines are limits."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    names = list(dict.fromkeys(row.name for rows in series.values() for row in rows))
    with _apply_style():
        figure, axes = _make_figure(_NARROW, 0.9 + 0.34 * len(names) + 0.3 * (len(series) > 1))
        axes.grid(axis="x", linewidth=0.6)
        axes.grid(axis="y", visible=False)
        for place, ((label, rows), (colour, _, mark, _)) in enumerate(
            zip(series.items(), _SERIES, strict=False)
        ):
            shift = (place - (len(series) - 1) / 2) * 0.5 / len(series)
            known = [row for row in rows if row.value is not None]
            heights = [names.index(row.name) + shift for row in known]
            values = [row.value or 0.0 for row in known]
            lengths = [
                [max(0.0, value - (value if row.low is None else row.low))
                 for value, row in zip(values, known, strict=True)],
                [max(0.0, (value if row.high is None else row.high) - value)
                 for value, row in zip(values, known, strict=True)],
            ]  # fmt: skip
            axes.errorbar(
                values, heights, xerr=lengths, fmt=mark, color=colour, markersize=5, capsize=3,
                label=label,
            )  # fmt: skip
        for limit in limits:
            axes.axvline(limit, color=_FAINT, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        if within is not None:
            axes.set_xlim(*within)
        if percent:
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel(xlabel)
        if len(series) > 1:
            figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=_INK)
        return _to_svg(figure, description)


def draw_curves(
    series: Mapping[str, Sequence[tuple[float, float]]], description: str, xlabel: str, ylabel: str
) -> Markup:
    """Values by training step: (step, value) pairs by series."""
    with _apply_style():
        figure, axes = _make_figure(3.6, 2.3)
        for (name, points), (colour, style, mark, _) in zip(series.items(), _SERIES, strict=False):
            axes.plot(
                *zip(*points, strict=True), color=colour, linestyle=style, marker=mark, markersize=3.5,
                label=name,
            )  # fmt: skip
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        if len(series) > 1:
            axes.legend(frameon=False, labelcolor=_INK, fontsize=9)
        return _to_svg(figure, description)
