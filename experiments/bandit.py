"""Weights that lean towards what has done well: where the next users of an experiment go.

A bandit serves more people the better arm while it learns. It does so in batches: weights are renewed from
sums (`ArmStatistics`), and each change of them begins an epoch. Within an epoch assignment is random by fixed
weights, so differences between its arms are honest, whatever led to the weights. Between epochs they are not:
when weights and outcomes both move with time, the pooled mean of an arm is that of the days on which it was
given most. So here, as in `analysis.between_users`, epochs are strata, and its confidence sequence holds.

Its point estimate does not: where the first epochs flatter an arm, the other one is starved, and what comes
later weighs too little to correct them (Nie, Tian, Taylor and Zou, "Why adaptively collected data have
negative bias and how to correct for it", AISTATS 2018). `unbiased_effect` weighs epochs by their users.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from experiments.analysis import ArmStatistics

TOP = 0.7  # of the users, for whom looks best, at most: with more an experiment no longer decides
Rule = Literal["top_two", "thompson"]

_LOG2_POINTS = 11  # 2,048 points, each with its mirror image: shares are right to a few thousandths


class Posterior(NamedTuple):
    """What is believed of the arms' mean outcomes after all epochs, normal: `mean` of shape (arms,) and
    `covariance` of shape (arms, arms). Only differences between arms mean anything: the means sum to zero.
    """

    variants: tuple[str, ...]
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


def posterior(arms: Sequence[ArmStatistics]) -> Posterior | None:
    """The arms' means under a flat prior and a level of its own for each epoch; None as long as arms have
    not been compared, or nobody's outcome differs from another's.

    Least squares in the model outcome = level of the epoch + mean of the arm + noise: with n_e the users of
    the arms in epoch e, the solution of sum_e (diag(n_e) - n_e n_e' / sum(n_e)) mean = sum_e n_e (means_e -
    level_e). A trend from epoch to epoch is in the levels and not in the arms. Of two arms the difference is
    that of `analysis.between_users`: differences within epochs, by their inverse variances. The variance of
    an outcome is pooled over arms and epochs, since that of a few users is often zero and would be
    believed.
    """
    variants = tuple(dict.fromkeys(arm.variant for arm in arms))
    place = {variant: i for i, variant in enumerate(variants)}
    epochs = {epoch: i for i, epoch in enumerate(sorted({arm.epoch for arm in arms}))}
    n, means = np.zeros((2, len(epochs), len(variants)))  # (epochs, arms)
    squares, freedom = 0.0, 0
    for arm in arms:
        if arm.mean is None:
            continue
        n[epochs[arm.epoch], place[arm.variant]] = arm.users
        means[epochs[arm.epoch], place[arm.variant]] = arm.mean
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


def best(found: Posterior) -> NDArray[np.float64]:
    """The probability of each arm to have the highest mean, of shape (arms,): by points of a Sobol sequence,
    always the same ones, so that equal statistics give equal weights. Arms of other names or in another
    order give the same.
    """
    order = np.argsort(found.mean, kind="stable")
    values, vectors = np.linalg.eigh(found.covariance[np.ix_(order, order)])
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shifts = _points(len(order)) @ root
    drawn = found.mean[order] + np.concatenate([shifts, -shifts])  # (points, arms)
    wins = np.bincount(drawn.argmax(axis=1), minlength=len(order)) + 1 / len(order)  # none is quite 0 or 1
    shares = np.empty(len(order))
    shares[order] = wins / wins.sum()
    return shares


def reweighted(
    arms: Sequence[ArmStatistics], rule: Rule = "top_two", floor: float = 0.01, top: float = TOP
) -> dict[str, float]:
    """The weights of the next epoch, by variant: at least `floor` each, and 1 in all. Equal ones as long as
    there is no `posterior`.

    `thompson` gives each arm its probability a_i of being the best, and so the least to who does worse
    (Thompson, "On the likelihood that one unknown probability exceeds another", 1933). `top_two` is for
    finding the best: with probability `top` the arm of a Thompson draw, else the first other one that
    further draws give (Russo, "Simple Bayesian algorithms for best-arm identification", Operations
    Research 68, 2020):

        a_i (top + (1 - top) sum_{j != i} a_j / (1 - a_j))

    Of two arms with `top` of a half that is a half each: nothing tells more about two than an even split.
    Raises ValueError when the floors leave nothing.
    """
    variants = list(dict.fromkeys(arm.variant for arm in arms))
    if len(variants) * floor > 1:
        raise ValueError(f"{len(variants)} arms of at least {floor:.0%} each are more than all users")
    found = posterior(arms)
    if found is None:
        return dict.fromkeys(variants, 1 / len(variants))
    shares = best(found)
    if rule == "top_two":
        odds = shares / (1 - shares)
        shares = shares * (top + (1 - top) * (odds.sum() - odds))
    weights = floor + (1 - len(variants) * floor) * shares / shares.sum()
    return dict(zip(variants, weights.tolist(), strict=True))


def unbiased_effect(arms: Sequence[ArmStatistics]) -> tuple[float, float] | None:
    """The challenger's mean outcome minus the baseline's, and its standard error, each epoch with the weight
    of its users. How many they are is settled before their outcomes are known, as is not how many fall on the
    starved arm: so this is right on average, and less precise than `analysis.between_users`. Epochs in which
    an arm has fewer than two outcomes are left out; None when all are.
    """
    told, effects, errors = [], [], []
    for epoch in {arm.epoch: None for arm in arms}:
        here = sorted((arm for arm in arms if arm.epoch == epoch), key=lambda arm: not arm.is_baseline)
        baseline, challenger = here
        if None in (baseline.mean, challenger.mean, baseline.variance, challenger.variance):
            continue
        told.append(baseline.users + challenger.users)
        effects.append((challenger.mean or 0) - (baseline.mean or 0))
        errors.append(sum((arm.variance or 0) / arm.users for arm in here))
    if not told:
        return None
    share = np.array(told) / sum(told)
    return float(share @ effects), float(np.sqrt(share**2 @ errors))


@cache
def _points(arms: int) -> NDArray[Any]:
    """Standard normal points of shape (points, arms)."""
    return np.asarray(qmc.MultivariateNormalQMC(np.zeros(arms), rng=0).random(2**_LOG2_POINTS))
