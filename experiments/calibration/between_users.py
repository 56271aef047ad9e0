"""Experiments between users: each user has one arm, and users arrive in batches.

Three other intervals are monitored on the same data. One has `n_star` at the fixed-horizon sample. Two are
controls that must fail: a fixed-horizon test that is repeated at every analysis, and the mistake that is
typical of the setting.
"""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.power import NormalIndPower

from experiments import bandit
from experiments.calibration.analyses import (
    Analyses,
    Monitor,
    analyse,
    build_statistics,
    check_against_production,
    compute_margins,
    estimate_characteristics,
    join_chunks,
)
from experiments.calibration.config import BANDIT_EPOCHS, HORIZON, POWER, CalibrationConfig
from experiments.calibration.populations import SETTINGS, Array, Population, Setting
from experiments.calibration.report import Z_95, Estimate, SettingResult, estimate_mean, estimate_rate
from experiments.plan import Plan

_CHECKED_ANALYSES = 4  # analyses of each chunk that are compared with `analysis.between_users`


class Schedule(NamedTuple):
    """The epochs, batches and sample sizes of a setting's experiments."""

    epochs: NDArray[np.int64]  # of each analysis, (analyses,)
    batch: int  # users between two analyses
    fixed_sample: float  # users of a fixed-horizon test
    ratios: Array  # users of a balanced experiment with the same information, in fixed-horizon samples
    truth: float  # the effect


@cache
def _generate_population(name: str, effect: float, seed: int) -> Population:
    return SETTINGS[name].generate(np.random.default_rng(seed), effect)


@cache
def plan_schedule(name: str, effect: float, analyses: int, alpha: float, seed: int) -> Schedule:
    """The schedule of a setting.

    The fixed-horizon sample is that of a two-sided test at `alpha` with 80 % power, for the true variance
    within an epoch. Where weights are uneven, batches are larger, so that all settings end with the same
    information.
    """
    setting = SETTINGS[name]
    baseline, challenger = _generate_population(name, effect, seed)
    count = BANDIT_EPOCHS if setting.rule else len(setting.weights)
    epochs = np.arange(analyses) * count // analyses
    truth = float(challenger.outcome.mean() - baseline.outcome.mean())
    # Within an epoch the trend adds a uniform variable: its variance is its width squared over 12.
    trend = setting.trend / count
    variance = float(baseline.outcome.var() + challenger.outcome.var()) / 2 + trend**2 / 12
    power = NormalIndPower()
    fixed = 2 * float(power.solve_power(abs(truth) / math.sqrt(variance), alpha=alpha, power=POWER))
    weights = np.full(analyses, 0.5) if setting.rule else np.array(setting.weights)[epochs]
    information = (4 * weights * (1 - weights)).cumsum()  # in batches of a balanced experiment, (analyses,)
    batch = math.ceil(HORIZON * fixed / information[-1])
    return Schedule(epochs, batch, fixed, batch * information / fixed, truth)


class _Simulator:
    """Simulates `size` experiments of a setting, batch by batch.

    `sums`, `control` and `delays` are the input of `analyse`: the data as they should be analysed, the data
    with the mistake that is typical of the setting, and the delays of the votes. `weights` are the
    challenger's, of shape (size, epochs).
    """

    def __init__(
        self,
        setting: Setting,
        schedule: Schedule,
        population: Population,
        rng: np.random.Generator,
        size: int,
    ) -> None:
        self._setting, self._schedule, self._population, self._rng = setting, schedule, population, rng
        analyses, epochs = len(schedule.epochs), int(schedule.epochs[-1]) + 1
        self.weights = np.full((size, epochs), setting.weights)
        self.sums = np.zeros((size, epochs, 2, 3))
        self.control = np.zeros((size, 1, 2, 3))  # all epochs pooled
        self.delays = np.zeros((size, epochs, 2, 3))  # of the votes, in windows
        # What each analysis adds to `sums` and `control`. Batch b is exposed `window` analyses before its
        # window closes, at analysis b.
        self._closed = np.zeros((analyses + setting.window, size, 2, 3))
        self._arrived = np.zeros((analyses + 2 * setting.window + 1, size, 2, 3))
        self._delays = np.zeros_like(self._closed)
        self._drawn = 0

    def advance(self, index: int) -> None:
        """Draw the users exposed up to analysis `index`, and add the data that it sees for the first time."""
        epoch = self._schedule.epochs[index]
        if self._setting.rule and index and epoch != self._schedule.epochs[index - 1]:
            self._update_weights(epoch)
        while self._drawn <= index + self._setting.window:
            self._draw_batch(self._drawn, epoch)
            self._drawn += 1
        self.sums[:, epoch] += self._closed[index]
        self.delays[:, epoch] += self._delays[index]
        self.control[:, 0] += self._arrived[index]

    def _update_weights(self, epoch: int) -> None:
        """Set the weights of an epoch by the bandit's rule."""
        for row, (sums, weights) in enumerate(zip(self.sums, self.weights, strict=True)):
            statistics = build_statistics(sums[:epoch], weights[:epoch])
            updated = bandit.reweigh(statistics, self._setting.rule or "thompson", top=self._setting.top)
            self.weights[row, epoch] = updated["challenger"]

    def _draw_batch(self, batch: int, epoch: int) -> None:
        baseline, challenger = self._population
        shape = (len(self.weights), self._schedule.batch)  # (experiments, users), as all arrays below
        users = self._rng.integers(len(baseline.outcome), size=shape)
        is_challenger = self._rng.random(shape) < self.weights[:, epoch, None]
        trend = self._setting.trend * batch / len(self._schedule.epochs)
        outcome = np.where(is_challenger, challenger.outcome[users], baseline.outcome[users]) + trend
        values: tuple[Array, ...] = (np.ones(shape), outcome, outcome**2)
        delay = None
        if baseline.delay is not None and challenger.delay is not None:
            delay = np.where(is_challenger, challenger.delay[users], baseline.delay[users])
            is_counted = delay <= 1
            values = tuple(value * is_counted for value in values)
            delays = tuple(value * is_counted for value in (np.ones(shape), delay, delay**2))
            self._delays[batch] = _sum_by_arm(delays, is_challenger)
        self._closed[batch] = _sum_by_arm(values, is_challenger)
        control = values
        if baseline.parts is not None and challenger.parts is not None:
            control = tuple(
                np.where(is_challenger, y[users], x[users])
                for x, y in zip(baseline.parts, challenger.parts, strict=True)
            )
        window = self._setting.window
        if delay is None or not window:
            self._arrived[batch] = _sum_by_arm(control, is_challenger)
            return
        lag = np.ceil(window * delay).astype(int)  # in batches: 1 to `window`
        for late in range(1, window + 1):
            arrived = tuple(value * (lag == late) for value in control)
            # The first batches are exposed before the first analysis, which sees their early votes.
            self._arrived[max(0, batch - window + late)] += _sum_by_arm(arrived, is_challenger)


def _sum_by_arm(values: tuple[Array, ...], is_challenger: NDArray[np.bool_]) -> Array:
    """Sums of shape (experiments, arms, values), from arrays of shape (experiments, users)."""
    challenger = np.stack([(value * is_challenger).sum(axis=1) for value in values], axis=-1)
    total = np.stack([value.sum(axis=1) for value in values], axis=-1)
    return np.stack([total - challenger, challenger], axis=1)


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of a setting: `size` experiments without an effect, and as many with one.

    Gives a MonitoringResult under f"{kind of interval} {is it an A/A test}", the number of `checked`
    analyses, and arrays of shape (size,): `bias` and, for a bandit, `unbiased`, the relative errors of both
    estimators at the last analysis. Raises AssertionError where a checked analysis differs from
    `analysis.between_users`.
    """
    setting = SETTINGS[name]
    schedule = plan_schedule(name, config.effect, config.looks, plan.alpha, config.seed)
    n_stars = {"shipped": plan.n_star, "tied": round(schedule.fixed_sample)}
    result: dict[str, Any] = {"checked": 0}
    for is_aa in (True, False):
        population = _generate_population(name, config.effect, config.seed)
        if is_aa:  # both arms have the same outcomes; the challenger keeps its delays
            population = (population[0], population[0]._replace(delay=population[1].delay))
        truth = 0.0 if is_aa else schedule.truth
        rng = np.random.default_rng([config.seed, list(SETTINGS).index(name), chunk, is_aa])
        simulator = _Simulator(setting, schedule, population, rng, size)
        monitors = {kind: Monitor(size, truth) for kind in (*n_stars, "naive", "control")}
        count = min(_CHECKED_ANALYSES, config.looks - 2)
        checked = set(rng.choice(np.arange(2, config.looks), count, replace=False))
        for index in range(config.looks):
            simulator.advance(index)
            analyses = analyse(simulator.sums)
            with_verdict = _withhold(simulator, analyses, plan) if setting.compares_delays else analyses
            for kind, n_star in n_stars.items():
                margin = compute_margins(analyses, plan.alpha, n_star)
                monitors[kind].record(index, with_verdict, margin, plan.minimum_users_an_arm)
                row = int(rng.integers(size))
                if index in checked and analyses.clock[row] and analyses.variance[row]:
                    weights = simulator.weights[row].tolist()
                    with_n_star = plan.model_copy(update={"n_star": n_star})
                    check_against_production(simulator.sums, weights, analyses, margin, with_n_star, row)
                    result["checked"] += 1
            margin = Z_95 * np.sqrt(analyses.variance)
            monitors["naive"].record(index, analyses, margin, plan.minimum_users_an_arm)
            if setting.control:
                control = analyse(simulator.control)
                margin = compute_margins(control, plan.alpha, plan.n_star)
                monitors["control"].record(index, control, margin, plan.minimum_users_an_arm)
        for kind, monitor in monitors.items():
            result[f"{kind} {is_aa}"] = monitor.result
        if not is_aa:
            result["bias"] = analyses.effect / truth - 1
            if setting.rule:
                result["unbiased"] = _estimate_unbiased(simulator) / truth - 1
    return result


def _withhold(simulator: _Simulator, analyses: Analyses, plan: Plan) -> Analyses:
    """The analyses without an interval, which a variance of 0 says, where the arms' delays are shown to
    differ: `analysis.between_users` gives no verdict there.
    """
    delays = analyse(simulator.delays)
    margin = compute_margins(delays, plan.alpha, plan.n_star)
    is_uneven = delays.exclude(0.0, margin, plan.minimum_users_an_arm)
    return analyses._replace(variance=np.where(is_uneven, 0.0, analyses.variance))


def _estimate_unbiased(simulator: _Simulator) -> Array:
    """`bandit.unbiased_effect` of each experiment, 0 where there is none; of shape (experiments,)."""
    effects = []
    for sums, weights in zip(simulator.sums, simulator.weights.tolist(), strict=True):
        effect = bandit.unbiased_effect(build_statistics(sums, weights))
        effects.append(effect[0] if effect else 0)
    return np.array(effects)


def summarise(
    config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]
) -> SettingResult:
    """Estimate the figures of a setting from the results of all its chunks."""
    setting = SETTINGS[name]
    schedule = plan_schedule(name, config.effect, config.looks, plan.alpha, config.seed)
    minimum = plan.minimum_users_an_arm

    def estimate_false_winners(kind: str) -> Estimate:
        return estimate_rate(join_chunks(chunks, f"{kind} True").stop >= 0)

    def estimate_bias(key: str) -> Estimate:
        return estimate_mean(np.concatenate([chunk[key] for chunk in chunks]))

    return SettingResult(
        description=setting.description,
        fixed_sample=schedule.fixed_sample,
        true_effect=schedule.truth,
        shipped=estimate_characteristics(chunks, "shipped", schedule.ratios, minimum),
        tied=estimate_characteristics(chunks, "tied", schedule.ratios, minimum),
        naive_false_winner_rate=estimate_false_winners("naive"),
        control=setting.control,
        control_false_winner_rate=estimate_false_winners("control") if setting.control else None,
        final_bias=estimate_bias("bias"),
        unbiased_bias=estimate_bias("unbiased") if setting.rule else None,
        looks_checked=sum(chunk["checked"] for chunk in chunks),
    )
