"""What a calibration has found: figures with their Monte-Carlo intervals, what of them was asked for,
and as a table.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import binom, binomtest

from experiments.plan import Plan

_TARGETS = {"aa_false_winner_rate": 0.05, "coverage": 0.95, "median_stop_ratio": 1.6, "power": 0.8}
NORMAL = 1.96

Allocation = Literal["fixed", "thompson", "top_two", "top_two of 70 %"]


class _Found(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(_Found):
    """A simulated figure with its 95 % Monte-Carlo interval; None beyond the last look."""

    value: float | None
    low: float | None
    high: float | None


class Promise(_Found):
    """What the confidence sequence does in one setting."""

    aa_false_winner_rate: Estimate
    coverage: Estimate
    wrong_winner_rate: Estimate
    power: Estimate
    median_stop_ratio: Estimate
    decided_by: dict[float, float] = Field(description="share that has decided, by fixed-horizon samples")
    missed_from: dict[int, float] = Field(
        description="the greater share of experiments, between equals and with an effect, whose interval ever"
        " misses the truth, when looks begin at so many users an arm"
    )


class Measured(_Found):
    """A setting: as the plan says, with `n_star` at the fixed-horizon sample, and with what is not ours."""

    description: str
    fixed_sample: float = Field(description="users (votes, of comparisons) of one look with 80 % power")
    true_effect: float
    shipped: Promise
    tied: Promise | None = Field(description="None where there is no n_star")
    naive_false_winner_rate: Estimate = Field(description="of a test meant for one look")
    control: str | None = Field(description="the mistake that the setting invites")
    control_false_winner_rate: Estimate | None
    final_bias: Estimate = Field(description="of the estimate at the last look, in true effects")
    unbiased_bias: Estimate | None = Field(description="the same of bandit.unbiased_effect")
    by_votes_a_person: dict[int, Estimate] | None = Field(
        None, description="false winners of comparisons, by how many votes of a person may count"
    )
    looks_checked: int


class SampleRatio(_Found):
    """How often an assignment is called broken by so many users, by how users really fall."""

    description: str
    called_broken_by: dict[str, dict[int, Estimate]]


class Bandits(_Found):
    """Weights by each rule: what they cost while they learn, and whether the arm that looks best at the end
    is not the best. Regret is the mean lost outcome of a user, in effects.
    """

    description: str
    users: dict[int, int]
    regret: dict[int, dict[Allocation, Estimate]]
    decision_error: dict[int, dict[Allocation, Estimate]]


class Report(_Found):
    """All settings; the first six fields are of each by name."""

    aa_false_winner_rate: dict[str, Estimate]
    coverage: dict[str, Estimate]
    wrong_winner_rate: dict[str, Estimate]
    power: dict[str, Estimate]
    median_stop_ratio: dict[str, Estimate]
    srm_power: dict[str, dict[int, Estimate]]
    missed: list[str] = Field(description="targets that are not reached, in words")
    experiments: int
    looks: int
    effect: float
    seed: int
    plan: Plan
    settings: dict[str, Measured]
    bandits: Bandits


def rate(hits: NDArray[np.bool_]) -> Estimate:
    """A share with the interval of Clopper and Pearson, "The use of confidence or fiducial limits" (1934)."""
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="exact")
    return Estimate(value=float(hits.mean()), low=float(interval.low), high=float(interval.high))


def median(values: NDArray[Any]) -> Estimate:
    """The median between the order statistics that hold it with 95 %, whatever the distribution."""
    ordered = np.sort(values)
    low, high = binom.ppf([0.025, 0.975], len(values), 0.5).astype(int)
    picked = (ordered[(len(values) - 1) // 2], ordered[max(low - 1, 0)], ordered[min(high, len(values) - 1)])
    value, low, high = (float(one) if math.isfinite(one) else None for one in picked)
    return Estimate(value=value, low=low, high=high)


def mean(values: NDArray[Any]) -> Estimate:
    """The mean with the interval of the central limit theorem."""
    half = NORMAL * float(values.std(ddof=1)) / math.sqrt(len(values))
    value = float(values.mean())
    return Estimate(value=value, low=value - half, high=value + half)


def missed(settings: Mapping[str, Measured]) -> Iterator[str]:
    """What was promised and is not so."""
    for name, one in settings.items():
        for figure, target in _TARGETS.items():
            value = getattr(one.shipped, figure).value
            at_most = figure in ("aa_false_winner_rate", "median_stop_ratio")
            if value is None or (value > target if at_most else value < target):
                shown = "beyond the last look" if value is None else f"{value:.3g}"
                asked = f"at {'most' if at_most else 'least'} {target:g}"
                yield f"{name}: {figure} is {shown}; asked is {asked}"


def newly_missed(report: Report, other: Report) -> list[str]:
    """What another report reaches and this one does not, in words."""
    known = {said.partition(" is ")[0] for said in other.missed}
    return [said for said in report.missed if said.partition(" is ")[0] not in known]


def table(report: Report) -> Iterator[str]:
    """The report in Markdown."""

    def shown(one: Estimate | None, percent: bool = True) -> str:
        if one is None:
            return ""
        value, low, high = (
            "-" if x is None else f"{100 * x:.1f}" if percent else f"{x:.2f}"
            for x in (one.value, one.low, one.high)
        )
        return f"{value} ({low} to {high})"

    yield (
        "| setting | false winners, % | a test for one look | the setting's mistake | coverage, % "
        "| wrong winners, % | power by 2.5, % | median stop | the same with n_star tied |"
    )
    yield "|" + "---|" * 9
    for name, one in report.settings.items():
        ours = one.shipped
        cells = (
            name,
            shown(ours.aa_false_winner_rate),
            shown(one.naive_false_winner_rate),
            shown(one.control_false_winner_rate),
            shown(ours.coverage),
            shown(ours.wrong_winner_rate),
            shown(ours.power),
            shown(ours.median_stop_ratio, percent=False),
            shown(one.tied.median_stop_ratio, percent=False) if one.tied else "",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    by = list(next(iter(report.srm_power.values())))
    yield "| users fall | " + " | ".join(f"broken by {users:,}, %" for users in by) + " |"
    yield "|" + "---|" * (1 + len(by))
    for split, found in report.srm_power.items():
        yield f"| {split} | " + " | ".join(shown(one) for one in found.values()) + " |"
    yield ""
    yield "| bandit | regret, effects a user | decision error, % |"
    yield "|---|---|---|"
    for arms, rules in report.bandits.regret.items():
        for rule, cost in rules.items():
            error = report.bandits.decision_error[arms][rule]
            yield f"| {arms} arms, {rule} | {shown(cost, percent=False)} | {shown(error)} |"
