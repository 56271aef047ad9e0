"""Made-up people whose outcomes under both arms are known: what simulated experiments draw their users from.

A population is finite, and a user is drawn from it with replacement: so its means and variances, and with
them the true effect, are exact numbers and not one more estimate.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from experiments.bandit import Rule

Array = NDArray[Any]  # of floats

PEOPLE = 2**16
_MOST_MESSAGES = 100


class Side(NamedTuple):
    """What all people of a population do under one arm; arrays of shape (people,)."""

    outcome: Array
    parts: tuple[Array, Array, Array] | None = None  # what a person consists of: number, sum, sum of squares
    delay: Array | None = None  # until the vote, as a share of the window: above 0, at most 1


class Setting(NamedTuple):
    """Users of one kind and how an experiment takes them in; `control` says which mistake is made beside."""

    description: str
    control: str | None
    people: Callable[[np.random.Generator, float], tuple[Side, Side]]  # for an effect in standard deviations
    weights: tuple[float, ...] = (0.5,)  # of the challenger, in epochs of equal length
    rise: float = 0.0  # of everybody's outcomes from the first look to the last
    window: int = 0  # batches between a user's exposure and the closing of the window
    rule: Rule | None = None  # a bandit's, which renews the weights in ten epochs
    top: float = 0.5  # of `bandit.reweighted`


def _thumbs(rate: float) -> Callable[[np.random.Generator, float], tuple[Side, Side]]:
    def people(rng: np.random.Generator, effect: float) -> tuple[Side, Side]:
        place = np.arange(PEOPLE) / PEOPLE
        up = rate + effect * math.sqrt(rate * (1 - rate))
        return Side((place < rate) * 1.0), Side((place < up) * 1.0)

    return people


def _counts(rng: np.random.Generator, scale: float = 1.0) -> NDArray[Any]:
    """Messages of each of the people: 1 to 100, by the power law of `simulation.simulated_people`."""
    return np.minimum(_MOST_MESSAGES, scale * rng.random(PEOPLE) ** (-1 / 1.1)).astype(int)


def _writers(rng: np.random.Generator, effect: float) -> tuple[Side, Side]:
    state = rng.bit_generator.state
    fewer = _counts(rng) / _MOST_MESSAGES
    rng.bit_generator.state = state  # the same people, who write more
    more = _counts(rng, 1 + effect * fewer.std() / fewer.mean()) / _MOST_MESSAGES
    return Side(fewer), Side(more)


def _voters(rng: np.random.Generator, effect: float) -> tuple[Side, Side]:
    votes, taste, luck = _counts(rng), rng.beta(3, 2, PEOPLE), rng.random(PEOPLE)

    def side(shift: float) -> Side:
        ups = _binomial(votes, np.clip(taste + shift, 0, 1), luck)
        return Side(ups / votes, (votes * 1.0, ups, ups))

    spread = side(0).outcome.std()
    return side(0), side(effect * float(spread))


def _binomial(n: NDArray[Any], p: Array, luck: Array) -> Array:
    """Binomial numbers by inversion: the same luck under both arms."""
    return np.asarray(binom.ppf(luck, n, p), dtype=float).clip(0, n)


def _late(rng: np.random.Generator, effect: float) -> tuple[Side, Side]:
    delay, luck = 1 - rng.random(PEOPLE), rng.random(PEOPLE)
    pleased = 0.9 - 0.8 * delay  # who is slow to answer is less content
    spread = float((luck < pleased).std())
    slow = Side((luck < pleased) * 1.0, delay=delay)
    return slow, Side((luck < pleased + effect * spread) * 1.0, delay=delay / 2)


def _organisations(rng: np.random.Generator, effect: float) -> tuple[Side, Side]:
    members, taste = _counts(rng), rng.beta(3, 2, PEOPLE)
    of = np.repeat(np.arange(PEOPLE), members)
    noise = 0.2 * rng.standard_normal(len(of))

    def side(shift: float) -> Side:
        outcome = np.clip(taste[of] + noise + shift, 0, 1)
        sums, squares = (np.bincount(of, x, PEOPLE) for x in (outcome, outcome**2))
        return Side(sums / members, (members * 1.0, sums, squares))

    spread = side(0).outcome.std()
    return side(0), side(effect * float(spread))


def _raters(rng: np.random.Generator, effect: float) -> tuple[Side, Side]:
    """Ratings that leave room for a rise."""
    outcome = 0.5 * rng.beta(3, 2, PEOPLE)
    return Side(outcome), Side(outcome + effect * outcome.std())


SETTINGS = {
    "plain": Setting("Each user gives one thumb, 60 % of them up, in two equal arms.", None, _thumbs(0.6)),
    "rare": Setting("Something that happens to 1 % of the users who were exposed.", None, _thumbs(0.01)),
    "skewed": Setting(
        "How many messages a user writes: 1 to 100 by a power law, one for half of them.", None, _writers
    ),
    "repeated": Setting(
        "The mean of a user's 1 to 100 votes: each has a taste, so votes of one user are alike.",
        "every vote counted as if it were a user",
        _voters,
    ),
    "organisations": Setting(
        "Arms between organisations of 1 to 100 users who share a taste; an outcome is an organisation's.",
        "every user counted, though whole organisations were assigned",
        _organisations,
    ),
    "delayed": Setting(
        "Votes come late, and the slow are less content; the challenger's users answer twice as fast. Users "
        "count from when their window has closed.",
        "votes counted as soon as they are there",
        _late,
        window=20,
    ),
    "ramp": Setting(
        "The challenger's weight goes from 5 to 10, 20, 35 and 50 %, while everybody's outcomes rise by 0.4.",
        "epochs thrown together",
        _raters,
        weights=(0.05, 0.1, 0.2, 0.35, 0.5),
        rise=0.4,
    ),
    "thompson": Setting(
        "A bandit that serves: Thompson sampling in ten epochs, while everybody's outcomes rise by 0.4.",
        "epochs thrown together",
        _raters,
        rise=0.4,
        rule="thompson",
    ),
    "top_two": Setting(
        "A bandit that decides: top-two sampling in ten epochs, 70 % at most for who leads; the same rise.",
        "epochs thrown together",
        _raters,
        rise=0.4,
        rule="top_two",
        top=0.7,
    ),
}
