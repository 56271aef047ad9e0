"""How many users an experiment needs, and how long that takes: pure functions.

`spread` is what an effect's squared standard error is when one user has told (`effects.Effect.spread`): of
two equal arms whose users have a variance v it is 4 v.
"""

import math
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field
from scipy import stats
from scipy.optimize import brentq

from experiments import sequential
from experiments.effects import Effect
from experiments.plan import Plan

_MOST_USERS = 1e12


def fixed_sample(difference: float, spread: float, alpha: float, power: float) -> float:
    """Users in both arms together that find a difference with this chance, by one look at the end.

    statsmodels' NormalIndPower fails where a plan asks for very little or very much; this is its formula but
    for the chance to find the opposite.
    """
    z = float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))
    return spread * (z / abs(difference)) * (z / abs(difference)) if z > 0 else 0.0


def sequential_sample(difference: float, spread: float, alpha: float, power: float, n_star: int) -> float:
    """Users in both arms together at which the confidence sequence excludes 0 with this chance, at that look
    alone; who looks on the way finds it sooner. Infinite when a trillion would not do, or when the plan's
    numbers are beyond what a float can reckon with.
    """
    z = float(stats.norm.ppf(power))

    def excess(log_n: float) -> float:
        n = math.exp(log_n)
        margin = sequential.mean_margin(n, spread, alpha, n_star)
        return abs(difference) - margin - z * math.sqrt(spread / n)

    fewest, most = excess(0.0), excess(math.log(_MOST_USERS))
    if fewest >= 0:
        return 1.0
    if not (math.isfinite(fewest) and most > 0):
        return math.inf
    return math.exp(float(brentq(excess, 0.0, math.log(_MOST_USERS))))


def detectable(n: float, spread: float, alpha: float, power: float, n_star: int) -> float:
    """The smallest difference that `sequential_sample` finds with so many users."""
    return sequential.mean_margin(n, spread, alpha, n_star) + float(stats.norm.ppf(power)) * math.sqrt(
        spread / n
    )


class Outlook(BaseModel):
    """How far an experiment is, and how long it may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: float = Field(description="users of a balanced experiment that would tell as much")
    users_needed: float = Field(description="of such, to find the plan's smallest effect with its power")
    detectable: float = Field(description="the smallest effect that those of now find with that power")
    days_left: float = Field(description="if users come as they have come until now")


def outlook(effect: Effect | None, plan: Plan, lasted: timedelta) -> Outlook | None:
    """What is to be expected of an experiment whose windows have closed for so long; None until
    anything is known, and of a plan that no number of users fulfils.
    """
    if effect is None:
        return None
    of_plan = plan.alpha, plan.power, plan.n_star
    needed = sequential_sample(plan.smallest_effect, effect.spread, *of_plan)
    if math.isinf(needed):
        return None
    return Outlook(
        users=effect.clock,
        users_needed=needed,
        detectable=detectable(effect.clock, effect.spread, *of_plan),
        days_left=max(needed / effect.clock - 1, 0.0) * (lasted / timedelta(days=1)),
    )
