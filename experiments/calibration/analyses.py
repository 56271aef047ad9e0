"""Analyses of many experiments at once, as arrays, and the figures that a series of analyses gives.

The arrays must agree with the production code, `analysis.between_users`. `check_against_production` asserts
that for one experiment.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw

from experiments import analysis, metrics
from experiments.analysis import ArmStatistics
from experiments.calibration.populations import Array
from experiments.calibration.report import OperatingCharacteristics, estimate_median, estimate_rate
from experiments.plan import Plan

# Users per arm before the first analysis, for the curve of early analyses.
_MINIMA = (2, 10, 25, 50, 75, 100, 150, 200, 300, 500, 1000)
# Sample sizes at which the share of decided experiments is reported, in fixed-horizon samples.
_RATIOS = tuple(round(0.1 * n, 1) for n in range(1, 26))
_TINY = 1e-300  # avoids division by zero where an experiment has no data yet


class Analyses(NamedTuple):
    """One analysis of each of many experiments; arrays of shape (experiments,)."""

    effect: Array
    variance: Array  # of the effect
    clock: Array  # users of a balanced experiment with the same information
    smaller_arm: Array  # users of the smaller arm

    def exclude(self, value: float, margin: Array, minimum: int) -> NDArray[np.bool_]:
        """Whether each interval excludes `value`. An experiment has no interval while nothing varies, or
        while its smaller arm has fewer than `minimum` users.
        """
        has_interval = (self.variance > 0) & (self.smaller_arm >= minimum)
        return (np.abs(self.effect - value) > margin) & has_interval


def analyse(sums: Array) -> Analyses:
    """`analysis.between_users` for arrays.

    `sums` has the shape (experiments, epochs, arms, 3): the number of users, the sum of their outcomes, and
    the sum of the squares. The baseline is the first arm.
    """
    n, total, squares = np.moveaxis(sums, -1, 0)  # each (experiments, epochs, arms)
    has_data = (n >= 2).all(axis=2, keepdims=True)  # (experiments, epochs, 1)
    n = np.where(has_data, n, 2)  # any number that avoids 0 / 0: the weight of such an epoch is 0
    mean = total / n
    variance = np.maximum(squares - total * mean, 0) / (n - 1)
    h = has_data[..., 0] * n.prod(axis=2) / n.sum(axis=2)  # half the harmonic mean, (experiments, epochs)
    weight = h / np.maximum(h.sum(axis=1, keepdims=True), _TINY)
    return Analyses(
        effect=(weight * (mean[..., 1] - mean[..., 0])).sum(axis=1),
        variance=(weight**2 * (variance / n).sum(axis=2)).sum(axis=1),
        clock=4 * h.sum(axis=1),
        smaller_arm=(has_data * n).sum(axis=1).min(axis=1),
    )


def compute_margins(analyses: Analyses, alpha: float, n_star: float) -> Array:
    """`sequential.mean_margin` for arrays: half the width of each interval, of shape (experiments,)."""
    return np.sqrt(analyses.variance) * compute_margin_factors(analyses.clock, alpha, n_star)


def compute_margin_factors(clock: Array, alpha: float, n_star: float) -> Array:
    """Half the width of each interval in standard errors, of shape (experiments,)."""
    rho2 = (-float(lambertw(-(alpha**2) / math.e, -1).real) - 1) / n_star
    n = np.maximum(clock, _TINY)
    growth = n * rho2 + 1
    return np.asarray(np.sqrt(2 * growth / (n * rho2) * np.log(np.sqrt(growth) / alpha)), dtype=float)


def build_statistics(sums: Array, weights: Iterable[float]) -> list[ArmStatistics]:
    """Statistics of one experiment for the production code, from its sums of shape (epochs, arms, 3) and the
    challenger's weight in each epoch.
    """
    statistics = []
    for epoch, (arms, weight) in enumerate(zip(sums, weights, strict=True)):
        for (n, total, squares), is_baseline in zip(arms.tolist(), (True, False), strict=True):
            statistics.append(
                ArmStatistics(
                    epoch=epoch,
                    variant="baseline" if is_baseline else "challenger",
                    is_baseline=is_baseline,
                    weight=1 - weight if is_baseline else weight,
                    exposed=int(n),
                    moved=0,
                    closed=int(n),
                    users=int(n),
                    mean=total / n if n else None,
                    variance=max(squares - total * total / n, 0) / (n - 1) if n > 1 else None,
                )
            )
    return statistics


def check_against_production(
    sums: Array, weights: Iterable[float], analyses: Analyses, margin: Array, plan: Plan, row: int
) -> None:
    """Assert that `analysis.between_users` gives the same effect, interval and verdict for experiment `row`.

    `sums` is as for `analyse`, `weights` as for `build_statistics`. Raises AssertionError with both results.
    """
    statistics = {plan.primary: build_statistics(sums[row], weights)}
    without_guardrails = plan.model_copy(update={"guardrails": {}})
    result = analysis.between_users(statistics, without_guardrails, metrics.load())
    if analyses.smaller_arm[row] < plan.minimum_users_an_arm:
        assert result.primary is None, f"production has an interval for {analyses.smaller_arm[row]} users"
        return
    effect, half = float(analyses.effect[row]), float(margin[row])
    verdict = "better" if effect > half else "worse" if effect < -half else "no clear difference"
    assert result.primary is not None
    simulated = (effect, max(effect - half, -1), min(effect + half, 1))
    production = (result.primary.difference, *result.primary.interval)
    assert np.allclose(simulated, production, rtol=1e-6, atol=1e-9), (
        f"the simulation gives {simulated}, analysis.between_users {production}"
    )
    assert verdict == result.verdict, (
        f"the simulation gives {verdict}, analysis.between_users {result.verdict}: {simulated}"
    )


class MonitoringResult(NamedTuple):
    """What repeated analyses of experiments have shown; arrays of shape (experiments,)."""

    stop: NDArray[Any]  # index of the first analysis with a winner, -1 if there is none
    is_wrong: NDArray[Any]  # whether that winner is the wrong arm
    last_missed: NDArray[Any]  # users of the smaller arm when an interval last missed the truth, 0 if never


class Monitor:
    """Follows one kind of interval through all analyses of `size` experiments with a known true effect."""

    def __init__(self, size: int, truth: float) -> None:
        self._truth = truth
        self._stop, self._is_wrong = np.full(size, -1), np.zeros(size, dtype=bool)
        self._last_missed = np.zeros(size, dtype=int)

    @property
    def result(self) -> MonitoringResult:
        """The result of all analyses so far."""
        return MonitoringResult(self._stop, self._is_wrong, self._last_missed)

    def record(self, index: int, analyses: Analyses, margin: Array, minimum: int) -> None:
        """Record analysis number `index`. It can name a winner from `minimum` users per arm on."""
        winner = np.sign(analyses.effect) * analyses.exclude(0.0, margin, minimum)
        self.record_winners(index, winner, analyses.exclude(self._truth, margin, 2), analyses.smaller_arm)

    def record_winners(
        self, index: int, winner: NDArray[Any], misses: NDArray[np.bool_], users: NDArray[Any] | int
    ) -> None:
        """Record analysis number `index` by its results, arrays of shape (experiments,).

        `winner` is 1 for the challenger, -1 for the baseline, 0 for none. `misses` says whether the interval
        misses the truth. `users` is the size of the smaller arm, or the number of votes.
        """
        self._last_missed = np.where(misses, users, self._last_missed)
        decides = (winner != 0) & (self._stop < 0)
        self._stop[decides] = index
        self._is_wrong[decides] = winner[decides] != np.sign(self._truth)


def join_chunks(chunks: list[dict[str, Any]], key: str) -> MonitoringResult:
    """The monitoring results of all chunks under a key, concatenated."""
    return MonitoringResult(
        *(np.concatenate(parts) for parts in zip(*(chunk[key] for chunk in chunks), strict=True))
    )


def estimate_characteristics(
    chunks: list[dict[str, Any]], kind: str, ratios: Array, minimum: int
) -> OperatingCharacteristics:
    """The operating characteristics of one kind of interval.

    `ratios`, of shape (analyses,), is the sample size at each analysis in fixed-horizon samples. `minimum`
    is the plan's number of users per arm (or votes) before the first analysis.
    """
    aa, ab = join_chunks(chunks, f"{kind} True"), join_chunks(chunks, f"{kind} False")
    stops = np.where(ab.stop >= 0, ratios[ab.stop], np.inf)
    return OperatingCharacteristics(
        aa_false_winner_rate=estimate_rate(aa.stop >= 0),
        coverage=estimate_rate(ab.last_missed < minimum),
        wrong_winner_rate=estimate_rate((ab.stop >= 0) & ab.is_wrong),
        power=estimate_rate((ab.stop >= 0) & ~ab.is_wrong),
        median_stop_ratio=estimate_median(stops),
        decided_by={ratio: float((stops <= ratio).mean()) for ratio in _RATIOS},
        missed_from={
            users: float(max((result.last_missed >= users).mean() for result in (aa, ab)))
            for users in _MINIMA
        },
    )
