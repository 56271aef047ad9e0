"""Whole experiments, from the start to the end: what is shipped, and what should have been.

Estimates, comparisons, decisions, weights and the level of a launch come from the code that real experiments
use. The users, their outcomes and their votes are simulated (`scenarios`), and so is what the flow
`experiment` does with a decision: the ramp, the weights of a bandit, the end. There is an analysis a day,
where the flow analyses more often. An interval holds at all analyses, so more of them add no errors.

Not simulated: votes before the experiment (CUPED), the guardrail of fallbacks, pauses, and messages that
arrive late. An interval that is not there yet, or withheld, claims nothing, so it counts as covering.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from experiments import analysis, bandit, launches, metrics, recommendation
from experiments.analysis import ArmStatistics, ExperimentResult, Tally
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.populations import Array
from experiments.calibration.report import ProcedureResult, estimate_median, estimate_rate
from experiments.calibration.scenarios import (
    BINS,
    COLUMNS,
    SCENARIOS,
    Rival,
    Scenario,
    compute_values,
    draw_sums,
    sum_by_person,
)
from experiments.estimators import Estimate, Sums, estimate
from experiments.lifecycle import Action
from experiments.metrics import VOTE_TIMING
from experiments.plan import Plan
from experiments.sequential import Clusters

CHUNK = 50  # experiments that a process simulates together
_METRICS = ("satisfaction", "complained", "failed", "latency_p95")
_SHARE_A_DAY = 0.5  # of the people in the experiment who have not come yet, the share that comes each day
_VOTERS_A_DAY = 20  # people who compare side by side
_MOST_VOTES = 100  # of one person
_MESSAGE_SUM = 6.0  # of both parameters of the beta distribution of the messages' win rates
_CHAMPION = "champion"


def _name_challengers(scenario: Scenario) -> list[str]:
    return [f"challenger_{number}" for number, _ in enumerate(scenario.challengers, start=1)]


def _adapt_plan(plan: Plan, scenario: Scenario) -> Plan:
    """The plan of a launch after `scenario.earlier` others, with the simulated guardrails only."""
    level = launches.alpha_of_next([False] * scenario.earlier, plan.false_discovery_rate)
    return plan.model_copy(
        update={
            "guardrails": {name: plan.guardrails[name] for name in _METRICS if name in plan.guardrails},
            "allocation": scenario.allocation,
            "ship_alpha": min(plan.ship_alpha, level),
        }
    )


@cache
def compute_effects(scenario: Scenario, seed: int, window_hours: float) -> list[dict[str, float]]:
    """The true effects of each challenger, by metric. Days of the week count equally."""
    effects = [dict.fromkeys(_METRICS, 0.0) for _ in scenario.challengers]
    for is_weekend, share in ((False, 5 / 7), (True, 2 / 7)):
        baseline, *challengers = (
            compute_values(experience, seed, window_hours) for experience in scenario.select_arms(is_weekend)
        )
        for effect, challenger in zip(effects, challengers, strict=True):
            for name in effect:
                effect[name] += share * (challenger[name] - baseline[name])
    return effects


class Votes(NamedTuple):
    """All votes side by side of an experiment in their order; arrays of shape (votes,)."""

    day: NDArray[np.int64]
    person: NDArray[np.int64]
    nth: NDArray[np.int64]  # of the person's votes, from 0
    message: NDArray[np.int64]
    choice: NDArray[np.int64]  # 1: challenger, -1: champion, 0: tie


def draw_votes(rng: np.random.Generator, scenario: Scenario, days: int, challenger: int = 0) -> Votes:
    """The votes of all days on one challenger. Each person casts up to 100 votes in a row, on different
    messages. Several challengers share the people who vote.
    """
    count = len(scenario.challengers)
    # Of several challengers, a third of the comparisons are between two of them (`data.traffic.comparisons`).
    voters_a_day = _VOTERS_A_DAY if count == 1 else _VOTERS_A_DAY * 2 // (3 * count)
    people = days * voters_a_day
    counts = (rng.random(people) ** (-1 / 1.1)).clip(scenario.fewest_votes, _MOST_VOTES).astype(int)
    person = np.repeat(np.arange(people), counts)
    nth = np.arange(len(person)) - (counts.cumsum() - counts)[person]
    _, wins, losses = scenario.challengers[challenger]
    mean = wins / (wins + losses)
    message, rate = np.arange(len(person)), _draw_rates(rng, mean, scenario.taste_sum, people)[person]
    if scenario.messages is not None:
        message = (rng.integers(scenario.messages, size=people)[person] + nth) % scenario.messages
        rate = _draw_rates(rng, mean, _MESSAGE_SUM, scenario.messages)[message]
    is_decided = rng.random(len(person)) < wins + losses
    choice = np.where(rng.random(len(person)) < rate, 1, -1) * is_decided
    return Votes(person // voters_a_day, person, nth, message, choice)


def _draw_rates(rng: np.random.Generator, mean: float, total: float, size: int) -> Array:
    """Win rates with a beta distribution whose parameters have this sum: 0 gives only 0 and 1, infinity only
    the mean.
    """
    if math.isinf(total):
        return np.full(size, mean)
    return rng.beta(total * mean, total * (1 - mean), size) if total else (rng.random(size) < mean) * 1.0


def tally_votes(votes: Votes, day: int, plan: Plan) -> Tally:
    """Count the votes before a day as `experiments.votes` does: by person and by message, within limits."""
    is_cast = votes.day < day
    is_decided = is_cast & (votes.choice != 0)
    counts = is_decided & (_number_within(votes.person, is_decided) < plan.votes_a_person)
    people = int(votes.person[-1]) + 1
    by_person = np.bincount(votes.person[counts], minlength=people)
    # Who has cast fewer votes may still vote until `hours_a_person` after the first one.
    days_left = math.ceil(plan.hours_a_person / 24)
    is_complete = (by_person[votes.person] == plan.votes_a_person) | (votes.day < day - days_left)
    counts &= is_complete
    counts &= _number_within(votes.message, counts) < plan.votes_a_message
    is_win = counts & (votes.choice > 0)
    wins = int(is_win.sum())
    return Tally(
        wins=wins,
        losses=int(counts.sum()) - wins,
        ties=int((is_cast & is_complete & (votes.choice == 0)).sum()),
        people=len(np.unique(votes.person[is_cast & is_complete])),
        by_person=_cluster(votes.person, counts, is_win),
        by_message=_cluster(votes.message, counts, is_win),
    )


def _number_within(groups: NDArray[np.int64], counts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many earlier votes that count each vote has in its group; of shape (votes,)."""
    order = np.argsort(groups, kind="stable")
    before = counts[order].cumsum() - counts[order]
    is_first = np.diff(groups[order], prepend=-1) != 0
    number = before - np.maximum.accumulate(np.where(is_first, before, 0))
    result = np.empty_like(number)
    result[order] = number
    return result


def _cluster(
    groups: NDArray[np.int64], counts: NDArray[np.bool_], is_win: NDArray[np.bool_]
) -> tuple[Clusters, ...]:
    """The number of groups by their wins and losses, without groups that have no vote."""
    wins, votes = np.bincount(groups[is_win], minlength=groups.max() + 1), np.bincount(groups[counts])
    wins = wins[: len(votes)][votes > 0]
    votes = votes[votes > 0]
    kinds, number = np.unique(np.stack([wins, votes - wins]), axis=1, return_counts=True)
    rows = zip(*kinds.tolist(), number.tolist(), strict=True)
    return tuple(Clusters(won, lost, clusters) for won, lost, clusters in rows)


@dataclass
class _Epoch:
    """A span with constant shares, and the users who came in it, by arm."""

    begin: int  # day
    weights: tuple[float, ...]
    exposed: list[int] = field(init=False)
    closed: list[int] = field(init=False)
    sums: list[Array] = field(init=False)
    statistics: list[dict[str, ArmStatistics]] = field(default_factory=list)  # empty until they are computed

    def __post_init__(self) -> None:
        arms = len(self.weights)
        self.exposed, self.closed = [0] * arms, [0] * arms
        self.sums = [np.zeros(len(COLUMNS) + 3 * BINS)] * arms


def estimate_metrics(sums: Array) -> dict[str, Estimate]:
    """Estimate the metrics of an arm from its sums of shape (columns,), see `scenarios.sum_by_person`."""
    numbers = dict(zip(COLUMNS, sums[: len(COLUMNS)].tolist(), strict=True))
    numbers["nothing"] = 0.0

    def build_sums(n: str, *columns: str) -> dict[int, Sums]:
        """The sums of bin 0; `columns` are those of x, xx, y, yy and xy."""
        values = (Decimal(numbers[column]) for column in columns)
        return {0: Sums(int(numbers[n]), *values)} if numbers[n] else {}

    bins = build_sums("with_misses", "nothing", "nothing", "m", "mm", "nothing")
    c, kk, cm = sums[len(COLUMNS) :].reshape(3, BINS)
    for bin_ in np.flatnonzero(c).tolist():
        x, xx, xy = (Decimal(float(column[bin_])) for column in (c, kk, cm))
        bins[bin_ + 1] = Sums(int(x), x, xx, Decimal(0), Decimal(0), xy)
    bins_of = {
        "satisfaction": build_sums("voters", "ups", "ups", "nothing", "nothing", "nothing"),
        "complained": build_sums("users", "complaints", "complaints", "nothing", "nothing", "nothing"),
        VOTE_TIMING: build_sums("voters", "hours", "hours2", "nothing", "nothing", "nothing"),
        "failed": build_sums("users", "f", "ff", "r", "rr", "fr"),
        "latency_p95": bins,
    }
    return {name: estimate(metrics.load()[name], metric_bins) for name, metric_bins in bins_of.items()}


def build_arms(epochs: Sequence[_Epoch]) -> dict[str, list[ArmStatistics]]:
    """The statistics of all arms by metric, as `stored_sums.read_arms` gives them."""
    for number, epoch in enumerate(epochs):
        if not epoch.statistics:
            epoch.statistics = [
                {
                    name: ArmStatistics(
                        epoch=number,
                        variant=f"challenger_{arm}" if arm else _CHAMPION,
                        is_baseline=arm == 0,
                        weight=epoch.weights[arm],
                        exposed=epoch.exposed[arm],
                        moved=0,
                        closed=epoch.closed[arm],
                        **dict(estimated),
                    )
                    for name, estimated in estimate_metrics(epoch.sums[arm]).items()
                }
                for arm in range(len(epoch.weights))
            ]
    names = list(epochs[0].statistics[0])
    return {name: [arm[name] for epoch in epochs for arm in epoch.statistics] for name in names}


class _Arrival(NamedTuple):
    """The users of one arm who came on one day."""

    day: int
    epoch: int
    arm: int
    users: int
    is_weekend: bool


class _Installation:
    """The users of an experiment: when they come, and what their closed windows give."""

    def __init__(
        self, scenario: Scenario, plan: Plan, config: CalibrationConfig, rng: np.random.Generator
    ) -> None:
        self.epochs = [_Epoch(0, scenario.weights)]
        self._scenario, self._plan, self._config, self._rng = scenario, plan, config, rng
        self._first_weekday = int(rng.integers(7))  # from Monday
        self._outside = scenario.users  # who are not in the experiment
        self._waiting = 0  # who are, and have not come yet
        self._ramp = 0.0
        self._open: list[_Arrival] = []

    def widen(self, share: float) -> None:
        """Let users into the experiment until it has this share of them."""
        entered = self._rng.binomial(self._outside, (share - self._ramp) / (1 - self._ramp))
        self._outside, self._waiting, self._ramp = self._outside - entered, self._waiting + entered, share

    def begin_epoch(self, day: int, weights: tuple[float, ...]) -> None:
        """Begin an epoch at the start of a day."""
        self.epochs.append(_Epoch(day, weights))

    @property
    def is_complete(self) -> bool:
        """Whether all users have come, and their windows have closed."""
        return not (self._outside or self._waiting or self._open)

    def expose(self, day: int) -> None:
        """Let users come on a day."""
        a_day = self._scenario.users_a_day
        if a_day is None:
            came = int(self._rng.binomial(self._waiting, _SHARE_A_DAY))
        else:
            came = min(self._waiting, int(self._rng.poisson(self._ramp * a_day)))
        self._waiting -= came
        is_weekend = (self._first_weekday + day) % 7 >= 5
        for arm, users in enumerate(self._rng.multinomial(came, self.epochs[-1].weights).tolist()):
            self.epochs[-1].exposed[arm] += users
            self.epochs[-1].statistics = []
            if users:
                self._open.append(_Arrival(day, len(self.epochs) - 1, arm, users, is_weekend))

    def close(self, day: int) -> None:
        """Add the users whose windows have closed at the end of a day to the sums."""
        last = day - math.ceil(self._plan.window / timedelta(days=1))  # day of arrival
        closing = [arrival for arrival in self._open if arrival.day <= last]
        self._open = self._open[len(closing) :]
        for arrival in closing:
            epoch, arm = self.epochs[arrival.epoch], arrival.arm
            epoch.closed[arm] += arrival.users
            epoch.sums[arm] = epoch.sums[arm] + self._draw(arrival)
            epoch.statistics = []

    def _draw(self, arrival: _Arrival) -> Array:
        """The sums over the users of an arrival. With `cut_windows`, a window ends with its epoch."""
        days = None
        if self._config.cut_windows and arrival.epoch + 1 < len(self.epochs):
            days = self.epochs[arrival.epoch + 1].begin - arrival.day
        experience = self._scenario.select_arms(arrival.is_weekend)[arrival.arm]
        by_person = sum_by_person(experience, self._config.seed, self._plan.window_hours, days)
        return draw_sums(self._rng, arrival.users, by_person)


class Ending(NamedTuple):
    """The decision that ended an experiment."""

    action: Action
    challenger: int  # the shipped one, from 0; otherwise the leading one
    days: int
    closed: int  # users of the baseline and this challenger whose windows had closed


class Course(NamedTuple):
    """How one experiment went."""

    ending: Ending
    covered: tuple[bool, ...]  # for each metric: its intervals contained the true effects at every analysis


def run_experiment(
    scenario: Scenario, plan: Plan, config: CalibrationConfig, rng: np.random.Generator
) -> Course:
    """Run an experiment for its `plan.maximum_days`. The first decision ends it. The analyses go on as if
    nobody acted on that decision, because an interval must hold at all of them. A dropped challenger has no
    further analyses, and later users get the other arms.
    """
    plan = _adapt_plan(plan, scenario)
    effects = compute_effects(scenario, config.seed, plan.window_hours)
    names = _name_challengers(scenario)
    plan_of_each = plan.for_each_of(len(names))
    last_day = math.ceil(plan.maximum_days)
    votes = {name: draw_votes(rng, scenario, last_day, number) for number, name in enumerate(names)}
    installation = _Installation(scenario, plan, config, rng)
    ramp = list(plan.ramp)
    installation.widen(ramp.pop(0))
    ending, covered, tested = None, np.ones(len(_METRICS), dtype=bool), list(names)
    for day in range(1, last_day + 1):  # the time of the analysis
        installation.expose(day - 1)
        installation.close(day - 1)
        arms = build_arms(installation.epochs)
        users = {
            name: analysis.between_users(analysis.pick_arms(arms, name), plan_of_each, metrics.load())
            for name in tested
        }
        for name in tested:
            of_challenger = effects[names.index(name)].items()
            covered &= [not _misses(users[name], plan, metric, effect) for metric, effect in of_challenger]
        weights = installation.epochs[-1].weights
        if ending is None:
            results = {
                name: analysis.ChallengerResult(
                    comparison=analysis.compare(tally_votes(votes[name], day, plan), plan_of_each),
                    between_users=users[name],
                )
                for name in tested
            }
            decision = recommendation.decide(results, plan_of_each, timedelta(days=day))
            if decision.action is not Action.KEEP_RUNNING:
                result = users[decision.challenger]
                ending = Ending(
                    decision.action,
                    names.index(decision.challenger),
                    day,
                    result.baseline.closed + result.challenger.closed,
                )
            elif decision.dropped:
                tested = [name for name in tested if name not in decision.dropped]
                left = [weight * (arm == 0 or names[arm - 1] in tested) for arm, weight in enumerate(weights)]
                weights = tuple(weight / sum(left) for weight in left)
                installation.begin_epoch(day, weights)
        if ending and installation.is_complete:
            break
        epoch = installation.epochs[-1]
        hours = 24 * (day - epoch.begin)
        if ramp and hours >= plan.hours_a_step:
            installation.widen(ramp.pop(0))
            installation.begin_epoch(day, weights)
        elif not ramp and plan.allocation != "fixed" and hours >= plan.hours_a_batch:
            primary = [arm for arm in arms[plan.primary] if arm.is_baseline or arm.variant in tested]
            chosen = bandit.reweigh(primary, plan.allocation)
            rounded = [round(chosen.get(name, 0.0), 3) for name in names]
            if (weights := (1 - sum(rounded), *rounded)) != epoch.weights:
                installation.begin_epoch(day, weights)
    assert ending is not None, f"no decision ended the experiment within its {plan.maximum_days:g} days"
    return Course(ending, tuple(covered.tolist()))


def _misses(users: ExperimentResult, plan: Plan, name: str, effect: float) -> bool:
    """Return whether the interval of a metric misses the true effect. A withheld metric claims nothing."""
    result = users.primary if name == plan.primary else users.metrics[name].effect
    if result is None or name in users.withheld:
        return False
    return not result.interval.low <= effect <= result.interval.high


def simulate(config: CalibrationConfig, plan: Plan, name: str, chunk: int, size: int) -> dict[str, Any]:
    """Simulate one chunk of a scenario: `size` experiments. Gives them under `courses`."""
    rng = np.random.default_rng([config.seed, list(SCENARIOS).index(name), chunk])
    return {"courses": [run_experiment(SCENARIOS[name], plan, config, rng) for _ in range(size)]}


def simulate_scenario(
    scenario: Scenario,
    plan: Plan,
    experiments: int,
    config: CalibrationConfig | None = None,
    seconds: float = math.inf,
    progress: bool = True,
) -> ProcedureResult:
    """Simulate whole experiments of a scenario of one's own, and estimate its figures.

    The same config gives the same experiments. None is begun after so many seconds, so that a slow machine
    simulates fewer; there is one at least. The plan is that of a launch after `scenario.earlier` others, with
    the simulated metrics (satisfaction, complained, failed, latency_p95). Raises ValueError when its primary
    one is not simulated.
    """
    if plan.primary not in _METRICS:
        raise ValueError(f"{plan.primary} is not simulated; take a plan with one of {', '.join(_METRICS)}")
    config = config or CalibrationConfig()
    rng = np.random.default_rng(config.seed)
    begin = time.monotonic()
    courses = []
    for _ in tqdm(range(experiments), unit="experiment", disable=not progress):
        courses.append(run_experiment(scenario, plan, config, rng))
        if time.monotonic() - begin > seconds:
            break
    return _summarise(config, plan, scenario, courses)


class _Truth(NamedTuple):
    """What is true of a challenger."""

    is_harmful: bool  # a loss exceeds its margin
    is_equal: bool
    is_better: bool


def _judge(rival: Rival, effects: dict[str, float], plan: Plan) -> _Truth:
    losses = {
        metric: -effect if metrics.load()[metric].better == "higher" else effect
        for metric, effect in effects.items()
    }
    margins = {plan.primary: plan.harm_margin, **plan.guardrails}
    return _Truth(
        is_harmful=any(losses[metric] > margin for metric, margin in margins.items()),
        is_equal=rival.wins == rival.losses and not any(losses.values()),
        is_better=rival.wins > rival.losses and all(loss <= 0 for loss in losses.values()),
    )


def summarise(
    config: CalibrationConfig, plan: Plan, name: str, chunks: list[dict[str, Any]]
) -> ProcedureResult:
    """Estimate the figures of a scenario from the results of all its chunks."""
    courses: list[Course] = [course for chunk in chunks for course in chunk["courses"]]
    return _summarise(config, plan, SCENARIOS[name], courses)


def _summarise(
    config: CalibrationConfig, plan: Plan, scenario: Scenario, courses: Sequence[Course]
) -> ProcedureResult:
    plan = _adapt_plan(plan, scenario)
    endings = [course.ending for course in courses]
    actions = np.array([ending.action for ending in endings])
    covered = np.array([course.covered for course in courses])
    effects = compute_effects(scenario, config.seed, plan.window_hours)
    truths = [
        _judge(rival, effect, plan) for rival, effect in zip(scenario.challengers, effects, strict=True)
    ]
    is_shipped = actions == Action.SHIP
    is_any_better = any(truth.is_better for truth in truths)
    leading = [truths[ending.challenger] for ending in endings]
    is_right = np.array([truth.is_better or not is_any_better for truth in leading])
    is_wrong = np.array([truth.is_harmful or truth.is_equal for truth in leading])
    return ProcedureResult(
        description=scenario.description,
        experiments=len(courses),
        users=scenario.users,
        effects=effects[0],
        harmful=all(truth.is_harmful for truth in truths),
        equal=all(truth.is_equal for truth in truths),
        better=is_any_better,
        challengers=len(truths),
        shipped=estimate_rate(is_shipped & is_right),
        wrongly_shipped=estimate_rate(is_shipped & is_wrong),
        rolled_back=estimate_rate(actions == Action.ROLL_BACK),
        inconclusive=estimate_rate(actions == Action.INCONCLUSIVE),
        path_coverage=estimate_rate(np.array([all(course.covered) for course in courses])),
        coverage_by_metric=dict(zip(_METRICS, map(estimate_rate, covered.T), strict=True)),
        median_days=estimate_median(np.array([ending.days for ending in endings])),
        median_closed=estimate_median(np.array([ending.closed for ending in endings])),
    )
