"""Simulated populations: the outcome of every person in both arms is known.

A population is finite, and experiments draw users from it with replacement. So its means and variances, and
the true effect, are exact numbers.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from experiments.bandit import Rule

Array = NDArray[Any]  # of floats

POPULATION_SIZE = 2**16
_MAX_COUNT = 100  # messages or votes of a person, members of an organisation


class PotentialOutcomes(NamedTuple):
    """The outcomes of all people in one arm; arrays of shape (people,)."""

    outcome: Array
    # For a person with several votes, or an organisation: the number of parts, the sum of their outcomes, and
    # the sum of the squares. A control counts parts as if they were people.
    parts: tuple[Array, Array, Array] | None = None
    delay: Array | None = None  # from exposure to the vote, in windows: a vote above 1 does not count


Population = tuple[PotentialOutcomes, PotentialOutcomes]  # in the baseline, and in the challenger
Generate = Callable[[np.random.Generator, float], Population]  # for an effect in standard deviations


class Setting(NamedTuple):
    """A kind of users, and how an experiment assigns them."""

    description: str
    control: str | None  # the mistake typical of the setting
    generate: Generate
    weights: tuple[float, ...] = (0.5,)  # of the challenger, in epochs of equal length
    trend: float = 0.0  # rise of all outcomes from the first analysis to the last
    window: int = 0  # batches between a user's exposure and the end of the user's window
    compares_delays: bool = False  # there is no verdict while the arms' delays differ
    rule: Rule | None = None  # of a bandit, which sets the weights
    top: float = 0.5  # of `bandit.reweigh`


def _make_thumbs(rate: float) -> Generate:
    """Make a population that gives one thumb each, with a share of `rate` up in the baseline."""

    def generate(rng: np.random.Generator, effect: float) -> Population:
        quantile = np.arange(POPULATION_SIZE) / POPULATION_SIZE
        challenger_rate = rate + effect * math.sqrt(rate * (1 - rate))
        baseline = PotentialOutcomes((quantile < rate) * 1.0)
        return baseline, PotentialOutcomes((quantile < challenger_rate) * 1.0)

    return generate


def _draw_counts(rng: np.random.Generator, scale: float = 1.0) -> NDArray[Any]:
    """A count for each person: 1 to 100, by the power law of `simulation.simulated_people`."""
    return np.minimum(_MAX_COUNT, scale * rng.random(POPULATION_SIZE) ** (-1 / 1.1)).astype(int)


def _generate_message_counts(rng: np.random.Generator, effect: float) -> Population:
    state = rng.bit_generator.state
    baseline = _draw_counts(rng) / _MAX_COUNT
    rng.bit_generator.state = state  # the same people, who write more
    challenger = _draw_counts(rng, 1 + effect * baseline.std() / baseline.mean()) / _MAX_COUNT
    return PotentialOutcomes(baseline), PotentialOutcomes(challenger)


def _generate_repeated_votes(rng: np.random.Generator, effect: float) -> Population:
    votes, taste = _draw_counts(rng), rng.beta(3, 2, POPULATION_SIZE)
    quantile = rng.random(POPULATION_SIZE)

    def compute_outcomes(shift: float) -> PotentialOutcomes:
        ups = _invert_binomial(votes, np.clip(taste + shift, 0, 1), quantile)
        return PotentialOutcomes(ups / votes, (votes * 1.0, ups, ups))

    deviation = compute_outcomes(0).outcome.std()
    return compute_outcomes(0), compute_outcomes(effect * float(deviation))


def _invert_binomial(n: NDArray[Any], p: Array, quantile: Array) -> Array:
    """Binomial numbers by inversion: both arms use the same quantile of a person."""
    return np.asarray(binom.ppf(quantile, n, p), dtype=float).clip(0, n)


def _generate_delayed_votes(rng: np.random.Generator, effect: float) -> Population:
    delay, quantile = 1 - rng.random(POPULATION_SIZE), rng.random(POPULATION_SIZE)
    rate = 0.9 - 0.8 * delay  # people who answer late are less content
    deviation = float((quantile < rate).std())
    baseline = PotentialOutcomes((quantile < rate) * 1.0, delay=delay)
    challenger = PotentialOutcomes((quantile < rate + effect * deviation) * 1.0, delay=delay / 2)
    return baseline, challenger


def _generate_late_votes(rng: np.random.Generator, effect: float) -> Population:
    lateness, quantile = rng.random(POPULATION_SIZE), rng.random(POPULATION_SIZE)
    rate = 0.65 + 0.6 * (0.5 - lateness)  # people who vote late are less content
    deviation = float((quantile < rate).std())
    delay = -np.log1p(-lateness) / 3  # exponential: 5 % of the baseline's votes miss the window
    baseline = PotentialOutcomes((quantile < rate) * 1.0, delay=delay)
    challenger = PotentialOutcomes((quantile < rate + effect * deviation) * 1.0, delay=2 * delay)
    return baseline, challenger


def _generate_organisations(rng: np.random.Generator, effect: float) -> Population:
    members, taste = _draw_counts(rng), rng.beta(3, 2, POPULATION_SIZE)
    organisation = np.repeat(np.arange(POPULATION_SIZE), members)  # of each member, (members in all,)
    noise = 0.2 * rng.standard_normal(len(organisation))

    def compute_outcomes(shift: float) -> PotentialOutcomes:
        outcome = np.clip(taste[organisation] + noise + shift, 0, 1)  # (members in all,)
        total, squares = (np.bincount(organisation, x, POPULATION_SIZE) for x in (outcome, outcome**2))
        return PotentialOutcomes(total / members, (members * 1.0, total, squares))

    deviation = compute_outcomes(0).outcome.std()
    return compute_outcomes(0), compute_outcomes(effect * float(deviation))


def _generate_ratings(rng: np.random.Generator, effect: float) -> Population:
    outcome = 0.5 * rng.beta(3, 2, POPULATION_SIZE)  # at most 0.5, so that a trend stays below 1
    return PotentialOutcomes(outcome), PotentialOutcomes(outcome + effect * outcome.std())


SETTINGS = {
    "plain": Setting(
        "Each user gives one thumb, 60 % of them up, in two equal arms.", None, _make_thumbs(0.6)
    ),
    "rare": Setting("Something that happens to 1 % of the users who were exposed.", None, _make_thumbs(0.01)),
    "skewed": Setting(
        "How many messages a user writes: 1 to 100 by a power law, one for half of them.",
        None,
        _generate_message_counts,
    ),
    "repeated": Setting(
        "The mean of a user's 1 to 100 votes: each has a taste, so votes of one user are alike.",
        "every vote counted as if it were a user",
        _generate_repeated_votes,
    ),
    "organisations": Setting(
        "Arms between organisations of 1 to 100 users who share a taste; an outcome is an organisation's.",
        "every user counted, though whole organisations were assigned",
        _generate_organisations,
    ),
    "delayed": Setting(
        "Votes come late, and the slow are less content; the challenger's users answer twice as fast. Users "
        "count from when their window has closed.",
        "votes counted as soon as they are there",
        _generate_delayed_votes,
        window=20,
    ),
    "ramp": Setting(
        "The challenger's weight goes from 5 to 10, 20, 35 and 50 %, while everybody's outcomes rise by 0.4.",
        "epochs thrown together",
        _generate_ratings,
        weights=(0.05, 0.1, 0.2, 0.35, 0.5),
        trend=0.4,
    ),
    "thompson": Setting(
        "A bandit that serves: Thompson sampling in ten epochs, while everybody's outcomes rise by 0.4.",
        "epochs thrown together",
        _generate_ratings,
        trend=0.4,
        rule="thompson",
    ),
    "top_two": Setting(
        "A bandit that decides: top-two sampling in ten epochs, 70 % at most for who leads; the same rise.",
        "epochs thrown together",
        _generate_ratings,
        trend=0.4,
        rule="top_two",
        top=0.7,
    ),
    "late": Setting(
        "The challenger's users vote twice as late, 22 % of them after their window instead of 5 %. The late "
        "are less content. There is no verdict once it is shown that the arms vote at different times.",
        "the times of the votes ignored",
        _generate_late_votes,
        compares_delays=True,
    ),
}
