"""Whether what people write has changed: the messages of a week beside those of the weeks before.

Each trait of a message (its transform type, its length, ...) is counted in bins, and the two distributions
are compared by the population stability index. Pure: no database.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import chi2

Counts = Mapping[str, int]  # messages by bin
Level = Literal["steady", "shifting", "alarm"]

# The usual limits: below 0.1 nothing has changed, from 0.25 on much has (Siddiqi, "Credit Risk Scorecards",
# 2006, chapter 9).
SHIFTING, ALARM = 0.1, 0.25
LEAST = 200  # messages on either side, below which nothing is said
BEFORE = 4  # weeks that a week is compared with
_BY_CHANCE = 1e-4  # of an index as large, between equals


class Drift(NamedTuple):
    """How far a week's messages are from those before, in one trait; without a level, too few of them."""

    messages: int
    before: int
    psi: float | None
    level: Level | None


def stability_index(now: Counts, before: Counts) -> float:
    """The population stability index: the sum over bins of (p - q) ln(p / q), 0 where nothing has changed.

    It is Jeffreys' divergence (Kullback and Leibler, 1951). Half a message is added to each bin, so that an
    empty one is finite.
    """
    bins = sorted({*now, *before})
    p, q = (np.array([counts.get(one, 0) + 0.5 for one in bins]) for counts in (now, before))
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((p - q) * np.log(p / q)))


def by_chance(now: int, before: int, bins: int) -> float:
    """An index that samples of so many messages hardly ever reach when nothing has changed.

    Between equals it is as chi-squared with bins - 1 degrees of freedom, times 1 / n + 1 / m (Yurdakul and
    Naranjo, "Statistical properties of the population stability index", 2020): the usual limits alone would
    call small samples drifted.
    """
    return float(chi2.isf(_BY_CHANCE, max(1, bins - 1)) * (1 / now + 1 / before))


def compare(now: Counts, before: Counts) -> Drift:
    """One trait of the messages now and before; an alarm takes the usual limit, and more than chance."""
    messages, earlier = sum(now.values()), sum(before.values())
    if min(messages, earlier) < LEAST:
        return Drift(messages, earlier, None, None)
    psi = stability_index(now, before)
    is_chance = psi <= by_chance(messages, earlier, len({*now, *before}))
    level: Level = "alarm" if psi >= ALARM else "shifting" if psi >= SHIFTING else "steady"
    return Drift(messages, earlier, psi, "steady" if is_chance else level)


def over_time(weeks: Sequence[Counts]) -> list[Drift]:
    """Each week, oldest first, beside the four before it, taken together; the first four have none whole."""
    found = []
    for place in range(BEFORE, len(weeks)):
        before: dict[str, int] = {}
        for week in weeks[place - BEFORE : place]:
            for name, count in week.items():
                before[name] = before.get(name, 0) + count
        found.append(compare(weeks[place], before))
    return found
