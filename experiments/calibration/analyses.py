"""Analyses of many experiments at once, by arrays."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw

from experiments import analysis, metrics
from experiments.analysis import ArmStatistics
from experiments.calibration.populations import Array
from experiments.calibration.report import Promise, median, rate
from experiments.plan import Plan

_MINIMA = (2, 10, 25, 50, 75, 100, 150, 200, 300, 500, 1000)  # users an arm before which nothing is concluded
_RATIOS = tuple(round(0.1 * n, 1) for n in range(1, 26))


class Looks(NamedTuple):
    """Looks at many experiments; arrays of shape (experiments,)."""

    effect: Array
    variance: Array  # of the effect
    clock: Array
    fewest: Array  # users of the smaller arm

    def outside(self, truth: float, margin: Array, minimum: int) -> NDArray[np.bool_]:
        """Whether there is an interval, with enough users to say so, and it excludes a value."""
        is_told = (self.variance > 0) & (self.fewest >= minimum)
        return (np.abs(self.effect - truth) > margin) & is_told


def judge(sums: Array) -> Looks:
    """`analysis.between_users` for arrays: `sums`, of shape (experiments, epochs, arms, 3), holds users, the
    sum of their outcomes and that of the squares.
    """
    n, total, squares = np.moveaxis(sums, -1, 0)  # (experiments, epochs, arms)
    told = (n >= 2).all(axis=2, keepdims=True)
    n = np.where(told, n, 2)
    mean = total / n
    variance = np.maximum(squares - total * mean, 0) / (n - 1)
    h = told[..., 0] * n.prod(axis=2) / n.sum(axis=2)  # (experiments, epochs)
    weight = h / np.maximum(h.sum(axis=1, keepdims=True), 1e-300)
    return Looks(
        effect=(weight * (mean[..., 1] - mean[..., 0])).sum(axis=1),
        variance=(weight**2 * (variance / n).sum(axis=2)).sum(axis=1),
        clock=4 * h.sum(axis=1),
        fewest=(told * n).sum(axis=1).min(axis=1),
    )


def margins(looks: Looks, alpha: float, n_star: float) -> Array:
    """`sequential.mean_margin` for arrays."""
    rho2 = (-float(lambertw(-(alpha**2) / math.e, -1).real) - 1) / n_star
    n = np.maximum(looks.clock, 1e-300)
    growth = n * rho2 + 1
    return np.asarray(
        np.sqrt(looks.variance / n * 2 * growth / rho2 * np.log(np.sqrt(growth) / alpha)), dtype=float
    )


def arm_statistics(sums: Array, weights: Iterable[float]) -> list[ArmStatistics]:
    """One experiment's arms, from sums of shape (epochs, arms, 3) and the challenger's weight by epoch."""
    arms = []
    for epoch, (pair, weight) in enumerate(zip(sums, weights, strict=True)):
        for (n, total, squares), is_baseline in zip(pair.tolist(), (True, False), strict=True):
            arms.append(
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
    return arms


def check(sums: Array, weights: Iterable[float], looks: Looks, margin: Array, plan: Plan, row: int) -> None:
    """Assert that one experiment is judged as it would be for real."""
    arms = {plan.primary: arm_statistics(sums[row], weights)}
    alone = plan.model_copy(update={"guardrails": {}})
    found = analysis.between_users(arms, alone, metrics.load())
    effect, half = float(looks.effect[row]), float(margin[row])
    verdict = "too few users"
    if looks.fewest[row] >= plan.minimum_users_an_arm:
        verdict = "better" if effect > half else "worse" if effect < -half else "no clear difference"
    assert found.primary is not None
    ours = (effect, max(effect - half, -1), min(effect + half, 1))
    theirs = (found.primary.difference, *found.primary.interval)
    assert np.allclose(ours, theirs, rtol=1e-6, atol=1e-9), f"judged {ours}, for real {theirs}"
    assert verdict == found.verdict, f"judged {verdict}, for real {found.verdict}: {ours}"


class Seen(NamedTuple):
    """What was seen of experiments, by experiment: the first look with a winner (-1: none), whether that was
    the wrong one, and how many users the smaller arm had when the truth was last outside (0: never).
    """

    stop: NDArray[Any]
    wrong: NDArray[Any]
    last_missed: NDArray[Any]


class Watch:
    """Watches one kind of interval at every look."""

    def __init__(self, size: int, truth: float) -> None:
        self._truth = truth
        self.stop, self.wrong = np.full(size, -1), np.zeros(size, dtype=bool)
        self.last_missed = np.zeros(size, dtype=int)

    def see(self, look: int, looks: Looks, margin: Array, minimum: int) -> None:
        """Take in an analysis of all experiments."""
        missed = looks.outside(self._truth, margin, 2)
        self.last_missed = np.where(missed, looks.fewest, self.last_missed)
        decides = looks.outside(0.0, margin, minimum) & (self.stop < 0)
        self.stop[decides] = look
        self.wrong[decides] = np.sign(looks.effect[decides]) != np.sign(self._truth)


def joined(chunks: list[dict[str, Any]], key: str) -> Seen:
    """Concatenate what the chunks have seen under a key."""
    return Seen(*(np.concatenate(parts) for parts in zip(*(chunk[key] for chunk in chunks), strict=True)))


def promise(chunks: list[dict[str, Any]], kind: str, ratios: Array, minimum: int) -> Promise:
    """Estimate what one kind of interval does, from all chunks."""
    equal, unequal = joined(chunks, f"{kind} True"), joined(chunks, f"{kind} False")
    stops = np.where(unequal.stop >= 0, ratios[unequal.stop], np.inf)
    return Promise(
        aa_false_winner_rate=rate(equal.stop >= 0),
        coverage=rate(unequal.last_missed < minimum),
        wrong_winner_rate=rate((unequal.stop >= 0) & unequal.wrong),
        power=rate((unequal.stop >= 0) & ~unequal.wrong),
        median_stop_ratio=median(stops),
        decided_by={ratio: float((stops <= ratio).mean()) for ratio in _RATIOS},
        missed_from={
            users: float(max((side.last_missed >= users).mean() for side in (equal, unequal)))
            for users in _MINIMA
        },
    )
