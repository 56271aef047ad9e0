"""What the pages on experiments show, read from Postgres: nothing is written here, and nothing computed that
a look has not found, but for what looks do not keep (breakdowns, days left, a metric without CUPED or cap).
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.traffic import comparisons, routing
from experiments import breakdown, effects, metrics, outcomes, power
from experiments.analysis import ComparisonResult, Decision, ExperimentResult
from experiments.breakdown import Breakdown
from experiments.decisions import UnknownExperimentError
from experiments.effects import Effect
from experiments.estimators import Estimate
from experiments.plan import Plan
from experiments.power import Outlook
from experiments.validity import Health

STATUSES = ("draft", "running", "paused", "shipped", "rolled_back", "stopped", "holdout")
FEWEST = 10  # users of a segment that is shown: of fewer it would tell what somebody thinks
_MOST_POINTS = 300  # of a curve
_SIDES = 8  # messages answered by both
_MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Line:
    """An experiment in the list. Without a look nothing is known of its evidence."""

    id: uuid.UUID
    name: str
    hypothesis: str
    status: str
    is_sample: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    baseline: str | None
    challenger: str | None
    exposed: int
    action: str | None
    difference: float | None
    low: float | None
    high: float | None
    primary: str | None
    health: Health | None
    days_left: float | None


class Curve(NamedTuple):
    """What looks have found of one number over time, with its confidence sequence."""

    at: list[datetime]
    value: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True, slots=True)
class Arm:
    """A variant: the version that answers in it, and how."""

    name: str
    version: str
    is_baseline: bool
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """An epoch of an experiment: since when, why, the weights, and who entered each arm in it."""

    number: int
    started_at: datetime
    reason: str
    ramp: float
    weights: Mapping[str, float]
    exposed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Act:
    """A line of the audit trail; `email` of an account that there still is."""

    id: uuid.UUID
    action: str
    parameters: Mapping[str, Any]
    reason: str
    requested_by: str
    email: str | None
    created_at: datetime
    done_at: datetime | None
    outcome: str | None


class Side(NamedTuple):
    """One message, and what each variant made of it."""

    message: str
    transform_type: str
    intensity: int
    baseline: str
    challenger: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the newest look has found."""

    at: datetime
    comparison: ComparisonResult
    users: ExperimentResult
    decision: Decision
    unbiased: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Whole:
    """An experiment as its page shows it. The holdout has no plan, a draft no baseline."""

    id: uuid.UUID
    name: str
    hypothesis: str
    status: str
    is_sample: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    plan: Plan | None
    target: Mapping[str, Any]
    arms: Sequence[Arm]
    share: float
    found: Found | None
    outlook: Outlook | None
    spans: Sequence[Span]
    acts: Sequence[Act]

    @property
    def baseline(self) -> Arm | None:
        """The arm that others are compared with."""
        return next((arm for arm in self.arms if arm.is_baseline), None)

    @property
    def challenger(self) -> Arm:
        """The arm that is to be found out about."""
        return next(arm for arm in self.arms if not arm.is_baseline)


_LINES = """
    SELECT e.id, e.name, e.hypothesis, e.status, e.is_sample, e.created_at, e.started_at, e.ended_at,
        e.plan, arm.baseline, arm.challenger, coalesce(count.exposed, 0)::bigint AS exposed,
        look.evidence->'decision'->>'action' AS action,
        look.evidence->'between_users'->'primary' AS primary,
        look.evidence->'between_users'->'health' AS health
    FROM experiments e
    LEFT JOIN LATERAL (
        SELECT max(coalesce(s.spec->>'version', v.name)) FILTER (WHERE v.is_baseline) AS baseline,
            max(coalesce(s.spec->>'version', v.name)) FILTER (WHERE NOT v.is_baseline) AS challenger
        FROM variants v JOIN specs s ON s.digest = v.spec_digest WHERE v.experiment_id = e.id
    ) arm ON true
    LEFT JOIN LATERAL (
        SELECT sum(c.exposed) AS exposed FROM arm_counts c WHERE c.experiment_id = e.id
    ) count ON true
    LEFT JOIN LATERAL (
        SELECT l.evidence FROM looks l WHERE l.experiment_id = e.id ORDER BY l.looked_at DESC LIMIT 1
    ) look ON true
    WHERE (:status = '' OR e.status = :status)
        AND (:words = '' OR e.name ILIKE :like OR e.hypothesis ILIKE :like OR arm.challenger = :words)
    ORDER BY e.created_at DESC, e.id DESC LIMIT :most
"""


def lines(session: Session, status: str = "", words: str = "") -> list[Line]:
    """The newest experiments of a status, with words in their name or hypothesis, or a challenger."""
    escaped = words.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    about = {"status": status, "words": words, "like": f"%{escaped}%", "most": _MOST_LISTED}
    return [_line(dict(row)) for row in session.execute(text(_LINES), about).mappings()]


def _line(row: Mapping[str, Any]) -> Line:
    primary, plan = row["primary"], Plan.model_validate(row["plan"]) if row["plan"] else None
    days_left = None
    if row["status"] == "running" and plan is not None and primary is not None:
        outlook = _outlook(Effect.model_validate(primary), plan, row["started_at"])
        days_left = outlook.days_left if outlook else None
    low, high = primary["interval"] if primary else (None, None)
    kept = {name: row[name] for name in Line.__dataclass_fields__ if name in row}
    return Line(
        **{
            **kept,
            "primary": plan.primary if plan else None,
            "difference": primary["difference"] if primary else None,
            "low": low,
            "high": high,
            "health": Health.model_validate(row["health"]) if row["health"] else None,
            "days_left": days_left,
        }
    )


def _outlook(effect: Effect | None, plan: Plan, started_at: datetime) -> Outlook | None:
    lasted = datetime.now(UTC) - started_at - plan.window
    return power.outlook(effect, plan, max(lasted, timedelta(0)))


def whole(session: Session, experiment_id: uuid.UUID) -> Whole:
    """An experiment; UnknownExperimentError when there is none."""
    row = (
        session.execute(
            text(
                "SELECT id, name, hypothesis, status, is_sample, created_at, started_at, ended_at, plan,"
                " target FROM experiments WHERE id = :id"
            ),
            {"id": experiment_id},
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise UnknownExperimentError(f"there is no experiment {experiment_id}")
    plan = Plan.model_validate(row["plan"]) if row["plan"] else None
    live = routing.current(session)
    split = live.routing.split(experiment_id) if live else None
    found = _found(session, experiment_id)
    is_running = row["status"] == "running" and plan is not None and found is not None
    return Whole(
        **{
            **row,
            "plan": plan,
            "arms": _arms(session, experiment_id),
            "share": split.ramp if split else 0.0,
            "found": found,
            "outlook": _outlook(found.users.primary, plan, row["started_at"])
            if is_running and found and plan
            else None,
            "spans": _spans(session, experiment_id),
            "acts": _acts(session, experiment_id),
        }
    )


def _arms(session: Session, experiment_id: uuid.UUID) -> list[Arm]:
    rows = session.execute(
        text(
            "SELECT v.name, coalesce(s.spec->>'version', v.name) AS version, v.is_baseline, s.spec"
            " FROM variants v JOIN specs s ON s.digest = v.spec_digest WHERE v.experiment_id = :id"
            " ORDER BY v.is_baseline DESC, v.name"
        ),
        {"id": experiment_id},
    )
    return [Arm(*row) for row in rows]


def _found(session: Session, experiment_id: uuid.UUID) -> Found | None:
    row = session.execute(
        text(
            "SELECT looked_at, evidence FROM looks WHERE experiment_id = :id ORDER BY looked_at DESC LIMIT 1"
        ),
        {"id": experiment_id},
    ).one_or_none()
    if row is None:
        return None
    at, evidence = row
    return Found(
        at,
        ComparisonResult.model_validate(evidence["comparison"]),
        ExperimentResult.model_validate(evidence["between_users"]),
        Decision.model_validate(evidence["decision"]),
        tuple(evidence["unbiased"]) if evidence.get("unbiased") else None,
    )


_SPANS = """
    SELECT e.number, e.started_at, e.reason, split.ramp, split.arms,
        (SELECT jsonb_object_agg(c.variant, c.exposed) FROM arm_counts c
            WHERE c.experiment_id = :id AND c.epoch = e.number) AS exposed
    FROM epochs e
    CROSS JOIN jsonb_to_recordset(e.routing->'experiments')
        AS split(experiment_id uuid, epoch int, ramp float, arms jsonb)
    WHERE split.experiment_id = :id AND split.epoch = e.number ORDER BY e.number
"""


def _spans(session: Session, experiment_id: uuid.UUID) -> list[Span]:
    return [
        Span(
            number,
            started_at,
            reason,
            ramp,
            {arm["name"]: arm["weight"] for arm in arms},
            exposed or {},
        )
        for number, started_at, reason, ramp, arms, exposed in session.execute(
            text(_SPANS), {"id": experiment_id}
        )
    ]


def _acts(session: Session, experiment_id: uuid.UUID) -> list[Act]:
    rows = session.execute(
        text(
            "SELECT d.id, d.action, d.parameters, d.reason, d.requested_by, a.email, d.created_at, d.done_at,"
            " d.outcome FROM decisions d LEFT JOIN accounts a ON d.requested_by = 'account:' || a.id"
            " WHERE d.experiment_id = :id ORDER BY d.created_at DESC, d.id DESC LIMIT :most"
        ),
        {"id": experiment_id, "most": _MOST_LISTED},
    )
    return [Act(*row) for row in rows]


_CURVE = """
    WITH numbered AS (
        SELECT looked_at, evidence #> :path AS found, row_number() OVER (ORDER BY looked_at) AS number,
            count(*) OVER () AS all_of_them
        FROM looks WHERE experiment_id = :id
    )
    SELECT looked_at, found FROM numbered
    WHERE number % greatest(all_of_them / :most, 1) = 0 OR number = all_of_them ORDER BY looked_at
"""


def _over_time(session: Session, experiment_id: uuid.UUID, *path: str) -> list[tuple[datetime, Any]]:
    """A part of the evidence at some three hundred looks, the last among them."""
    about = {"id": experiment_id, "path": list(path), "most": _MOST_POINTS}
    return [(at, found) for at, found in session.execute(text(_CURVE), about) if found is not None]


def effect_over_time(session: Session, experiment_id: uuid.UUID, metric: str | None = None) -> Curve:
    """The effect in the primary metric, or in another one, look by look."""
    path = ("primary",) if metric is None else ("metrics", metric, "effect")
    found = _over_time(session, experiment_id, "between_users", *path)
    return Curve(
        [at for at, _ in found],
        [one["difference"] for _, one in found],
        [one["interval"][0] for _, one in found],
        [one["interval"][1] for _, one in found],
    )


def win_rate_over_time(session: Session, experiment_id: uuid.UUID) -> Curve:
    """How often people prefer the challenger side by side, look by look."""
    found = [
        (at, one)
        for at, one in _over_time(session, experiment_id, "comparison")
        if one["win_rate"] is not None
    ]
    return Curve(
        [at for at, _ in found],
        [one["win_rate"] for _, one in found],
        [one["interval"][0] for _, one in found],
        [one["interval"][1] for _, one in found],
    )


def exposures_over_time(session: Session, experiment_id: uuid.UUID) -> list[tuple[datetime, int, int]]:
    """Users exposed to baseline and challenger until each look."""
    found = _over_time(session, experiment_id, "between_users")
    return [(at, one["baseline"]["exposed"], one["challenger"]["exposed"]) for at, one in found]


def breakdowns(session: Session, one: Whole) -> dict[str, Breakdown]:
    """The effect in the primary metric by kind of users; small segments are left out."""
    if one.plan is None or one.baseline is None:
        return {}
    primary = metrics.load()[one.plan.primary]
    pairs = outcomes.segments(
        session, one.id, one.plan.primary, primary, one.baseline.name, one.challenger.name
    )
    found = {
        segment: effects.effect(of_segment, one.plan.alpha, one.plan.n_star, primary.better)
        for segment, of_segment in pairs.items()
    }
    shown = {
        segment: effect
        for segment, effect in found.items()
        if effect is not None and min(effect.baseline_users, effect.challenger_users) >= FEWEST
    }
    return breakdown.by_kind(shown, one.plan.alpha)


class Total(NamedTuple):
    """What a value is made of, over all epochs: numerator and denominator, in the metric's own units."""

    numerator: float
    denominator: float


def totals(session: Session, experiment_id: uuid.UUID) -> dict[tuple[str, str], Total]:
    """By metric and variant: of a ratio its two sums, else the sum over the users who have a value and how
    many these are. A quantile has none.
    """
    rows = session.execute(
        text(
            "SELECT metric, variant, sum(n)::float, sum(x)::float, sum(y)::float FROM metric_sums"
            " WHERE experiment_id = :id AND segment = '' AND bin = 0 GROUP BY metric, variant"
        ),
        {"id": experiment_id},
    )
    measured = metrics.load()
    found = {}
    for name, variant, n, x, y in rows:
        if name in measured and measured[name].kind != "quantile":
            found[name, variant] = Total(x, y if measured[name].kind == "ratio" else n)
    return found


Way = Literal["as decided", "without CUPED", "without cap"]
WAYS: tuple[Way, ...] = get_args(Way)


def drilled(session: Session, one: Whole, metric: str) -> dict[Way, Effect | None]:
    """A metric's effect as it decides, without what users' past explains, and without its cap."""
    assert one.plan is not None, one.id
    assert one.baseline is not None, one.id
    plan, definition = one.plan, metrics.load()[metric]
    arms = one.baseline.name, one.challenger.name
    pairs = outcomes.pairs(session, one.id, metric, definition, *arms)
    seen: dict[Way, list[tuple[Estimate, Estimate]]] = {
        "as decided": pairs,
        "without CUPED": [(_without_past(a), _without_past(b)) for a, b in pairs],
    }
    if definition.cap is not None:
        free = definition.model_copy(update={"cap": None})
        seen["without cap"] = outcomes.pairs(session, one.id, metrics.uncapped(metric), free, *arms)
    return {
        way: effects.effect(found, plan.alpha, plan.n_star, definition.better, definition.largest)
        for way, found in seen.items()
    }


def _without_past(arm: Estimate) -> Estimate:
    return arm.model_copy(update={"covariate": None})


_SIDE_BY_SIDE = """
    SELECT one.message, one.transform_type, one.intensity,
        CASE WHEN one.version = :baseline THEN one.text ELSE other.text END AS baseline,
        CASE WHEN one.version = :baseline THEN other.text ELSE one.text END AS challenger
    FROM comparisons c
    JOIN outputs one ON one.id = c.first_output_id JOIN outputs other ON other.id = c.second_output_id
    WHERE c.policy = 'champion_against_challenger' AND one.message = ANY(:shipped)
        AND ((one.version = :baseline AND other.version = :challenger)
            OR (one.version = :challenger AND other.version = :baseline))
    ORDER BY c.id DESC LIMIT :most
"""


def side_by_side(session: Session, one: Whole) -> list[Side]:
    """The newest shipped messages that both variants have rewritten for people of the organisation that the
    session reads for (`database.read_for`). Not what people wrote: no colleague has been asked to read that.
    """
    if one.baseline is None:
        return []
    about = {
        "baseline": one.baseline.version,
        "challenger": one.challenger.version,
        "most": _SIDES,
        "shipped": list(comparisons.read_messages()),
    }
    return [Side(*row) for row in session.execute(text(_SIDE_BY_SIDE), about)]


def candidates(session: Session) -> list[str]:
    """Versions that may be challengers: they passed the gate, and nobody whom they learned from is erased."""
    live = routing.current(session)
    rows = session.scalars(
        text(
            "SELECT name FROM versions v WHERE accepted AND name <> :champion"
            " AND NOT EXISTS (SELECT FROM version_orders o WHERE o.version = v.name)"
            " ORDER BY created_at DESC LIMIT 100"
        ),
        {"champion": live.routing.champion.version if live else ""},
    )
    return list(rows)


class Past(NamedTuple):
    """What experiments until now say of one to come: by metric the spread of an effect
    (`experiments.power`), and how many users came in a day.
    """

    spread: Mapping[str, float]
    users_a_day: float | None


_PAST = """
    SELECT e.plan->>'primary', e.started_at, look.looked_at, look.evidence->'between_users'
    FROM experiments e
    CROSS JOIN LATERAL (
        SELECT l.looked_at, l.evidence FROM looks l WHERE l.experiment_id = e.id
        ORDER BY l.looked_at DESC LIMIT 1
    ) look
    WHERE NOT e.is_sample AND e.started_at IS NOT NULL ORDER BY e.started_at DESC LIMIT 20
"""


def past(session: Session) -> Past:
    """Of each metric what the newest experiment that has measured it found; samples say nothing."""
    spread: dict[str, float] = {}
    users_a_day = None
    for primary, started_at, looked_at, users in session.execute(text(_PAST)):
        found = {name: one["effect"] for name, one in users["metrics"].items()}
        found[primary] = users["primary"]
        for name, one in found.items():
            if one is not None:
                spread.setdefault(name, one["spread"])
        days = (looked_at - started_at) / timedelta(days=1)
        exposed = users["baseline"]["exposed"] + users["challenger"]["exposed"]
        if users_a_day is None and days > 0 and exposed:
            users_a_day = exposed / days
    return Past(spread, users_a_day)
