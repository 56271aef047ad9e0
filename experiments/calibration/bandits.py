"""Bandits: what their weights cost while they learn."""

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.power import NormalIndPower

from experiments import bandit
from experiments.analysis import ArmStatistics
from experiments.calibration.config import BANDIT_EPOCHS, POWER, CalibrationConfig
from experiments.calibration.populations import SETTINGS, Array
from experiments.calibration.report import Allocation, Bandits, mean, rate
from experiments.plan import Plan

_BANDIT_ARMS = (2, 4)
_RULES: dict[Allocation, tuple[bandit.Rule, float] | None] = {
    "fixed": None,
    "thompson": ("thompson", 0.5),
    "top_two": ("top_two", 0.5),
    "top_two of 70 %": ("top_two", 0.7),
}


@cache
def _users_an_arm(effect: float, alpha: float) -> int:
    return math.ceil(float(NormalIndPower().solve_power(effect, alpha=alpha, power=POWER)))


def simulate(config: CalibrationConfig, plan: Plan, _: str, chunk: int, size: int) -> dict[str, Any]:
    """Experiments on thumbs whose last arm is better by the effect and whose level rises by 0.2; a tenth of
    those of other settings, since weights are renewed for each alone.
    """
    found = {}
    users = _users_an_arm(config.effect, plan.alpha)
    for arms in _BANDIT_ARMS:
        names = [f"arm {i}" for i in range(arms)]
        better = np.array([0.0] * (arms - 1) + [0.5 * config.effect])
        for name, rule in _RULES.items():
            rng = np.random.default_rng([config.seed, len(SETTINGS) + 2, chunk, arms])
            some = max(2, size // 10)
            regret, wrong = np.zeros(some), np.zeros(some, dtype=bool)
            for row in range(some):
                seen: list[ArmStatistics] = []
                for epoch in range(BANDIT_EPOCHS):
                    weights = dict.fromkeys(names, 1 / arms)
                    if rule and seen:
                        weights = bandit.reweighted(seen, rule[0], top=rule[1])
                    n = rng.multinomial(arms * users // BANDIT_EPOCHS, list(weights.values()))
                    ups = rng.binomial(n, 0.4 + better + 0.2 * epoch / BANDIT_EPOCHS)
                    regret[row] += n[:-1].sum()
                    seen += [_thumbs_of(epoch, *one) for one in zip(weights.items(), n, ups, strict=True)]
                at_last = bandit.posterior(seen)
                wrong[row] = at_last is None or int(at_last.mean.argmax()) != arms - 1
            found[f"{arms} {name}"] = (regret / (arms * users // BANDIT_EPOCHS * BANDIT_EPOCHS), wrong)
    return found


def _thumbs_of(epoch: int, arm: tuple[str, float], n: int, ups: int) -> ArmStatistics:
    return ArmStatistics(
        epoch=epoch,
        variant=arm[0],
        is_baseline=arm[0] == "arm 0",
        weight=arm[1],
        exposed=n,
        moved=0,
        closed=n,
        users=n,
        mean=ups / n if n else None,
        variance=ups * (n - ups) / n / (n - 1) if n > 1 else None,
    )


def sum_up(config: CalibrationConfig, plan: Plan, _: str, chunks: list[dict[str, Any]]) -> Bandits:
    """Estimate regret and decision error of each rule, from all chunks."""

    def joined(arms: int, rule: Allocation) -> tuple[Array, NDArray[np.bool_]]:
        regret, wrong = zip(*(chunk[f"{arms} {rule}"] for chunk in chunks), strict=True)
        return np.concatenate(regret), np.concatenate(wrong)

    users = _users_an_arm(config.effect, plan.alpha)
    every = {arms: {rule: joined(arms, rule) for rule in _RULES} for arms in _BANDIT_ARMS}
    return Bandits(
        description="One arm is better by the effect, the others are equal; everybody's outcomes rise by "
        f"0.2. {BANDIT_EPOCHS} epochs, and for each arm the users that a fixed-horizon test of two needs.",
        users={arms: arms * users for arms in _BANDIT_ARMS},
        regret={arms: {rule: mean(found[0]) for rule, found in of.items()} for arms, of in every.items()},
        decision_error={
            arms: {rule: rate(found[1]) for rule, found in of.items()} for arms, of in every.items()
        },
    )
