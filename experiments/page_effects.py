"""The effects on an experiment's page that analyses do not store: by segment, by day, and a metric without
CUPED, without its cap, or weighted by stratum.
"""

import uuid
from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Literal, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.tables import Experiment
from experiments import breakdown, effects, metrics, novelty, outcomes, stored_sums
from experiments.breakdown import Breakdown
from experiments.effects import Effect
from experiments.estimators import Estimate
from experiments.metrics import Metric
from experiments.readings import ExperimentPage
from experiments.stored_sums import Pairs

FEWEST = 10  # users of a segment on a page: a smaller segment would reveal a person's votes
_SCORE = Metric(kind="mean", of="score", better="higher", says="mean score of the votes of a day")


def compute_breakdowns(session: Session, page: ExperimentPage) -> dict[str, Breakdown]:
    """The effects in the primary metric by kind of segment. A segment's effect begins with as much
    information as that of all users (`Plan.minimum_users_an_arm`), and with FEWEST users at least.
    """
    plan = page.plan_of_each
    if plan is None or page.baseline is None:
        return {}
    primary = plan.all_metrics[plan.primary]
    pairs = stored_sums.read_segments(
        session, page.id, plan.primary, primary, page.baseline.name, page.challenger.name
    )
    fewest = max(plan.minimum_users_an_arm, FEWEST)
    by_segment = {
        segment: effects.compare_arms(
            estimates, plan.alpha, plan.n_star, primary.better, primary.largest, fewest
        )
        for segment, estimates in pairs.items()
        if not segment.startswith(f"{outcomes.ENTERED}=")
    }
    large_enough = {
        segment: effect
        for segment, effect in by_segment.items()
        if effect is not None and min(effect.baseline_users, effect.challenger_users) >= FEWEST
    }
    return breakdown.break_down_by_kind(large_enough, plan.alpha)


def compute_curves(session: Session, page: ExperimentPage) -> dict[novelty.Kind, novelty.Curve]:
    """How the effect in the primary metric changes with the day of users' entry (UTC) and its weekday, and
    that in votes with the days from the entry to the vote. Days with fewer than `novelty.FEWEST_A_DAY` users
    in an arm are absent. Empty for a quantile, which has no sums by segment.
    """
    plan = page.plan_of_each
    if plan is None or page.baseline is None:
        return {}
    primary = plan.all_metrics[plan.primary]
    if primary.kind == "quantile":
        return {}
    names = page.baseline.name, page.challenger.name

    def read(name: str, metric: Metric, kind: str) -> dict[str, Pairs]:
        pairs = stored_sums.read_segments(session, page.id, name, metric, *names, kind)
        return {segment.removeprefix(f"{kind}="): estimates for segment, estimates in pairs.items()}

    def compare(pairs: Mapping[int, Pairs], metric: Metric) -> dict[int, Effect]:
        compared = {
            day: effects.compare_arms(
                estimates, plan.alpha, plan.n_star, metric.better, metric.largest, novelty.FEWEST_A_DAY
            )
            for day, estimates in pairs.items()
        }
        return {day: effect for day, effect in compared.items() if effect is not None}

    by_date = {
        date.fromisoformat(day): pairs for day, pairs in read(plan.primary, primary, outcomes.ENTERED).items()
    }
    first = min(by_date, default=date.min)
    by_weekday: dict[int, Pairs] = defaultdict(list)
    for day, pairs in by_date.items():
        by_weekday[day.weekday()] += pairs
    by_vote = {
        int(day): pairs for day, pairs in read(outcomes.SINCE_ENTRY, _SCORE, outcomes.SINCE_ENTRY).items()
    }
    return novelty.judge(
        {
            "entry": compare({(day - first).days: pairs for day, pairs in by_date.items()}, primary),
            "since_entry": compare(by_vote, _SCORE),
            "weekday": compare(by_weekday, primary),
        },
        plan.alpha,
    )


class Total(NamedTuple):
    """The numerator and denominator of a metric's value over all epochs, in the metric's units."""

    numerator: float
    denominator: float


def read_totals(
    session: Session, experiment_id: uuid.UUID, definitions: Mapping[str, Metric]
) -> dict[tuple[str, str], Total]:
    """The totals by (metric, variant). A ratio has its two sums. A mean or a proportion has the sum over the
    users with a value, and their number. Quantiles are absent.
    """
    rows = session.execute(
        text(
            "SELECT metric, variant, sum(n)::float, sum(x)::float, sum(y)::float FROM metric_sums"
            " WHERE experiment_id = :id AND segment = '' AND bin = 0 GROUP BY metric, variant"
        ),
        {"id": experiment_id},
    )
    return {
        (name, variant): Total(x, y if definitions[name].kind == "ratio" else n)
        for name, variant, n, x, y in rows
        if name in definitions and definitions[name].kind != "quantile"
    }


def read_cap(session: Session, page: ExperimentPage, metric: str) -> float | None:
    """The most that one user counts in a metric of an experiment: what the metric says, or what a percentile
    of the time before the start has set. None without a cap.
    """
    assert page.plan is not None, page.id
    definition = page.plan.all_metrics[metric]
    if definition.cap_percentile is None:
        return definition.cap
    return (session.get_one(Experiment, page.id).caps or {}).get(metric)


Way = Literal["as decided", "without CUPED", "without cap", "by transform type", "by organisation"]


def compute_effects_by_way(session: Session, page: ExperimentPage, metric: str) -> dict[Way, Effect | None]:
    """A metric's effect as decisions use it, without CUPED, and without its cap. The primary one also with
    equal shares of each transform type and organisation in both arms (`experiments.strata`).
    """
    plan = page.plan_of_each
    assert plan is not None, page.id
    definition = plan.all_metrics[metric]
    assert page.baseline is not None, page.id
    arms = page.baseline.name, page.challenger.name
    pairs = stored_sums.read_pairs(session, page.id, metric, definition, *arms)
    estimates: dict[Way, Pairs] = {
        "as decided": pairs,
        "without CUPED": [(_drop_covariate(a), _drop_covariate(b)) for a, b in pairs],
    }
    if read_cap(session, page, metric) is not None:
        uncapped = definition.model_copy(update={"cap": None, "cap_percentile": None})
        estimates["without cap"] = stored_sums.read_pairs(
            session, page.id, metrics.uncapped(metric), uncapped, *arms
        )
    if metric == plan.primary and definition.kind in ("mean", "proportion"):
        estimates["by transform type"], estimates["by organisation"] = (
            stored_sums.read_stratified(session, page.id, metric, definition, *arms, kind)
            for kind in ("transform_type", "organisation")
        )
    return {
        way: effects.compare_arms(
            pairs,
            plan.alpha,
            plan.n_star,
            definition.better,
            definition.largest,
            plan.minimum_users_an_arm,
        )
        for way, pairs in estimates.items()
    }


def _drop_covariate(arm: Estimate) -> Estimate:
    return arm.model_copy(update={"covariate": None})
