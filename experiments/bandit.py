"""Bandit allocation: sets the arms' weights for the next users from the outcomes until now.

A bandit gives the better arm to more people while it learns. It works in batches: new weights are computed
from sums (`ArmStatistics`), and each change of weights begins an epoch. Within an epoch the assignment is
random with fixed weights, so the difference of its arms is unbiased, however the weights were chosen. A
comparison across epochs is biased: when weights and outcomes both change with time, the pooled mean of an arm
is mostly that of the days on which its weight was high. So here, as in `analysis.between_users`, epochs are
strata, and the confidence sequence of `between_users` is valid.

Its point estimate is biased. When an arm is lucky in the first epochs, the other arm gets few users, and
later epochs have too little weight to correct that (Nie, Tian, Taylor and Zou, "Why adaptively collected data
have negative bias and how to correct for it", AISTATS 2018). `unbiased_effect` weights epochs by their users.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from experiments.analysis import ArmStatistics

TOP = 0.7  # largest share of users for the leading arm: with more, an experiment rarely reaches a decision
Rule = Literal["top_two", "thompson"]

_LOG2_POINTS = 11  # 2,048 points, each with its mirror image: shares are exact to a few thousandths


class Posterior(NamedTuple):
    """Normal posterior of the arms' mean outcomes after all epochs: `mean` of shape (arms,) and `covariance`
    of shape (arms, arms). Only differences between arms are identified: the means sum to zero.
    """

    variants: tuple[str, ...]
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


def posterior(arms: Sequence[ArmStatistics]) -> Posterior | None:
    """The posterior of the arms' means under a flat prior, with one level for each epoch. None while some
    arms have no common epoch with the others, or all outcomes are equal.

    Least squares in the model outcome = level of the epoch + mean of the arm + noise: with n_e the users of
    the arms in epoch e, the solution of sum_e (diag(n_e) - n_e n_e' / sum(n_e)) mean = sum_e n_e (means_e -
    level_e). The levels absorb a trend from epoch to epoch, so it does not bias the arms. For two arms the
    difference equals that of `analysis.between_users`: differences within epochs, weighted by their inverse
    variances. The variance of an outcome is pooled over arms and epochs, because the variance of a few users
    is often zero and would make them look certain.
    """
    variants = tuple(dict.fromkeys(arm.variant for arm in arms))
    columns = {variant: i for i, variant in enumerate(variants)}
    rows = {epoch: i for i, epoch in enumerate(sorted({arm.epoch for arm in arms}))}
    n, means = np.zeros((2, len(rows), len(variants)))  # (epochs, arms)
    squares, freedom = 0.0, 0
    for arm in arms:
        if arm.mean is None:
            continue
        n[rows[arm.epoch], columns[arm.variant]] = arm.users
        means[rows[arm.epoch], columns[arm.variant]] = arm.mean
        if arm.variance is not None:
            squares += (arm.users - 1) * arm.variance
            freedom += arm.users - 1
    n, means = n[n.sum(axis=1) > 0], means[n.sum(axis=1) > 0]
    totals = n.sum(axis=1, keepdims=True)
    information = np.diag(n.sum(axis=0)) - (n / totals).T @ n  # (arms, arms)
    if squares == 0 or np.linalg.matrix_rank(information, hermitian=True) < len(variants) - 1:
        return None
    inverse = np.linalg.pinv(information, hermitian=True)
    levels = (n * means).sum(axis=1, keepdims=True) / totals
    mean = inverse @ (n * (means - levels)).sum(axis=0)
    return Posterior(variants, mean, squares / freedom * inverse)


def estimate_best_shares(posterior: Posterior) -> NDArray[np.float64]:
    """The probability of each arm to have the highest mean, of shape (arms,).

    It is computed with the points of one fixed Sobol sequence, so that equal statistics give equal weights.
    The names and the order of the arms have no influence.
    """
    order = np.argsort(posterior.mean, kind="stable")
    values, vectors = np.linalg.eigh(posterior.covariance[np.ix_(order, order)])
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shifts = _points(len(order)) @ root
    drawn = posterior.mean[order] + np.concatenate([shifts, -shifts])  # (points, arms)
    wins = np.bincount(drawn.argmax(axis=1), minlength=len(order)) + 1 / len(
        order
    )  # no share is exactly 0 or 1
    shares = np.empty(len(order))
    shares[order] = wins / wins.sum()
    return shares


def reweigh(
    arms: Sequence[ArmStatistics], rule: Rule = "top_two", floor: float = 0.01, top: float = TOP
) -> dict[str, float]:
    """The weights of the next epoch, by variant: at least `floor` each, with a sum of 1. They are equal while
    there is no `posterior`.

    `thompson` gives each arm its probability a_i of being the best, so the worst arm gets the fewest users
    (Thompson, "On the likelihood that one unknown probability exceeds another", 1933). `top_two` is for
    best-arm identification: it takes the arm of a Thompson draw with probability `top`, and otherwise draws
    again until another arm comes first (Russo, "Simple Bayesian algorithms for best-arm identification",
    Operations Research 68, 2020):

        a_i (top + (1 - top) sum_{j != i} a_j / (1 - a_j))

    For two arms and `top` = 0.5 each weight is 0.5, which gives the most precise comparison of two arms.
    Raises ValueError when the floors of all arms exceed 1.
    """
    variants = list(dict.fromkeys(arm.variant for arm in arms))
    if len(variants) * floor > 1:
        raise ValueError(
            f"{len(variants)} arms of at least {floor:.0%} each are more than all users: lower the floor"
        )
    believed = posterior(arms)
    if believed is None:
        return dict.fromkeys(variants, 1 / len(variants))
    shares = estimate_best_shares(believed)
    if rule == "top_two":
        odds = shares / (1 - shares)
        shares = shares * (top + (1 - top) * (odds.sum() - odds))
    weights = floor + (1 - len(variants) * floor) * shares / shares.sum()
    return dict(zip(variants, weights.tolist(), strict=True))


def unbiased_effect(arms: Sequence[ArmStatistics]) -> tuple[float, float] | None:
    """The challenger's mean outcome minus the baseline's, and its standard error; an epoch's weight is its
    number of users.

    That number does not depend on earlier outcomes, in contrast to the number of users in the smaller arm. So
    this estimate is unbiased, and less precise than that of `analysis.between_users`. Epochs in which an arm
    has fewer than two outcomes are omitted; None when all are.
    """
    users, effects, squared_errors = [], [], []
    for epoch in dict.fromkeys(arm.epoch for arm in arms):
        pair = sorted((arm for arm in arms if arm.epoch == epoch), key=lambda arm: not arm.is_baseline)
        baseline, challenger = pair
        if None in (baseline.mean, challenger.mean, baseline.variance, challenger.variance):
            continue
        users.append(baseline.users + challenger.users)
        effects.append((challenger.mean or 0) - (baseline.mean or 0))
        squared_errors.append(sum((arm.variance or 0) / arm.users for arm in pair))
    if not users:
        return None
    share = np.array(users) / sum(users)  # (epochs,)
    return float(share @ effects), float(np.sqrt(share**2 @ squared_errors))


@cache
def _points(arms: int) -> NDArray[Any]:
    """Standard normal points of shape (points, arms)."""
    return np.asarray(qmc.MultivariateNormalQMC(np.zeros(arms), rng=0).random(2**_LOG2_POINTS))
