"""Whether the outlook of a plan keeps its promise: simulated traffic through `experiments.forecasting`, and
then experiments between equal versions.

    .venv/bin/python -m benchmarks.outlook --out docs/results/outlook.json

The outlook promises a day by which the loss of a margin is excluded with the plan's power, if both versions
are equal. In each run, users of 28 days become a history as in `recent_users.measure`, the outlook reads it,
and an experiment follows. Sums, estimates, intervals and margins come from the code that real experiments use
(`analysis.between_users`); the users are simulated, and there is one analysis a day. The plan is that of
`configs/experiment.yaml` with its ramp, but without `minimum_days`, which would hide days that are too early.
A promise is kept when at least 80 % of the experiments exclude the margin by the promised day.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from tqdm import tqdm

from experiments import analysis, forecasting, metrics, outcomes, recent_users
from experiments import plan as plans
from experiments.aa_tests import compute_rate
from experiments.analysis import ArmStatistics
from experiments.estimators import Sums, estimate
from experiments.history import History
from experiments.metrics import BINS_MS, Metric
from experiments.outcomes import PastUsers
from experiments.plan import Plan

_PEOPLE = 2**15  # of whom the users are drawn
_MOST_DAYS = 150  # of an experiment
_MOST_SAMPLED = 20_000  # as `recent_users.measure`
_SUMS = len(Sums._fields)
_BINS = len(BINS_MS) + 1
_BIN_COLUMNS = ("x", "xx", "xy")  # of the latencies of each bin
_NOW = datetime(2026, 1, 1, tzinfo=UTC)

Array = NDArray[np.float64]
# Draws what each person adds to the sums, of shape (people, columns): those of bin 0, then of the latencies'
# bins.
Draw = Callable[[np.random.Generator], sparse.csr_array]


class Case(NamedTuple):
    """A metric of an installation: the margin, the new users a day, and how users differ."""

    description: str
    metric: str
    margin: float
    users_a_day: float
    draw: Draw
    draw_past: Draw | None = None  # of the history, where it differs


@dataclass
class _Epoch:
    """The users of a step of the ramp whose windows have closed, by arm."""

    closed: list[int] = field(default_factory=lambda: [0, 0])
    sums: list[Array] = field(default_factory=list)
    arms: tuple[ArmStatistics, ...] = ()  # empty until they are computed


def _sum_people(**numbers: NDArray[Any]) -> sparse.csr_array:
    """What each person adds to the sums of bin 0, shape (people, fields of `Sums`). A person whose n is 0 has
    no value.
    """
    n = numbers.setdefault("n", np.ones(_PEOPLE))
    given = {letter: numbers.get(letter, np.zeros(_PEOPLE)) * n for letter in "xyuv"}
    columns = [n if name == "n" else math.prod(given[letter] for letter in name) for name in Sums._fields]
    return sparse.csr_array(np.stack(columns, axis=1).astype(float))


def draw_share(rate: float) -> Draw:
    """An event that happens to a share of the users."""
    return lambda rng: _sum_people(x=(rng.random(_PEOPLE) < rate) * 1.0)


def draw_voters(rng: np.random.Generator) -> sparse.csr_array:
    """A thumb of half of the users, whose share of thumbs up before is known of half of them."""
    taste = rng.beta(1.6, 0.4, _PEOPLE)
    past = np.where(rng.random(_PEOPLE) < 0.5, rng.binomial(4, taste) / 4, 0.5)
    return _sum_people(n=(rng.random(_PEOPLE) < 0.5) * 1.0, x=(rng.random(_PEOPLE) < taste) * 1.0, y=past)


def _draw_messages(rng: np.random.Generator) -> NDArray[np.int64]:
    return np.minimum(20, rng.random(_PEOPLE) ** (-1 / 1.1)).astype(int)


def draw_failures(rate: float) -> Draw:
    """Failed requests of users with 1 to 20 requests, who differ in their rate."""

    def draw(rng: np.random.Generator) -> sparse.csr_array:
        requests = _draw_messages(rng)
        rates = rng.beta(20 * rate, 20 * (1 - rate), _PEOPLE) if rate else np.zeros(_PEOPLE)
        return _sum_people(x=rng.binomial(requests, rates) * 1.0, y=requests * 1.0)

    return draw


def draw_costs(rng: np.random.Generator) -> sparse.csr_array:
    """Costs of users with 1 to 20 answers; the logarithm of a user's mean cost has a spread of 1.2."""
    answers = _draw_messages(rng)
    return _sum_people(x=answers * rng.lognormal(0.0, 1.2, _PEOPLE), y=answers * 1.0)


def draw_latencies(between: float, within: float) -> Draw:
    """Latencies of users with 1 to 20 misses: lognormal around 900 ms, with these spreads of the logarithm
    between users and between the misses of one.
    """

    def draw(rng: np.random.Generator) -> sparse.csr_array:
        misses = _draw_messages(rng)
        owner = np.repeat(np.arange(_PEOPLE), misses)
        exponent = between * rng.standard_normal(_PEOPLE)[owner] + within * rng.standard_normal(len(owner))
        bin_ = np.searchsorted(BINS_MS, 900 * np.exp(exponent), side="right")
        keys, c = np.unique(owner * _BINS + bin_, return_counts=True)
        owner, bin_ = keys // _BINS, keys % _BINS
        before = misses.cumsum() - misses
        k = c.cumsum() - before[owner]  # misses of the person up to the end of the bin, as in `outcomes`
        numbers = np.stack([c, k * k - (k - c) * (k - c), c * misses[owner]])
        columns = np.arange(3)[:, None] * _BINS + bin_
        bins = sparse.coo_array(
            (numbers.ravel(), (np.tile(owner, 3), columns.ravel())), shape=(_PEOPLE, 3 * _BINS)
        )
        stacked = sparse.hstack([_sum_people(y=misses * 1.0), bins], format="csr")
        return sparse.csr_array(stacked.astype(float))

    return draw


CASES = {
    "complained_30": Case("30 % of the users complain", "complained", 0.05, 300, draw_share(0.3)),
    "complained_2": Case("2 % of the users complain", "complained", 0.02, 50, draw_share(0.02)),
    "complained_1": Case("1 % of the users complain", "complained", 0.02, 50, draw_share(0.01)),
    "complained_05": Case("0.5 % of the users complain", "complained", 0.02, 50, draw_share(0.005)),
    "complained_01_wide": Case("0.1 % of the users complain", "complained", 0.05, 20, draw_share(0.001)),
    "complained_05_narrow": Case(
        "0.5 % of the users complain, and the margin is as large", "complained", 0.005, 200, draw_share(0.005)
    ),
    "failed_2": Case("2 % of the requests fail", "failed", 0.02, 50, draw_failures(0.02)),
    "failed_1": Case("1 % of the requests fail", "failed", 0.02, 50, draw_failures(0.01)),
    "failed_05": Case("0.5 % of the requests fail", "failed", 0.02, 50, draw_failures(0.005)),
    "failed_unseen": Case(
        "0.1 % of the requests fail, none of them in the past",
        "failed", 0.02, 50, draw_failures(0.001), draw_failures(0.0),
    ),
    "satisfaction": Case(
        "thumbs of half of the users, some with a past", "satisfaction", 0.05, 300, draw_voters
    ),
    "satisfaction_few": Case("the same with few users", "satisfaction", 0.15, 20, draw_voters),
    "complained_few": Case("10 % of few users complain", "complained", 0.1, 10, draw_share(0.1)),
    "cost": Case("a cost with a heavy tail, mean 2.1", "cost", 0.4, 300, draw_costs),
    "latency": Case("latencies, p95 2,700 ms", "latency_p95", 1000.0, 30, draw_latencies(0.3, 0.6)),
    "latency_slow_tail": Case(
        "latencies with a slow tail, p95 5,600 ms", "latency_p95", 1000.0, 300, draw_latencies(0.5, 1.0)
    ),
}  # fmt: skip


def _draw_sums(rng: np.random.Generator, people: sparse.csr_array, users: int) -> Array:
    """The sums over users who are drawn from the people, shape (columns,)."""
    drawn = np.bincount(rng.integers(_PEOPLE, size=users), minlength=_PEOPLE)
    return np.asarray(drawn @ people)


def _build_bins(columns: Array) -> dict[int, Sums]:
    """The sums by bin, as `estimators.estimate` reads them, from sums of shape (columns,)."""
    n, *others = columns[:_SUMS].tolist()
    bins = {0: Sums(int(n), *map(Decimal, others))} if n else {}
    if len(columns) > _SUMS:
        by_bin = columns[_SUMS:].reshape(len(_BIN_COLUMNS), _BINS)
        for bin_ in np.flatnonzero(by_bin[0]).tolist():
            x, xx, xy = (Decimal(value) for value in by_bin[:, bin_].tolist())
            bins[bin_ + 1] = Sums(int(x), x, xx, Decimal(0), Decimal(0), xy)
    return bins


def draw_history(rng: np.random.Generator, case: Case, people: sparse.csr_array, plan: Plan) -> History:
    """The history of 28 days of traffic."""
    arrivals = rng.poisson(case.users_a_day, recent_users.DAYS).tolist()
    metric = metrics.load()[case.metric]
    closed = min(sum(arrivals[: -math.ceil(plan.window_hours / 24)]), _MOST_SAMPLED)
    stored = outcomes.LATENCY if metric.kind == "quantile" else case.metric
    past = PastUsers(arrivals, closed, {stored: _build_bins(_draw_sums(rng, people, closed))})
    measured = recent_users.summarise(past, plan, {case.metric: metric}, _NOW)
    assert measured is not None, "the installation has users"
    return measured


def run_experiment(
    rng: np.random.Generator, case: Case, people: sparse.csr_array, plan: Plan, last_day: int
) -> list[bool]:
    """Whether the loss of the margin is excluded at the analysis of each day, from day 1 on, to the first day
    on which it is or to `last_day`. Each step of the ramp begins an epoch.
    """
    measured = {case.metric: metrics.load()[case.metric]}
    epochs: list[_Epoch] = []
    waiting: list[tuple[int, int]] = []  # epoch and arrivals of each day
    window, excluded = math.ceil(plan.window_hours / 24), list[bool]()
    for day in range(last_day):
        step = min(int(day * 24 / plan.hours_a_step), len(plan.ramp) - 1)
        if step == len(epochs):
            epochs.append(_Epoch())
        waiting.append((step, int(rng.poisson(plan.ramp[step] * case.users_a_day))))
        if day >= window:
            number, users = waiting[day - window]
            _close(rng, epochs[number], users, people)
        if not any(sum(epoch.closed) for epoch in epochs):
            excluded.append(False)
            continue
        arms = [arm for number, epoch in enumerate(epochs) for arm in _get_arms(epoch, number, measured)]
        result = analysis.between_users({case.metric: arms}, plan, measured)
        excluded.append(result.safety[case.metric].is_shown)
        if excluded[-1]:
            break
    return excluded


def _close(rng: np.random.Generator, epoch: _Epoch, users: int, people: sparse.csr_array) -> None:
    """Add users whose windows have closed to an epoch."""
    challengers = int(rng.binomial(users, 0.5))
    counts = [users - challengers, challengers]
    sums = [_draw_sums(rng, people, count) for count in counts]
    epoch.closed = [total + count for total, count in zip(epoch.closed, counts, strict=True)]
    epoch.sums = [total + new for total, new in zip(epoch.sums, sums, strict=True)] if epoch.sums else sums
    epoch.arms = ()


def _get_arms(epoch: _Epoch, number: int, measured: dict[str, Metric]) -> tuple[ArmStatistics, ...]:
    """The statistics of an epoch's arms, the baseline's first."""
    if not epoch.arms:
        (metric,) = measured.values()
        epoch.arms = tuple(
            ArmStatistics(
                epoch=number,
                variant=("champion", "challenger")[arm],
                is_baseline=arm == 0,
                weight=0.5,
                exposed=epoch.closed[arm],
                moved=0,
                closed=epoch.closed[arm],
                **dict(estimate(metric, _build_bins(epoch.sums[arm]) if epoch.sums else {})),
            )
            for arm in (0, 1)
        )
    return epoch.arms


def run(case: Case, seed: int, experiments: int, progress: "tqdm[Any]") -> dict[str, Any]:
    """Simulate histories and experiments of a case: the promised days, and the days on which the margin is
    excluded for the first time. None stands for more than two years, or for never.
    """
    rng = np.random.default_rng(seed)
    plan = plans.load().model_copy(
        update={"primary": case.metric, "harm_margin": case.margin, "guardrails": {}, "minimum_days": 0.0}
    )
    people = case.draw(rng)
    people_before = case.draw_past(rng) if case.draw_past else people
    promised: list[float | None] = []
    first_days: list[int | None] = []
    for _ in range(experiments):
        past = draw_history(rng, case, people_before, plan)
        margin = forecasting.forecast(plan, {case.metric: metrics.load()[case.metric]}, past, {}).margins[
            case.metric
        ]
        promised.append(margin.days)
        excluded = run_experiment(rng, case, people, plan, _MOST_DAYS)
        first_days.append(len(excluded) if excluded[-1] else None)
        progress.update()
    return {"promised": promised, "first_days": first_days}


def summarise(
    case: Case, promised: Sequence[float | None], first_days: Sequence[int | None]
) -> dict[str, Any]:
    """The median days, and the share of experiments that exclude the margin by the promised day, with its
    exact 95 % interval. The analysis of a promised day is the first one that is not before it.
    """
    in_time = [
        first is not None and (days is None or first <= math.ceil(days))
        for days, first in zip(promised, first_days, strict=True)
    ]
    infinite = [math.inf if days is None else days for days in promised]
    firsts = [math.inf if first is None else first for first in first_days]
    return {
        "description": case.description,
        "metric": case.metric,
        "margin": case.margin,
        "users_a_day": case.users_a_day,
        "promised": _or_none(float(np.median(infinite))),
        "median": _or_none(float(np.quantile(firsts, 0.5, method="lower"))),
        "day_of_80_percent": _or_none(float(np.quantile(firsts, 0.8, method="inverted_cdf"))),
        "in_time": compute_rate(in_time)._asdict(),
    }


def _or_none(days: float) -> float | None:
    return days if math.isfinite(days) else None


def main(experiments: int, out: Path, names: Sequence[str]) -> None:
    """Print and write the figures."""
    rows = []
    with tqdm(total=len(names) * experiments, unit="experiment", disable=not sys.stderr.isatty()) as progress:
        for name in names:
            days = run(CASES[name], list(CASES).index(name), experiments, progress)
            rows.append({"case": name, "experiments": experiments, **summarise(CASES[name], **days)})
            progress.write(format_row(rows[-1]))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def format_row(row: dict[str, Any]) -> str:
    """A line of the table, in Markdown."""
    rate = row["in_time"]

    def format_days(days: float | None) -> str:
        return "never" if days is None else f"{days:.3g}"

    days = " | ".join(format_days(row[name]) for name in ("promised", "median", "day_of_80_percent"))
    return (
        f"| {row['description']} | {row['margin']:g} | {row['users_a_day']:g} | {days} "
        f"| {100 * rate['value']:.0f} ({100 * rate['low']:.0f} to {100 * rate['high']:.0f}) |"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiments", type=int, default=300, help="of each case")
    parser.add_argument("--out", type=Path, default=Path("artifacts/bench/outlook.json"))
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    arguments = parser.parse_args()
    main(arguments.experiments, arguments.out, arguments.cases)
