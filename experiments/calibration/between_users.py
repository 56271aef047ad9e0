"""Measures what is promised of the evidence, on simulated experiments whose truth is known.

    python -m experiments.calibration configs/calibrate.yaml
    python -m experiments.calibration configs/calibrate.yaml experiments=1000 out=/tmp/calibration

Each setting is simulated between equals (is there ever a winner?) and with an effect (is it covered at every
look, found, and how soon?), with a look after every batch. Beside it, on the same data, stand a test that is
meant for one look, and the mistake that the setting invites. Looks are judged by arrays: `judge` must say
what `analysis.between_users` says, and at a sample of looks of each run that is asserted.

Writes `report.json` and `calibration.png`, prints what is not reached, and fails when the report in
docs/results had reached it. Each finished setting is kept in the folder, by what decides it, this code
included, and is not simulated again.
"""

import math
import multiprocessing
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import lambertw
from statsmodels.stats.power import NormalIndPower
from tqdm import tqdm

import configs
from experiments import analysis, bandit, metrics, sequential
from experiments.analysis import ArmStatistics, Tally
from experiments.calibration import report as findings
from experiments.calibration.populations import SETTINGS, Array, Setting, Side
from experiments.calibration.report import (
    Allocation,
    Bandits,
    Estimate,
    Measured,
    Promise,
    Report,
    SampleRatio,
)
from experiments.plan import Plan

_HORIZON = 2.5  # the last look, in fixed-horizon samples
_POWER = 0.8  # of the fixed-horizon sample
_CHUNK = 250  # experiments that are simulated together
_BANDIT_EPOCHS = 10
_CHECKED = 4  # looks of each chunk that are compared with `between_users`
_NORMAL = 1.96
_MINIMA = (2, 10, 25, 50, 75, 100, 150, 200, 300, 500, 1000)  # users an arm before which nothing is concluded
_RATIOS = tuple(round(0.1 * n, 1) for n in range(1, 26))
_RATIO_USERS = (250, 500, 1000, 2000, 5000, 10_000, 20_000)
_SPLITS = {"50:50": 0.5, "52:48": 0.48, "55:45": 0.45}
_FOLDER = Path(__file__).parent.parent
_DECIDING = (
    "analysis.py",
    "bandit.py",
    "effects.py",
    "estimators.py",
    "sequential.py",
    "calibration/between_users.py",
    "calibration/populations.py",
    "calibration/report.py",
)
DOCS = _FOLDER.parent / "docs"


class CalibrationConfig(configs.StageConfig):
    """What is simulated, how often, and where the report goes."""

    experiments: Annotated[int, Field(ge=2)] = 10_000
    looks: Annotated[int, Field(ge=10)] = 100
    effect: Annotated[float, Field(gt=0, lt=1, description="in standard deviations of the outcome")] = 0.1
    win_rate: Annotated[float, Field(gt=0.5, lt=1, description="of the better model, side by side")] = 0.6
    plan: Path = Path("configs/experiment.yaml")
    processes: Annotated[int, Field(ge=1)] = 2
    seed: Annotated[int, Field(ge=0)] = 0
    out: Path = Path("artifacts/calibration")
    write: bool = False


# --- looks, judged by arrays ---------------------------------------------------------------------------


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


def _statistics(sums: Array, weights: Iterable[float]) -> list[ArmStatistics]:
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


def _check(sums: Array, weights: Iterable[float], looks: Looks, margin: Array, plan: Plan, row: int) -> None:
    """Assert that one experiment is judged as it would be for real."""
    arms = {plan.primary: _statistics(sums[row], weights)}
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


# --- a setting -----------------------------------------------------------------------------------------


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
    count = _BANDIT_EPOCHS if setting.rule else len(setting.weights)
    epochs = np.arange(looks) * count // looks
    truth = float(b.outcome.mean() - a.outcome.mean())
    variance = float(a.outcome.var() + b.outcome.var()) / 2 + (setting.rise / count) ** 2 / 12
    power = NormalIndPower()
    fixed = 2 * float(power.solve_power(abs(truth) / math.sqrt(variance), alpha=alpha, power=_POWER))
    weights = np.full(looks, 0.5) if setting.rule else np.array(setting.weights)[epochs]
    told = (4 * weights * (1 - weights)).cumsum()
    batch = math.ceil(_HORIZON * fixed / told[-1])
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
            arms = _statistics(sums[:epoch], weights[:epoch])
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


class _Seen(NamedTuple):
    """What was seen of experiments, by experiment: the first look with a winner (-1: none), whether that was
    the wrong one, and how many users the smaller arm had when the truth was last outside (0: never).
    """

    stop: NDArray[Any]
    wrong: NDArray[Any]
    last_missed: NDArray[Any]


class _Watch:
    """Watches one kind of interval at every look."""

    def __init__(self, size: int, truth: float) -> None:
        self._truth = truth
        self.stop, self.wrong = np.full(size, -1), np.zeros(size, dtype=bool)
        self.last_missed = np.zeros(size, dtype=int)

    def see(self, look: int, looks: Looks, margin: Array, minimum: int) -> None:
        missed = looks.outside(self._truth, margin, 2)
        self.last_missed = np.where(missed, looks.fewest, self.last_missed)
        decides = looks.outside(0.0, margin, minimum) & (self.stop < 0)
        self.stop[decides] = look
        self.wrong[decides] = np.sign(looks.effect[decides]) != np.sign(self._truth)


def _between(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
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
        watches = {kind: _Watch(size, truth) for kind in (*n_stars, "naive", "control")}
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
                    _check(stream.sums, stream.weights[row].tolist(), judged, margin, real, row)
                    found["checked"] += 1
            fixed = _NORMAL * np.sqrt(judged.variance)
            watches["naive"].see(look, judged, fixed, plan.minimum_users_an_arm)
            if setting.control:
                wrongly = judge(stream.control)
                margin = margins(wrongly, plan.alpha, plan.n_star)
                watches["control"].see(look, wrongly, margin, plan.minimum_users_an_arm)
        for kind, watch in watches.items():
            found[f"{kind} {is_aa}"] = _Seen(watch.stop, watch.wrong, watch.last_missed)
        if not is_aa:
            found["bias"] = judged.effect / truth - 1
            if setting.rule:
                arms = (_statistics(*one) for one in zip(stream.sums, stream.weights.tolist(), strict=True))
                found["unbiased"] = (
                    np.array([(bandit.unbiased_effect(a) or (0,))[0] for a in arms]) / truth - 1
                )
    return found


def _measured(config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]) -> Measured:
    setting, course = SETTINGS[name], _course(name, config.effect, config.looks, plan.alpha, config.seed)
    minimum = plan.minimum_users_an_arm

    def false_winners(kind: str) -> Estimate:
        return findings.rate(_joined(chunks, f"{kind} True").stop >= 0)

    return Measured(
        description=setting.description,
        fixed_sample=course.fixed_sample,
        true_effect=course.truth,
        shipped=_promise(chunks, "shipped", course.ratios, minimum),
        tied=_promise(chunks, "tied", course.ratios, minimum),
        naive_false_winner_rate=false_winners("naive"),
        control=setting.control,
        control_false_winner_rate=false_winners("control") if setting.control else None,
        final_bias=findings.mean(np.concatenate([chunk["bias"] for chunk in chunks])),
        unbiased_bias=(
            findings.mean(np.concatenate([chunk["unbiased"] for chunk in chunks])) if setting.rule else None
        ),
        looks_checked=sum(chunk["checked"] for chunk in chunks),
    )


def _joined(chunks: list[dict[str, Any]], key: str) -> _Seen:
    return _Seen(*(np.concatenate(parts) for parts in zip(*(chunk[key] for chunk in chunks), strict=True)))


def _promise(chunks: list[dict[str, Any]], kind: str, ratios: Array, minimum: int) -> Promise:
    equal, unequal = _joined(chunks, f"{kind} True"), _joined(chunks, f"{kind} False")
    stops = np.where(unequal.stop >= 0, ratios[unequal.stop], np.inf)
    return Promise(
        aa_false_winner_rate=findings.rate(equal.stop >= 0),
        coverage=findings.rate(unequal.last_missed < minimum),
        wrong_winner_rate=findings.rate((unequal.stop >= 0) & unequal.wrong),
        power=findings.rate((unequal.stop >= 0) & ~unequal.wrong),
        median_stop_ratio=findings.median(stops),
        decided_by={ratio: float((stops <= ratio).mean()) for ratio in _RATIOS},
        missed_from={
            users: float(max((side.last_missed >= users).mean() for side in (equal, unequal)))
            for users in _MINIMA
        },
    )


# --- blind comparisons ---------------------------------------------------------------------------------


class _Voters(NamedTuple):
    """People who compare: how they differ, and in which order their votes come."""

    description: str
    differ: bool  # in their win rates, which are Beta with parameters of sum 6: spread by 0.19 around a half
    are_mixed: bool  # votes of one person lie among those of others


_VOTERS = {
    "comparisons": _Voters("Blind paired comparisons; everybody has the same taste.", False, False),
    "tastes": _Voters("The same by people who differ in taste, and come back between others.", True, True),
    "tastes_in_a_row": _Voters("The same, each casting all votes at once: the hardest order.", True, False),
}
_ALIKE = 6.0
_CAPS = (1, 2, 3, 5, 100)  # votes of a person that may count


def _habits(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    return np.minimum(_CAPS[-1], rng.random(shape) ** (-1 / 1.1)).astype(int)


@cache
def _votes_course(config: CalibrationConfig, plan: Plan, name: str) -> tuple[float, NDArray[np.int64]]:
    """The fixed-horizon number of votes, and the number at each look. Votes of a person are alike, so more
    are needed: 1 + (m - 1) / (1 + 6) times as many for m votes each, m the mean weighted by votes (Kish,
    "Survey sampling", 1965).
    """
    effect = (config.win_rate - 0.5) / 0.5
    fixed = float(NormalIndPower().solve_power(effect, alpha=plan.alpha, power=_POWER, ratio=0))
    if _VOTERS[name].differ:
        votes = np.minimum(plan.votes_a_person, _habits(np.random.default_rng(0), (100_000,)))
        fixed *= 1 + float((votes**2).sum() / votes.sum() - 1) / (1 + _ALIKE)
    batch = math.ceil(_HORIZON * fixed / config.looks)
    return fixed, np.arange(1, config.looks + 1) * batch


@cache
def _compared(wins: int, votes: int, plan: Plan, truth: float) -> tuple[int, bool]:
    """Whom `analysis.compare` names (1: challenger, -1: champion), and whether its interval misses."""
    found = analysis.compare(Tally(wins=wins, losses=votes - wins, ties=0, people=votes), plan)
    named = {"challenger": 1, "champion": -1, "undecided": 0}[found.decision]
    return named, not found.interval.low <= truth <= found.interval.high


def _side_by_side(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """As `_between`, of votes on two texts."""
    _, at = _votes_course(config, plan, name)
    voters, most = _VOTERS[name], int(at[-1])
    found: dict[str, Any] = {"checked": 0}
    for is_aa in (True, False):
        rate = 0.5 if is_aa else config.win_rate
        rng = np.random.default_rng([config.seed, len(SETTINGS), list(_VOTERS).index(name), chunk, is_aa])
        habits, tastes = _habits(rng, (size, most)), np.full((size, most), rate)
        if voters.differ:
            tastes = rng.beta(_ALIKE * rate, _ALIKE * (1 - rate), (size, most))
        for cap in dict.fromkeys((*_CAPS, plan.votes_a_person)):
            counts = np.minimum(cap, habits)
            begin = counts.sum(axis=1).cumsum() - counts.sum(axis=1)
            of = np.repeat(tastes.ravel(), counts.ravel())[begin[:, None] + np.arange(most)]
            if voters.are_mixed:
                of = rng.permuted(of, axis=1)
            won = (rng.random(of.shape) < of).cumsum(axis=1)[:, at - 1]  # (experiments, looks)
            watch = _Watch(size, rate - 0.5)
            for look, votes in enumerate(at.tolist()):
                wins, where = np.unique(won[:, look], return_inverse=True)
                named, missed = np.array([_compared(int(k), votes, plan, rate) for k in wins])[where].T
                watch.last_missed[missed > 0] = votes
                decides = (named != 0) & (watch.stop < 0)
                watch.stop[decides], watch.wrong[decides] = look, named[decides] < 0
                found["checked"] += len(wins)
            seen = _Seen(watch.stop, watch.wrong, watch.last_missed)
            found[f"{cap} {is_aa}"] = seen
            if cap == plan.votes_a_person:
                found[f"shipped {is_aa}"] = seen
                z = np.abs(won - at / 2) / np.sqrt(at / 4) * (at >= plan.minimum_comparisons)
                found[f"naive {is_aa}"] = (z > _NORMAL).any(axis=1)
                found["bias"] = (won[:, -1] / at[-1] - 0.5) / (config.win_rate - 0.5) - 1
    return found


def _measured_votes(
    config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]
) -> Measured:
    fixed, at = _votes_course(config, plan, name)
    false_winners = {cap: findings.rate(_joined(chunks, f"{cap} True").stop >= 0) for cap in _CAPS}
    differ = _VOTERS[name].differ
    return Measured(
        description=_VOTERS[name].description,
        fixed_sample=fixed,
        true_effect=config.win_rate - 0.5,
        shipped=_promise(chunks, "shipped", at / fixed, plan.minimum_comparisons),
        tied=None,
        naive_false_winner_rate=findings.rate(np.concatenate([chunk["naive True"] for chunk in chunks])),
        control=f"up to {_CAPS[-1]} votes of one person counted" if differ else None,
        control_false_winner_rate=false_winners[_CAPS[-1]] if differ else None,
        final_bias=findings.mean(np.concatenate([chunk["bias"] for chunk in chunks])),
        unbiased_bias=None,
        by_votes_a_person=false_winners if differ else None,
        looks_checked=sum(chunk["checked"] for chunk in chunks),
    )


# --- sample ratios -------------------------------------------------------------------------------------


@cache
def _log_e(first: int, users: int) -> float:
    return sequential.sample_ratio_log_e([first, users - first], [0.5, 0.5])


def _ratios(config: CalibrationConfig, plan: Plan, _: str, chunk: int, size: int) -> dict[str, Any]:
    """The users at which a split, meant to be even, is first called broken (0: never)."""
    rng = np.random.default_rng([config.seed, len(SETTINGS) + 1, chunk])
    step = _RATIO_USERS[0]
    found = {}
    for split, share in _SPLITS.items():
        first = rng.binomial(step, share, (size, _RATIO_USERS[-1] // step)).cumsum(axis=1)
        at = np.zeros(size, dtype=int)
        for look in range(first.shape[1]):
            users = (look + 1) * step
            counts, where = np.unique(first[:, look], return_inverse=True)
            log_e = np.array([_log_e(int(k), users) for k in counts])[where]
            at[(np.exp(-np.maximum(log_e, 0)) < plan.sample_ratio_alpha) & (at == 0)] = users
        found[split] = at
    return found


def _found_ratios(config: CalibrationConfig, plan: Plan, _: str, chunks: list[dict[str, Any]]) -> SampleRatio:
    at = {split: np.concatenate([chunk[split] for chunk in chunks]) for split in _SPLITS}
    return SampleRatio(
        description=f"An even split, with a look after every {_RATIO_USERS[0]} users; limit "
        f"{plan.sample_ratio_alpha:.0%}.",
        called_broken_by={
            split: {users: findings.rate((first > 0) & (first <= users)) for users in _RATIO_USERS}
            for split, first in at.items()
        },
    )


# --- bandits -------------------------------------------------------------------------------------------

_BANDIT_ARMS = (2, 4)
_RULES: dict[Allocation, tuple[bandit.Rule, float] | None] = {
    "fixed": None,
    "thompson": ("thompson", 0.5),
    "top_two": ("top_two", 0.5),
    "top_two of 70 %": ("top_two", 0.7),
}


@cache
def _users_an_arm(effect: float, alpha: float) -> int:
    return math.ceil(float(NormalIndPower().solve_power(effect, alpha=alpha, power=_POWER)))


def _allocate(config: CalibrationConfig, plan: Plan, _: str, chunk: int, size: int) -> dict[str, Any]:
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
                for epoch in range(_BANDIT_EPOCHS):
                    weights = dict.fromkeys(names, 1 / arms)
                    if rule and seen:
                        weights = bandit.reweighted(seen, rule[0], top=rule[1])
                    n = rng.multinomial(arms * users // _BANDIT_EPOCHS, list(weights.values()))
                    ups = rng.binomial(n, 0.4 + better + 0.2 * epoch / _BANDIT_EPOCHS)
                    regret[row] += n[:-1].sum()
                    seen += [_thumbs_of(epoch, *one) for one in zip(weights.items(), n, ups, strict=True)]
                at_last = bandit.posterior(seen)
                wrong[row] = at_last is None or int(at_last.mean.argmax()) != arms - 1
            found[f"{arms} {name}"] = (regret / (arms * users // _BANDIT_EPOCHS * _BANDIT_EPOCHS), wrong)
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


def _found_bandits(config: CalibrationConfig, plan: Plan, _: str, chunks: list[dict[str, Any]]) -> Bandits:
    def joined(arms: int, rule: Allocation) -> tuple[Array, NDArray[np.bool_]]:
        regret, wrong = zip(*(chunk[f"{arms} {rule}"] for chunk in chunks), strict=True)
        return np.concatenate(regret), np.concatenate(wrong)

    users = _users_an_arm(config.effect, plan.alpha)
    every = {arms: {rule: joined(arms, rule) for rule in _RULES} for arms in _BANDIT_ARMS}
    return Bandits(
        description="One arm is better by the effect, the others are equal; everybody's outcomes rise by "
        f"0.2. {_BANDIT_EPOCHS} epochs, and for each arm the users that a fixed-horizon test of two needs.",
        users={arms: arms * users for arms in _BANDIT_ARMS},
        regret={
            arms: {rule: findings.mean(found[0]) for rule, found in of.items()} for arms, of in every.items()
        },
        decision_error={
            arms: {rule: findings.rate(found[1]) for rule, found in of.items()} for arms, of in every.items()
        },
    )


# --- all of it -----------------------------------------------------------------------------------------

_Simulate = Callable[[CalibrationConfig, Plan, str, int, int], dict[str, Any]]


class _Study(NamedTuple):
    simulate: _Simulate
    sum_up: Callable[[CalibrationConfig, Plan, str, list[dict[str, Any]]], Measured | SampleRatio | Bandits]
    kind: type[Measured] | type[SampleRatio] | type[Bandits]


_STUDIES = {
    **{name: _Study(_between, _measured, Measured) for name in SETTINGS},
    **{name: _Study(_side_by_side, _measured_votes, Measured) for name in _VOTERS},
    "sample_ratio": _Study(_ratios, _found_ratios, SampleRatio),
    "bandits": _Study(_allocate, _found_bandits, Bandits),
}


def _chunk(config: CalibrationConfig, plan: Plan, name: str, chunk: tuple[int, int]) -> dict[str, Any]:
    return _STUDIES[name].simulate(config, plan, name, *chunk)


def _digest(config: CalibrationConfig, plan: Plan) -> str:
    """Names what decides a result: config, plan, the code that is measured and the code that measures."""
    about = config.model_dump_json(exclude={"processes", "out", "write", "plan"}) + plan.model_dump_json()
    code = [(_FOLDER / name).read_bytes() for name in _DECIDING]
    return blake2b(about.encode() + b"".join(code), digest_size=6).hexdigest()


def main(config: CalibrationConfig) -> Report:
    """Simulate what is not there yet, and write the report and its plot."""
    plan = configs.load(Plan, config.plan)
    config.out.mkdir(parents=True, exist_ok=True)
    digest = _digest(config, plan)
    chunks = [
        (place, min(_CHUNK, config.experiments - start))
        for place, start in enumerate(range(0, config.experiments, _CHUNK))
    ]
    found: dict[str, Any] = {}
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(config.processes, mp_context=context) as pool,
        tqdm(total=len(_STUDIES) * len(chunks), unit="chunk", disable=None) as bar,
    ):
        run = map if config.processes == 1 else pool.map
        for name, study in _STUDIES.items():
            bar.set_description(name)
            file = config.out / f"{name}-{digest}.json"
            if file.exists():
                found[name] = study.kind.model_validate_json(file.read_text(encoding="utf-8"))
                bar.update(len(chunks))
                continue
            done = []
            for one in run(partial(_chunk, config, plan, name), chunks):
                done.append(one)
                bar.update()
            found[name] = study.sum_up(config, plan, name, done)
            part = file.with_suffix(".part")
            part.write_text(found[name].model_dump_json(indent=1), encoding="utf-8")
            part.rename(file)  # whole or not at all
    report = _report(config, plan, found)
    for folder, name in [(config.out, "report")] + [(DOCS / "results", "calibration")] * config.write:
        (folder / f"{name}.json").write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    for folder in [config.out] + [DOCS] * config.write:
        findings.plot(report, folder / "calibration.png")
    return report


def _report(config: CalibrationConfig, plan: Plan, found: Mapping[str, Any]) -> Report:
    settings = {name: one for name, one in found.items() if isinstance(one, Measured)}

    def of(figure: str) -> dict[str, Estimate]:
        return {name: getattr(one.shipped, figure) for name, one in settings.items()}

    return Report(
        aa_false_winner_rate=of("aa_false_winner_rate"),
        coverage=of("coverage"),
        wrong_winner_rate=of("wrong_winner_rate"),
        power=of("power"),
        median_stop_ratio=of("median_stop_ratio"),
        srm_power=found["sample_ratio"].called_broken_by,
        missed=list(findings.missed(settings)),
        experiments=config.experiments,
        looks=config.looks,
        effect=config.effect,
        seed=config.seed,
        plan=plan,
        settings=settings,
        bandits=found["bandits"],
    )
