"""How far an experiment is from what it takes to ship: how many times as much of the same data shows it.

Rates, differences and spreads are taken to stay as they are, and only users and votes become more. The same
intervals and bounds decide as in an analysis. `experiments.forecasting` asks the same before there are data,
and so for arms without a difference.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import brentq

from experiments import effects, power, sequential
from experiments.effects import Effect, Pair
from experiments.estimators import Estimate
from experiments.metrics import Metric
from experiments.plan import Plan
from experiments.sequential import Clusters

_MOST = 1e6  # times as much
_PRECISION = 1e-5  # of the logarithm of a factor


def find_users_factor(
    effect: Effect | None, pairs: Sequence[Pair], metric: Metric, margin: float, plan: Plan
) -> float | None:
    """The factor, at least 1, by which the users must grow until a loss of `margin` in a metric is excluded.
    `pairs` has the arms by epoch, and `effect` is what `effects.compare_arms` finds in them.

    Infinite when more of the same users do not exclude it. None when it is not known how users differ: in an
    amount that is the same for all of them, or with one user in an arm.
    """
    if effect is not None:
        return max(1.0, _count_to_exclude(effect, metric, margin, plan) / effect.clock)
    begin = _find_begin(pairs, plan.minimum_users_an_arm)
    if metric.is_share:
        by_bound = _find_factor(
            lambda factor: effects.bound_loss_of_share(pairs, plan.alpha, metric.better, factor) - margin,
            min(begin, _MOST),
        )
        if math.isfinite(by_bound):
            return by_bound
    if math.isinf(begin):
        return math.inf if metric.is_share else None
    # Spread and difference are the same for any factor. A whole one keeps the users whole.
    whole = math.floor(begin) + 1
    begun = effects.compare_arms(
        _multiply(pairs, whole),
        plan.alpha,
        plan.n_star,
        metric.better,
        metric.largest,
        plan.minimum_users_an_arm,
    )
    if begun is None:
        return None
    return max(begin, _count_to_exclude(begun, metric, margin, plan) / (begun.clock / whole))


def find_votes_factor(by_person: Sequence[Clusters], by_message: Sequence[Clusters], plan: Plan) -> float:
    """The factor, at least 1, by which the votes must grow until they show that people prefer the challenger.
    Infinite when more of the same votes do not show it, and without votes.
    """
    wins = sum(kind.wins * kind.clusters for kind in by_person)
    losses = sum(kind.losses * kind.clusters for kind in by_person)
    if wins <= losses:
        return math.inf
    log_level = math.log(sequential.one_sided_level(plan.ship_alpha))

    def find(clusters: Sequence[Clusters], most: int) -> float:
        of_kind = np.array(clusters, dtype=float)  # (kinds, 3): wins, losses, clusters

        def compute_missing(factor: float) -> float:
            log_e = sequential.clustered_log_e(
                factor * of_kind[:, 2], of_kind[:, 0], of_kind[:, 1], most, 0.5
            )
            return -log_level - float(log_e)

        return _find_factor(compute_missing, _MOST)

    return max(
        1.0,
        plan.minimum_comparisons / (wins + losses),
        find(by_person, plan.votes_a_person),
        find(by_message, plan.votes_a_message),
    )


def _find_factor(compute_missing: Callable[[float], float], most: float) -> float:
    """The smallest factor from 1 to `most` with which nothing is missing; infinite if there is none."""
    if compute_missing(1.0) <= 0:
        return 1.0
    if compute_missing(most) > 0:
        return math.inf
    root = brentq(lambda log: compute_missing(math.exp(log)), 0.0, math.log(most), xtol=_PRECISION)
    return math.exp(float(root))


def _count_to_exclude(effect: Effect, metric: Metric, margin: float, plan: Plan) -> float:
    """The users of a balanced experiment whose interval excludes a loss beyond the margin."""
    room = margin + effect.gain(metric.better)
    if room <= 0:
        return math.inf
    return power.compute_users_to_exclude(room, effect.spread, plan.alpha, plan.n_star)


def _find_begin(pairs: Sequence[Pair], fewest_users: int) -> float:
    """The factor with which `effects.compare_arms` begins; infinite when it does not."""
    usable = [pair for pair in pairs if effects.has_variance(pair)]
    if not any(arm.variance for pair in usable for arm in pair):
        return math.inf
    factors = [1.0]
    for arm in zip(*usable, strict=True):
        users, information = effects.sum_information(arm)
        factors.append(fewest_users / users if users else math.inf)
        if information is not None:
            factors.append(1 / information if information else math.inf)
    return max(factors)


def _multiply(pairs: Sequence[Pair], factor: float) -> list[Pair]:
    """The arms with so many times as many users, who are like those."""

    def multiply(arm: Estimate) -> Estimate:
        grown = {"users": factor * arm.users}
        for name in ("effective_users", "information"):
            if (number := getattr(arm, name)) is not None:
                grown[name] = factor * number
        return arm.model_copy(update=grown)

    return [(multiply(baseline), multiply(challenger)) for baseline, challenger in pairs]
