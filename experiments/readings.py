"""Read-only queries on experiments for the dashboard. `experiments.page_effects` computes the effects."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from data.reasons import Reason, load
from data.traffic import comparisons, routing
from experiments import evidence, power, recent_users, running, stored_sums
from experiments import plan as plans
from experiments.analysis import ChallengerResult
from experiments.decisions import UnknownExperimentError
from experiments.effects import Effect
from experiments.estimators import NOTHING
from experiments.evidence import Dated, Evidence
from experiments.history import PastMetric
from experiments.lifecycle import Status
from experiments.plan import Plan
from experiments.power import Outlook
from experiments.recommendation import Assessment
from experiments.running import Running

_SIDES = 8  # messages with the rewrites of both variants
_MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """An experiment in the list. `evidence` is None before the first analysis; `plan_faults` say why its plan
    is not valid.
    """

    id: uuid.UUID
    name: str
    hypothesis: str
    status: Status
    is_sample: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    plan: Plan | None
    plan_faults: Sequence[Reason]
    baseline: str | None
    challengers: Sequence[str]
    exposed: int
    evidence: Evidence | None
    days_left: float | None


@dataclass(frozen=True, slots=True)
class Arm:
    """A variant: the version that answers its users, and that version's spec."""

    name: str
    version: str
    is_baseline: bool
    dropped_at: datetime | None
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EpochRow:
    """An epoch of an experiment: its start and reasons, its weights, and the users who entered each arm."""

    number: int
    started_at: datetime
    reasons: Sequence[Reason]
    ramp: float
    weights: Mapping[str, float]
    exposed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A line of the audit trail. `email` is None when the requester has no account, or it was deleted."""

    id: uuid.UUID
    action: str
    parameters: Mapping[str, Any]
    reasons: Sequence[Reason]
    requested_by: str
    email: str | None
    created_at: datetime
    done_at: datetime | None
    outcome: str | None
    failure: Sequence[Reason]


class SideBySide(NamedTuple):
    """One message, and each variant's rewrite of it."""

    message: str
    transform_type: str
    intensity: int
    baseline: str
    challenger: str


@dataclass(frozen=True, slots=True)
class ExperimentPage:
    """The data of an experiment's page, which compares the baseline with one `challenger`. The holdout has no
    plan, nor has one with `plan_faults`; a draft has no baseline. `newest_of_challenger` is the newest
    analysis with that challenger: an earlier one when it was dropped. `share` is the ramp, the open part of
    the experiment's slots, and `width` is the share of all users that these hold.
    """

    id: uuid.UUID
    name: str
    hypothesis: str
    status: Status
    is_sample: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    plan: Plan | None
    plan_faults: Sequence[Reason]
    target: Mapping[str, Any]
    arms: Sequence[Arm]
    challenger: Arm
    share: float
    width: float
    newest: Dated | None
    newest_of_challenger: Dated | None
    outlook: Outlook | None
    epochs: Sequence[EpochRow]
    audit: Sequence[AuditRow]

    @property
    def evidence(self) -> Evidence | None:
        """The evidence of the newest analysis."""
        return self.newest.evidence if self.newest else None

    @property
    def running(self) -> Running | None:
        """When the experiment let users in; None before the start."""
        return _find_periods(self.started_at, self.ended_at, self.epochs)

    @property
    def baseline(self) -> Arm | None:
        """The arm that the challenger is compared with."""
        return next((arm for arm in self.arms if arm.is_baseline), None)

    @property
    def challengers(self) -> list[Arm]:
        """The arms that the experiment tests or has tested."""
        return [arm for arm in self.arms if not arm.is_baseline]

    @property
    def tested(self) -> list[Arm]:
        """The challengers that are still tested."""
        return [arm for arm in self.challengers if arm.dropped_at is None]

    @property
    def plan_of_each(self) -> Plan | None:
        """The plan by which each of the challengers is tested."""
        return self.plan.for_each_of(len(self.challengers)) if self.plan else None

    @property
    def result(self) -> ChallengerResult | None:
        """The newest evidence on the challenger of this page."""
        last = self.newest_of_challenger
        return last.evidence.challengers[self.challenger.name] if last else None

    @property
    def assessment(self) -> Assessment | None:
        """What to do with the challenger of this page, by its newest evidence."""
        last = self.newest_of_challenger
        return last.evidence.decision.by_challenger[self.challenger.name] if last else None


_EXPERIMENTS = text("""
    SELECT e.id, e.name, e.hypothesis, e.status, e.is_sample, e.created_at, e.started_at, e.ended_at,
        e.plan, arm.baseline, arm.challengers, coalesce(count.exposed, 0)::bigint AS exposed
    FROM experiments e
    LEFT JOIN LATERAL (
        SELECT max(coalesce(s.spec->>'version', v.name)) FILTER (WHERE v.is_baseline) AS baseline,
            array_agg(coalesce(s.spec->>'version', v.name) ORDER BY v.name) FILTER (WHERE NOT v.is_baseline)
                AS challengers
        FROM variants v JOIN specs s ON s.digest = v.spec_digest WHERE v.experiment_id = e.id
    ) arm ON true
    LEFT JOIN LATERAL (
        SELECT sum(c.exposed) AS exposed FROM arm_counts c WHERE c.experiment_id = e.id
    ) count ON true
    WHERE (:status = '' OR e.status = :status)
        AND (:words = '' OR e.name ILIKE :like OR e.hypothesis ILIKE :like OR :words = ANY(arm.challengers))
    ORDER BY e.created_at DESC, e.id DESC LIMIT :most
""")


def list_experiments(session: Session, status: str = "", words: str = "") -> list[ExperimentRow]:
    """List the newest experiments, with a status. `words` are in the name or hypothesis, or a challenger."""
    escaped = words.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    parameters = {"status": status, "words": words, "like": f"%{escaped}%", "most": _MOST_LISTED}
    rows = session.execute(_EXPERIMENTS, parameters).mappings().all()
    newest = evidence.read_newest_of_each(session, [row["id"] for row in rows])
    forecast = (row["id"] for row in rows if row["status"] == Status.RUNNING)  # `_forecast` has no others
    periods = running.read_each(session, forecast)
    return [_build_row(dict(row), newest.get(row["id"]), periods.get(row["id"])) for row in rows]


def _build_row(row: dict[str, Any], newest: Dated | None, periods: Running | None) -> ExperimentRow:
    plan, plan_faults = plans.read(row["plan"])
    status = Status(row["status"])
    outlook = _forecast(status, plan, newest, periods)
    return ExperimentRow(
        **{
            **row,
            "status": status,
            "plan": plan,
            "plan_faults": plan_faults,
            "evidence": newest.evidence if newest else None,
            "days_left": outlook.days_left if outlook else None,
        }
    )


def _forecast(
    status: Status,
    plan: Plan | None,
    newest: Dated | None,
    periods: Running | None,
    challenger: str | None = None,
) -> Outlook | None:
    """The forecast of a running experiment for a challenger, without a name for the leading one; None with
    any other status.
    """
    if status is not Status.RUNNING or plan is None or newest is None or periods is None:
        return None
    elapsed = periods.lasted(datetime.now(UTC) - plan.window)
    result = newest.evidence.challengers[challenger or newest.evidence.decision.challenger]
    return power.forecast(result.between_users.primary, plan, elapsed)


_EXPERIMENT = text("""
    SELECT id, name, hypothesis, status, is_sample, created_at, started_at, ended_at, plan, target
    FROM experiments WHERE id = :id
""")


def read_experiment_page(
    session: Session, experiment_id: uuid.UUID, challenger: str | None = None
) -> ExperimentPage:
    """An experiment by its id, with the evidence on a challenger: without a name, on the leading one. Raises
    UnknownExperimentError.
    """
    row = session.execute(_EXPERIMENT, {"id": experiment_id}).mappings().one_or_none()
    if row is None:
        raise UnknownExperimentError(experiment_id)
    plan, plan_faults = plans.read(row["plan"])
    status, newest = Status(row["status"]), evidence.read_newest(session, experiment_id)
    arms = _read_arms(session, experiment_id)
    by_name = {arm.name: arm for arm in arms if not arm.is_baseline}
    arm = by_name.get(challenger or (newest.evidence.decision.challenger if newest else ""))
    if arm is None:
        arm = next(iter(by_name.values()))
    newest_of_arm = newest
    if newest is not None and arm.name not in newest.evidence.challengers:
        newest_of_arm = evidence.read_newest_of_challenger(session, experiment_id, arm.name)
    live = routing.current(session)
    split = live.routing.split(experiment_id) if live else None
    epochs = _read_epochs(session, experiment_id)
    periods = _find_periods(row["started_at"], row["ended_at"], epochs)
    return ExperimentPage(
        **{
            **row,
            "status": status,
            "plan": plan,
            "plan_faults": plan_faults,
            "arms": arms,
            "challenger": arm,
            "share": split.ramp if split else 0.0,
            "width": split.slots[1] - split.slots[0] if split else 0.0,
            "newest": newest,
            "newest_of_challenger": newest_of_arm,
            "outlook": _forecast(status, plan, newest_of_arm, periods, arm.name),
            "epochs": epochs,
            "audit": _read_audit(session, experiment_id),
        }
    )


def _find_periods(
    started_at: datetime | None, ended_at: datetime | None, epochs: Sequence[EpochRow]
) -> Running | None:
    if started_at is None:
        return None
    return running.find_periods(started_at, ended_at, [(row.started_at, row.ramp) for row in epochs])


class NoExperimentError(RuntimeError):
    """No experiment can be looked at yet."""


def read_newest_page(session: Session) -> ExperimentPage:
    """The newest experiment, running or ended, whose arms have been compared. The sample experiment of a new
    installation is left out: only its sums exist. Raises NoExperimentError when there is none.
    """
    for row in list_experiments(session):
        if row.plan is None or row.evidence is None or row.is_sample:
            continue
        if row.evidence.leading.between_users.primary is not None:
            return read_experiment_page(session, row.id)
    raise NoExperimentError(
        "no experiment of this installation has compared its arms yet; wait until enough windows have closed,"
        " or stop `make up` to see the experiment of the sample"
    )


def _read_arms(session: Session, experiment_id: uuid.UUID) -> list[Arm]:
    rows = session.execute(
        text(
            "SELECT v.name, coalesce(s.spec->>'version', v.name) AS version, v.is_baseline, v.dropped_at,"
            " s.spec FROM variants v JOIN specs s ON s.digest = v.spec_digest WHERE v.experiment_id = :id"
            " ORDER BY v.is_baseline DESC, v.name"
        ),
        {"id": experiment_id},
    )
    return [Arm(*row) for row in rows]


_EPOCHS = text("""
    SELECT e.number, e.started_at, e.reasons, split.ramp, split.arms,
        (SELECT jsonb_object_agg(c.variant, c.exposed) FROM arm_counts c
            WHERE c.experiment_id = :id AND c.epoch = e.number) AS exposed
    FROM epochs e
    CROSS JOIN jsonb_to_recordset(e.routing->'experiments')
        AS split(experiment_id uuid, epoch int, ramp float, arms jsonb)
    WHERE split.experiment_id = :id AND split.epoch = e.number ORDER BY e.number
""")


def _read_epochs(session: Session, experiment_id: uuid.UUID) -> list[EpochRow]:
    return [
        EpochRow(
            number,
            started_at,
            load(reasons),
            ramp,
            {arm["name"]: arm["weight"] for arm in arms},
            exposed or {},
        )
        for number, started_at, reasons, ramp, arms, exposed in session.execute(
            _EPOCHS, {"id": experiment_id}
        )
    ]


_AUDIT = text("""
    SELECT d.id, d.action, d.parameters, d.reasons, d.requested_by, a.email, d.created_at, d.done_at,
        d.outcome, d.failure
    FROM decisions d LEFT JOIN accounts a ON d.requested_by = 'account:' || a.id
    WHERE d.experiment_id = :id ORDER BY d.created_at DESC, d.id DESC LIMIT :most
""")


def _read_audit(session: Session, experiment_id: uuid.UUID) -> list[AuditRow]:
    rows = session.execute(_AUDIT, {"id": experiment_id, "most": _MOST_LISTED}).mappings()
    return [
        AuditRow(**{**row, "reasons": load(row["reasons"]), "failure": load(row["failure"])}) for row in rows
    ]


_SIDE_BY_SIDE = """
    SELECT first.message, first.transform_type, first.intensity,
        CASE WHEN first.version = :baseline THEN first.text ELSE second.text END AS baseline,
        CASE WHEN first.version = :baseline THEN second.text ELSE first.text END AS challenger
    FROM comparisons c
    JOIN outputs first ON first.id = c.first_output_id JOIN outputs second ON second.id = c.second_output_id
    WHERE c.policy = 'champion_against_challenger' AND first.message = ANY(:shipped)
        AND ((first.version = :baseline AND second.version = :challenger)
            OR (first.version = :challenger AND second.version = :baseline))
    ORDER BY c.id DESC LIMIT :most
"""


def read_side_by_side(session: Session, page: ExperimentPage) -> list[SideBySide]:
    """The newest shipped messages that both variants have rewritten for people of the organisation that the
    session reads for (`database.read_for`). Messages that people wrote are excluded, since their authors have
    not agreed that colleagues read them.
    """
    if page.baseline is None:
        return []
    parameters = {
        "baseline": page.baseline.version,
        "challenger": page.challenger.version,
        "most": _SIDES,
        "shipped": list(comparisons.read_messages()),
    }
    return [SideBySide(*row) for row in session.execute(text(_SIDE_BY_SIDE), parameters)]


def list_candidates(session: Session) -> list[str]:
    """Versions that can be challengers: they passed the gate, and no erasure affects their training data."""
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
    """What past experiments measured, to plan the next one: by metric, and the number of new users a day."""

    metrics: Mapping[str, PastMetric]
    users_a_day: float | None


_PAST = text("""
    SELECT id, plan, plan->>'primary' AS primary_metric, started_at FROM experiments
    WHERE NOT is_sample AND started_at IS NOT NULL ORDER BY started_at DESC LIMIT 20
""")


def read_past(session: Session) -> Past:
    """Estimates from the newest experiment that measured each metric. Sample experiments do not count."""
    past_metrics: dict[str, PastMetric] = {}
    users_a_day = None
    rows = session.execute(_PAST).all()
    newest = evidence.read_newest_of_each(session, [row.id for row in rows])
    periods = running.read_each(session, newest)
    for row in rows:
        if row.id not in newest:
            continue
        result = newest[row.id].evidence.leading.between_users
        measured = {name: metric.effect for name, metric in result.metrics.items()}
        measured[row.primary_metric] = result.primary
        new = {name: effect for name, effect in measured.items() if name not in past_metrics}
        past_metrics |= _read_past_metrics(session, row.id, plans.read(row.plan).plan, new)
        days = periods[row.id].lasted(newest[row.id].at) / timedelta(days=1)
        exposed = result.baseline.exposed + result.challenger.exposed
        if users_a_day is None and days > 0 and exposed:
            users_a_day = exposed / days
    return Past(past_metrics, users_a_day)


def _read_past_metrics(
    session: Session, experiment_id: uuid.UUID, plan: Plan | None, effects: Mapping[str, Effect | None]
) -> dict[str, PastMetric]:
    """What an experiment says of its users in metrics with these effects. A metric may have none because its
    event is too rare. The stored sums of all users say how rare it is, unless the plan is no longer valid.
    Quantiles have hundreds of sums and are left out: the traffic knows latencies.
    """
    known = plan.all_metrics if plan and effects else {}
    summed = {name: known[name] for name in effects if name in known and known[name].kind != "quantile"}
    pooled, closed = stored_sums.read_pooled(session, experiment_id, summed) if summed else ({}, 0)
    past_metrics = {}
    for name, effect in effects.items():
        spread = None if effect is None else effect.spread
        past_metric = recent_users.describe(pooled.get(name, NOTHING), closed, spread)
        if past_metric is None and effect is not None:
            past_metric = PastMetric(mean=effect.baseline, spread=spread, with_value=1.0)
        if past_metric is not None and past_metric.spread is not None:
            past_metrics[name] = past_metric
    return past_metrics
