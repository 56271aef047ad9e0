"""The page of a snapshot's quality: the verdict with its reasons, the measures with their limits, plots."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data.reasons import Reason
from data.records import TransformType
from data.snapshots.validation import Agreement, Bias, Limits, Quality
from pipelines import single_page

_TEMPLATE = Path(__file__).with_name("quality.html.j2")
# Colour and hatch of each file, so that a reader can distinguish them without colour.
_FILES = {"demonstrations": ("#2458a6", ""), "pairs": ("#d9822b", "///"), "labels": ("#9aa5b1", "...")}
_BLUE, _PALE, _LIMIT = "#2458a6", "#dfe7f2", "#b3392f"
_MOST_VERSIONS = 10  # on the plot: those with the most pairs


class Measure(NamedTuple):
    """A row of the page's table: what is measured, the value, and the allowed values, in words."""

    name: str
    measured: str
    allowed: str


def write_page(
    folder: Path, quality: Quality, reasons: Sequence[Reason], limits: Limits, votes_a_person: int
) -> Path:
    """Write `quality.html` to the snapshot's folder and return its path. The page holds no text of a message
    and no name of a person.
    """
    page = folder / "quality.html"
    figures = draw_figures(quality, limits, votes_a_person)
    single_page.write(
        page,
        _TEMPLATE,
        digest=folder.name,
        quality=quality,
        reasons=reasons,
        measures=list_measures(quality, limits),
        **{name: single_page.embed(figure) for name, figure in figures.items()},
    )
    return page


def draw_figures(quality: Quality, limits: Limits, votes_a_person: int) -> dict[str, Figure]:
    """The figures of the page: who voted, what the rows are about, how people judge, and the texts."""
    return {
        "people": draw_people(quality, votes_a_person),
        "balance": draw_balance(quality),
        "judgement": draw_judgement(quality, limits),
        "texts": draw_texts(quality, limits),
    }


def list_measures(quality: Quality, limits: Limits) -> list[Measure]:
    """The rows of the table."""
    return [Measure(*row) for row in _list_measures(quality, limits)]


def _list_measures(quality: Quality, limits: Limits) -> Iterable[tuple[str, str, str]]:
    rows = sum(quality.rows.values())
    position, length = _format_bias(quality.position), _format_bias(quality.length)
    yield "comparisons that chose the text shown first", position, _format_bias_limit(limits.position_bias)
    yield "comparisons that chose the longer text", length, _format_bias_limit(limits.length_bias)
    for kind, agreement in quality.agreement.items():
        allowed = f"at least {limits.least_agreement:.2f}" if kind == "comparisons" else ""
        yield f"agreement of {kind} (alpha)", _format_agreement(agreement), allowed
    name, share = quality.largest_type
    largest = f"{name}, {share:.0%} of {rows} rows" if rows else "no row"
    yield "the most frequent transform type", largest, f"at most {limits.most_of_one_type:.0%}"
    repeated = f"{quality.duplicates} of {rows}, {quality.duplicates / max(1, rows):.0%}"
    yield "rows that repeat another row", repeated, f"at most {limits.most_duplicates:.0%}"
    off_policy = "no champion or no pair" if quality.off_policy is None else f"{quality.off_policy:.0%}"
    allowed = f"at most {limits.most_off_policy:.0%}, or {limits.enough_on_policy} pairs on the policy"
    yield f"pairs off the champion's policy ({quality.champion or 'none yet'})", off_policy, allowed
    messages = sum(quality.similarities)
    near_duplicates = f"{quality.near_duplicates} of {messages}"
    yield "messages with nearly the same meaning as another", near_duplicates, "any; they share a split"
    for name, share in quality.losing_facts.items():
        texts = "demonstrations" if name == "demonstrations" else "chosen rewrites"
        yield f"{texts} that lose a fact of the message", f"{share:.0%}", ""
    held_out = ", ".join(f"{count} {name}" for name, count in quality.validation.items())
    yield "held-out rows", held_out, "some demonstrations or pairs"
    yield "votes left out because they tie held-out rows to the rest", str(quality.left_out["tied"]), ""
    evidence = str(quality.left_out["evidence"])
    yield "votes left out because their messages are for evidence only", evidence, ""
    person, key = quality.left_out["person"], quality.left_out["key"]
    yield (
        "votes left out because they exceed a cap",
        f"{person} beyond a person's, {key} beyond an API key's",
        "",
    )
    number, phrase = quality.left_out["number"], quality.left_out["phrase"]
    added = f"{number} a number, {phrase} a phrase that many other edits add"
    yield "edits left out because they add what no text contained", added, ""
    own_phrase = str(quality.left_out["own_phrase"])
    yield "votes left out because hardly anybody else votes on their unusual phrase", own_phrase, ""


def _format_bias(bias: Bias) -> str:
    if bias.share is None:
        return "no vote"
    votes = f"{bias.votes} votes of {bias.people} people"
    return f"{bias.share:.0%}, between {bias.low:.0%} and {bias.high:.0%} ({votes})"


def _format_bias_limit(limit: float) -> str:
    return f"{0.5 - limit:.0%} to {0.5 + limit:.0%}"


def _format_agreement(agreement: Agreement) -> str:
    if agreement.alpha is None:
        return f"unknown: {agreement.unknown_because}"
    interval = f"between {agreement.low:.2f} and {agreement.high:.2f}"
    return f"{agreement.alpha:.2f}, {interval} ({agreement.units} cases)"


def draw_people(quality: Quality, votes_a_person: int) -> Figure:
    """Counted votes by kind, and people by their number of counted votes, with the cap of a person."""
    figure = single_page.make_figure()
    left, right = figure.subplots(1, 2)
    bars = left.barh(list(quality.votes), list(quality.votes.values()), color=_BLUE)
    left.bar_label(bars, padding=3)
    left.margins(x=0.12)
    left.invert_yaxis()
    left.set_title("Counted votes")
    left.set_xlabel("votes")
    most = max([votes_a_person, *quality.people_by_votes])
    bins = np.linspace(0.5, most + 0.5, 1 + min(most, 40))
    right.hist([*quality.people_by_votes], bins, weights=[*quality.people_by_votes.values()], color=_BLUE)
    right.axvline(votes_a_person + 0.5, color=_LIMIT, linestyle="--", label=f"cap: {votes_a_person} votes")
    right.set_yscale("symlog", linthresh=1)
    right.yaxis.set_major_formatter("{x:.0f}")
    right.set_ylim(0, 2 * max(quality.people_by_votes.values(), default=1))
    right.legend(frameon=False)
    right.set_title("Votes per person")
    right.set_xlabel("counted votes of a person")
    right.set_ylabel("people (logarithmic)")
    return figure


def draw_balance(quality: Quality) -> Figure:
    """Rows by transform type and by intensity, and of which file they are."""
    figure = single_page.make_figure()
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    kinds = [kind.value for kind in TransformType]
    _draw_stacked_bars(left, kinds, {name: [quality.types[name].get(k, 0) for k in kinds] for name in _FILES})
    left.set_title("Rows by transform type")
    intensities = range(4)
    rows = {name: [quality.intensities[name].get(i, 0) for i in intensities] for name in _FILES}
    _draw_stacked_bars(right, [str(i) for i in intensities], rows)
    right.set_title("Rows by intensity")
    right.set_ylabel("intensity, 0 to 3")
    left.legend(frameon=False)
    return figure


def _draw_stacked_bars(axes: Axes, names: list[str], rows: dict[str, list[int]]) -> None:
    start = np.zeros(len(names))
    for name, counts in rows.items():
        colour, hatch = _FILES[name]
        axes.barh(names, counts, left=start, color=colour, hatch=hatch, edgecolor="white", label=name)
        start += counts
    axes.invert_yaxis()
    axes.set_xlabel("rows")


def draw_judgement(quality: Quality, limits: Limits) -> Figure:
    """The biases of place and length with what is allowed, and the agreement by kind of vote with the least
    that comparisons need, with their 95 % intervals.
    """
    figure = single_page.make_figure()
    left, right = figure.subplots(1, 2)
    biases = {
        "shown first": (quality.position, limits.position_bias),
        "longer": (quality.length, limits.length_bias),
    }
    for place, (bias, limit) in enumerate(biases.values()):
        left.barh(place, 2 * limit, left=0.5 - limit, height=0.7, color=_PALE, zorder=0)
        if bias.share is not None:
            _draw_interval(left, place, bias.share, bias.low, bias.high)
    left.axvline(0.5, color="gray", linestyle=":")
    left.set_xlim(0, 1)
    left.set_yticks(range(2), [f"{name}\n{bias.votes} votes" for name, (bias, _) in biases.items()])
    left.set_title("Position and length bias; shaded: allowed")
    left.set_xlabel("share of comparisons that chose this text (0 to 1), 95% interval")
    for place, agreement in enumerate(quality.agreement.values()):
        if agreement.alpha is None or agreement.low is None or agreement.high is None:
            right.text(0.5, place, "unknown", ha="center", va="center", color="gray")
        else:
            _draw_interval(right, place, agreement.alpha, agreement.low, agreement.high)
    place = list(quality.agreement).index("comparisons")
    right.vlines(limits.least_agreement, place - 0.35, place + 0.35, color=_LIMIT, linestyle="--")
    lows = [agreement.low for agreement in quality.agreement.values() if agreement.low is not None]
    lowest = min(lows, default=0)
    right.set_xlim(min(-0.2, lowest - 0.05), 1.05)
    names = [f"{kind}\n{agreement.units} cases" for kind, agreement in quality.agreement.items()]
    right.set_yticks(range(len(names)), names)
    right.set_title("Agreement where several people voted; dashed: minimum")
    right.set_xlabel("Krippendorff's alpha (0: chance, 1: complete), 95% interval")
    for axes in (left, right):
        axes.set_ylim(-0.6, len(axes.get_yticks()) - 0.4)
        axes.invert_yaxis()
    return figure


def _draw_interval(axes: Axes, place: float, value: float, low: float, high: float) -> None:
    ends = [[max(0.0, value - low)], [max(0.0, high - value)]]
    axes.errorbar([value], [place], xerr=ends, fmt="o", capsize=4, color=_BLUE)


def draw_texts(quality: Quality, limits: Limits) -> Figure:
    """Pairs by the version that wrote the rejected text, and the similarity of each message to the nearest
    other one.
    """
    figure = single_page.make_figure()
    left, right = figure.subplots(1, 2)
    rejected = sorted(quality.rejected_versions.items(), key=lambda item: item[1])[-_MOST_VERSIONS:]
    is_champion = [version == quality.champion for version, _ in rejected]
    names = [
        f"{name} (champion)" if yes else name for (name, _), yes in zip(rejected, is_champion, strict=True)
    ]
    colours = [_BLUE if yes else "#9aa5b1" for yes in is_champion]
    bars = left.barh(names, [count for _, count in rejected], color=colours)
    left.bar_label(bars, padding=3)
    left.margins(x=0.12)
    left.set_title("Version of the rejected text" if quality.champion else "Rejected text; no champion yet")
    left.set_xlabel("pairs")
    bins = len(quality.similarities)
    edges = np.linspace(0, 1, bins + 1)
    right.stairs(quality.similarities, edges, fill=True, color=_BLUE)
    right.axvline(
        limits.same_meaning, color=_LIMIT, linestyle="--", label=f"same meaning: {limits.same_meaning:g}"
    )
    right.legend(frameon=False, loc="upper left")
    right.set_xlim(0, 1)
    right.set_ylim(0, 1.25 * max(1, *quality.similarities))
    right.set_title("Similarity of each message to the nearest other")
    right.set_xlabel("cosine similarity (0 to 1)")
    right.set_ylabel("messages")
    return figure
