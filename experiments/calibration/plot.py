"""The plot of a calibration."""

from pathlib import Path
from typing import Any

import numpy as np

from experiments.calibration.report import Report

# The colours of Okabe and Ito, which the colour-blind tell apart; lines differ in their marks, too.
_BLUE, _ORANGE, _GREEN, _RED, _GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
_MARKS = "os^vD<>pPXh*"


def plot(report: Report, file: Path) -> None:
    """Draw false winners, coverage, how soon it is decided, from when on, broken ratios, and bandits."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 9.5), layout="constrained")
    (wrong, covered, soon), (early, broken, regret) = figure.subplots(2, 3)
    names = list(report.settings)
    rows = np.arange(len(names))

    of = report.settings.values()
    series = (
        ("ours", _BLUE, "o", [one.shipped.aa_false_winner_rate for one in of]),
        ("a test meant for one look", _ORANGE, "s", [one.naive_false_winner_rate for one in of]),
        ("the setting's mistake, our interval", _RED, "X", [one.control_false_winner_rate for one in of]),
    )
    for label, colour, mark, rates in series:
        at, values = zip(
            *((row, rate.value) for row, rate in zip(rows, rates, strict=True) if rate), strict=True
        )
        wrong.plot(100 * np.array(values), at, mark, color=colour, label=label)
    wrong.axvline(5, color=_GREY, linestyle="--")
    wrong.set(title="False winners between equals (dashed: 5 %)", xlabel="experiments with a winner, %")
    wrong.set(xlim=(-2, 102))
    wrong.legend(frameon=False, fontsize=8)

    for shift, label, colour, mark, promises in (
        (-0.12, "as the plan is shipped", _BLUE, "o", [one.shipped for one in of]),
        (0.12, "n_star at the fixed-horizon sample", _GREEN, "D", [one.tied for one in of]),
    ):
        shown = [(row + shift, one.coverage) for row, one in zip(rows, promises, strict=True) if one]
        value, low, high = (
            100 * np.array([getattr(one, end) for _, one in shown]) for end in ("value", "low", "high")
        )
        covered.errorbar(
            value,
            [at for at, _ in shown],
            xerr=(value - low, high - value),
            fmt=mark,
            color=colour,
            label=label,
        )
    covered.axvline(95, color=_GREY, linestyle="--")
    covered.set(
        title="True effect covered at every look (dashed: 95 %)",
        xlabel="experiments, %, with the Monte-Carlo interval",
    )
    covered.legend(frameon=False, fontsize=7, loc="upper left")
    for axes in (wrong, covered):
        axes.set_yticks(rows, names)
        axes.invert_yaxis()
        axes.grid(axis="x", alpha=0.3)

    colours = (_BLUE, _ORANGE, _GREEN, _RED, "#CC79A7", "#56B4E9", "#000000", _GREY)
    for place, (name, one) in enumerate(report.settings.items()):
        look: dict[str, Any] = {
            "color": colours[place % len(colours)],
            "linestyle": "-" if place < len(colours) else "--",
            "marker": _MARKS[place],
            "markersize": 4,
            "label": name,
        }
        for axes, course in ((soon, one.shipped.decided_by), (early, one.shipped.missed_from)):
            axes.plot(list(course), [100 * share for share in course.values()], **look)
    soon.axvline(1.6, color=_GREY, linestyle="--")
    soon.axhline(80, color=_GREY, linestyle=":")
    soon.set(
        title="Decided (asked: half by 1.6, 80 % by 2.5)",
        xlabel="users, in fixed-horizon samples",
        ylabel="experiments that have decided, %",
    )
    early.axhline(5, color=_GREY, linestyle="--")
    early.axvline(report.plan.minimum_users_an_arm, color=_GREY, linestyle=":")
    early.set(
        title="Looks that begin early (dashed: 5 %; dotted: the plan)",
        xlabel="users (votes) an arm before the first look",
        ylabel="experiments whose interval ever misses, %",
        xscale="log",
        ylim=(0, 12),
    )
    soon.legend(frameon=False, fontsize=7, loc="lower right", bbox_to_anchor=(1, 0.22))
    early.legend(frameon=False, fontsize=8, loc="upper right")

    for (split, found), colour, mark in zip(
        report.srm_power.items(), (_GREY, _ORANGE, _RED), _MARKS, strict=False
    ):
        value, low, high = (
            100 * np.array([getattr(one, e) for one in found.values()]) for e in ("value", "low", "high")
        )
        broken.errorbar(
            list(found), value, yerr=(value - low, high - value), fmt=mark + "-", color=colour, label=split
        )
    broken.set(
        title="Assignments called broken, by how users fall",
        xlabel="users of both arms, looked at every 250",
        ylabel="experiments with an alarm, %",
        xscale="log",
    )
    broken.legend(frameon=False, fontsize=8)

    for (arms, rules), mark in zip(report.bandits.regret.items(), "os", strict=True):
        for (rule, cost), colour in zip(rules.items(), (_GREY, _BLUE, _ORANGE, _RED), strict=True):
            error = report.bandits.decision_error[arms][rule]
            wrongs, least, most = (100 * (x or 0) for x in (error.value, error.low, error.high))
            regret.errorbar(
                cost.value or 0,
                wrongs,
                yerr=[[wrongs - least], [most - wrongs]],
                fmt=mark,
                color=colour,
                label=f"{arms} arms, {rule}",
            )
    regret.legend(frameon=False, fontsize=8, ncols=2)
    regret.margins(x=0.1, y=0.3)
    regret.set_ylim(bottom=0)
    regret.set(
        title="Bandits: the cost of learning, and wrong ends",
        xlabel="regret: mean lost outcome of a user, in effects",
        ylabel="experiments whose best-looking arm is not the best, %",
    )
    figure.savefig(file, dpi=100)
