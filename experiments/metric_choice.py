"""What helps to choose a metric: what quantities are like, what it can see, and what it would have seen."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from sqlalchemy.orm import Session

from experiments import power, recent_users
from experiments.analysis import ExperimentResult
from experiments.plan import Plan
from experiments.unit_values import Floats, UnitValues


class Column(NamedTuple):
    """A quantity over all units: `zero` and `unknown` are the shares of units with 0 and without a value."""

    name: str
    mean: float | None
    largest: float | None
    zero: float
    unknown: float


def describe(units: UnitValues) -> list[Column]:
    """The columns that an expression may name, over the units."""
    columns = []
    for name, values in units.quantities.items():
        known = values[~np.isnan(values)]
        columns.append(
            Column(
                name,
                mean=float(known.mean()) if len(known) else None,
                largest=float(known.max()) if len(known) else None,
                zero=float((values == 0).mean()) if len(values) else 0.0,
                unknown=1 - len(known) / len(values) if len(values) else 0.0,
            )
        )
    return columns


class Capped(NamedTuple):
    """An amount of which no unit counts for more than `cap`."""

    percentile: float
    cap: float
    above: float  # share of the units that the cap cuts
    mean: float
    deviation: float  # standard deviation of one unit
    users: float  # that detect the same relative effect, over those without a cap


def winsorise(values: Floats, percentiles: Sequence[float] = (1.0, 0.99, 0.95, 0.9)) -> list[Capped]:
    """How caps at percentiles of the values would change their mean and its noise. NaN values do not count.

    The users that a relative effect needs grow with the square of deviation over mean. An experiment's own
    caps come from the time before it (`caps`), since a cap from its own data would change with each analysis.
    Raises ValueError for values that do not differ.
    """
    known = values[~np.isnan(values)]
    if len(known) < 2 or not known.std() or not known.mean():
        raise ValueError("users do not differ in this amount, or its mean is 0: choose another one")
    rows = []
    for percentile in percentiles:
        cap = float(np.quantile(known, percentile, method="inverted_cdf"))
        cut = np.minimum(known, cap)
        noise = (cut.std() / cut.mean()) / (known.std() / known.mean()) if cut.mean() else np.inf
        rows.append(
            Capped(
                percentile,
                cap,
                above=float((known > cap).mean()),
                mean=float(cut.mean()),
                deviation=float(cut.std(ddof=1)),
                users=float(noise**2),
            )
        )
    return rows


class Sight(NamedTuple):
    """What a metric can see: the smallest `detectable` difference, in its unit and as a part `of_mean`."""

    name: str
    mean: float
    spread: float  # of an effect (`experiments.power`), with CUPED
    with_value: float  # share of the users who have a value
    detectable: float
    of_mean: float | None


def list_sights(session: Session, plan: Plan, users: float, now: datetime | None = None) -> list[Sight]:
    """The smallest difference in each of the plan's metrics that so many measured users detect with its
    power, by the traffic of the last weeks. The metric that sees the smallest part of its mean comes first.
    Metrics in which recent users do not differ are absent, and so are all without traffic.

    The caller rolls back (`recent_users.measure`).
    """
    past = recent_users.measure(session, plan, plan.all_metrics, now or datetime.now(UTC))
    sights = []
    for name, metric in past.metrics.items() if past else ():
        if metric.spread is None or not metric.with_value:
            continue
        detectable = power.compute_detectable_effect(
            users * metric.with_value, metric.spread, plan.alpha, plan.power, plan.n_star
        )
        of_mean = detectable / abs(metric.mean) if metric.mean else None
        sights.append(Sight(name, metric.mean, metric.spread, metric.with_value, detectable, of_mean))
    return sorted(sights, key=lambda sight: np.inf if sight.of_mean is None else sight.of_mean)


class Gain(NamedTuple):
    """The challenger's effect on a metric. `low` and `high` are the confidence sequence of the difference.

    `detectable` is the smallest difference that these users would show with the plan's power. `gain` and its
    ends count in it, so metrics can be compared; above 0 the challenger is better.
    """

    name: str
    baseline: float
    challenger: float
    low: float
    high: float
    p: float | None  # by Holm, but not of the primary metric
    explained: float  # share of the variance that CUPED removed
    detectable: float
    gain: float
    gain_low: float
    gain_high: float


def list_gains(result: ExperimentResult, plan: Plan) -> list[Gain]:
    """The effects of a result on the metrics that have one, the primary metric first."""
    effects = {plan.primary: (result.primary, result.primary.p if result.primary else None)}
    effects |= {name: (row.effect, row.p) for name, row in result.metrics.items()}
    gains = []
    for name, (effect, p) in effects.items():
        if effect is None:
            continue
        better = plan.all_metrics[name].better
        unit = power.compute_detectable_effect(
            effect.clock, effect.spread, plan.alpha, plan.power, plan.n_star
        )
        ends = effect.gain_interval(better)
        gains.append(
            Gain(
                name,
                effect.baseline,
                effect.challenger,
                *effect.interval,
                p=p,
                explained=effect.variance_reduction,
                detectable=unit,
                gain=effect.gain(better) / unit,
                gain_low=ends.low / unit,
                gain_high=ends.high / unit,
            )
        )
    return gains
