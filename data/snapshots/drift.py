"""Drift: compares the messages of a week with those of the weeks before.

Messages are counted in bins by a trait (transform type, length, ...), and the population stability index
compares the two distributions. Words that became more or less frequent say what a drift is about. Pure: no
database.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import chi2, norm

Counts = Mapping[str, int]  # messages by bin
Level = Literal["steady", "shifting", "alarm"]

# The usual limits: below 0.1 no change, from 0.25 on a large one (Siddiqi, "Credit Risk Scorecards", 2006,
# chapter 9).
SHIFTING, ALARM = 0.1, 0.25
LEAST = 200  # minimum number of messages on each side for a level
BEFORE = 4  # number of weeks that a week is compared with
_FALSE_ALARMS = 1e-4  # probability of an index above the chance limit between equal distributions
_FALSE_WORDS = 0.05  # probability of any changed word between equal distributions
FEWEST_TOGETHER = 5  # messages with a word, at least: rarer words could be one person's
_WORD = re.compile(r"[^\W\d_]{3,}")


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


class ChangedWord(NamedTuple):
    """A word with its shares of the messages, in [0, 1]. `z` is the change in standard errors."""

    word: str
    share_now: float
    share_before: float
    z: float


def find_changed_words(now: Iterable[str], before: Iterable[str]) -> list[ChangedWord]:
    """Find words that the messages of `now` have more or less often than those before: what a drift is about.
    The largest change is first.

    The change is the difference of the empirical logits of both shares (Gart and Zweifel, "On the bias of
    various estimators of the logit and its variance", 1967), over its standard error. A word is listed if at
    least `FEWEST_TOGETHER` messages have it, and its change is beyond what chance gives any of all words with
    a probability of 1 in 20 (Bonferroni). A word has three letters or more; case is ignored. In scripts
    without spaces, words are not found.
    """
    (n_now, with_now), (n_before, with_before) = _count_words(now), _count_words(before)
    words = sorted(word for word, n in (with_now + with_before).items() if n >= FEWEST_TOGETHER)
    if not n_now or not n_before or not words:
        return []
    a, b = (np.array([counts[word] for word in words]) for counts in (with_now, with_before))
    logits = [np.log((k + 0.5) / (n - k + 0.5)) for k, n in ((a, n_now), (b, n_before))]
    variances = [1 / (k + 0.5) + 1 / (n - k + 0.5) for k, n in ((a, n_now), (b, n_before))]
    z = (logits[0] - logits[1]) / np.sqrt(variances[0] + variances[1])
    limit = norm.isf(_FALSE_WORDS / 2 / len(words))
    return [
        ChangedWord(words[i], a[i] / n_now, b[i] / n_before, float(z[i]))
        for i in np.argsort(-np.abs(z), kind="stable")
        if abs(z[i]) > limit
    ]


def _count_words(messages: Iterable[str]) -> tuple[int, Counter[str]]:
    """The number of messages, and of messages with each word."""
    n, counts = 0, Counter[str]()
    for message in messages:
        n += 1
        counts.update(set(_WORD.findall(message.casefold())))
    return n, counts
