"""Drift: compares the messages of a week with those of the weeks before.

Messages are counted in bins by a trait (transform type, length, ...), and the population stability index
compares the two distributions. Pure: no database.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import chi2

Counts = Mapping[str, int]  # messages by bin
Level = Literal["steady", "shifting", "alarm"]

# The usual limits: below 0.1 no change, from 0.25 on a large one (Siddiqi, "Credit Risk Scorecards", 2006,
# chapter 9).
SHIFTING, ALARM = 0.1, 0.25
LEAST = 200  # minimum number of messages on each side for a level
BEFORE = 4  # number of weeks that a week is compared with
_FALSE_ALARMS = 1e-4  # probability of an index above the chance limit between equal distributions


class Drift(NamedTuple):
    """The difference of a week's messages from those before, in one trait.

    `messages` and `before` are numbers of messages. `chance` is the limit that `psi` hardly ever exceeds
    between equal distributions. The last three are None when there are too few messages.
    """

    messages: int
    before: int
    psi: float | None
    level: Level | None
    chance: float | None


def measure_stability(now: Counts, before: Counts) -> float:
    """The population stability index: the sum over bins of (p - q) ln(p / q); 0 for equal distributions.

    It is Jeffreys' divergence (Kullback and Leibler, 1951). Half a message is added to each bin, so that an
    empty bin gives a finite value.
    """
    bins = sorted({*now, *before})
    p, q = (np.array([counts.get(name, 0) + 0.5 for name in bins]) for counts in (now, before))
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((p - q) * np.log(p / q)))


def compute_chance_limit(now: int, before: int, bins: int) -> float:
    """The index that two samples of equal distributions exceed with a probability of 1 in 10,000.

    `now` and `before` are numbers of messages. Between equal distributions the index is distributed as
    chi-squared with bins - 1 degrees of freedom, times 1 / now + 1 / before (Yurdakul and Naranjo,
    "Statistical properties of the population stability index", 2020). With the usual limits alone, small
    samples would often raise an alarm.
    """
    return float(chi2.isf(_FALSE_ALARMS, max(1, bins - 1)) * (1 / now + 1 / before))


def compare(now: Counts, before: Counts) -> Drift:
    """Compare one trait of the messages now and before.

    The level is above steady only if the index exceeds both the usual limit and the chance limit.
    """
    n_now, n_before = sum(now.values()), sum(before.values())
    if min(n_now, n_before) < LEAST:
        return Drift(n_now, n_before, None, None, None)
    psi = measure_stability(now, before)
    chance = compute_chance_limit(n_now, n_before, len({*now, *before}))
    level: Level = "alarm" if psi >= ALARM else "shifting" if psi >= SHIFTING else "steady"
    return Drift(n_now, n_before, psi, "steady" if psi <= chance else level, chance)


def compare_weeks(weeks: Sequence[Counts]) -> list[Drift]:
    """Compare each week, oldest first, with the sum of the four before it; from the fifth week on."""
    drifts = []
    for place in range(BEFORE, len(weeks)):
        before: dict[str, int] = {}
        for week in weeks[place - BEFORE : place]:
            for name, count in week.items():
                before[name] = before.get(name, 0) + count
        drifts.append(compare(weeks[place], before))
    return drifts
