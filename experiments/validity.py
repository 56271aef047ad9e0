"""Checks whether an experiment is valid: the sample ratio, mixed exposure, and balance of the arms before it.
Pure functions. All p-values are anytime-valid, so they hold at every analysis.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from experiments import effects, sequential
from experiments.estimators import Covariate, Estimate
from experiments.plan import Plan

_MOST_MOVED = 0.01  # share of exposed users served by both arms, above which the arms are mixed


class _Arm(Protocol):
    """The fields of an arm in an epoch that the checks read (`analysis.ArmStatistics`)."""

    @property
    def weight(self) -> float: ...
    @property
    def exposed(self) -> int: ...
    @property
    def moved(self) -> int: ...
    @property
    def users(self) -> int: ...
    @property
    def covariate(self) -> Covariate | None: ...


class Health(BaseModel):
    """Results of the validity checks of an experiment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_ratio_p: float = Field(
        description="anytime-valid p-value of users being split by the arms' weights"
    )
    is_sample_ratio_sound: bool
    moved_share: float = Field(description="share of the exposed users whom the other arm served later, too")
    is_unmixed: bool
    balance_p: float | None = Field(
        description="anytime-valid p-value of equal covariates in both arms; None without enough data"
    )
    is_balanced: bool


def check(
    pairs: Sequence[tuple[_Arm, _Arm]], proportions: Sequence[Sequence[tuple[_Arm, _Arm]]], plan: Plan
) -> Health:
    """Check an experiment.

    `pairs` has (baseline, challenger) of every epoch. `proportions` has the same for each metric that all
    exposed users have: their covariates are compared. First exposures are tested against the weights of their
    epoch. Epochs of equal weights are one stratum, and the e-values of different weights multiply: a mixture
    that begins again at each step of the ramp finds 51 of 100 users in one arm in a quarter as many
    experiments (docs/calibration.md).
    """
    counts: dict[float, NDArray[np.int64]] = defaultdict(lambda: np.zeros(2, np.int64))
    for a, b in pairs:
        counts[a.weight / (a.weight + b.weight)] += [a.exposed, b.exposed]
    log_e = sum(
        sequential.sample_ratio_log_e(exposed.tolist(), [weight, 1 - weight])
        for weight, exposed in counts.items()
    )
    sample_ratio_p = math.exp(-max(log_e, 0.0))
    exposed = sum(a.exposed + b.exposed for a, b in pairs)
    moved_share = sum(a.moved + b.moved for a, b in pairs) / exposed if exposed else 0.0
    pasts = (
        effects.compare_arms(
            [(_past_estimate(a), _past_estimate(b)) for a, b in metric_pairs],
            plan.alpha,
            plan.n_star,
            fewest_users=plan.minimum_users_an_arm,
        )
        for metric_pairs in proportions
    )
    ps = effects.adjust_by_holm(
        {str(number): past.p for number, past in enumerate(pasts) if past is not None}
    )
    balance_p = min(ps.values(), default=None)
    return Health(
        sample_ratio_p=sample_ratio_p,
        is_sample_ratio_sound=sample_ratio_p >= plan.sample_ratio_alpha,
        moved_share=moved_share,
        is_unmixed=moved_share <= _MOST_MOVED,
        balance_p=balance_p,
        is_balanced=balance_p is None or balance_p >= plan.sample_ratio_alpha,
    )


def _past_estimate(arm: _Arm) -> Estimate:
    """The covariate of an arm as an estimate of its own."""
    past = arm.covariate
    if past is None:
        return Estimate(users=arm.users, mean=None, variance=None)
    return Estimate(users=arm.users, mean=past.mean, variance=past.variance)
