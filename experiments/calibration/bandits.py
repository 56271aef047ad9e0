"""Bandits: the regret while they learn, and how often the arm that looks best at the end is not the best."""

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
from experiments.calibration.report import Allocation, BanditResult, estimate_mean, estimate_rate
from experiments.plan import Plan

_ARM_COUNTS = (2, 4)
_RULES: dict[Allocation, tuple[bandit.Rule, float] | None] = {  # the rule, and `top` of `bandit.reweigh`
    "fixed": None,
    "thompson": ("thompson", 0.5),
    "top_two": ("top_two", 0.5),
    "top_two of 70 %": ("top_two", 0.7),
}
_LEVEL = 0.4  # share of thumbs up in all arms but the best, in the first epoch
_TREND = 0.2  # rise of that share over the experiment


@cache
def _compute_users_per_arm(effect: float, alpha: float) -> int:
    """Users per arm of a fixed-horizon test of two arms."""
    return math.ceil(float(NormalIndPower().solve_power(effect, alpha=alpha, power=POWER)))


def simulate(config: CalibrationConfig, plan: Plan, _: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of each rule and number of arms. Outcomes are thumbs; the last arm is the best.

    A chunk has a tenth of the usual `size`, at least 2, because each experiment computes weights of its own.
    Gives, under f"{arms} {rule}", two arrays of shape (experiments,): the regret per user in effects, and
    whether the arm that looks best at the end is not the best.
    """
    result = {}
    users = _compute_users_per_arm(config.effect, plan.alpha)
    experiments = max(2, size // 10)
    for arms in _ARM_COUNTS:
        batch = arms * users // BANDIT_EPOCHS
        for name, rule in _RULES.items():
            rng = np.random.default_rng([config.seed, len(SETTINGS) + 2, chunk, arms])
            rows = [_simulate_bandit(rng, rule, arms, batch, config.effect) for _ in range(experiments)]
            lost, is_wrong = (np.array(column) for column in zip(*rows, strict=True))
            result[f"{arms} {name}"] = (lost / (batch * BANDIT_EPOCHS), is_wrong)
    return result


def _simulate_bandit(
    rng: np.random.Generator, rule: tuple[bandit.Rule, float] | None, arms: int, batch: int, effect: float
) -> tuple[int, bool]:
    """Simulate one experiment with `batch` users per epoch. Gives the number of users who did not have the
    best arm, and whether another arm looks best at the end.
    """
    names = [f"arm {i}" for i in range(arms)]
    # A thumb's standard deviation is taken as 0.5, so the last arm is better by `effect` of them.
    better = np.array([0.0] * (arms - 1) + [0.5 * effect])
    lost = 0
    statistics: list[ArmStatistics] = []
    for epoch in range(BANDIT_EPOCHS):
        weights = dict.fromkeys(names, 1 / arms)
        if rule and statistics:
            weights = bandit.reweigh(statistics, rule[0], top=rule[1])
        n = rng.multinomial(batch, list(weights.values()))  # users, (arms,)
        ups = rng.binomial(n, _LEVEL + better + _TREND * epoch / BANDIT_EPOCHS)  # thumbs up, (arms,)
        lost += int(n[:-1].sum())
        statistics += [_build_statistics(epoch, *row) for row in zip(weights.items(), n, ups, strict=True)]
    posterior = bandit.posterior(statistics)
    return lost, posterior is None or int(posterior.mean.argmax()) != arms - 1


def _build_statistics(epoch: int, arm: tuple[str, float], n: int, ups: int) -> ArmStatistics:
    """Statistics of an arm, given as its name and weight, with `ups` thumbs up of `n` users."""
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


def summarise(config: CalibrationConfig, plan: Plan, _: str, chunks: list[dict[str, Any]]) -> BanditResult:
    """Estimate regret and decision error of each rule and number of arms from the results of all chunks."""

    def join_chunks(arms: int, rule: Allocation) -> tuple[Array, NDArray[np.bool_]]:
        regret, is_wrong = zip(*(chunk[f"{arms} {rule}"] for chunk in chunks), strict=True)
        return np.concatenate(regret), np.concatenate(is_wrong)

    users = _compute_users_per_arm(config.effect, plan.alpha)
    joined = {arms: {rule: join_chunks(arms, rule) for rule in _RULES} for arms in _ARM_COUNTS}
    return BanditResult(
        description="One arm is better by the effect, the others are equal; everybody's outcomes rise by "
        f"0.2. {BANDIT_EPOCHS} epochs, and for each arm the users that a fixed-horizon test of two needs.",
        users={arms: arms * users for arms in _ARM_COUNTS},
        regret={
            arms: {rule: estimate_mean(regret) for rule, (regret, _) in rules.items()}
            for arms, rules in joined.items()
        },
        decision_error={
            arms: {rule: estimate_rate(is_wrong) for rule, (_, is_wrong) in rules.items()}
            for arms, rules in joined.items()
        },
    )
