"""Experiments between users: their batches, and what is seen of them."""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.power import NormalIndPower

from experiments import bandit
from experiments.calibration.analyses import (
    Seen,
    Watch,
    arm_statistics,
    check,
    joined,
    judge,
    margins,
    promise,
)
from experiments.calibration.config import BANDIT_EPOCHS, HORIZON, POWER, CalibrationConfig
from experiments.calibration.populations import SETTINGS, Array, Setting, Side
from experiments.calibration.report import NORMAL, Estimate, Measured, mean, rate
from experiments.plan import Plan

_CHECKED = 4  # looks of each chunk that are compared with `between_users`


class _Course(NamedTuple):
    """How long experiments of a setting last."""

    epochs: NDArray[np.int64]  # of each look
    batch: int  # users between two looks
    fixed_sample: float
    ratios: Array  # of each look: users of a balanced experiment that tell as much, in fixed-horizon samples
    truth: float  # the effect


@cache
def _sides(name: str, effect: float, seed: int) -> tuple[Side, Side]:
    return SETTINGS[name].people(np.random.default_rng(seed), effect)


@cache
def _course(name: str, effect: float, looks: int, alpha: float, seed: int) -> _Course:
    """The fixed-horizon sample is that of a two-sided test at `alpha` with 80 % power, for the true variance
    within an epoch. Where weights are not even, batches are larger, so that all settings tell as much.
    """
    setting = SETTINGS[name]
    a, b = _sides(name, effect, seed)
    count = BANDIT_EPOCHS if setting.rule else len(setting.weights)
    epochs = np.arange(looks) * count // looks
    truth = float(b.outcome.mean() - a.outcome.mean())
    variance = float(a.outcome.var() + b.outcome.var()) / 2 + (setting.rise / count) ** 2 / 12
    power = NormalIndPower()
    fixed = 2 * float(power.solve_power(abs(truth) / math.sqrt(variance), alpha=alpha, power=POWER))
    weights = np.full(looks, 0.5) if setting.rule else np.array(setting.weights)[epochs]
    told = (4 * weights * (1 - weights)).cumsum()
    batch = math.ceil(HORIZON * fixed / told[-1])
    return _Course(epochs, batch, fixed, batch * told / fixed, truth)


class _Stream:
    """The batches of many experiments at once, and what has come of them."""

    def __init__(
        self, setting: Setting, course: _Course, sides: tuple[Side, Side], rng: np.random.Generator, size: int
    ) -> None:
        self._setting, self._course, self._sides, self._rng = setting, course, sides, rng
        looks, epochs = len(course.epochs), int(course.epochs[-1]) + 1
        self.weights = np.full((size, epochs), setting.weights)  # of the challenger
        self.sums = np.zeros((size, epochs, 2, 3))
        self.control = np.zeros((size, 1, 2, 3))
        self._batches = np.zeros((looks + setting.window, size, 2, 3))
        self._control = np.zeros((looks + 2 * setting.window + 1, size, 2, 3))
        self._drawn = 0

    def advance(self, look: int) -> None:
        """Take in what has closed since the last look, and draw who has come since."""
        epoch = self._course.epochs[look]
        if self._setting.rule and look and epoch != self._course.epochs[look - 1]:
            self._reweigh(epoch)
        while self._drawn <= look + self._setting.window:
            self._draw(self._drawn, epoch)
            self._drawn += 1
        self.sums[:, epoch] += self._batches[look]
        self.control[:, 0] += self._control[look]

    def _reweigh(self, epoch: int) -> None:
        for row, (sums, weights) in enumerate(zip(self.sums, self.weights, strict=True)):
            arms = arm_statistics(sums[:epoch], weights[:epoch])
            renewed = bandit.reweighted(arms, self._setting.rule or "thompson", top=self._setting.top)
            self.weights[row, epoch] = renewed["challenger"]

    def _draw(self, batch: int, epoch: int) -> None:
        a, b = self._sides
        size = (len(self.weights), self._course.batch)
        who = self._rng.integers(len(a.outcome), size=size)
        is_b = self._rng.random(size) < self.weights[:, epoch, None]
        rise = self._setting.rise * batch / len(self._course.epochs)
        outcome = np.where(is_b, b.outcome[who], a.outcome[who]) + rise
        whole = (np.ones(size), outcome, outcome**2)
        self._batches[batch] = _by_arm(whole, is_b)
        parts: tuple[Array, ...] = whole
        if a.parts is not None and b.parts is not None:
            parts = tuple(np.where(is_b, y[who], x[who]) for x, y in zip(a.parts, b.parts, strict=True))
        if a.delay is None or b.delay is None:
            self._control[batch] = _by_arm(parts, is_b)
            return
        window = self._setting.window
        lag = np.ceil(window * np.where(is_b, b.delay[who], a.delay[who])).astype(int)
        for late in range(1, window + 1):  # at the look at which batch b closes, batch b + window is exposed
            there = tuple(part * (lag == late) for part in parts)
            self._control[max(0, batch - window + late)] += _by_arm(there, is_b)


def _by_arm(parts: tuple[Array, ...], is_b: NDArray[np.bool_]) -> Array:
    """Sums of shape (experiments, arms, 3)."""
    of_b = np.stack([(part * is_b).sum(axis=1) for part in parts], axis=-1)
    return np.stack([np.stack([part.sum(axis=1) for part in parts], axis=-1) - of_b, of_b], axis=1)


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate some experiments of a setting, between equals and with the effect."""
    setting = SETTINGS[name]
    course = _course(name, config.effect, config.looks, plan.alpha, config.seed)
    n_stars = {"shipped": plan.n_star, "tied": round(course.fixed_sample)}
    found: dict[str, Any] = {"checked": 0}
    for is_aa in (True, False):
        sides = _sides(name, config.effect, config.seed)
        if is_aa:  # the same outcomes; only how fast they come may differ
            sides = (sides[0], sides[0]._replace(delay=sides[1].delay))
        truth = 0.0 if is_aa else course.truth
        rng = np.random.default_rng([config.seed, list(SETTINGS).index(name), chunk, is_aa])
        stream = _Stream(setting, course, sides, rng, size)
        watches = {kind: Watch(size, truth) for kind in (*n_stars, "naive", "control")}
        checked = set(rng.choice(np.arange(2, config.looks), min(_CHECKED, config.looks - 2), replace=False))
        for look in range(config.looks):
            stream.advance(look)
            judged = judge(stream.sums)
            for kind, n_star in n_stars.items():
                margin = margins(judged, plan.alpha, n_star)
                watches[kind].see(look, judged, margin, plan.minimum_users_an_arm)
                row = int(rng.integers(size))
                if look in checked and judged.clock[row] and judged.variance[row]:
                    real = plan.model_copy(update={"n_star": n_star})
                    check(stream.sums, stream.weights[row].tolist(), judged, margin, real, row)
                    found["checked"] += 1
            fixed = NORMAL * np.sqrt(judged.variance)
            watches["naive"].see(look, judged, fixed, plan.minimum_users_an_arm)
            if setting.control:
                wrongly = judge(stream.control)
                margin = margins(wrongly, plan.alpha, plan.n_star)
                watches["control"].see(look, wrongly, margin, plan.minimum_users_an_arm)
        for kind, watch in watches.items():
            found[f"{kind} {is_aa}"] = Seen(watch.stop, watch.wrong, watch.last_missed)
        if not is_aa:
            found["bias"] = judged.effect / truth - 1
            if setting.rule:
                arms = (
                    arm_statistics(*one) for one in zip(stream.sums, stream.weights.tolist(), strict=True)
                )
                found["unbiased"] = (
                    np.array([(bandit.unbiased_effect(a) or (0,))[0] for a in arms]) / truth - 1
                )
    return found


def sum_up(config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]) -> Measured:
    """Estimate the figures of a setting from all chunks."""
    setting, course = SETTINGS[name], _course(name, config.effect, config.looks, plan.alpha, config.seed)
    minimum = plan.minimum_users_an_arm

    def false_winners(kind: str) -> Estimate:
        return rate(joined(chunks, f"{kind} True").stop >= 0)

    return Measured(
        description=setting.description,
        fixed_sample=course.fixed_sample,
        true_effect=course.truth,
        shipped=promise(chunks, "shipped", course.ratios, minimum),
        tied=promise(chunks, "tied", course.ratios, minimum),
        naive_false_winner_rate=false_winners("naive"),
        control=setting.control,
        control_false_winner_rate=false_winners("control") if setting.control else None,
        final_bias=mean(np.concatenate([chunk["bias"] for chunk in chunks])),
        unbiased_bias=(
            mean(np.concatenate([chunk["unbiased"] for chunk in chunks])) if setting.rule else None
        ),
        looks_checked=sum(chunk["checked"] for chunk in chunks),
    )
