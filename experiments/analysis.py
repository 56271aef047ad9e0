"""Turns counts into evidence: pure functions, frozen results. `experiments.recommendation` says what follows.

There are two kinds of evidence. Both are anytime-valid (`experiments.sequential`), so one may analyse at any
time:

- Blind paired comparisons are the primary evidence. A random one of the two texts is shown first. So between
  equal models a person chooses either with the same probability. The votes of one person depend on each
  other, and so do the votes on one message. So the units are people and messages, not votes.
- The experiment between users is the guardrail: are the challenger's users worse off? It needs far more users
  for the same precision, and its verdict may be that there are too few.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from experiments import effects, progress, sequential, validity
from experiments.effects import Effect
from experiments.estimators import Estimate
from experiments.metrics import VOTE_TIMING, Metric
from experiments.plan import Plan
from experiments.sequential import Clusters, Interval
from experiments.validity import Health

Preference = Literal["challenger", "champion", "undecided"]
Obstacle = Literal["withheld", "nobody_measured", "spread", "difference"]
Verdict = Literal["better", "worse", "no clear difference", "too few users", "withheld"]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tally(_Result):
    """The votes that count between challenger and champion. A tie is a vote for neither, or one between two
    equal texts.
    """

    wins: int
    losses: int
    ties: int
    people: int
    waiting: int = Field(0, description="people who have voted, but do not count yet (`experiments.votes`)")
    by_person: tuple[Clusters, ...] = Field(
        (), description="number of people by their wins and losses; empty in evidence of earlier releases"
    )
    by_message: tuple[Clusters, ...] = Field((), description="number of messages by their wins and losses")


class ComparisonResult(_Result):
    """The blind comparisons' result: the challenger's win rate (0 to 1) among decided votes."""

    tally: Tally
    win_rate: float | None
    interval: Interval
    lowest_to_ship: float = Field(description="one-sided low end of the win rate at the plan's ship_alpha")
    decision: Preference
    progress: float | None = Field(
        None,
        description=(
            "decided votes so far over those that would show that people prefer the challenger if their"
            " shares stayed as they are; 0 when more votes would not. None: a judge decides as well, or the"
            " analysis is of an old release"
        ),
    )


class ArmStatistics(Estimate):
    """A metric of one arm in one epoch, and its users by first exposure."""

    epoch: int
    variant: str
    is_baseline: bool
    weight: float
    exposed: int
    moved: int = Field(
        description="exposed users whom another variant served later, too; they stay in this arm"
    )
    closed: int = Field(description="exposed users whose window has closed")


class ArmSummary(_Result):
    """An arm over all epochs."""

    variant: str
    exposed: int
    moved: int
    closed: int
    users: int = Field(description="of the closed ones, users with a value of the primary metric")
    response_rate: float | None


class MetricResult(_Result):
    """The result of a metric other than the primary one."""

    effect: Effect | None
    p: float | None = Field(description="p-value of no difference, by Holm over all secondary metrics")
    margin: float | None = Field(description="for a guardrail, the loss that forbids shipping")
    harm_p: float | None = Field(
        description="p-value of a loss within the margin, by Holm over all guardrails"
    )
    is_harmed: bool


class Safety(_Result):
    """How far it is shown that the challenger does no harm in a metric: in the primary one or a guardrail."""

    margin: float = Field(description="the loss that may remain possible, in the metric's unit")
    largest_loss: float | None = Field(
        description="the data exclude a larger loss; below 0 they show a gain; None while they exclude none"
    )
    is_shown: bool = Field(description="a loss beyond the margin is excluded")
    progress: float | None = Field(
        description=(
            "users so far over the users that would show it if the difference stayed as it is; 0 when more"
            " users would not, or nobody is measured; None when it is not known"
        )
    )
    obstacle: Obstacle | None = Field(
        None,
        description=(
            "why it is not known how many users it takes. withheld: the metric gives no verdict;"
            " nobody_measured: not both arms have users with a value; spread: too little is known of how"
            " users differ; difference: no number of users would show it"
        ),
    )


class ExperimentResult(_Result):
    """The challenger's users compared with the baseline's."""

    baseline: ArmSummary
    challenger: ArmSummary
    primary: Effect | None
    response: Effect | None = Field(description="difference of the response rates: shares of users who voted")
    is_response_even: bool = Field(description="no response difference beyond the plan's margin is shown")
    metrics: Mapping[str, MetricResult]
    health: Health
    verdict: Verdict = Field(description="by the primary metric")
    shows_harm: bool = Field(description="in the primary metric, beyond the plan's margin")
    safety: Mapping[str, Safety] = Field(
        {}, description="by name, of the primary metric and the guardrails; empty in analyses of old releases"
    )
    withheld: tuple[str, ...] = Field(
        (),
        description="metrics of who voted, without a verdict because the arms' users vote at different times",
    )


class ChallengerResult(_Result):
    """All evidence on one challenger against the champion."""

    comparison: ComparisonResult
    between_users: ExperimentResult
    unbiased: tuple[float, float] | None = Field(
        None,
        description="effect and standard error that are unbiased with a bandit; None with fixed weights",
    )


def compare(tally: Tally, plan: Plan) -> ComparisonResult:
    """The challenger's win rate with its confidence sequence, and which version people prefer.

    A win rate is excluded only if both the people and the messages, taken as units, exclude it. Ties carry no
    information on which version is better. As in a sign test, the rate excludes them; the result reports
    them. Raises ValueError when the tally does not say by whom, or on which messages, its votes are.
    """
    decided = tally.wins + tally.losses
    for name, clusters in (("by_person", tally.by_person), ("by_message", tally.by_message)):
        votes = [sum(kind[side] * kind.clusters for kind in clusters) for side in (0, 1)]
        if votes != [tally.wins, tally.losses]:
            raise ValueError(
                f"the tally has {tally.wins} wins and {tally.losses} losses, but {votes[0]} and {votes[1]}"
                f" {name}; give the same votes in both"
            )
    interval = _compute_win_rate_interval(tally, plan, plan.alpha)
    # To ship is a one-sided claim: its level is not shared with the opposite claim.
    ship_level = sequential.one_sided_level(plan.ship_alpha)
    lowest = _compute_win_rate_interval(tally, plan, ship_level).low
    decision: Preference = "undecided"
    if decided >= plan.minimum_comparisons:
        decision = "challenger" if lowest > 0.5 else "champion" if interval.high < 0.5 else "undecided"
    return ComparisonResult(
        tally=tally,
        win_rate=tally.wins / decided if decided else None,
        interval=interval,
        lowest_to_ship=lowest,
        decision=decision,
        progress=1 / progress.find_votes_factor(tally.by_person, tally.by_message, plan),
    )


def _compute_win_rate_interval(tally: Tally, plan: Plan, alpha: float) -> Interval:
    """The win rates that people or messages do not exclude: the smaller of the two e-values decides."""
    by_person = sequential.clustered_win_rate_interval(tally.by_person, plan.votes_a_person, alpha)
    by_message = sequential.clustered_win_rate_interval(tally.by_message, plan.votes_a_message, alpha)
    return Interval(min(by_person.low, by_message.low), max(by_person.high, by_message.high))


def pick_arms(arms: Mapping[str, Sequence[ArmStatistics]], challenger: str) -> dict[str, list[ArmStatistics]]:
    """The arms of the baseline and of one challenger, by metric."""
    return {
        name: [arm for arm in metric_arms if arm.is_baseline or arm.variant == challenger]
        for name, metric_arms in arms.items()
    }


def between_users(
    arms: Mapping[str, Sequence[ArmStatistics]], plan: Plan, measured: Mapping[str, Metric]
) -> ExperimentResult:
    """Compare the arms in every metric, and check the experiment's validity.

    `arms` has, for each metric in `measured`, one entry for every arm in every epoch. It covers in-sample
    users only: their window has closed, so their values are final (`experiments.outcomes`). Raises ValueError
    unless every epoch has the same baseline and the same challenger, and `arms` has all metrics of the plan.
    """
    if unknown := sorted({plan.primary, *plan.guardrails} - set(arms)):
        raise ValueError(
            f"the plan names {', '.join(unknown)}, which `arms` does not have; it has {', '.join(arms)}"
        )
    pairs = {name: _pair_by_epoch(metric_arms) for name, metric_arms in arms.items()}
    by_metric = {
        name: effects.compare_arms(
            metric_pairs,
            plan.alpha,
            plan.n_star,
            measured[name].better,
            measured[name].largest,
            plan.minimum_users_an_arm,
        )
        for name, metric_pairs in pairs.items()
    }
    withheld = _list_withheld(by_metric, measured)
    safety = {
        name: Safety(margin=margin, largest_loss=None, is_shown=False, progress=None, obstacle="withheld")
        if name in withheld
        else _judge_safety(by_metric[name], pairs[name], measured[name], margin, plan)
        for name, margin in {plan.primary: plan.harm_margin, **plan.guardrails}.items()
    }
    primary = by_metric.pop(plan.primary)
    primary_pairs = pairs[plan.primary]
    baseline, challenger = ([pair[side] for pair in primary_pairs] for side in (0, 1))

    responses = [(_response_rate(a), _response_rate(b)) for a, b in primary_pairs if a.closed and b.closed]
    response = effects.compare_arms(
        responses, plan.alpha, plan.n_star, largest=1.0, fewest_users=plan.minimum_users_an_arm
    )
    margin = plan.response_margin
    is_response_even = response is None or not (
        response.is_harm("higher", margin) or response.is_harm("lower", margin)
    )

    verdict: Verdict = "too few users"
    shows_harm = False
    if primary is not None:
        better = measured[plan.primary].better
        is_up, is_down = primary.interval.low > 0, primary.interval.high < 0
        is_better, is_worse = (is_up, is_down) if better == "higher" else (is_down, is_up)
        verdict = "better" if is_better else "worse" if is_worse else "no clear difference"
        shows_harm = primary.is_harm(better, plan.harm_margin)
        if plan.primary in withheld:
            verdict, shows_harm = "withheld", False
    return ExperimentResult(
        baseline=_summarize(baseline),
        challenger=_summarize(challenger),
        primary=primary,
        response=response,
        is_response_even=is_response_even,
        metrics=_withhold(_judge_secondary(by_metric, plan, measured), withheld),
        health=validity.check(
            primary_pairs, [pairs[n] for n in pairs if measured[n].kind == "proportion"], plan
        ),
        verdict=verdict,
        shows_harm=shows_harm,
        safety=safety,
        withheld=withheld,
    )


def _judge_safety(
    effect: Effect | None,
    pairs: Sequence[tuple[Estimate, Estimate]],
    metric: Metric,
    margin: float,
    plan: Plan,
) -> Safety:
    """Judge whether the challenger is shown to be no worse in a metric by more than the margin.

    No harm found is not harm excluded: a challenger that raises complaints from 10 to 30 % had been shipped
    in 86 to 100 % of simulated experiments, before a single user was measured (docs/calibration.md).
    """
    if effect is not None:
        largest_loss = effect.largest_loss(metric.better)
    elif metric.is_share:
        largest_loss = effects.bound_loss_of_share(pairs, plan.alpha, metric.better)
    else:
        largest_loss = math.inf
    is_shown = largest_loss <= margin
    factor: float | None = 1.0
    obstacle: Obstacle | None = None
    if not is_shown and not any(a.users and b.users for a, b in pairs):
        factor, obstacle = math.inf, "nobody_measured"
    elif not is_shown:
        factor = progress.find_users_factor(effect, pairs, metric, margin, plan)
        obstacle = "spread" if factor is None else "difference" if math.isinf(factor) else None
    return Safety(
        margin=margin,
        largest_loss=largest_loss if math.isfinite(largest_loss) else None,
        is_shown=is_shown,
        progress=None if factor is None else 1 / factor,
        obstacle=obstacle,
    )


def _list_withheld(by_metric: Mapping[str, Effect | None], measured: Mapping[str, Metric]) -> tuple[str, ...]:
    """The metrics that give no verdict: those of who voted, once it is shown that the arms' users vote at
    different times.

    The window has the early votes only. If late voters are less content, the arm whose users vote later looks
    better: in the calibration's setting `late` by 5 points, and in 92 % of the experiments with equal arms.
    """
    timing = by_metric.get(VOTE_TIMING)
    if timing is None or timing.interval.low <= 0 <= timing.interval.high:
        return ()
    return tuple(name for name in by_metric if measured[name].is_of_voters)


def _withhold(results: Mapping[str, MetricResult], withheld: Sequence[str]) -> dict[str, MetricResult]:
    """The results without the verdicts that are withheld."""
    no_verdict = {"p": None, "harm_p": None, "is_harmed": False}
    return {
        name: result.model_copy(update=no_verdict) if name in withheld else result
        for name, result in results.items()
    }


def _judge_secondary(
    by_metric: Mapping[str, Effect | None], plan: Plan, measured: Mapping[str, Metric]
) -> dict[str, MetricResult]:
    """The result of each secondary metric, its p-values adjusted for the number of metrics."""
    tested = {name: effect for name, effect in by_metric.items() if effect is not None}
    ps = effects.adjust_by_holm({name: effect.p for name, effect in tested.items()})
    harm_ps = effects.adjust_by_holm(
        {
            name: tested[name].harm_p(measured[name].better, margin, plan.alpha, plan.n_star)
            for name, margin in plan.guardrails.items()
            if name in tested
        }
    )
    return {
        name: MetricResult(
            effect=effect,
            p=ps.get(name),
            margin=plan.guardrails.get(name),
            harm_p=harm_ps.get(name),
            is_harmed=harm_ps.get(name, 1.0) < plan.alpha,
        )
        for name, effect in by_metric.items()
    }


def _response_rate(arm: ArmStatistics) -> Estimate:
    """An arm's response rate and its variance. The variance counts one more user who voted and one more who
    did not, since otherwise it would be 0 when all of a few users voted (Agresti and Caffo, "Simple and
    effective confidence intervals for proportions and differences of proportions", 2000).
    """
    share = (arm.users + 1) / (arm.closed + 2)
    variance = share * (1 - share) if arm.closed > 1 else None
    return Estimate(users=arm.closed, mean=arm.users / arm.closed, variance=variance)


def _pair_by_epoch(arms: Sequence[ArmStatistics]) -> list[tuple[ArmStatistics, ArmStatistics]]:
    """(baseline, challenger) of each epoch, in the order of epochs."""
    baselines, challengers = (
        sorted({arm.variant for arm in arms if arm.is_baseline is side}) for side in (True, False)
    )
    epochs = {arm.epoch for arm in arms}
    if (len(baselines), len(challengers)) != (1, 1) or len(arms) != 2 * len(epochs):
        raise ValueError(
            "every epoch needs one baseline and one challenger, the same in all epochs; found baselines "
            f"{baselines} and challengers {challengers} in {len(arms)} arms of {len(epochs)} epochs"
        )
    ordered = sorted(arms, key=lambda arm: (arm.epoch, not arm.is_baseline))
    return list(zip(ordered[::2], ordered[1::2], strict=True))


def _summarize(arms: Sequence[ArmStatistics]) -> ArmSummary:
    closed, users = sum(arm.closed for arm in arms), sum(arm.users for arm in arms)
    return ArmSummary(
        variant=arms[0].variant,
        exposed=sum(arm.exposed for arm in arms),
        moved=sum(arm.moved for arm in arms),
        closed=closed,
        users=users,
        response_rate=users / closed if closed else None,
    )
