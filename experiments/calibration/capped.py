"""Caps by percentile (`experiments.caps`): amounts of which a few users have most, with a cap from the users
before the start.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from experiments.calibration.analyses import Analyses, analyse, compute_margins
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.information import has_begun
from experiments.calibration.populations import SETTINGS, Array
from experiments.calibration.report import AdjustedResult, summarise_adjusted
from experiments.metrics import Metric
from experiments.plan import Plan

_LOOKS, _USERS = 50, 20_000
_HISTORY, _PERCENTILE = 5_000, 0.99  # users before the start, and the percentile of them that is the cap
_EFFECT = 0.9  # the better arm's amounts over those of the other
_WAITED = Metric(kind="mean", of="service_s", better="lower", says="seconds waited")


class Kind(NamedTuple):
    """Lognormal amounts, with the deviation of their logarithm."""

    description: str
    sigma: float


KINDS = {
    "cap_skewed": Kind("Lognormal amounts (sigma 1); the better arm has 10 % less.", 1.0),
    "cap_very_skewed": Kind("The same with sigma 2: one user in a hundred has 37 % of it.", 2.0),
}


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of a kind: a fifth of `size` experiments without an effect, and as many with one.

    Gives what `report.summarise_adjusted` joins. The true effect is that on the capped amounts. What is found
    without a cap is an effect on the amounts.
    """
    sigma, size = KINDS[name].sigma, max(2, size // 5)
    result: dict[str, Any] = {}
    for is_aa in (True, False):
        rng = np.random.default_rng([config.seed, len(SETTINGS) + 8, list(KINDS).index(name), chunk, is_aa])
        effect = 1.0 if is_aa else _EFFECT
        history = rng.lognormal(0.0, sigma, (size, _HISTORY))
        cap = np.quantile(history, _PERCENTILE, axis=1, method="inverted_cdf")  # (experiments,)
        truth = effect * _compute_capped_mean(cap / effect, sigma) - _compute_capped_mean(cap, sigma)
        sums = {key: np.zeros((size, 2, 3)) for key in ("capped", "plain")}
        misses, found, found_without = (np.zeros(size, dtype=bool) for _ in range(3))
        for _ in range(_LOOKS):
            is_challenger = rng.random((size, _USERS // _LOOKS)) < 0.5
            amounts = rng.lognormal(0.0, sigma, is_challenger.shape) * np.where(is_challenger, effect, 1.0)
            for key, values in (("capped", np.minimum(amounts, cap[:, None])), ("plain", amounts)):
                for column, value in enumerate((np.ones(values.shape), values, values**2)):
                    sums[key][:, 1, column] += (value * is_challenger).sum(axis=1)
                    sums[key][:, 0, column] += (value * ~is_challenger).sum(axis=1)
            capped, plain = (analyse(sums[key][:, None]) for key in ("capped", "plain"))
            misses |= _excludes(capped, truth, sums["capped"], plan)
            found |= _excludes(capped, np.zeros(size), sums["capped"], plan)
            found_without |= _excludes(plain, np.zeros(size), sums["plain"], plan)
        result["false" if is_aa else "missed"] = misses
    return {
        **result,
        "found": found,
        "found_without": found_without,
        "bias": capped.effect / truth - 1,
        "reduction": 1 - capped.variance / plain.variance,
    }


def _compute_capped_mean(cap: Array, sigma: float) -> Array:
    """The mean of a lognormal amount whose logarithm has mean 0, with a cap; of the shape of `cap`."""
    z = np.log(cap) / sigma
    return np.asarray(np.exp(sigma**2 / 2) * ndtr(z - sigma) + cap * ndtr(-z))


def _excludes(analyses: Analyses, value: Array, sums: Array, plan: Plan) -> Array:
    """Whether each experiment's interval has begun and excludes its value, of shape (experiments,)."""
    margin = compute_margins(analyses, plan.alpha, plan.n_star)
    without_past = np.concatenate([sums, np.zeros((len(sums), 2, 3))], axis=-1)
    return np.asarray((np.abs(analyses.effect - value) > margin) & has_begun(without_past, _WAITED, plan))


def summarise(
    config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]
) -> AdjustedResult:
    """Estimate the figures of a kind from the results of all its chunks."""
    return summarise_adjusted(KINDS[name].description, chunks)
