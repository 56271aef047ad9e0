"""The report of a calibration: its figures with Monte-Carlo intervals, its targets, and its table.

A committed report must load: the names of all fields are stored in docs/results/calibration.json.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import binom, binomtest

from data.reasons import Reason, reason
from experiments.plan import Plan

Z_95 = 1.96  # quantile of the normal distribution for a two-sided interval of 95 %
_MOST_ERRORS, _LEAST_COVERAGE, _LEAST_POWER, _LATEST_STOP = 0.05, 0.95, 0.8, 1.6  # the targets

Rule = Literal["one-sided", "two-sided"]
Allocation = Literal["fixed", "thompson", "top_two", "top_two of 70 %"]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(_Result):
    """A simulated figure with its 95 % Monte-Carlo interval. None means: after the last analysis."""

    value: float | None
    low: float | None
    high: float | None


class OperatingCharacteristics(_Result):
    """The error rates, coverage and speed of a confidence sequence in one setting."""

    aa_false_winner_rate: Estimate = Field(description="share of A/A experiments that ever name a winner")
    coverage: Estimate = Field(
        description="share of A/B experiments whose interval contains the true effect at every analysis"
    )
    wrong_winner_rate: Estimate = Field(description="share of A/B experiments that name the worse arm")
    power: Estimate = Field(description="share of A/B experiments that name the better arm")
    median_stop_ratio: Estimate = Field(
        description="median sample size at the decision of A/B experiments, in fixed-horizon samples"
    )
    decided_by: dict[float, float] = Field(
        description="share of A/B experiments with a decision, by sample size in fixed-horizon samples"
    )
    missed_from: dict[int, float] = Field(
        description="share of experiments whose interval ever misses the true effect, by users per arm at the"
        " first analysis; the larger of the A/A and the A/B share"
    )


class SettingResult(_Result):
    """One setting: our interval, the interval with another `n_star`, and the controls."""

    description: str
    fixed_sample: float = Field(description="users (or votes) of a fixed-horizon test with 80 % power")
    true_effect: float
    shipped: OperatingCharacteristics = Field(description="with the n_star of the plan")
    tied: OperatingCharacteristics | None = Field(
        description="with n_star at the fixed-horizon sample; None for comparisons, which have no n_star"
    )
    naive_false_winner_rate: Estimate = Field(
        description="of a fixed-horizon test that is repeated at every analysis"
    )
    control: str | None = Field(description="the mistake typical of the setting")
    control_false_winner_rate: Estimate | None = Field(description="of our interval with that mistake")
    final_bias: Estimate = Field(description="of the estimate at the last analysis, in true effects")
    unbiased_bias: Estimate | None = Field(
        description="of `bandit.unbiased_effect` at the last analysis, in true effects; None without a bandit"
    )
    looks_checked: int = Field(description="analyses that the production code made or confirmed")


class SampleRatioResult(_Result):
    """The share of assignments with a sample-ratio alarm, by true split and by users of both arms."""

    description: str
    called_broken_by: dict[str, dict[int, Estimate]]
    restarted_by: dict[str, dict[int, Estimate]] | None = Field(
        None, description="the same of a check that begins again at each step of the ramp"
    )


class InformationResult(_Result):
    """Experiments whose interval ever misses the true effect, by when the intervals begin. Without an effect
    these are the false winners.
    """

    description: str
    users: int = Field(description="users in both arms at the last analysis")
    by_users: Estimate = Field(description="with the plan's minimum of users in each arm")
    by_information: Estimate = Field(description="with enough effective users and events, as shipped")
    begun: Estimate = Field(description="experiments whose interval has begun by the last analysis")


class AdjustedResult(_Result):
    """Intervals that are adjusted for the users' past, for strata, or by a cap, for one kind of users."""

    description: str
    experiments: int = Field(description="without an effect, and as many with one")
    false_winner_rate: Estimate = Field(description="experiments without an effect whose interval excludes 0")
    coverage: Estimate = Field(
        description="experiments whose interval contains the true effect at all analyses"
    )
    bias: Estimate = Field(description="of the estimate at the last analysis, in true effects")
    variance_reduction: Estimate = Field(
        description="share of the variance that the adjustment removes at the last analysis"
    )
    power: Estimate = Field(description="experiments with an effect whose interval ever excludes 0")
    power_without: Estimate = Field(description="the same without the adjustment")


class ChangeResult(_Result):
    """How often the curves of an effect over time warn that it changes, at one look."""

    description: str
    experiments: int
    warned: dict[str, Estimate] = Field(description="by kind of curve (`experiments.novelty`)")
    warned_by_any: Estimate
    stays: bool = Field(False, description="the effect does not change, so a warning is a false alarm")


class BanditResult(_Result):
    """The regret and the decision error of each rule, by number of arms."""

    description: str
    users: dict[int, int] = Field(description="users of one experiment")
    regret: dict[int, dict[Allocation, Estimate]] = Field(description="mean loss per user, in effects")
    decision_error: dict[int, dict[Allocation, Estimate]] = Field(
        description="share of experiments whose best-looking arm at the end is not the best"
    )


class ProcedureResult(_Result):
    """Whole experiments of one scenario, from the start to the decision that ended them."""

    description: str
    experiments: int
    users: int = Field(description="of the installation")
    effects: dict[str, float] = Field(description="true effect of the first challenger on each metric")
    harmful: bool = Field(
        description="a true loss of every challenger exceeds its margin, so none must be shipped"
    )
    equal: bool = Field(description="nobody prefers any and nothing changes, so none must be shipped")
    better: bool = Field(
        description="people prefer one and nothing gets worse with it, so it should be shipped"
    )
    challengers: int = Field(1, description="tested at once against the champion")
    shipped: Estimate = Field(description="the challenger that should be shipped, or any if none should")
    wrongly_shipped: Estimate | None = Field(
        None, description="a challenger that is harmful or equal; None in results of earlier releases"
    )
    rolled_back: Estimate
    inconclusive: Estimate
    path_coverage: Estimate = Field(
        description="share of experiments in which the intervals of the primary metric and of every guardrail"
        " contained the true effects at every analysis, also at those after the decision"
    )
    coverage_by_metric: dict[str, Estimate] = Field(description="the same for each metric alone")
    median_days: Estimate = Field(description="until the decision")
    median_closed: Estimate = Field(description="users whose windows had closed at the decision")


class RankingResult(_Result):
    """Rankings of four versions, of which three are challengers."""

    description: str
    experiments: int
    strengths: dict[str, float] = Field(description="the true ones, by version")
    coverage: Estimate = Field(
        description="share of experiments in which the intervals of all strengths contain the true ones at"
        " every analysis"
    )
    rank_coverage: Estimate = Field(description="the same of the possible ranks")
    wrong_best: Estimate = Field(
        description="share of experiments that ever exclude all versions but a wrong one from the first rank"
    )
    best_first: Estimate | None = Field(
        description="share of experiments whose best version is the first at the last analysis; None if all"
        " are equal"
    )
    best_shown: Estimate | None = Field(
        description="share of experiments that exclude all other versions from the first rank by then"
    )
    independent_coverage: Estimate = Field(description="of a control that treats all votes as independent")
    independent_wrong_best: Estimate


class LaunchResult(_Result):
    """Series of launches: the share of shipped challengers that are no better, and the power."""

    description: str
    series: int
    requested: float = Field(description="the plan's false discovery rate")
    false_discovery_rate: dict[Rule, Estimate] = Field(
        description="mean over the series of the share of shipped challengers that are not better"
    )
    power: dict[Rule, Estimate] = Field(description="share of better challengers that are shipped")


class JudgeCharacteristics(_Result):
    """The error rates and the speed of blind comparisons, with a judge or without one."""

    false_winners: Estimate = Field(description="share of A/A experiments that ever name a winner")
    coverage: Estimate = Field(
        description="share of pairs of an A/A and an A/B experiment whose intervals contain the true rates at"
        " every analysis"
    )
    power: Estimate = Field(description="share of A/B experiments that name the better version")
    median_votes: Estimate = Field(description="decided votes at the decision of A/B experiments")


class JudgeResult(_Result):
    """Blind comparisons with a judge as surrogate, and the same votes without it."""

    description: str
    with_judge: JudgeCharacteristics
    votes_alone: JudgeCharacteristics
    weight: float = Field(description="of the judge after the last vote, mean over people and experiments")


class Report(_Result):
    """All results. The first five fields repeat the characteristics with the plan's `n_star`, by setting."""

    aa_false_winner_rate: dict[str, Estimate]
    coverage: dict[str, Estimate]
    wrong_winner_rate: dict[str, Estimate]
    power: dict[str, Estimate]
    median_stop_ratio: dict[str, Estimate]
    srm_power: dict[str, dict[int, Estimate]] = Field(description="`SampleRatioResult.called_broken_by`")
    srm_power_restarted: dict[str, dict[int, Estimate]] | None = Field(
        None, description="`SampleRatioResult.restarted_by`"
    )
    missed: dict[str, list[Reason]] = Field(description="the targets that are missed, by setting")
    experiments: int = Field(description="in each setting, without an effect and with one")
    looks: int = Field(description="analyses of each experiment")
    effect: float = Field(description="in standard deviations of the outcome")
    seed: int
    plan: Plan
    settings: dict[str, SettingResult]
    bandits: BanditResult
    information: dict[str, InformationResult] = {}
    procedure: dict[str, ProcedureResult] = Field({}, description="whole experiments, by scenario")
    launches: LaunchResult | None = Field(None, description="None in a report of an earlier release")
    ranking: dict[str, RankingResult] = {}
    surrogate: dict[str, JudgeResult] = Field({}, description="a judge as surrogate, by kind of judge")
    adjusted: dict[str, AdjustedResult] = Field(
        {}, description="intervals that are adjusted for the past, strata or caps, by kind"
    )
    changes: dict[str, ChangeResult] = Field({}, description="warnings of effects that change, by kind")

    @property
    def names(self) -> set[str]:
        """The names of all results that have targets."""
        kinds = (self.settings, self.information, self.procedure, self.ranking, self.surrogate)
        return {*chain(*kinds, self.adjusted, self.changes), "sample_ratio", "launches"}


def estimate_rate(hits: NDArray[np.bool_]) -> Estimate:
    """A share with the interval of Clopper and Pearson, "The use of confidence or fiducial limits" (1934).

    `hits` has the shape (experiments,).
    """
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="exact")
    return Estimate(value=float(hits.mean()), low=float(interval.low), high=float(interval.high))


def estimate_median(values: NDArray[Any]) -> Estimate:
    """The median of `values`, of shape (experiments,); a value may be infinite.

    The interval lies between two order statistics, and holds for any distribution.
    """
    ordered = np.sort(values)
    low, high = binom.ppf([0.025, 0.975], len(values), 0.5).astype(int)
    bounds = (ordered[(len(values) - 1) // 2], ordered[max(low - 1, 0)], ordered[min(high, len(values) - 1)])
    value, low, high = (float(bound) if math.isfinite(bound) else None for bound in bounds)
    return Estimate(value=value, low=low, high=high)


def estimate_mean(values: NDArray[Any]) -> Estimate:
    """The mean of `values`, of shape (experiments,), with the interval of the central limit theorem."""
    half = Z_95 * float(values.std(ddof=1)) / math.sqrt(len(values))
    value = float(values.mean())
    return Estimate(value=value, low=value - half, high=value + half)


def summarise_adjusted(description: str, chunks: Sequence[Mapping[str, NDArray[Any]]]) -> AdjustedResult:
    """The figures of all chunks, which have arrays with an entry for each experiment.

    `false`: without an effect, the interval ever excludes 0. With an effect, `missed`: it ever misses the
    true one; `found` and, without the adjustment, `found_without`: it ever excludes 0; `bias`: the relative
    error of the last estimate. `reduction`: the share of the variance that the adjustment removes then.
    """
    joined = {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}
    return AdjustedResult(
        description=description,
        experiments=len(joined["false"]),
        false_winner_rate=estimate_rate(joined["false"]),
        coverage=estimate_rate(~joined["missed"]),
        bias=estimate_mean(joined["bias"]),
        variance_reduction=estimate_mean(joined["reduction"]),
        power=estimate_rate(joined["found"]),
        power_without=estimate_rate(joined["found_without"]),
    )


class _Claim(NamedTuple):
    """A figure that must be at most, or else at least, its target."""

    figure: str
    estimate: Estimate
    target: float
    is_most: bool


def _at_most(figure: str, estimate: Estimate, target: float = _MOST_ERRORS) -> _Claim:
    return _Claim(figure, estimate, target, True)


def _at_least(figure: str, estimate: Estimate, target: float = _LEAST_COVERAGE) -> _Claim:
    return _Claim(figure, estimate, target, False)


def _list_claims(result: BaseModel, plan: Plan) -> Iterator[_Claim]:
    """What a result must reach. A bandit has no target."""
    match result:
        case SettingResult(shipped=shipped):
            yield _at_most("aa_false_winner_rate", shipped.aa_false_winner_rate)
            yield _at_least("coverage", shipped.coverage)
            yield _at_most("median_stop_ratio", shipped.median_stop_ratio, _LATEST_STOP)
            yield _at_least("power", shipped.power, _LEAST_POWER)
        case ProcedureResult():
            yield from _list_endings(result)
        case RankingResult():
            yield _at_least("coverage", result.coverage)
            yield _at_least("rank_coverage", result.rank_coverage)
            yield _at_most("wrong_best", result.wrong_best)
        case SampleRatioResult(called_broken_by=rates):
            last = max(rates["50:50"])
            yield _at_most("false_alarms", rates["50:50"][last], plan.sample_ratio_alpha)
        case InformationResult():
            yield _at_most("share_missing", result.by_information)
        case LaunchResult(false_discovery_rate=rate):
            yield _at_most("false_discovery_rate", rate["one-sided"], result.requested)
        case JudgeResult(with_judge=judged):
            yield _at_most("aa_false_winner_rate", judged.false_winners)
            yield _at_least("coverage", judged.coverage)
        case AdjustedResult():
            yield _at_most("aa_false_winner_rate", result.false_winner_rate)
            yield _at_least("coverage", result.coverage)
        case ChangeResult(stays=True):
            yield _at_most("false_alarms", result.warned_by_any)


def _list_endings(result: ProcedureResult) -> Iterator[_Claim]:
    if result.harmful or result.equal:
        yield _at_most("share_shipped", result.shipped)
    elif result.wrongly_shipped:
        yield _at_most("share_shipped", result.wrongly_shipped)
    if result.better:
        yield _at_least("share_shipped", result.shipped, _LEAST_POWER)
    yield _at_least("path_coverage", result.path_coverage)


def find_missed_targets(results: Mapping[str, BaseModel], plan: Plan) -> dict[str, list[Reason]]:
    """A reason for each missed target, by the name of the result. Those that reach all their targets are left
    out.
    """
    missed: dict[str, list[Reason]] = {}
    for name, result in results.items():
        for figure, estimate, target, is_most in _list_claims(result, plan):
            value = estimate.value
            if value is None:
                missing = reason("target_not_in_time", figure=figure, target=target)
            elif is_most and value > target:
                missing = reason("target_exceeded", figure=figure, value=value, target=target)
            elif not is_most and value < target:
                missing = reason("target_not_reached", figure=figure, value=value, target=target)
            else:
                continue
            missed.setdefault(name, []).append(missing)
    return missed


def find_newly_missed(report: Report, published: Report) -> dict[str, list[Reason]]:
    """The targets that `report` misses and `published` reaches, by the name of the result. One that
    `published` does not have reaches nothing.
    """
    newly = {}
    for name, targets in report.missed.items():
        if name not in published.names:
            continue
        known = {target.values["figure"] for target in published.missed.get(name, [])}
        if more := [target for target in targets if target.values["figure"] not in known]:
            newly[name] = more
    return newly


def format_missed(missed: Mapping[str, list[Reason]]) -> Iterator[str]:
    """A line for each missed target, such as "plain: power is 0.7; the target is at least 0.8"."""
    for name, targets in missed.items():
        for target in targets:
            yield f"{name}: {target}"


def format_table(report: Report) -> Iterator[str]:
    """The lines of Markdown tables: settings, sample ratios, information, bandits, launches, rankings, whole
    experiments.
    """
    yield (
        "| setting | false winners, % | fixed-horizon test, % | typical mistake, % | coverage, % "
        "| wrong winners, % | power by 2.5, % | median stop | median stop, n_star tied |"
    )
    yield "|" + "---|" * 9
    for name, result in report.settings.items():
        shipped = result.shipped
        cells = (
            name,
            _format_percent(shipped.aa_false_winner_rate),
            _format_percent(result.naive_false_winner_rate),
            _format_percent(result.control_false_winner_rate),
            _format_percent(shipped.coverage),
            _format_percent(shipped.wrong_winner_rate),
            _format_percent(shipped.power),
            _format_number(shipped.median_stop_ratio),
            _format_number(result.tied.median_stop_ratio) if result.tied else "",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    counts = list(next(iter(report.srm_power.values())))
    yield "| true split | " + " | ".join(f"{users:,} users, %" for users in counts) + " |"
    yield "|" + "---|" * (1 + len(counts))
    rows = list(report.srm_power.items())
    for split, rates in (report.srm_power_restarted or {}).items():
        rows.append((f"{split}, begun again at each step of the ramp", rates))
    for name, rates in rows:
        yield f"| {name} | " + " | ".join(_format_percent(rate) for rate in rates.values()) + " |"
    yield ""
    yield "| users | what they do | begun by users, % | begun by information, % |"
    yield "|---|---|---|---|"
    for name, kind in report.information.items():
        shares = f"{_format_percent(kind.by_users)} | {_format_percent(kind.by_information)}"
        yield f"| `{name}` | {kind.description} | {shares} |"
    yield ""
    yield "| bandit | regret, effects per user | decision error, % |"
    yield "|---|---|---|"
    for arms, rules in report.bandits.regret.items():
        for rule, regret in rules.items():
            error = report.bandits.decision_error[arms][rule]
            yield f"| {arms} arms, {rule} | {_format_number(regret)} | {_format_percent(error)} |"
    if report.launches:
        yield ""
        yield "| test of a launch | shipped and no better, % | power, % |"
        yield "|---|---|---|"
        for test, rate in report.launches.false_discovery_rate.items():
            yield f"| {test} | {_format_percent(rate)} | {_format_percent(report.launches.power[test])} |"
    if report.ranking:
        yield ""
        yield from format_ranking(report.ranking)
    if report.surrogate:
        yield ""
        yield from format_surrogate(report.surrogate)
    if report.adjusted:
        yield ""
        yield from format_adjusted(report.adjusted)
    if report.changes:
        yield ""
        yield "| effect | by entry, % | by days since entry, % | by weekday, % | by any, % |"
        yield "|" + "---|" * 5
        for name, change in report.changes.items():
            figures = (*change.warned.values(), change.warned_by_any)
            yield f"| `{name}`: {change.description} | {' | '.join(map(_format_percent, figures))} |"
    if report.procedure:
        yield ""
        yield from format_procedure(report.procedure)


def replace_tables(page: str, report: Report) -> str:
    """The page with the report's tables in place of those with the same first line.

    Raises ValueError when the page lacks a table.
    """
    for table in "\n".join(format_table(report)).split("\n\n"):
        first_line = table.partition("\n")[0]
        before, separator, after = page.partition(f"\n{first_line}\n")
        if not separator:
            raise ValueError(f"the page has no table that begins with {first_line}")
        rest = after.partition("\n\n")[2]
        page = f"{before}\n{table}\n\n{rest}"
    return page


def format_adjusted(adjusted: Mapping[str, AdjustedResult]) -> Iterator[str]:
    """The lines of a Markdown table of intervals that are adjusted for the past, for strata, or by a cap."""
    yield (
        "| users | experiments | false winners, % | coverage, % | bias, % of the effect "
        "| variance removed, % | power, % | power without, % |"
    )
    yield "|" + "---|" * 8
    for name, result in adjusted.items():
        figures = (
            result.false_winner_rate,
            result.coverage,
            result.bias,
            result.variance_reduction,
            result.power,
            result.power_without,
        )
        cells = " | ".join(map(_format_percent, figures))
        yield f"| `{name}`: {result.description} | {result.experiments:,} | {cells} |"


def format_procedure(procedure: Mapping[str, ProcedureResult]) -> Iterator[str]:
    """The lines of a Markdown table of whole experiments."""
    knows_wrong = any(result.wrongly_shipped for result in procedure.values())
    wrong = "| wrongly shipped, % " if knows_wrong else ""
    yield (
        f"| scenario | should be shipped | shipped, % {wrong}| rolled back, % | inconclusive, % "
        "| path coverage, % | median days | median closed windows |"
    )
    yield "|" + "---|" * (9 if knows_wrong else 8)
    for name, result in procedure.items():
        wanted = "no" if result.harmful or result.equal else "yes" if result.better else "either"
        cells = (
            name,
            wanted,
            _format_percent(result.shipped),
            *([_format_percent(result.wrongly_shipped)] if knows_wrong else []),
            _format_percent(result.rolled_back),
            _format_percent(result.inconclusive),
            _format_percent(result.path_coverage),
            f"{result.median_days.value:.0f}",
            f"{result.median_closed.value:,.0f}",
        )
        yield f"| {' | '.join(cells)} |"


def format_ranking(rankings: Mapping[str, RankingResult]) -> Iterator[str]:
    """The lines of a Markdown table of rankings."""
    yield (
        "| ranking | coverage, % | coverage of ranks, % | wrong best, % | best one first, % "
        "| best one shown, % | coverage if independent, % |"
    )
    yield "|" + "---|" * 7
    for name, result in rankings.items():
        cells = (
            f"`{name}`",
            _format_percent(result.coverage),
            _format_percent(result.rank_coverage),
            _format_percent(result.wrong_best),
            _format_percent(result.best_first),
            _format_percent(result.best_shown),
            _format_percent(result.independent_coverage),
        )
        yield f"| {' | '.join(cells)} |"


def format_surrogate(results: Mapping[str, JudgeResult]) -> Iterator[str]:
    """The lines of a Markdown table of judges; each cell has the figure with the judge and without it."""
    yield (
        "| judge | weight | false winners, % | votes alone, % | coverage, % | votes alone, % | power, % "
        "| votes alone, % | median votes | votes alone |"
    )
    yield "|" + "---|" * 10
    for name, result in results.items():
        pairs = [
            (getattr(result.with_judge, figure), getattr(result.votes_alone, figure))
            for figure in ("false_winners", "coverage", "power", "median_votes")
        ]
        cells = [name, f"{result.weight:.2f}"]
        for judged, alone in pairs[:-1]:
            cells += [_format_percent(judged), _format_percent(alone)]
        cells += ["-" if each.value is None else f"{each.value:.0f}" for each in pairs[-1]]
        yield f"| {' | '.join(cells)} |"


def _format_percent(estimate: Estimate | None) -> str:
    return _format_cell(estimate, 100, 1) if estimate else ""


def _format_number(estimate: Estimate) -> str:
    return _format_cell(estimate, 1, 2)


def _format_cell(estimate: Estimate, scale: int, digits: int) -> str:
    """The value and its interval, each multiplied by `scale`; "-" means: after the last analysis."""
    value, low, high = (
        "-" if bound is None else f"{scale * bound:.{digits}f}"
        for bound in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} ({low} to {high})"
