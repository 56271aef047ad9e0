"""Whether an experiment can be believed: the assignment, and the users whom it found. Pure functions, safe to
look at all the time.
"""

import math
from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from experiments import effects, sequential
from experiments.estimators import Covariate, Estimate
from experiments.plan import Plan

_MOST_MOVED = 0.01  # share of the exposed who saw both arms, above which arms are no longer apart


class _Arm(Protocol):
    """What is asked of an arm in an epoch (`analysis.ArmStatistics`)."""

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
    """What speaks against believing an experiment, whatever it finds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_ratio_p: float = Field(description="of users falling on the arms by their weights, anytime-valid")
    is_sample_ratio_sound: bool
    moved_share: float = Field(description="of the exposed: later served by the other arm too")
    is_unmixed: bool
    balance_p: float | None = Field(
        description="of equal pasts of the arms' users, anytime-valid; None while nothing is known of them"
    )
    is_balanced: bool


def check(
    pairs: Sequence[tuple[_Arm, _Arm]], proportions: Sequence[Sequence[tuple[_Arm, _Arm]]], plan: Plan
) -> Health:
    """(baseline, challenger) in every epoch; and the same for each metric that all exposed users have, whose
    covariates are compared.

    First exposures are held against their epoch's weights: evidence of epochs multiplies.
    """
    log_e = sum(sequential.sample_ratio_log_e([a.exposed, b.exposed], [a.weight, b.weight]) for a, b in pairs)
    sample_ratio_p = math.exp(-max(log_e, 0.0))
    exposed = sum(a.exposed + b.exposed for a, b in pairs)
    moved_share = sum(a.moved + b.moved for a, b in pairs) / exposed if exposed else 0.0
    pasts = (
        effects.effect([(_past(a), _past(b)) for a, b in of_metric], plan.alpha, plan.n_star)
        for of_metric in proportions
    )
    ps = effects.holm(
        {
            str(number): past.p
            for number, past in enumerate(pasts)
            if past is not None
            and min(past.baseline_users, past.challenger_users) >= plan.minimum_users_an_arm
        }
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


def _past(arm: _Arm) -> Estimate:
    past = arm.covariate
    if past is None:
        return Estimate(users=arm.users, mean=None, variance=None)
    return Estimate(users=arm.users, mean=past.mean, variance=past.variance)
