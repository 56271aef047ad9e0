"""How many rewrites readers labelled usable, timid, wrong and broken: counts, shares, and their plot."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from data.corpus import Label, ReadRewrite
from models.labels import LABELS
from models.results import Estimate
from models.scoreboard import estimate_share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of Okabe and Ito, for colour-blind readers; the hatches differ, too.
_LOOKS = {
    "usable": ("#009E73", ""),
    "timid": ("#F0E442", "//"),
    "wrong": ("#D55E00", "xx"),
    "broken": ("#999999", ".."),
}
_NARROW = 0.03  # a share below this has no room for its number


class LabelShare(NamedTuple):
    """`number` of the `rewrites` of a group have a label; `share` has its exact 95 % interval."""

    group: str
    label: Label
    number: int
    rewrites: int
    share: Estimate


def count_labels(rows: Sequence[ReadRewrite], groups: Iterable[str]) -> list[LabelShare]:
    """The shares of all four labels by group, see `scoreboard.estimate_share` for the intervals.

    `groups` has the group of each row; groups keep their order. The four intervals of a group hold one by
    one, not all at once. Raises ValueError when there are more or fewer groups than rows.
    """
    counts: dict[str, Counter[Label]] = {}
    for row, group in zip(rows, groups, strict=True):
        counts.setdefault(group, Counter())[row.label] += 1
    return [
        LabelShare(group, label, count[label], count.total(), estimate_share(count[label], count.total()))
        for group, count in counts.items()
        for label in LABELS
    ]


def tabulate(shares: Iterable[LabelShare]) -> dict[str, dict[str, str]]:
    """By group: the number of rewrites, and for each label its count, share and interval, such as "83 (54 %,
    46 to 62)". `pandas.DataFrame.from_dict(table, orient="index")` shows it.
    """
    table: dict[str, dict[str, str]] = {}
    for group, label, number, rewrites, share in shares:
        row = table.setdefault(group, {"read": str(rewrites)})
        row[label] = f"{number} ({100 * share.mean:.0f} %, {100 * share.low:.0f} to {100 * share.high:.0f})"
    return table


def draw(shares: Sequence[LabelShare], title: str) -> "Figure":
    """A bar for each group, divided by label, with the number of rewrites in each part.

    The line below a bar is the 95 % interval of the usable ones.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    from models.score_plots import draw_estimates

    names = list(dict.fromkeys(share.group for share in shares))
    by_key = {(share.group, share.label): share for share in shares}
    figure = Figure(figsize=(8, 1.2 + 0.32 * len(names)), layout="constrained")
    axes = figure.subplots()
    left = [0.0] * len(names)
    for label in LABELS:
        members = [by_key[name, label] for name in names]
        widths = [member.share.mean for member in members]
        colour, hatch = _LOOKS[label]
        axes.barh(
            range(len(names)), widths, 0.64, left, color=colour, hatch=hatch, edgecolor="white", label=label
        )
        for place, member in enumerate(members):
            if member.share.mean >= _NARROW:
                middle = left[place] + member.share.mean / 2
                box = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
                axes.text(middle, place, str(member.number), ha="center", va="center", fontsize=8, bbox=box)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    usable = [by_key[name, "usable"].share for name in names]
    below = [place + 0.41 for place in range(len(names))]
    draw_estimates(axes, usable, below, "none", ecolor="black", elinewidth=1.2, capsize=3)
    axes.set_yticks(range(len(names)), [f"{name} ({by_key[name, 'usable'].rewrites})" for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("share of the rewrites; line below a bar: 95 % interval of the usable ones")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=10)
    figure.legend(loc="outside upper right", ncols=len(LABELS), frameon=False, fontsize=9)
    return figure
