"""What to do with a challenger, and why: pure functions of what `experiments.analysis` found."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from data.reasons import Reason, Value, reason
from experiments.analysis import ChallengerResult, ComparisonResult, ExperimentResult, Safety, Tally
from experiments.effects import Effect
from experiments.lifecycle import Action
from experiments.plan import Plan

Recommendation = Literal[Action.SHIP, Action.KEEP_RUNNING, Action.ROLL_BACK, Action.INCONCLUSIVE]


class Requirement(BaseModel):
    """What it takes to ship the challenger, and how far that is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Reason
    is_met: bool
    progress: float | None = Field(description="from 0 to 1; None when nothing is known yet")
    days_left: float | None = Field(
        description="at the present rate of users, if the difference stays as it is; None when unknown"
    )
    why_unknown: Reason | None = Field(None, description="why `days_left` is not known")


class Assessment(BaseModel):
    """What to do with one challenger, and why. The first reason is the cause, the others are the numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Recommendation
    reasons: tuple[Reason, ...]
    requirements: tuple[Requirement, ...] = Field(
        (), description="all must be met to ship; empty in analyses of old releases"
    )


class Decision(BaseModel):
    """What to do with an experiment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Recommendation
    challenger: str = Field(description="the challenger to ship, or else the leading one")
    dropped: tuple[str, ...] = Field(
        (), description="challengers to withdraw while the experiment goes on with the others"
    )
    by_challenger: Mapping[str, Assessment]

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why: of every challenger's recommendation that led to the action, that of `challenger` first."""
        others = [name for name in self.by_challenger if name != self.challenger]
        by_name = {name: self.by_challenger[name].reasons for name in (self.challenger, *others)}
        if not others or self.action is Action.SHIP:
            return by_name[self.challenger]
        return tuple(
            cause for name, causes in by_name.items() for cause in (reason("about", version=name), *causes)
        )


def decide(
    results: Mapping[str, ChallengerResult], plan: Plan, lasted: timedelta, measured: timedelta | None = None
) -> Decision:
    """Decide what to do with an experiment. `results` has each challenger that is still tested, by name, and
    `plan` the level of each (`Plan.for_each_of`). For `lasted` and `measured` see `assess`.

    The experiment ends when a challenger can be shipped, or when none is left. If several can be shipped at
    once, it is the one with the highest win rate against the champion. A challenger that does harm, or whose
    test is invalid, is dropped while the others go on.
    """
    assessments = {name: assess(result, plan, lasted, measured) for name, result in results.items()}
    by_win_rate = sorted(results, key=lambda name: results[name].comparison.win_rate or 0.0, reverse=True)

    def leading(action: Recommendation) -> list[str]:
        return [name for name in by_win_rate if assessments[name].action is action]

    for action in (Action.SHIP, Action.KEEP_RUNNING, Action.INCONCLUSIVE, Action.ROLL_BACK):
        if names := leading(action):
            goes_on = action is Action.KEEP_RUNNING
            return Decision(
                action=action,
                challenger=names[0],
                dropped=tuple(name for name in results if name not in names) if goes_on else (),
                by_challenger=assessments,
            )
    raise ValueError("an experiment without a challenger cannot be decided")


def assess(
    result: ChallengerResult, plan: Plan, lasted: timedelta, measured: timedelta | None = None
) -> Assessment:
    """Decide on one challenger.

    The experiment has let users in for as long as `lasted`, without its pauses (`experiments.running`). The
    users whose windows have closed came in the first part of that, `measured`. Without pauses, this is all
    but the last window, which is taken if it is left out.

    It is shipped when all requirements are met: people prefer it, its users are shown to be no worse off
    beyond the margins, and the measured users came over the plan's minimum number of days.
    """
    comparison, experiment = result.comparison, result.between_users
    if measured is None:
        measured = max(lasted - plan.window, timedelta())
    days, measured_days = lasted / timedelta(days=1), measured / timedelta(days=1)
    requirements = tuple(_list_requirements(comparison, experiment, plan, days, measured_days))
    action, cause = _recommend(comparison, experiment, plan, days, requirements)
    numbers = (
        *(_missing_reasons(requirements, experiment.safety) if comparison.decision == "challenger" else ()),
        *_comparison_reasons(comparison, plan),
        *_effect_reasons(experiment, plan),
        *_metric_reasons(experiment, plan),
        *_validity_reasons(experiment, plan),
    )
    return Assessment(action=action, reasons=(cause, *numbers), requirements=requirements)


def _list_requirements(
    comparison: ComparisonResult, experiment: ExperimentResult, plan: Plan, days: float, measured_days: float
) -> Iterator[Requirement]:
    yield _require_preference(comparison, plan, days)
    is_long_enough = measured_days >= plan.minimum_days
    yield Requirement(
        state=reason("days_measured", days=measured_days, minimum_days=plan.minimum_days),
        is_met=is_long_enough,
        progress=1.0 if is_long_enough else measured_days / plan.minimum_days,
        # The windows of the users who come on the last of these days have to close, too.
        days_left=0.0
        if is_long_enough
        else plan.minimum_days - min(measured_days, days - plan.window / timedelta(days=1)),
    )
    for name, safety in experiment.safety.items():
        why_unknown = safety.obstacle and reason(f"days_unknown_{safety.obstacle}", metrics=(name,))
        yield Requirement(
            state=_describe_safety(name, safety),
            is_met=safety.is_shown,
            progress=safety.progress,
            days_left=_extrapolate(safety.progress, measured_days),
            why_unknown=why_unknown,
        )


def _require_preference(comparison: ComparisonResult, plan: Plan, days: float) -> Requirement:
    if comparison.decision == "challenger":
        return Requirement(state=reason("prefer_challenger"), is_met=True, progress=1.0, days_left=0.0)
    decided, progress = comparison.tally.wins + comparison.tally.losses, comparison.progress
    why_unknown = None
    if not decided:
        why_unknown = reason("days_unknown_no_votes")
    elif progress is None:
        why_unknown = reason("days_unknown_judge")
    elif not progress:
        why_unknown = reason("days_unknown_win_rate")
    elif (needed := math.ceil(decided / progress)) > plan.maximum_comparisons:
        why_unknown = reason(
            "days_unknown_maximum", needed=needed, maximum_comparisons=plan.maximum_comparisons
        )
    return Requirement(
        state=reason("preference_unclear", decided=decided, minimum=plan.minimum_comparisons),
        is_met=False,
        progress=progress,
        days_left=None if why_unknown else _extrapolate(progress, days),
        why_unknown=why_unknown,
    )


def _extrapolate(progress: float | None, days: float) -> float | None:
    """The days until all of it is there, if the rate stays as it was on the days before."""
    return (1 / progress - 1) * days if progress and days else None


def _describe_safety(name: str, safety: Safety) -> Reason:
    loss = safety.largest_loss
    if loss is None:
        return reason("safety_unknown", metric=name, margin=safety.margin)
    if loss < 0:
        return reason("gain_shown", metric=name, gain=-loss)
    return reason(
        "safety_shown" if safety.is_shown else "safety_not_shown",
        metric=name,
        loss=loss,
        margin=safety.margin,
    )


def _missing_reasons(requirements: Sequence[Requirement], safety: Mapping[str, Safety]) -> Iterator[Reason]:
    """What is missing before the challenger can be shipped, and how long it will take."""
    missing = [requirement for requirement in requirements if not requirement.is_met]
    yield from (requirement.state for requirement in missing)
    days = [requirement.days_left for requirement in missing]
    known = [left for left in days if left is not None]
    if known:
        yield reason(
            "days_to_show" if len(known) == len(days) else "days_at_least", days=math.ceil(max(known))
        )
    for obstacle in dict.fromkeys(each.obstacle for each in safety.values() if each.obstacle):
        names = tuple(name for name, each in safety.items() if each.obstacle == obstacle)
        yield reason(f"days_unknown_{obstacle}", metrics=names)


def _recommend(
    comparison: ComparisonResult,
    experiment: ExperimentResult,
    plan: Plan,
    days: float,
    requirements: Sequence[Requirement],
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
    if all(requirement.is_met for requirement in requirements):
        return Action.SHIP, reason("preferred_and_safe")
    if days >= plan.maximum_days:
        return Action.INCONCLUSIVE, reason("maximum_days", days=plan.maximum_days)
    if comparison.decision == "challenger":
        return Action.KEEP_RUNNING, reason("not_shown_yet")
    if comparison.tally.wins + comparison.tally.losses >= plan.maximum_comparisons:
        return Action.INCONCLUSIVE, reason("maximum_comparisons", comparisons=plan.maximum_comparisons)
    return Action.KEEP_RUNNING, reason("not_settled")


def _comparison_reasons(comparison: ComparisonResult, plan: Plan) -> Iterator[Reason]:
    tally, interval = comparison.tally, comparison.interval
    decided = tally.wins + tally.losses
    if comparison.win_rate is None:
        yield reason("side_by_side_none", ties=tally.ties)
        yield from _waiting_reasons(tally, plan)
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
    yield reason("side_by_side_strict", level=1 - plan.ship_alpha, low=comparison.lowest_to_ship)
    if decided < plan.minimum_comparisons:
        yield reason("side_by_side_few", needed=plan.minimum_comparisons)
    yield from _waiting_reasons(tally, plan)


def _waiting_reasons(tally: Tally, plan: Plan) -> Iterator[Reason]:
    if tally.waiting:
        yield reason(
            "side_by_side_waiting",
            people=tally.waiting,
            votes=plan.votes_a_person,
            hours=plan.hours_a_person,
            share=plan.key_share,
        )


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
        yield reason("between_users_few", needed=plan.minimum_users_an_arm)
        return
    yield reason(
        f"between_users_{experiment.verdict.replace(' ', '_')}",
        metric=plan.primary,
        **_difference(effect, plan),
        **votes,
    )


def _difference(effect: Effect, plan: Plan) -> dict[str, Value]:
    return {
        "difference": effect.difference,
        "low": effect.interval.low,
        "high": effect.interval.high,
        "level": 1 - plan.alpha,
    }


def _metric_reasons(experiment: ExperimentResult, plan: Plan) -> Iterator[Reason]:
    """Reasons for the response rates, and for every secondary metric with a difference or harm."""
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
