"""Turns counts into evidence, and evidence into a decision that says why: pure functions, frozen results.

Two kinds of evidence, both safe to look at as often as one likes (`experiments.sequential`):

- Blind paired comparisons are the primary evidence. Which of the two is shown first is random, so between
  equal models each vote is a fair coin, whoever casts it: the test is exact at any size.
- The experiment between users is the guardrail: do people who live with the challenger fare worse? It needs
  far more people to see as much, and may honestly say that it cannot tell yet.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from experiments import sequential
from experiments.plan import Plan
from experiments.sequential import Interval

Preference = Literal["challenger", "champion", "undecided"]
Verdict = Literal["better", "worse", "no clear difference", "too few users"]
Action = Literal["ship", "keep_running", "roll_back", "inconclusive"]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tally(_Result):
    """Votes on challenger against champion; a tie is a vote for neither, or between two equal texts."""

    wins: int
    losses: int
    ties: int
    people: int


class ComparisonResult(_Result):
    """What people prefer when they see both: the challenger's win rate among decided votes."""

    tally: Tally
    win_rate: float | None
    interval: Interval
    decision: Preference


class ArmStatistics(_Result):
    """One arm in one epoch: its users by first exposure, and the outcomes (0 to 1) of those who voted."""

    epoch: int
    variant: str
    is_baseline: bool
    weight: float
    exposed: int
    moved: int = Field(description="of the exposed: later served by another variant too; they stay here")
    closed: int = Field(description="of the exposed: whose window has closed")
    users: int = Field(description="of the closed: with an outcome")
    mean: float | None
    variance: float | None = Field(description="of users' outcomes, with n - 1; None below two")


class ArmSummary(_Result):
    """An arm over all epochs."""

    variant: str
    exposed: int
    moved: int
    closed: int
    users: int
    response_rate: float | None
    mean: float | None = Field(description="over the epochs as the effect weighs them")


class ExperimentResult(_Result):
    """How the challenger's users fare against the baseline's."""

    baseline: ArmSummary
    challenger: ArmSummary
    effect: float | None = Field(description="difference of mean outcomes, challenger minus baseline")
    interval: Interval | None = Field(description="confidence sequence of the effect")
    relative_effect: float | None = Field(description="effect over the baseline's mean")
    relative_interval: Interval | None
    response_effect: float | None = Field(description="difference of the shares of users who voted")
    response_interval: Interval | None
    is_response_even: bool = Field(description="no difference beyond the plan's margin is shown")
    sample_ratio_p: float
    is_sample_ratio_sound: bool
    verdict: Verdict
    shows_harm: bool = Field(description="the whole interval lies below minus the plan's margin")


class Decision(_Result):
    """What to do with the challenger, and why, in plain words with the numbers."""

    action: Action
    reasons: list[str]


def compare(tally: Tally, plan: Plan) -> ComparisonResult:
    """The challenger's win rate with its confidence sequence, and whom people prefer.

    Ties say nothing about which is better: they are reported, and dropped from the rate, as in a sign test.
    """
    decided = tally.wins + tally.losses
    interval = sequential.win_rate_interval(tally.wins, tally.losses, plan.alpha)
    decision: Preference = "undecided"
    if decided >= plan.minimum_comparisons and not interval.low <= 0.5 <= interval.high:
        decision = "challenger" if interval.low > 0.5 else "champion"
    win_rate = tally.wins / decided if decided else None
    return ComparisonResult(tally=tally, win_rate=win_rate, interval=interval, decision=decision)


def between_users(arms: Sequence[ArmStatistics], plan: Plan) -> ExperimentResult:
    """The effect on users' mean outcome, with epochs as strata, and the sample-ratio check.

    Users are compared within an epoch only: pooled, a trend in time and a change of weights would look like
    an effect. An epoch weighs h = n_a n_b / (n_a + n_b), the inverse variance under equal spread (Cochran,
    "Some methods for strengthening the common chi-square tests", 1954), and has no say until both arms have
    two outcomes. 4 sum(h) is how many users of a balanced experiment tell as much: the clock of the
    confidence sequence. A user's outcome is settled: the user's window has closed (`experiments.outcomes`).

    Raises ValueError unless every epoch has one baseline and one challenger, the same throughout.
    """
    pairs = _pairs(arms)
    log_e = sum(sequential.sample_ratio_log_e([a.exposed, b.exposed], [a.weight, b.weight]) for a, b in pairs)
    sample_ratio_p = math.exp(-max(log_e, 0.0))

    mean_a = mean_b = effect = relative = None
    interval = relative_interval = None
    told = [(a, b) for a, b in pairs if a.variance is not None and b.variance is not None]
    if told:
        found = _combine([[(arm.users, arm.mean, arm.variance) for arm in pair] for pair in told])
        mean_a, mean_b = found.mean_a, found.mean_b
        effect = mean_b - mean_a
        interval = _of_shares(found.around(effect, found.error_a + found.error_b, plan))
        if mean_a > 0:  # delta method for mean_b / mean_a - 1
            relative = effect / mean_a
            error = found.error_b / mean_a**2 + found.error_a * mean_b**2 / mean_a**4
            relative_interval = found.around(relative, error, plan)

    response_effect = response_interval = None
    reached = [(a, b) for a, b in pairs if a.closed and b.closed]
    if reached:
        found = _combine([[_responses(arm) for arm in pair] for pair in reached])
        response_effect = found.mean_b - found.mean_a
        response_interval = _of_shares(found.around(response_effect, found.error_a + found.error_b, plan))
    is_response_even = (
        response_interval is None
        or min(sum(pair[side].closed for pair in reached) for side in (0, 1)) < plan.minimum_users_an_arm
        or (response_interval.low <= plan.response_margin and response_interval.high >= -plan.response_margin)
    )

    fewest = min(sum(a.users for a, _ in told), sum(b.users for _, b in told))
    verdict: Verdict = "too few users"
    if interval is not None and fewest >= plan.minimum_users_an_arm:
        verdict = "better" if interval.low > 0 else "worse" if interval.high < 0 else "no clear difference"
    return ExperimentResult(
        baseline=_summary([a for a, _ in pairs], mean_a),
        challenger=_summary([b for _, b in pairs], mean_b),
        effect=effect,
        interval=interval,
        relative_effect=relative,
        relative_interval=relative_interval,
        response_effect=response_effect,
        response_interval=response_interval,
        is_response_even=is_response_even,
        sample_ratio_p=sample_ratio_p,
        is_sample_ratio_sound=sample_ratio_p >= plan.sample_ratio_alpha,
        verdict=verdict,
        shows_harm=verdict == "worse" and interval is not None and interval.high < -plan.harm_margin,
    )


class _Combined(NamedTuple):
    """The means of both arms over the epochs, their squared standard errors, and the clock."""

    mean_a: float
    mean_b: float
    error_a: float
    error_b: float
    clock: float

    def around(self, center: float, squared_error: float, plan: Plan) -> Interval:
        """The confidence sequence of what has this squared error at this time."""
        margin = sequential.mean_margin(self.clock, self.clock * squared_error, plan.alpha, plan.n_star)
        return Interval(center - margin, center + margin)


def _combine(epochs: Sequence[Sequence[tuple[int, float | None, float | None]]]) -> _Combined:
    """Epochs as strata: of each, (number of values, their mean, their variance) for both arms."""
    (n_a, means_a, variances_a), (n_b, means_b, variances_b) = np.array(epochs, dtype=float).transpose(
        1, 2, 0
    )
    h = n_a * n_b / (n_a + n_b)  # (epochs,), as all of these
    weight = h / h.sum()
    return _Combined(
        mean_a=float(weight @ means_a),
        mean_b=float(weight @ means_b),
        error_a=float(weight**2 @ (variances_a / n_a)),
        error_b=float(weight**2 @ (variances_b / n_b)),
        clock=4 * float(h.sum()),
    )


def _of_shares(interval: Interval) -> Interval:
    """What of an interval is possible: means between 0 and 1 differ by no more than 1."""
    return Interval(max(interval.low, -1.0), min(interval.high, 1.0))


def _responses(arm: ArmStatistics) -> tuple[int, float, float]:
    """An arm's response rate with its variance: a vote and a silence are added to that, since of few users
    all may have voted (Agresti and Caffo, "Simple and effective confidence intervals for proportions and
    differences of proportions", 2000).
    """
    share = (arm.users + 1) / (arm.closed + 2)
    return arm.closed, arm.users / arm.closed, share * (1 - share)


def decide(comparison: ComparisonResult, experiment: ExperimentResult, plan: Plan) -> Decision:
    """Ship when people prefer the challenger and nothing speaks against it; the first reason is the cause."""
    action: Action
    if comparison.decision == "champion":
        action, why = "roll_back", "People prefer the champion, so the challenger is withdrawn."
    elif not experiment.is_sample_ratio_sound:
        action, why = "inconclusive", "Assignment or recording is broken: find the fault before shipping."
    elif experiment.shows_harm:
        action, why = "roll_back", f"Users fare worse by more than the margin of {plan.harm_margin:.0%}."
    elif not experiment.is_response_even:
        action, why = (
            "inconclusive",
            "The arms' users do not vote equally often: voters do not speak for all.",
        )
    elif comparison.decision == "challenger":
        action, why = "ship", "People prefer the challenger, and its users show no harm beyond the margin."
    elif comparison.tally.wins + comparison.tally.losses >= plan.maximum_comparisons:
        action, why = "inconclusive", f"{plan.maximum_comparisons} comparisons, the maximum, settle nothing."
    else:
        action, why = "keep_running", "The comparisons do not settle it yet."
    said = [_say_comparison(comparison, plan), _say_effect(experiment, plan)]
    responses = _say_responses(experiment, plan)
    return Decision(action=action, reasons=[why, *said, *responses, _say_ratio(experiment, plan)])


def _pairs(arms: Sequence[ArmStatistics]) -> list[tuple[ArmStatistics, ArmStatistics]]:
    """(baseline, challenger) of each epoch, in order."""
    names = [sorted({arm.variant for arm in arms if arm.is_baseline is side}) for side in (True, False)]
    epochs = {arm.epoch for arm in arms}
    if [len(found) for found in names] != [1, 1] or len(arms) != 2 * len(epochs):
        raise ValueError(
            "every epoch needs one baseline and one challenger, the same throughout; found baselines "
            f"{names[0]} and challengers {names[1]} in {len(arms)} arms of {len(epochs)} epochs"
        )
    ordered = sorted(arms, key=lambda arm: (arm.epoch, not arm.is_baseline))
    return list(zip(ordered[::2], ordered[1::2], strict=True))


def _summary(arms: Sequence[ArmStatistics], mean: float | None) -> ArmSummary:
    closed, users = sum(arm.closed for arm in arms), sum(arm.users for arm in arms)
    return ArmSummary(
        variant=arms[0].variant,
        exposed=sum(arm.exposed for arm in arms),
        moved=sum(arm.moved for arm in arms),
        closed=closed,
        users=users,
        response_rate=users / closed if closed else None,
        mean=mean,
    )


def _say_comparison(comparison: ComparisonResult, plan: Plan) -> str:
    tally, interval = comparison.tally, comparison.interval
    decided = tally.wins + tally.losses
    if comparison.win_rate is None:
        return f"Side by side: no decided vote yet, {tally.ties} ties."
    few = f"; {plan.minimum_comparisons} votes are needed" if decided < plan.minimum_comparisons else ""
    return (
        f"Side by side, {tally.people} people chose the challenger {tally.wins} times of {decided}: "
        f"{comparison.win_rate:.1%}, between {interval.low:.1%} and {interval.high:.1%} at "
        f"{1 - plan.alpha:.0%} confidence ({tally.ties} ties{few})."
    )


def _say_effect(experiment: ExperimentResult, plan: Plan) -> str:
    a, b, interval = experiment.baseline, experiment.challenger, experiment.interval
    voted = f"{b.users} of {b.closed} users of the challenger voted, {a.users} of {a.closed} of the baseline"
    if experiment.effect is None or interval is None:
        return f"Between users, nothing to compare yet: {voted}."
    few = (
        f"; {plan.minimum_users_an_arm} in each arm are needed"
        if experiment.verdict == "too few users"
        else ""
    )
    return (
        f"Between users, {experiment.verdict}: mean outcomes differ by {experiment.effect:+.3f}, between "
        f"{interval.low:+.3f} and {interval.high:+.3f} at {1 - plan.alpha:.0%} confidence ({voted}{few})."
    )


def _say_responses(experiment: ExperimentResult, plan: Plan) -> Iterator[str]:
    if experiment.response_interval is not None:
        low, high = experiment.response_interval
        yield (
            f"The shares of users who voted differ by {experiment.response_effect:+.1%}, between {low:+.1%} "
            f"and {high:+.1%} at {1 - plan.alpha:.0%} confidence; the limit is {plan.response_margin:.0%}."
        )


def _say_ratio(experiment: ExperimentResult, plan: Plan) -> str:
    a, b = experiment.baseline, experiment.challenger
    judged = "as planned" if experiment.is_sample_ratio_sound else "not as planned"
    moved = a.moved + b.moved
    return (
        f"Users fell on baseline and challenger {judged}: {a.exposed} to {b.exposed}, p = "
        f"{experiment.sample_ratio_p:.2g}, limit {plan.sample_ratio_alpha:.2g}"
        + (f"; {moved} later saw the other variant too." if moved else ".")
    )
