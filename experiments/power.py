"""How many users an experiment needs, and how long that takes: pure functions.

`spread` is the squared standard error of an effect times the number of users (`effects.Effect.spread`): for
two arms of equal size whose users have a variance v it is 4 v.
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


def compute_fixed_sample(difference: float, spread: float, alpha: float, power: float) -> float:
    """Users in both arms together with which one analysis at the end detects a difference with this `power`.

    Rejected: statsmodels' NormalIndPower, which fails for very small and very large effects. This is its
    formula without the probability of a significant effect of the opposite sign.
    """
    z = float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))
    return spread * (z / abs(difference)) * (z / abs(difference)) if z > 0 else 0.0


def compute_sequential_sample(
    difference: float, spread: float, alpha: float, power: float, n_star: int
) -> float:
    """Users in both arms together with which the confidence sequence excludes 0 with probability `power`, in
    one analysis at that size. Repeated analyses detect the difference earlier. Infinite when a trillion users
    are too few, or the numbers exceed the range of a float.
    """
    z = float(stats.norm.ppf(power))
    return _solve(abs(difference), spread, alpha, n_star, z)


def compute_users_to_exclude(loss: float, spread: float, alpha: float, n_star: int) -> float:
    """Users in both arms together with whom the confidence sequence excludes a loss that is this far, in the
    metric's unit, from the present difference, if the difference stays as it is.
    """
    return _solve(loss, spread, alpha, n_star, 0.0)


def _solve(distance: float, spread: float, alpha: float, n_star: int, z: float) -> float:
    """The number of users at which half the width of the confidence sequence and z standard errors are
    together as large as a distance from the difference.
    """

    def compute_excess(log_n: float) -> float:
        n = math.exp(log_n)
        margin = sequential.mean_margin(n, spread, alpha, n_star)
        return distance - margin - z * math.sqrt(spread / n)

    excess_of_one, excess_of_most = compute_excess(0.0), compute_excess(math.log(_MOST_USERS))
    if excess_of_one >= 0:
        return 1.0
    if not (math.isfinite(excess_of_one) and excess_of_most > 0):
        return math.inf
    return math.exp(float(brentq(compute_excess, 0.0, math.log(_MOST_USERS))))


def compute_detectable_effect(n: float, spread: float, alpha: float, power: float, n_star: int) -> float:
    """The smallest difference that `n` users in both arms detect with probability `power`: the inverse of
    `compute_sequential_sample`.
    """
    return sequential.mean_margin(n, spread, alpha, n_star) + float(stats.norm.ppf(power)) * math.sqrt(
        spread / n
    )


class Outlook(BaseModel):
    """The progress of an experiment, and the time that it still needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: float = Field(
        description="effective sample size: users of a balanced experiment with equal precision"
    )
    users_needed: float = Field(
        description="effective sample size that detects the plan's smallest effect with its power"
    )
    detectable: float = Field(description="smallest effect that the present users detect with that power")
    days_left: float = Field(description="days until `users_needed`, at the present rate of users")


def forecast(effect: Effect | None, plan: Plan, elapsed: timedelta) -> Outlook | None:
    """Forecast an experiment. `elapsed` is the time since the first user's window closed. None without an
    effect, and when no number of users detects the plan's smallest effect.
    """
    if effect is None:
        return None
    parameters = plan.alpha, plan.power, plan.n_star
    needed = compute_sequential_sample(plan.smallest_effect, effect.spread, *parameters)
    if math.isinf(needed):
        return None
    return Outlook(
        users=effect.clock,
        users_needed=needed,
        detectable=compute_detectable_effect(effect.clock, effect.spread, *parameters),
        days_left=max(needed / effect.clock - 1, 0.0) * (elapsed / timedelta(days=1)),
    )
