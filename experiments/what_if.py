"""What an experiment would have shown with another prior, another window, or another rule to stop. Nothing is
stored, and nothing of it decides.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sqlalchemy.orm import Session

from experiments import page_effects, unit_rows
from experiments.effects import Better, Effect, compare_arms
from experiments.estimators import Estimate, Sums, estimate
from experiments.metrics import Metric
from experiments.plan import Plan
from experiments.readings import ExperimentPage
from experiments.recount import Recount, build_arms, find_analysis


class Posterior(NamedTuple):
    """What to believe of a difference after the data, in the metric's unit."""

    difference: float  # its mean
    low: float  # of the central interval of 95 %
    high: float
    chance_to_win: float  # probability that the challenger is better
    expected_loss: float  # mean loss if the challenger is shipped


def apply_prior(effect: Effect, better: Better, mean: float, deviation: float) -> Posterior:
    """The posterior of a difference, given a normal prior in the metric's unit; a `deviation` of infinity is
    the flat prior of the dashboard.

    Gelman et al., "Bayesian data analysis" (3rd edition, 2013), section 2.5. As the flat prior, it does not
    protect against stopping as soon as it looks good.
    """
    precisions = effect.clock / effect.spread, 1 / deviation**2
    error = 1 / math.sqrt(sum(precisions))
    difference = (effect.difference * precisions[0] + mean * precisions[1]) * error**2
    low, high = stats.norm.interval(0.95, difference, error)
    gain = difference if better == "higher" else -difference
    z = gain / error
    return Posterior(
        difference=difference,
        low=float(low),
        high=float(high),
        chance_to_win=float(stats.norm.cdf(z)),
        expected_loss=float(error * stats.norm.pdf(z) - gain * stats.norm.cdf(-z)),
    )


class WindowEffect(NamedTuple):
    """The effect in the primary metric with another window."""

    hours: float
    closed: int  # users of both arms whose windows had closed
    voters: int  # of these, users with a value
    effect: Effect | None


def compare_windows(session: Session, page: ExperimentPage, hours: Sequence[float]) -> list[WindowEffect]:
    """The effect in the primary metric at the newest analysis if windows had been as long, from the rows. A
    longer window has more of each user, and fewer users whose windows have closed. Raises RecountError when
    there is no analysis.
    """
    analysed = find_analysis(page)
    plan = analysed.plan
    primary = {plan.primary: plan.all_metrics[plan.primary]}
    windows = []
    for length in hours:
        changed = plan.model_copy(update={"window_hours": length})
        units = unit_rows.read_units(session, page.id, changed, analysed.at)
        arms = build_arms(units, page.epochs, analysed.baseline, primary)[plan.primary]
        pair = [
            [arm for arm in arms if arm.variant == name] for name in (analysed.baseline, page.challenger.name)
        ]
        effect = _compare(list(zip(*pair, strict=True)), plan, primary[plan.primary])
        both = [arm for side in pair for arm in side]
        closed, voters = (sum(getattr(arm, name) for arm in both) for name in ("closed", "users"))
        windows.append(WindowEffect(length, closed, voters, effect))
    return windows


def list_ways(
    session: Session, page: ExperimentPage, hours: Sequence[float] = ()
) -> dict[str, Effect | None]:
    """The effect in the primary metric as the metric's page shows it (without CUPED, without its cap, with
    equal shares of strata), and with windows of so many hours. Errors as in `compare_windows`.
    """
    windows = compare_windows(session, page, hours)
    assert page.plan is not None, page.id
    ways: dict[str, Effect | None] = {}
    ways.update(page_effects.compute_effects_by_way(session, page, page.plan.primary).items())
    ways.update({f"window of {each.hours:g} h, {each.voters} users": each.effect for each in windows})
    return ways


def _compare(pairs: Sequence[tuple[Estimate, Estimate]], plan: Plan, metric: Metric) -> Effect | None:
    return compare_arms(
        pairs, plan.alpha, plan.n_star, metric.better, metric.largest, plan.minimum_users_an_arm
    )


class FalseWinners(NamedTuple):
    """Whether a rule named a winner, for each experiment with shuffled arms; of shape (experiments,)."""

    at_the_end: NDArray[np.bool_]  # Welch's p is below alpha at the last analysis
    peeking: NDArray[np.bool_]  # Welch's p is below alpha at any analysis
    sequence: NDArray[np.bool_]  # the confidence sequence excludes 0 at any analysis


def shuffle_arms(
    recounted: Recount, challenger: str, times: Sequence[datetime], experiments: int = 200, seed: int = 0
) -> FalseWinners:
    """Analyse experiments without an effect at `times`: those of the same users, who belong to an arm by
    chance alone. The arms are shuffled within each epoch. Users count from the same moments on as they did.

    The metric is the primary one. Raises ValueError for a quantile, which has no numbers by user.
    """
    plan, names = recounted.plan, (recounted.baseline, challenger)
    metric = plan.all_metrics[plan.primary]
    if metric.kind == "quantile":
        raise ValueError(f"{plan.primary} is a quantile, which has no numbers by user; take another metric")
    counted = sorted(
        (
            unit
            for unit in recounted.units
            if unit.variant in names and unit.numbers and unit.numbers[plan.primary].x is not None
        ),
        key=lambda unit: unit.counts_from,
    )
    numbers = np.array([unit.numbers[plan.primary] for unit in counted], dtype=float).reshape(-1, 4)
    moments = np.array([unit.counts_from.timestamp() for unit in counted])
    ends = np.unique(np.searchsorted(moments, [time.timestamp() for time in times], side="right"))
    epochs = np.array([unit.epoch for unit in counted])
    is_challenger = np.array([unit.variant == names[1] for unit in counted])
    rng = np.random.default_rng(seed)
    hits = np.zeros((experiments, 3), dtype=bool)
    for number in range(experiments):
        shuffled = is_challenger.copy()
        for epoch in np.unique(epochs):
            shuffled[epochs == epoch] = rng.permutation(shuffled[epochs == epoch])
        for effect in _analyse(numbers, epochs, shuffled, ends[ends > 0], plan, metric):
            is_found = effect.fixed_p < plan.alpha
            hits[number, 0] = is_found
            hits[number, 1] |= is_found
            hits[number, 2] |= effect.p < plan.alpha
    return FalseWinners(*hits.T)


def _analyse(
    numbers: NDArray[np.float64],
    epochs: NDArray[np.int64],
    is_challenger: NDArray[np.bool_],
    ends: NDArray[np.int64],
    plan: Plan,
    metric: Metric,
) -> Iterator[Effect]:
    """The effects among the first users. `numbers` has the shape (users, 4), as `unit_rows.Numbers`; `ends`
    are the numbers of users at the analyses.
    """
    sums: Mapping[tuple[int, bool], list[Estimate]] = {
        (epoch, side): _estimate_each(numbers, (epochs == epoch) & (is_challenger == side), ends, metric)
        for epoch in np.unique(epochs).tolist()
        for side in (False, True)
    }
    for place in range(len(ends)):
        pairs = [
            (sums[epoch, False][place], sums[epoch, True][place]) for epoch in np.unique(epochs).tolist()
        ]
        effect = _compare(pairs, plan, metric)
        if effect is not None:
            yield effect


def _estimate_each(
    numbers: NDArray[np.float64], is_in: NDArray[np.bool_], ends: NDArray[np.int64], metric: Metric
) -> list[Estimate]:
    """The estimates over some of the first users, at each of `ends`."""
    x, y, u, v = (numbers * is_in[:, None]).T
    # In the order of `Sums`.
    products = [is_in, x, x * x, y, y * y, x * y, u, u * u, v, v * v, u * v, x * u, x * v, y * u, y * v]
    totals = np.cumsum(np.stack(products), axis=1)[:, ends - 1].T  # (analyses, sums)
    return [estimate(metric, {0: Sums(int(n), *map(Decimal, total))}) for n, *total in totals.tolist()]
