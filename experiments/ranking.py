"""Ranks the versions of an experiment by people's votes on pairs of them: a Bradley-Terry model.

Each version has a strength. A person prefers one version to another with log-odds equal to the difference of
their strengths (Bradley and Terry, "Rank analysis of incomplete block designs: I", Biometrika 39, 1952). So
votes between two challengers also tell how each of them compares with the champion.

The ranking is for readers. `analysis.compare`, on the votes against the champion, decides.
"""

import math
import uuid
from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit, logit

from experiments import sequential
from experiments.sequential import Interval

Array = NDArray[np.float64]

# Each compared pair has half a vote more for either side (Haldane, "The estimation and significance of the
# logarithm of a ratio of frequencies", 1956). So a version that wins every vote has a finite strength.
_PRIOR_VOTES = 0.5
_FEWEST_CLUSTERS = 20  # people, and messages: an error by cluster is too small with fewer
_PRECISION, _MOST_STEPS = 1e-10, 100  # of the strengths
_RAREST = 1e-6  # probabilities of an interval are cut here, so that strengths are finite
_N_STAR = 200  # independent votes on one pair with which its interval is narrowest


class PairVote(NamedTuple):
    """A person's decided vote between two versions. Votes of the same person, or on the same message, may
    depend on each other.
    """

    winner: str
    loser: str
    person: uuid.UUID | int
    message: uuid.UUID | int


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ranked(_Result):
    """A version in the ranking. The figures are None when no chain of votes connects it with the champion."""

    version: str
    votes: int = Field(description="decided votes between this version and any other")
    strength: float | None = Field(
        None, description="log-odds of being preferred to the champion, whose own strength is 0"
    )
    interval: Interval | None = Field(
        None, description="confidence sequence of the strength; None while there are too few votes"
    )
    preferred: float | None = Field(None, description="probability of being preferred to the champion")
    preferred_interval: Interval | None = None
    rank: int | None = Field(None, description="1 is the strongest version")
    best_rank: int | None = Field(None, description="the best rank that the intervals do not exclude")
    worst_rank: int | None = None


class Ranking(_Result):
    """The champion and all versions with a vote: the strongest first, those without a strength last."""

    champion: str
    alpha: float
    people: int = Field(description="people with a vote between ranked versions")
    messages: int
    versions: tuple[Ranked, ...]


class _Estimates(NamedTuple):
    """The strengths, of shape (versions,), and for each two versions the interval of the probability that
    people prefer the first one: `low` and `high`, of shape (versions, versions).
    """

    strengths: Array
    low: Array
    high: Array


def rank(votes: Sequence[PairVote], champion: str, alpha: float) -> Ranking:
    """Rank the champion and all versions with a vote.

    The intervals of all versions and all differences between them hold together, and at all analyses, with
    probability 1 - `alpha`; the guarantee is asymptotic. Versions without a chain of votes to the
    champion have no rank.
    """
    connected = _find_connected(votes, champion)
    names = [champion, *sorted(connected - {champion})]
    used = [vote for vote in votes if vote.winner in connected]
    people, messages = _number(vote.person for vote in used), _number(vote.message for vote in used)
    estimates = _estimate(used, names, people, messages, alpha)
    strengths, is_stronger = estimates.strengths, estimates.low > 0.5
    best, worst = 1 + is_stronger.sum(axis=0), len(names) - is_stronger.sum(axis=1)
    order = sorted(range(len(names)), key=lambda index: (-strengths[index], names[index]))
    ranked = []
    for place, index in enumerate(order, start=1):
        preferred = Interval(float(estimates.low[index, 0]), float(estimates.high[index, 0]))
        has_interval = preferred != (0, 1)
        ranked.append(
            Ranked(
                version=names[index],
                votes=_count_votes(votes, names[index]),
                strength=float(strengths[index]),
                interval=Interval(*map(float, logit(preferred))) if has_interval else None,
                preferred=float(expit(strengths[index])),
                preferred_interval=preferred if has_interval else None,
                rank=place,
                best_rank=int(best[index]),
                worst_rank=int(worst[index]),
            )
        )
    others = sorted({name for vote in votes for name in (vote.winner, vote.loser)} - connected)
    unranked = [Ranked(version=name, votes=_count_votes(votes, name)) for name in others]
    return Ranking(
        champion=champion,
        alpha=alpha,
        people=len(set(people.tolist())),
        messages=len(set(messages.tolist())),
        versions=(*ranked, *unranked),
    )


def _find_connected(votes: Sequence[PairVote], champion: str) -> set[str]:
    """The champion, and the versions that a chain of votes connects with it."""
    pairs = {(vote.winner, vote.loser) for vote in votes}
    connected = {champion}
    while reached := {name for pair in pairs if connected & set(pair) for name in pair} - connected:
        connected |= reached
    return connected


def _number(values: Iterable[Hashable]) -> NDArray[np.int64]:
    """A number for each value: equal values have the same one, and the numbers have no gaps."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)


def _count_votes(votes: Sequence[PairVote], version: str) -> int:
    return sum(version in (vote.winner, vote.loser) for vote in votes)


def _estimate(
    votes: Sequence[PairVote],
    names: Sequence[str],
    people: NDArray[np.int64],
    messages: NDArray[np.int64],
    alpha: float,
) -> _Estimates:
    """The estimates for these versions, of which the champion is the first. All intervals are from 0 to 1
    while too few people or messages have a vote.
    """
    versions = len(names)
    shape = (versions, versions)
    strengths, low, high = np.zeros(versions), np.zeros(shape), np.ones(shape)
    np.fill_diagonal(low, 0.5)
    np.fill_diagonal(high, 0.5)
    if not votes:
        return _Estimates(strengths, low, high)
    index = {name: number for number, name in enumerate(names)}
    rows = np.arange(len(votes))
    design = np.zeros((len(votes), versions))
    design[rows, [index[vote.winner] for vote in votes]] = 1
    design[rows, [index[vote.loser] for vote in votes]] = -1
    design = design[:, 1:]  # the champion's strength is 0
    kinds, counts = np.unique(design, axis=0, return_counts=True)
    pairs = np.unique(np.concatenate([kinds, -kinds]), axis=0)  # each pair with either winner
    prior = np.full(len(pairs), _PRIOR_VOTES)
    strengths[1:], information = fit(np.concatenate([kinds, pairs]), np.concatenate([counts, prior]))
    if min(people.max() + 1, messages.max() + 1, len(votes) - versions) < _FEWEST_CLUSTERS:
        return _Estimates(strengths, low, high)
    scores = design * expit(-design @ strengths[1:])[:, None]
    variances = _estimate_variances(scores, information, people, messages)
    level = alpha / (versions * (versions - 1) / 2)  # Bonferroni's, over all pairs
    for i, j in combinations(range(versions), 2):
        low[i, j], high[i, j] = _find_interval(strengths[i] - strengths[j], variances[i, j], level)
        low[j, i], high[j, i] = 1 - high[i, j], 1 - low[i, j]
    return _Estimates(strengths, low, high)


def _find_interval(difference: float, variance: float, alpha: float) -> Interval:
    """Confidence sequence of the probability that people prefer a version to another, from the difference of
    their strengths and its squared standard error.

    The clock is the number of independent votes on this pair that would have the same error. In this time
    the error is that of a mean, also if people return or messages repeat. The angle 2 arcsin(sqrt(rate)) of
    n votes has the variance 1 / n at any rate. The error of the difference itself grows faster than the
    difference where nearly all votes are for one side (Hauck and Donner, "Wald's test as applied to
    hypotheses in logit analysis", 1977). So a version that wins every vote would not be shown to be better.
    """
    rate = float(expit(difference))
    angle, clock = 2 * math.asin(math.sqrt(rate)), 1 / (variance * rate * (1 - rate))
    margin = sequential.mean_margin(clock, 1.0, alpha, _N_STAR)
    low, high = (math.sin(min(max(end, 0.0), math.pi) / 2) ** 2 for end in (angle - margin, angle + margin))
    return Interval(max(low, _RAREST), min(high, 1 - _RAREST))


def fit(design: Array, weights: Array) -> tuple[Array, Array]:
    """The strengths that maximise the likelihood, of shape (k,), and the information there, (k, k).

    `design`, of shape (kinds, k), has 1 for the winner of a kind of vote and -1 for its loser, and no column
    for the champion. `weights`, of shape (kinds,), are the numbers of these votes. The likelihood has a
    maximum if, of any two groups that the versions are divided into, each wins a vote against the other.
    RuntimeError when it has none.

    Newton's method with the steps of Sun and Tran-Dinh, "Generalized self-concordant functions: a recipe for
    Newton-type methods" (Mathematical Programming 178, 2019), which converge from any start. Rejected:
    scipy's `minimize`, which fails when the loss is precise to the last digit.
    """
    strengths = np.zeros(design.shape[1])
    for _ in range(_MOST_STEPS):
        rates = expit(-design @ strengths)  # of the opposite votes
        information = (design.T * (weights * rates * (1 - rates))) @ design
        step = np.linalg.solve(information, (weights * rates) @ design)
        reach = float(np.abs(design @ step).max())
        if reach < _PRECISION:
            return strengths, information
        strengths = strengths + step * (math.log1p(reach) / reach)
    raise RuntimeError(f"the strengths do not converge within {_MOST_STEPS} steps; check the votes")


def _estimate_variances(
    scores: Array, information: Array, people: NDArray[np.int64], messages: NDArray[np.int64]
) -> Array:
    """The squared standard error of the difference of each two versions, of shape (versions, versions).

    It is the largest of several: by person and message, by person, by message, and of independent votes. The
    first is a difference of estimates and may be too small, even negative.
    """
    by_person, by_message = (
        estimate_covariance(scores, information, groups) for groups in (people, messages)
    )
    both = np.unique(np.stack([people, messages]), axis=1, return_inverse=True)[1]
    two_way = by_person + by_message - estimate_covariance(scores, information, both.ravel())
    variances = []
    for covariance in (two_way, by_person, by_message, np.linalg.inv(information)):
        padded = np.pad(covariance, ((1, 0), (1, 0)))  # the champion's strength has no error
        own = np.diag(padded)
        variances.append(own[:, None] + own - 2 * padded)
    return np.asarray(np.max(variances, axis=0))


def estimate_covariance(scores: Array, information: Array, groups: NDArray[np.int64]) -> Array:
    """The covariance of the strengths when votes of the same group may depend on each other, (k, k).

    `scores`, of shape (votes, k), are the gradients of each vote's log-likelihood. `groups`, of shape
    (votes,), has numbers without gaps. This is the sandwich of Liang and Zeger, "Longitudinal data analysis
    using generalized linear models" (Biometrika 73, 1986), with Stata's factor for small samples. Two-way
    errors add those of both ways and subtract those of their intersection: Cameron, Gelbach and Miller,
    "Robust inference with multiway clustering" (Journal of Business and Economic Statistics 29, 2011).
    """
    votes, strengths = scores.shape
    count = int(groups.max()) + 1
    sums = np.zeros((count, strengths))
    np.add.at(sums, groups, scores)
    influence = np.linalg.solve(information, sums.T)
    factor = count / (count - 1) * (votes - 1) / (votes - strengths)
    return np.asarray(factor * influence @ influence.T)
