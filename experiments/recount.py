"""The evidence of an experiment computed anew from its rows, to be compared with that of its analyses.

Analyses add what is new to stored sums, and the pages read these. Here all rows are read again, and the same
functions turn them into evidence. Both agree to the last digit while all the rows are there. Nothing is
stored.
"""

import decimal
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import add
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel
from sqlalchemy.orm import Session

from experiments import bandit, judgements, unit_rows, votes
from experiments.analysis import ArmStatistics, ChallengerResult, between_users, compare, pick_arms
from experiments.effects import Effect
from experiments.estimators import Sums, estimate
from experiments.evidence import Evidence
from experiments.metrics import BINS_MS, Metric
from experiments.plan import Plan
from experiments.readings import EpochRow, ExperimentPage
from experiments.recommendation import Decision, decide
from experiments.running import Running
from experiments.unit_rows import UnitRow

# Sums are exact, as they are in Postgres. Python's usual 28 digits would round the square of a mean.
_EXACT = decimal.Context(prec=10_000)
_NONE = Decimal(0)
_PRODUCTS = ("x", "xx", "y", "yy", "xy", "u", "uu", "v", "vv", "uv", "xu", "xv", "yu", "yv")

ArmSums = Mapping[tuple[int, str], Mapping[int, Sums]]  # by epoch and variant; by bin


class RecountError(RuntimeError):
    """The evidence cannot be computed anew."""


@dataclass(frozen=True, slots=True)
class Recount:
    """An experiment's evidence from its rows: the units, the arms by metric, and what follows. `plan` is that
    of each challenger (`Plan.for_each_of`).
    """

    plan: Plan
    running: Running
    baseline: str
    units: Sequence[UnitRow]
    measured: Mapping[str, Metric]
    arms: Mapping[str, Sequence[ArmStatistics]]
    challengers: Mapping[str, ChallengerResult]
    decision: Decision

    def get_effect(self, challenger: str) -> Effect:
        """The effect of a challenger in the primary metric. RecountError while there are too few users."""
        effect = self.challengers[challenger].between_users.primary
        if effect is None:
            raise RecountError(
                f"{challenger} has too few users for an effect yet; wait until more windows close"
            )
        return effect

    def tabulate(self) -> list[dict[str, Any]]:
        """A row for each unit, for a data frame: who, when, in which arm, and each metric's value as a float.

        `<metric>_before` is the same quantity before the unit entered, which CUPED uses. A ratio has its
        denominator in `<metric>_per`. `latencies_ms` are those of the unit's misses. None stands for a unit
        without a value, and for all values while the window is open.
        """
        return [
            {
                "user": str(unit.unit_id),
                "arm": unit.variant,
                "epoch": unit.epoch,
                "entered_at": unit.entered_at,
                "closes_at": unit.closes_at,
                "is_counted": bool(unit.numbers),
                **dict(self._list_values(unit)),
                "latencies_ms": list(unit.latencies_ms),
            }
            for unit in self.units
        ]

    def _list_values(self, unit: UnitRow) -> Iterator[tuple[str, float | None]]:
        for name, metric in self.measured.items():
            if metric.kind == "quantile":
                continue
            ratio = ("", "_per", "_before", "_per_before")
            suffixes = ratio if metric.kind == "ratio" else ("", "_before")
            numbers = unit.numbers.get(name) or (None,) * len(ratio)
            for suffix, number in zip(suffixes, numbers, strict=False):
                yield f"{name}{suffix}", None if number is None else float(number)


def sum_up(units: Iterable[UnitRow], name: str, metric: Metric) -> ArmSums:
    """The sums of a metric over the counted units, in exact numbers: those that `outcomes.refresh` stores."""
    totals: dict[tuple[int, str], dict[int, Sums]] = defaultdict(dict)
    with decimal.localcontext(_EXACT):
        for unit in units:
            if not unit.numbers:
                continue
            bins = totals[unit.epoch, unit.variant]
            for bin_, added in _sum_up_unit(unit, name, metric):
                before = bins.get(bin_)
                bins[bin_] = Sums(*map(add, before, added)) if before else added
    return totals


def _sum_up_unit(unit: UnitRow, name: str, metric: Metric) -> Iterator[tuple[int, Sums]]:
    if metric.kind == "quantile":
        yield from _sum_up_latencies(unit)
        return
    numbers = unit.numbers[name]
    if numbers.x is not None:
        by_letter = {letter: Decimal(number) for letter, number in numbers._asdict().items()}
        products = ([by_letter[letter] for letter in letters] for letters in _PRODUCTS)
        yield (
            0,
            Sums(1, *(factors[0] if len(factors) == 1 else factors[0] * factors[1] for factors in products)),
        )


def _sum_up_latencies(unit: UnitRow) -> Iterator[tuple[int, Sums]]:
    """The share of misses up to each bin as a ratio: k of the unit's m misses are as fast (`outcomes`)."""
    m, u, v = Decimal(len(unit.latencies_ms)), unit.past_log_ms, Decimal(unit.past_misses)
    if not m:
        return
    yield 0, Sums(1, _NONE, _NONE, m, m * m, _NONE, u, u * u, v, v * v, u * v, _NONE, _NONE, m * u, m * v)
    k = _NONE
    bins, counts = np.unique(np.searchsorted(BINS_MS, unit.latencies_ms, side="right"), return_counts=True)
    for bin_, count in zip(bins.tolist(), counts.tolist(), strict=True):
        c, k = Decimal(count), k + count
        squares = k * k - (k - c) * (k - c)
        yield bin_ + 1, Sums(1, c, squares, _NONE, _NONE, c * m, xu=c * u, xv=c * v)


def build_arms(
    units: Sequence[UnitRow], epochs: Sequence[EpochRow], baseline: str, measured: Mapping[str, Metric]
) -> dict[str, list[ArmStatistics]]:
    """Every arm in every epoch by metric, as `stored_sums.read_arms` reads them. Arms without units are
    included, with the weights of their epoch.
    """

    def build_metric(name: str, metric: Metric) -> list[ArmStatistics]:
        sums = sum_up(units, name, metric)
        return [
            ArmStatistics(
                epoch=epoch.number,
                variant=variant,
                is_baseline=variant == baseline,
                weight=epoch.weights[variant],
                exposed=len(of_arm),
                moved=sum(unit.is_moved for unit in of_arm),
                closed=sum(bool(unit.numbers) for unit in of_arm),
                **dict(estimate(metric, sums.get((epoch.number, variant), {}))),
            )
            for epoch in epochs
            for variant in sorted(epoch.weights, key=lambda variant: (variant != baseline, variant))
            for of_arm in [by_arm[epoch.number, variant]]
        ]

    by_arm: dict[tuple[int, str], list[UnitRow]] = defaultdict(list)
    for unit in units:
        by_arm[unit.epoch, unit.variant].append(unit)
    return {name: build_metric(name, metric) for name, metric in measured.items()}


class Analysed(NamedTuple):
    """The newest analysis of an experiment: its plan for each challenger, when the experiment let users
    in, its time, and what it found."""

    plan: Plan
    running: Running
    baseline: str
    at: datetime
    evidence: Evidence


def find_analysis(page: ExperimentPage) -> Analysed:
    """The newest analysis on a page; RecountError when there is none."""
    plan = page.plan_of_each
    if page.newest is None or plan is None or page.baseline is None or page.running is None:
        raise RecountError(
            f"{page.name} has no analysis yet; wait for the flow `experiment`, or read another one by its id"
        )
    return Analysed(plan, page.running, page.baseline.name, page.newest.at, page.newest.evidence)


def recount(session: Session, page: ExperimentPage, operator: str) -> Recount:
    """The evidence at the time of an experiment's newest analysis, from its rows: what
    `pipelines.experiment.analyse` gave then. A read-only transaction suffices.

    `operator` is the name of the organisation that runs the installation (`Settings.organisation`). Raises
    RecountError when there is no analysis, or when rows that it counted are gone.
    """
    analysed = find_analysis(page)
    plan, at, champion = analysed.plan, analysed.at, analysed.baseline
    measured = plan.all_metrics
    units = unit_rows.read_units(session, page.id, plan, at)
    arms = build_arms(units, page.epochs, champion, measured)
    challengers = {}
    for name, stored in analysed.evidence.challengers.items():
        tally = votes.recount(session, page.id, champion, name, plan, operator, at)
        judged = judgements.compare(session, page.id, name, plan)
        pair = pick_arms(arms, name)
        result = ChallengerResult(
            comparison=judgements.decide(compare(tally, plan), judged, plan),
            between_users=between_users(pair, plan, measured),
            unbiased=None if plan.allocation == "fixed" else bandit.unbiased_effect(pair[plan.primary]),
        )
        _check_rows(page.name, _count_people(result), _count_people(stored))
        challengers[name] = result
    periods = analysed.running
    decision = decide(challengers, plan, periods.lasted(at), periods.lasted(at - plan.window))
    return Recount(plan, periods, champion, units, measured, arms, challengers, decision)


def _count_people(result: ChallengerResult) -> dict[str, int]:
    between = result.between_users
    return {
        "users": between.baseline.exposed + between.challenger.exposed,
        "closed windows": between.baseline.closed + between.challenger.closed,
        "people who compared": result.comparison.tally.people,
    }


def _check_rows(experiment: str, of_rows: Mapping[str, int], of_analysis: Mapping[str, int]) -> None:
    for kind, number in of_analysis.items():
        if of_rows[kind] < number:
            raise RecountError(
                f"{number - of_rows[kind]} of the {number} {kind} that {experiment} has counted have no rows"
                " any more, as after an erasure, so its evidence cannot be computed anew; read another"
                " experiment by its id"
            )


class Compared(NamedTuple):
    """A number, or another finding, from the rows and as the dashboard reads it."""

    name: str
    from_rows: Any
    of_dashboard: Any

    @property
    def is_equal(self) -> bool:
        """Whether both are the same, to the last digit."""
        return bool(self.from_rows == self.of_dashboard)


def compare_with_page(recounted: Recount, page: ExperimentPage) -> list[Compared]:
    """Each number of the page's newest evidence next to the one from the rows, and the sentences of the
    decision.
    """
    stored = find_analysis(page).evidence
    of_rows, of_dashboard = (
        {
            **dict(_flatten(dict(challengers))),
            "decision.action": decision.action.value,
            "decision.reasons": [str(reason) for reason in decision.reasons],
        }
        for challengers, decision in (
            (recounted.challengers, recounted.decision),
            (stored.challengers, stored.decision),
        )
    )
    names = dict.fromkeys([*of_dashboard, *of_rows])
    return [Compared(name, of_rows.get(name), of_dashboard.get(name)) for name in names]


def _flatten(value: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """The values within models, mappings and intervals, each with its path."""
    if isinstance(value, BaseModel):
        value = dict(value)
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _flatten(part, *path, name)
    else:
        yield ".".join(path), value
