"""Ranks the versions of an experiment by people's votes on pairs of them: a Bradley-Terry model.

Each version has a strength. A person prefers one version to another with log-odds equal to the difference of
their strengths (Bradley and Terry, "Rank analysis of incomplete block designs: I", Biometrika 39, 1952). So
votes between two challengers also tell how each of them compares with the champion.

The ranking is for readers, and for the choice among challengers that meet all requirements.
`analysis.compare` decides whether a challenger meets them.
"""

import uuid
from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from experiments import sequential
from experiments.sequential import Interval

Array = NDArray[np.float64]

# Each compared pair has half a vote more for either side (Haldane, "The estimation and significance of the
# logarithm of a ratio of frequencies", 1956). So a version that wins every vote has a finite strength.
_PRIOR_VOTES = 0.5
_FEWEST_CLUSTERS = 20  # people, and messages: an error by cluster is too small with fewer
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


def rank(votes: Sequence[PairVote], champion: str, alpha: float) -> Ranking:
    """Rank the champion and all versions with a vote.

    The intervals of all versions and all differences between them hold together, and at all analyses, with
    probability 1 - `alpha`. Versions without a chain of votes to the champion have no rank.
    """
    connected = _find_connected(votes, champion)
    names = [champion, *sorted(connected - {champion})]
    used = [vote for vote in votes if vote.winner in connected]
    people, messages = _number(vote.person for vote in used), _number(vote.message for vote in used)
    strengths, margins = _estimate(used, names, people, messages, alpha)
    # (i, j): whether the interval of the difference shows that version i is stronger than version j.
    is_stronger = strengths[:, None] - strengths > margins
    best, worst = 1 + is_stronger.sum(axis=0), len(names) - is_stronger.sum(axis=1)
    order = sorted(range(len(names)), key=lambda index: (-strengths[index], names[index]))
    ranked = []
    for place, index in enumerate(order, start=1):
        strength, margin = float(strengths[index]), float(margins[index, 0])
        interval = Interval(strength - margin, strength + margin) if np.isfinite(margin) else None
        ranked.append(
            Ranked(
                version=names[index],
                votes=_count_votes(votes, names[index]),
                strength=strength,
                interval=interval,
                preferred=float(expit(strength)),
                preferred_interval=interval and Interval(*map(float, expit(interval))),
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
) -> tuple[Array, Array]:
    """The strengths, of shape (versions,), and half the width of the interval of each difference, of shape
    (versions, versions). The champion is the first version. The widths are infinite while too few people or
    messages have a vote.
    """
    versions = len(names)
    strengths, margins = np.zeros(versions), np.full((versions, versions), np.inf)
    np.fill_diagonal(margins, 0.0)
    if not votes:
        return strengths, margins
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
        return strengths, margins
    scores = design * expit(-design @ strengths[1:])[:, None]
    variances = _estimate_variances(scores, information, people, messages)
    level = alpha / (versions * (versions - 1) / 2)  # Bonferroni's, over all pairs
    for i, j in combinations(range(versions), 2):
        # The clock is the information: the number of independent votes, at even odds, that would give the
        # same error. In this time the error of an estimate is that of a mean, also if people return or
        # messages repeat. A vote at even odds has the variance 4 in log-odds.
        margin = sequential.mean_margin(4 / variances[i, j], 4.0, level, _N_STAR)
        margins[i, j] = margins[j, i] = margin
    return strengths, margins


def fit(design: Array, weights: Array) -> tuple[Array, Array]:
    """The strengths that maximise the likelihood, of shape (k,), and the information there, (k, k).

    `design`, of shape (kinds, k), has 1 for the winner of a kind of vote and -1 for its loser, and no column
    for the champion. `weights`, of shape (kinds,), are the numbers of these votes. The likelihood has a
    maximum if for both parts of any division of the versions, a version in it wins against one in the other.
    RuntimeError when the search fails.
    """
    share = weights / weights.sum()

    def compute_loss(strengths: Array) -> float:
        return -float(share @ log_expit(design @ strengths))

    def compute_gradient(strengths: Array) -> Array:
        return -(share * expit(-design @ strengths)) @ design

    def compute_hessian(strengths: Array) -> Array:
        rate = expit(design @ strengths)
        return (design.T * (share * rate * (1 - rate))) @ design

    start = np.zeros(design.shape[1])
    result: Any = minimize(
        compute_loss,
        start,
        method="trust-exact",
        jac=compute_gradient,
        hess=compute_hessian,
        options={"gtol": 1e-9},
    )
    if not result.success:
        raise RuntimeError(f"the strengths do not converge; check the votes: {result.message}")
    return result.x, compute_hessian(result.x) * weights.sum()


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
    return np.maximum.reduce(variances)


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
