"""A/A tests of metrics: the users of one arm are split at random many times. No split has an effect, so each
one that shows an effect is a false winner. Pure functions of the users' numbers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments import assignment
from experiments.effects import compare_arms
from experiments.metrics import Metric
from experiments.plan import Plan
from experiments.unit_values import UnitValues, estimate_arms


class Rate(NamedTuple):
    """A share of the splits, with its exact 95 % interval (Clopper and Pearson 1934); None without splits."""

    value: float | None
    low: float | None
    high: float | None


class AATest(NamedTuple):
    """What the splits of an arm say about a metric.

    `too_few` of the `splits` have no interval: too few users, or too little information. Of the others,
    `by_interval` is the share whose confidence sequence excludes 0 at this one analysis, and `by_fixed` the
    share with a fixed-horizon p-value below the plan's alpha. `by_part` is the typical mistake: the share
    that a test finds which takes each part of a ratio's denominator, such as an answer, for a user of its
    own. Only a ratio that is a share has it.
    """

    splits: int
    too_few: int
    by_interval: Rate
    by_fixed: Rate
    by_part: Rate | None


def split(units: UnitValues, plan: Plan, splits: int = 300) -> dict[str, AATest]:
    """Test the plan's metrics on the units of the variant that has most: by name, without quantiles.

    Each split has a salt of its own, and assigns as an experiment does. The rates are those of these units:
    their intervals have the error of the number of splits only. Raises ValueError without units.
    """
    if not units.ids:
        raise ValueError("there are no units to split: wait until the windows of some users have closed")
    variants, counts = np.unique(units.variants, return_counts=True)
    is_of_arm = units.variants == variants[counts.argmax()]
    is_first = np.array([_draw_half(units, f"aa-{number}") for number in range(splits)])
    halves = (is_first & is_of_arm, ~is_first & is_of_arm)  # each (splits, units)
    return {
        name: _test(units, name, metric, halves, plan)
        for name, metric in plan.all_metrics.items()
        if name in units.numbers
    }


def _test(
    units: UnitValues, name: str, metric: Metric, halves: Sequence[NDArray[np.bool_]], plan: Plan
) -> AATest:
    estimates = [estimate_arms(units, name, metric, half) for half in halves]
    effects = [
        compare_arms(
            list(zip(*epochs, strict=True)),
            plan.alpha,
            plan.n_star,
            metric.better,
            metric.largest,
            plan.minimum_users_an_arm,
        )
        for epochs in zip(*estimates, strict=True)
    ]
    known = [effect for effect in effects if effect is not None]
    return AATest(
        splits=len(effects),
        too_few=len(effects) - len(known),
        by_interval=compute_rate([effect.p < plan.alpha for effect in known]),
        by_fixed=compute_rate([effect.fixed_p < plan.alpha for effect in known]),
        by_part=compute_rate(_compare_parts(units, name, halves) < plan.alpha)
        if metric.kind == "ratio" and metric.is_share
        else None,
    )


def _compare_parts(units: UnitValues, name: str, halves: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """The p-values of a z-test for two proportions of independent parts, shape (splits,)."""
    numbers = units.numbers[name]
    (x, y), (other_x, other_y) = ((half @ numbers.x, half @ numbers.y) for half in halves)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (x + other_x) / (y + other_y)
        error = np.sqrt(pooled * (1 - pooled) * (1 / y + 1 / other_y))
        z = np.abs(x / y - other_x / other_y) / error
    return np.asarray(2 * stats.norm.sf(np.nan_to_num(z)))


def compute_rate(is_event: Sequence[bool] | NDArray[np.bool_]) -> Rate:
    """The share of events with its exact interval."""
    number, events = len(is_event), int(np.sum(is_event))
    if not number:
        return Rate(None, None, None)
    interval = stats.binomtest(events, number).proportion_ci(method="exact")
    return Rate(events / number, float(interval.low), float(interval.high))


def _draw_half(units: UnitValues, salt: str) -> NDArray[np.bool_]:
    """Whether each unit is in the first half of a split, shape (units,)."""
    return np.array([assignment.position(salt, unit_id) < 0.5 for unit_id in units.ids], dtype=bool)
