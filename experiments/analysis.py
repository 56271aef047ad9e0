"""Turns counts into evidence, and evidence into a decision that says why: pure functions, frozen results.

Two kinds of evidence, both safe to look at as often as one likes (`experiments.sequential`):

- Blind paired comparisons are the primary evidence. Which of the two is shown first is random, so between
  equal models each vote is a fair coin, whoever casts it: the test is exact at any size.
- The experiment between users is the guardrail: do people who live with the challenger fare worse? It needs
  far more people to see as much, and may honestly say that it cannot tell yet.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from data.reasons import Reason, Value, reason
from experiments import effects, sequential, validity
from experiments.effects import Effect
from experiments.estimators import Estimate
from experiments.lifecycle import Action
from experiments.metrics import Metric
from experiments.plan import Plan
from experiments.sequential import Interval
from experiments.validity import Health

Preference = Literal["challenger", "champion", "undecided"]
Verdict = Literal["better", "worse", "no clear difference", "too few users"]
Recommendation = Literal[Action.SHIP, Action.KEEP_RUNNING, Action.ROLL_BACK, Action.INCONCLUSIVE]


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
    lowest_to_ship: float = Field(description="the interval's low end at the plan's ship_alpha")
    decision: Preference


class ArmStatistics(Estimate):
    """A metric of one arm in one epoch, beside its users by first exposure."""

    epoch: int
    variant: str
    is_baseline: bool
    weight: float
    exposed: int
    moved: int = Field(description="of the exposed: later served by another variant too; they stay here")
    closed: int = Field(description="of the exposed: whose window has closed")


class ArmSummary(_Result):
    """An arm over all epochs."""

    variant: str
    exposed: int
    moved: int
    closed: int
    users: int = Field(description="of the closed: with a value of the primary metric")
    response_rate: float | None


class MetricResult(_Result):
    """A metric beside the primary one."""

    effect: Effect | None
    p: float | None = Field(description="of no difference, by Holm over all metrics beside the primary one")
    margin: float | None = Field(description="of a guardrail: the loss that forbids to ship")
    harm_p: float | None = Field(description="of a loss within the margin, by Holm over all guardrails")
    is_harmed: bool


class ExperimentResult(_Result):
    """How the challenger's users fare against the baseline's."""

    baseline: ArmSummary
    challenger: ArmSummary
    primary: Effect | None
    response: Effect | None = Field(description="difference of the shares of users who voted")
    is_response_even: bool = Field(description="no difference beyond the plan's margin is shown")
    metrics: Mapping[str, MetricResult]
    health: Health
    verdict: Verdict = Field(description="by the primary metric")
    shows_harm: bool = Field(description="in the primary metric, beyond the plan's margin")


class Decision(_Result):
    """What to do with the challenger, and why: the first reason is the cause, the others are the numbers."""

    action: Recommendation
    reasons: tuple[Reason, ...]


def compare(tally: Tally, plan: Plan) -> ComparisonResult:
    """The challenger's win rate with its confidence sequence, and whom people prefer.

    Ties say nothing about which is better: they are reported, and dropped from the rate, as in a sign test.
    """
    decided = tally.wins + tally.losses
    interval = sequential.win_rate_interval(tally.wins, tally.losses, plan.alpha)
    lowest = sequential.win_rate_interval(tally.wins, tally.losses, plan.ship_alpha).low
    decision: Preference = "undecided"
    if decided >= plan.minimum_comparisons:
        decision = "challenger" if lowest > 0.5 else "champion" if interval.high < 0.5 else "undecided"
    return ComparisonResult(
        tally=tally,
        win_rate=tally.wins / decided if decided else None,
        interval=interval,
        lowest_to_ship=lowest,
        decision=decision,
    )


def between_users(
    arms: Mapping[str, Sequence[ArmStatistics]], plan: Plan, measured: Mapping[str, Metric]
) -> ExperimentResult:
    """Every metric's effect, and whether the assignment is sound.

    `arms` has for each measured metric every arm in every epoch. A user's values are settled: the user's
    window has closed (`experiments.outcomes`). Raises ValueError unless every epoch has one baseline and one
    challenger, the same throughout, or when the plan names a metric that is not measured.
    """
    if unknown := sorted({plan.primary, *plan.guardrails} - set(arms)):
        raise ValueError(f"the plan names {', '.join(unknown)}; measured are {', '.join(arms)}")
    pairs = {name: _pairs(of_metric) for name, of_metric in arms.items()}
    found = {
        name: effects.effect(
            of_metric, plan.alpha, plan.n_star, measured[name].better, measured[name].largest
        )
        for name, of_metric in pairs.items()
    }
    primary = found.pop(plan.primary)
    of_primary = pairs[plan.primary]
    baseline, challenger = ([pair[side] for pair in of_primary] for side in (0, 1))

    responses = [(_responses(a), _responses(b)) for a, b in of_primary if a.closed and b.closed]
    response = effects.effect(responses, plan.alpha, plan.n_star, largest=1.0)
    margin = plan.response_margin
    is_response_even = not (
        _is_enough(response, plan)
        and response is not None
        and (response.is_harm("higher", margin) or response.is_harm("lower", margin))
    )

    verdict: Verdict = "too few users"
    shows_harm = False
    if primary is not None and _is_enough(primary, plan):
        better = measured[plan.primary].better
        is_up, is_down = primary.interval.low > 0, primary.interval.high < 0
        is_better, is_worse = (is_up, is_down) if better == "higher" else (is_down, is_up)
        verdict = "better" if is_better else "worse" if is_worse else "no clear difference"
        shows_harm = primary.is_harm(better, plan.harm_margin)
    return ExperimentResult(
        baseline=_summary(baseline),
        challenger=_summary(challenger),
        primary=primary,
        response=response,
        is_response_even=is_response_even,
        metrics=_beside(found, plan, measured),
        health=validity.check(
            of_primary, [pairs[n] for n in pairs if measured[n].kind == "proportion"], plan
        ),
        verdict=verdict,
        shows_harm=shows_harm,
    )


def _is_enough(effect: Effect | None, plan: Plan) -> bool:
    return (
        effect is not None
        and min(effect.baseline_users, effect.challenger_users) >= plan.minimum_users_an_arm
    )


def _beside(
    found: Mapping[str, Effect | None], plan: Plan, measured: Mapping[str, Metric]
) -> dict[str, MetricResult]:
    told = {name: one for name, one in found.items() if one is not None and _is_enough(one, plan)}
    ps = effects.holm({name: one.p for name, one in told.items()})
    harm_ps = effects.holm(
        {
            name: told[name].harm_p(measured[name].better, margin, plan.alpha, plan.n_star)
            for name, margin in plan.guardrails.items()
            if name in told
        }
    )
    return {
        name: MetricResult(
            effect=one,
            p=ps.get(name),
            margin=plan.guardrails.get(name),
            harm_p=harm_ps.get(name),
            is_harmed=harm_ps.get(name, 1.0) < plan.alpha,
        )
        for name, one in found.items()
    }


def _responses(arm: ArmStatistics) -> Estimate:
    """An arm's response rate with its variance: a vote and a silence are added to that, since of few users
    all may have voted (Agresti and Caffo, "Simple and effective confidence intervals for proportions and
    differences of proportions", 2000).
    """
    share = (arm.users + 1) / (arm.closed + 2)
    variance = share * (1 - share) if arm.closed > 1 else None
    return Estimate(users=arm.closed, mean=arm.users / arm.closed, variance=variance)


def decide(
    comparison: ComparisonResult, experiment: ExperimentResult, plan: Plan, lasted: timedelta
) -> Decision:
    """Ship when people prefer the challenger and nothing speaks against it, after the minimum run at the
    earliest; the first reason is the cause.
    """
    action, cause = _recommend(comparison, experiment, plan, lasted / timedelta(days=1))
    numbers = (
        *_comparison_reasons(comparison, plan),
        *_effect_reasons(experiment, plan),
        *_metric_reasons(experiment, plan),
        *_validity_reasons(experiment, plan),
    )
    return Decision(action=action, reasons=(cause, *numbers))


def _recommend(
    comparison: ComparisonResult, experiment: ExperimentResult, plan: Plan, days: float
) -> tuple[Recommendation, Reason]:
    if comparison.decision == "champion":
        return Action.ROLL_BACK, reason("people_prefer_champion")
    if not experiment.health.is_sample_ratio_sound:
        return Action.INCONCLUSIVE, reason("assignment_broken")
    if experiment.shows_harm:
        return Action.ROLL_BACK, reason("harm_primary", margin=plan.harm_margin)
    if harmed := tuple(name for name, metric in experiment.metrics.items() if metric.is_harmed):
        return Action.ROLL_BACK, reason("harm_in_metrics", metrics=harmed)
    if not experiment.is_response_even:
        return Action.INCONCLUSIVE, reason("response_uneven")
    if comparison.decision == "challenger":
        if days < plan.minimum_days:
            return Action.KEEP_RUNNING, reason("not_long_enough", days=days, minimum_days=plan.minimum_days)
        return Action.SHIP, reason("people_prefer_challenger")
    if comparison.tally.wins + comparison.tally.losses >= plan.maximum_comparisons:
        return Action.INCONCLUSIVE, reason("maximum_comparisons", comparisons=plan.maximum_comparisons)
    if days >= plan.maximum_days:
        return Action.INCONCLUSIVE, reason("maximum_days", days=plan.maximum_days)
    return Action.KEEP_RUNNING, reason("not_settled")


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


def _summary(arms: Sequence[ArmStatistics]) -> ArmSummary:
    closed, users = sum(arm.closed for arm in arms), sum(arm.users for arm in arms)
    return ArmSummary(
        variant=arms[0].variant,
        exposed=sum(arm.exposed for arm in arms),
        moved=sum(arm.moved for arm in arms),
        closed=closed,
        users=users,
        response_rate=users / closed if closed else None,
    )


def _comparison_reasons(comparison: ComparisonResult, plan: Plan) -> Iterator[Reason]:
    tally, interval = comparison.tally, comparison.interval
    decided = tally.wins + tally.losses
    if comparison.win_rate is None:
        yield reason("side_by_side_none", ties=tally.ties)
        return
    yield reason(
        "side_by_side",
        people=tally.people,
        wins=tally.wins,
        decided=decided,
        rate=comparison.win_rate,
        low=interval.low,
        high=interval.high,
        level=1 - plan.alpha,
        ties=tally.ties,
    )
    if plan.ship_alpha < plan.alpha:
        yield reason("side_by_side_strict", level=1 - plan.ship_alpha, low=comparison.lowest_to_ship)
    if decided < plan.minimum_comparisons:
        yield reason("side_by_side_few", needed=plan.minimum_comparisons)


def _effect_reasons(experiment: ExperimentResult, plan: Plan) -> Iterator[Reason]:
    baseline, challenger, effect = experiment.baseline, experiment.challenger, experiment.primary
    votes: dict[str, Value] = {
        "challenger_users": challenger.users,
        "challenger_closed": challenger.closed,
        "baseline_users": baseline.users,
        "baseline_closed": baseline.closed,
    }
    if effect is None:
        yield reason("between_users_none", **votes)
        return
    yield reason(
        f"between_users_{experiment.verdict.replace(' ', '_')}",
        metric=plan.primary,
        **_difference(effect, plan),
        **votes,
    )
    if experiment.verdict == "too few users":
        yield reason("between_users_few", needed=plan.minimum_users_an_arm)


def _difference(effect: Effect, plan: Plan) -> dict[str, Value]:
    return {
        "difference": effect.difference,
        "low": effect.interval.low,
        "high": effect.interval.high,
        "level": 1 - plan.alpha,
    }


def _metric_reasons(experiment: ExperimentResult, plan: Plan) -> Iterator[Reason]:
    """The response rates, and every other metric that differs."""
    if experiment.response is not None:
        yield reason(
            "response_difference", **_difference(experiment.response, plan), limit=plan.response_margin
        )
    for name, metric in experiment.metrics.items():
        if metric.effect is None or not (
            metric.is_harmed or (metric.p is not None and metric.p < plan.alpha)
        ):
            continue
        difference = _difference(metric.effect, plan)
        if metric.margin is None:
            yield reason("metric_difference", metric=name, **difference)
        else:
            yield reason("metric_difference_margin", metric=name, **difference, margin=metric.margin)


def _validity_reasons(experiment: ExperimentResult, plan: Plan) -> Iterator[Reason]:
    baseline, challenger, health = experiment.baseline, experiment.challenger, experiment.health
    yield reason(
        "sample_ratio_sound" if health.is_sample_ratio_sound else "sample_ratio_broken",
        baseline=baseline.exposed,
        challenger=challenger.exposed,
        p=health.sample_ratio_p,
        limit=plan.sample_ratio_alpha,
    )
    if moved := baseline.moved + challenger.moved:
        yield reason("users_moved" if health.is_unmixed else "users_moved_many", users=moved)
    if not health.is_balanced:
        assert health.balance_p is not None, health
        yield reason("unequal_pasts", p=health.balance_p)
