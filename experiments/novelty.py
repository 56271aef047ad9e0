"""Whether an effect changes with time: with the day of users' entry, with the days since then, and with the
weekday. Pure functions.

Users who try something new like it for being new, or dislike it for being unlike what they know. Such an
effect fades. An effect that differs by weekday is one that a whole week must average. All three tests are
fixed-horizon: they hold for one look, and warn more often when one looks again and again. So they inform, and
decide nothing.
"""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from experiments.effects import Effect, adjust_by_holm
from experiments.sequential import Interval

Finding = Literal["too few users", "no sign of change", "fades", "grows", "changes"]
Kind = Literal["entry", "since_entry", "weekday"]

FEWEST_A_DAY = 20  # users of an arm in a day of a curve: with fewer, its interval means little
_FEWEST_POINTS = 3  # days with an effect; two make any line


class Point(NamedTuple):
    """The effect of one day, with its fixed-horizon interval. `day` counts from the first entry, from a
    user's entry, or from Monday.
    """

    day: int
    difference: float
    interval: Interval


class Curve(BaseModel):
    """The effects by one kind of day, and what they show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: tuple[Point, ...]
    p: float | None  # of no change, by Holm over the three curves; None with too few days
    finding: Finding


class _Test(NamedTuple):
    p: float
    change: Finding  # what a small p shows


def judge(effects: Mapping[Kind, Mapping[int, Effect]], alpha: float) -> dict[Kind, Curve]:
    """The curves by kind, from the effect of each day. Holm's correction is over their tests."""
    tests = {
        kind: _test_differences(days) if kind == "weekday" else _test_trend(days)
        for kind, days in effects.items()
        if len(days) >= _FEWEST_POINTS
    }
    ps = adjust_by_holm({kind: test.p for kind, test in tests.items()})
    return {
        kind: Curve(
            points=tuple(
                Point(day, effect.difference, effect.fixed_interval) for day, effect in sorted(days.items())
            ),
            p=ps.get(kind),
            finding="too few users"
            if kind not in ps
            else tests[kind].change
            if ps[kind] < alpha
            else "no sign of change",
        )
        for kind, days in effects.items()
    }


def _weigh(days: Mapping[int, Effect]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Days, differences and weights, which are the inverses of the variances; each of shape (days,)."""
    rows = [(day, effect.difference, effect.clock / effect.spread) for day, effect in sorted(days.items())]
    day, difference, weight = np.array(rows, dtype=float).T
    return day, difference, weight


def _test_trend(days: Mapping[int, Effect]) -> _Test:
    """The slope of a line through the effects, weighted by their precision.

    Votes of one user on several days are taken as independent. They are alike, which makes the slope more
    precise than the test assumes.
    """
    day, difference, weight = _weigh(days)
    centred = day - weight @ day / weight.sum()
    precision = float(weight @ centred**2)
    slope = float(weight @ (centred * difference)) / precision
    overall = float(weight @ difference / weight.sum())
    z = slope * math.sqrt(precision)
    is_toward_zero = slope * overall < 0
    is_effect = abs(overall) * math.sqrt(weight.sum()) > float(stats.norm.ppf(0.975))
    change: Finding = "changes" if not is_effect else "fades" if is_toward_zero else "grows"
    return _Test(2 * float(stats.norm.sf(abs(z))), change)


def _test_differences(days: Mapping[int, Effect]) -> _Test:
    """Cochran's Q of the effects: the combination of estimates from different experiments (1954)."""
    _, difference, weight = _weigh(days)
    overall = weight @ difference / weight.sum()
    q = float(weight @ (difference - overall) ** 2)
    return _Test(float(stats.chi2.sf(q, len(days) - 1)), "changes")
