"""Series of launches: challengers that are better, equal or worse follow one another, each tested at the
level that the launches before it left.

The control tests at the same levels with a two-sided interval, which spends half of each level on challengers
that are worse.
"""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments import analysis
from experiments.analysis import Tally
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.populations import SETTINGS
from experiments.calibration.report import LaunchResult, Rule, estimate_mean, estimate_rate
from experiments.launches import alpha_of_next
from experiments.plan import Plan
from experiments.sequential import Clusters

_LAUNCHES = 20  # of a series
_VOTES_AN_ANALYSIS = 20
_SHARES = {"better": 0.2, "equal": 0.7, "worse": 0.1}
_RULES: tuple[Rule, ...] = ("one-sided", "two-sided")
_LEAST_ALPHA = 1e-8  # far below the level of any launch
_STEPS = 14  # of a bisection, which then knows a level to 1 part in 1,000


class _Standing(NamedTuple):
    """What `analysis.compare` decides from a number of wins and votes, each by another person on another
    message.
    """

    alpha: float  # the smallest ship_alpha at which the challenger is shipped; infinite: none
    is_champion_preferred: bool


@cache
def _judge(wins: int, votes: int, plan: Plan) -> _Standing:
    losses = votes - wins
    clusters = tuple(kind for kind in (Clusters(1, 0, wins), Clusters(0, 1, losses)) if kind.clusters)
    tally = Tally(wins=wins, losses=losses, ties=0, people=votes, by_person=clusters, by_message=clusters)

    def decide(alpha: float) -> str:
        return analysis.compare(tally, plan.model_copy(update={"ship_alpha": alpha})).decision

    low, high = math.log(_LEAST_ALPHA), math.log(plan.ship_alpha)
    decision = decide(plan.ship_alpha)
    if decision != "challenger":
        return _Standing(math.inf, decision == "champion")
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if decide(math.exp(middle)) == "challenger" else (middle, high)
    return _Standing(math.exp(high), is_champion_preferred=False)


@cache
def _alpha_of_next(shipped: tuple[bool, ...], rate: float) -> float:
    return alpha_of_next(shipped, rate)


def simulate(config: CalibrationConfig, plan: Plan, _: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of series: a tenth of the usual `size`, at least 2, because each has 20 launches.

    Gives, under f"shipped {rule}" and `is_better`, arrays of shape (series, launches).
    """
    plan = plan.model_copy(update={"votes_a_person": 1, "votes_a_message": 1})
    rng = np.random.default_rng([config.seed, len(SETTINGS) + 3, chunk])
    series, looks = max(2, size // 10), math.ceil(plan.maximum_comparisons / _VOTES_AN_ANALYSIS)
    rates = rng.choice(
        [config.win_rate, 0.5, 1 - config.win_rate], (series, _LAUNCHES), p=[*_SHARES.values()]
    )
    won = rng.binomial(_VOTES_AN_ANALYSIS, rates[..., None], (series, _LAUNCHES, looks)).cumsum(axis=2)
    result: dict[str, Any] = {"is_better": rates > 0.5}
    for rule in _RULES:
        result[f"shipped {rule}"] = np.array([_run_series(wins, plan, rule) for wins in won])
    return result


def _run_series(wins: NDArray[np.int64], plan: Plan, rule: Rule) -> list[bool]:
    """Whether each launch ships its challenger. `wins` are those at each analysis, (launches, analyses)."""
    shipped: list[bool] = []
    for of_launch in wins.tolist():
        alpha = min(plan.ship_alpha, _alpha_of_next(tuple(shipped), plan.false_discovery_rate))
        if rule == "two-sided":
            alpha /= 2 - alpha  # the one-sided level that `sequential.one_sided_level` turns into `alpha`
        standings = (
            _judge(count, _VOTES_AN_ANALYSIS * n, plan) for n, count in enumerate(of_launch, start=1)
        )
        ends = (row.alpha <= alpha for row in standings if row.alpha <= alpha or row.is_champion_preferred)
        shipped.append(next(ends, False))
    return shipped


def summarise(config: CalibrationConfig, plan: Plan, _: str, chunks: list[dict[str, Any]]) -> LaunchResult:
    """Estimate the false discovery rate and the power of both rules from the results of all chunks."""
    is_better = np.concatenate([chunk["is_better"] for chunk in chunks])
    false_discovery_rate, power = {}, {}
    for rule in _RULES:
        shipped = np.concatenate([chunk[f"shipped {rule}"] for chunk in chunks])
        discoveries = shipped.sum(axis=1)
        false_share = (shipped & ~is_better).sum(axis=1) / np.maximum(discoveries, 1)
        false_discovery_rate[rule] = estimate_mean(false_share)
        power[rule] = estimate_rate(shipped[is_better])
    return LaunchResult(
        description=f"{_LAUNCHES} launches in a row; {_SHARES['better']:.0%} of the challengers are better, "
        f"{_SHARES['equal']:.0%} equal, {_SHARES['worse']:.0%} worse. An analysis after every "
        f"{_VOTES_AN_ANALYSIS} votes, to {plan.maximum_comparisons}.",
        series=len(is_better),
        requested=plan.false_discovery_rate,
        false_discovery_rate=false_discovery_rate,
        power=power,
    )
