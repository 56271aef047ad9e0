"""The loop for Prometheus: trainings, releases, experiments, decisions, quotas, drift, judges and flows.

They are rows of Postgres and answers of Prefect, so one process exports them for all: the dashboard, whose
login may read them. They are numbers without names of organisations and without texts. Several dashboards
export the same numbers.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import httpx
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.snapshots import weekly_messages
from data.traffic.routing import LIVE_S
from experiments import evidence, judgements
from experiments import plan as plans
from experiments.lifecycle import OPEN, Status
from serving.dashboard import services

log = logging.getLogger(__name__)

_OFTEN_S, _SELDOM_S = 60.0, 900.0  # between two measurements of a part
_WAIT_S = 2.0  # that Prometheus waits for a measurement; it gets the numbers of the one before otherwise
_FLOW_RUNS = 200  # the newest, as many as Prefect lists at once: more than six hours of them
_AN_HOUR = timedelta(hours=1)
_LEVELS = {"steady": 0, "shifting": 1, "alarm": 2}

# A snapshot waits for a training when it may be trained on, no training on it has begun, and it is newer than
# all that were trained on. A training that finds nothing to learn has begun, and sets no `trained_at`.
_SNAPSHOTS = """
    WITH known AS (
        SELECT s.*, EXISTS (
            SELECT FROM lineage WHERE source = 'snapshot:' || digest AND target LIKE 'run:%'
        ) AS is_begun FROM snapshots s
    )
    SELECT coalesce(extract(epoch FROM max(created_at)), 0) AS newest,
        coalesce(extract(epoch FROM max(created_at) FILTER (WHERE trained_at IS NOT NULL)), 0) AS trained,
        count(*) FILTER (WHERE NOT accepted AND created_at > now() - interval '1 day') AS rejected,
        coalesce(extract(epoch FROM now() - min(created_at) FILTER (
            WHERE accepted AND NOT is_begun AND path <> ''
                AND created_at > coalesce((SELECT max(created_at) FROM known WHERE is_begun), '-infinity')
        )), 0) AS waiting
    FROM known
"""
_VERSIONS = """
    SELECT accepted, coalesce(extract(epoch FROM max(created_at)), 0) FROM versions GROUP BY accepted
"""
_RELEASED = "SELECT coalesce(extract(epoch FROM max(created_at)), 0) FROM releases"
_EXPERIMENTS = "SELECT status, count(*) FROM experiments WHERE NOT is_sample GROUP BY status"
_OPEN = """
    SELECT e.id, e.plan, array_agg(v.name) FILTER (WHERE NOT v.is_baseline AND v.dropped_at IS NULL)
    FROM experiments e JOIN variants v ON v.experiment_id = e.id
    WHERE NOT e.is_sample AND e.status = ANY(:open) GROUP BY e.id
"""
# A failure counts for a day: nobody can remove its row.
_DECISIONS = """
    SELECT CASE WHEN d.outcome IS NULL THEN 'open' ELSE d.outcome END AS state, count(*),
        extract(epoch FROM now() - min(d.created_at))
    FROM decisions d JOIN experiments e ON e.id = d.experiment_id
    WHERE NOT e.is_sample AND (d.outcome IS NULL
        OR (d.outcome = 'failed' AND d.created_at > now() - interval '1 day')
        OR (d.outcome = 'proposed' AND e.status = ANY(:open)))
    GROUP BY 1
"""
_QUOTAS = "SELECT state, organisations FROM count_quotas()"
_GATEWAYS = """
    SELECT count(*), count(*) FILTER (WHERE epoch < (SELECT max(number) FROM epochs))
    FROM gateways WHERE seen_at > now() - make_interval(secs => :live)
"""

Families = list[GaugeMetricFamily]


class _Part(NamedTuple):
    """A part of the numbers, and how often it is measured."""

    measure: Callable[[], Families]
    every_s: float


class LoopMetrics(Collector):
    """Measures the loop when Prometheus asks, at most as often as each part is worth. Safe in any thread.

    While Postgres or Prefect is unavailable, the last numbers stay, and their time says how old they are.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        clock: Callable[[], float] = time.monotonic,
        wait_s: float = _WAIT_S,
    ) -> None:
        self._settings, self._engine, self._clock, self._wait_s = settings, engine, clock, wait_s
        self._parts: Mapping[str, _Part] = {
            "tables": _Part(self._measure_tables, _OFTEN_S),
            "flows": _Part(self._measure_flows, _OFTEN_S),
            "messages": _Part(self._measure_messages, _SELDOM_S),
        }
        self._due = dict.fromkeys(self._parts, float("-inf"))
        self._measured: dict[str, tuple[float, Families]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The numbers, measured again where they are too old."""
        self._measure_what_is_due()
        times = GaugeMetricFamily(
            "tonebridge_loop_measured_timestamp_seconds",
            "When a part of the numbers of the loop was measured, in Unix time",
            labels=["part"],
        )
        for name, (at, families) in sorted(self._measured.items()):
            times.add_metric([name], at)
            yield from families
        yield times

    def _measure_what_is_due(self) -> None:
        """Start a thread for it, unless one runs, and wait for a while."""
        with self._lock:
            now = self._clock()
            due = [name for name, at in self._due.items() if at <= now]
            if due and (self._thread is None or not self._thread.is_alive()):
                self._due.update({name: now + self._parts[name].every_s for name in due})
                self._thread = threading.Thread(target=self._measure, args=(due,), name="loop", daemon=True)
                self._thread.start()
            thread = self._thread
        if thread is not None:
            thread.join(self._wait_s)

    def _measure(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                families = self._parts[name].measure()
            except (SQLAlchemyError, httpx.HTTPError, ValueError) as error:
                log.warning("the metrics of the loop (%s) could not be measured: %s", name, error)
            else:
                self._measured[name] = (time.time(), families)

    def _measure_tables(self) -> Families:
        opened = {"open": list(OPEN)}
        with Session(self._engine) as session:
            newest, trained, rejected, waiting = session.execute(text(_SNAPSHOTS)).one()
            versions = {bool(accepted): at for accepted, at in session.execute(text(_VERSIONS))}
            released = session.scalar(text(_RELEASED))
            statuses = {str(status): count for status, count in session.execute(text(_EXPERIMENTS))}
            decisions = {state: (n, age) for state, n, age in session.execute(text(_DECISIONS), opened)}
            quotas = {str(state): count for state, count in session.execute(text(_QUOTAS))}
            live, behind = session.execute(text(_GATEWAYS), {"live": LIVE_S}).one()
            ids = session.execute(text(_OPEN), opened).scalars().all()
            checks = _count_unsound(evidence.read_newest_of_each(session, ids).values())
        states = ("open", "failed", "proposed")
        return [
            _gauge(
                "tonebridge_snapshot_timestamp_seconds",
                "When the newest snapshot was made, and the newest that was trained on, in Unix time;"
                " 0: never",
                "kind",
                {"made": newest, "trained": trained},
            ),
            _gauge(
                "tonebridge_snapshots_rejected",
                "Snapshots of the last day that may not be trained on",
                "",
                rejected,
            ),
            _gauge(
                "tonebridge_training_waiting_seconds",
                "Age of the oldest snapshot on which a training may begin and has not; 0 when there is none",
                "",
                waiting,
            ),
            _gauge(
                "tonebridge_version_timestamp_seconds",
                "When the newest version was made that the gate accepted, or rejected, in Unix time;"
                " 0: never",
                "gate",
                {"accepted": versions.get(True, 0), "rejected": versions.get(False, 0)},
            ),
            _gauge(
                "tonebridge_release_timestamp_seconds",
                "When a version was last released, in Unix time; 0: never",
                "",
                released,
            ),
            _gauge(
                "tonebridge_experiments",
                "Experiments by status",
                "status",
                {s: statuses.get(s, 0) for s in Status},
            ),
            _gauge(
                "tonebridge_experiments_unsound",
                "Open experiments that a validity check objects to",
                "check",
                checks,
            ),
            _gauge(
                "tonebridge_decisions",
                "Decisions that are open, wait for a person, or have failed within a day",
                "state",
                {state: decisions.get(state, (0, 0))[0] for state in states},
            ),
            _gauge(
                "tonebridge_decisions_oldest_seconds",
                "Age of the oldest of these decisions; 0 when there is none",
                "state",
                {state: decisions.get(state, (0, 0))[1] for state in states},
            ),
            _gauge(
                "tonebridge_quota_organisations",
                "Organisations with a quota that have had answers this month, by what they have used of it:"
                " below 80 %, near its end, used up",
                "state",
                {state: quotas.get(state, 0) for state in ("below", "near", "used_up")},
            ),
            _gauge(
                "tonebridge_gateways",
                "Gateways that report, and of these the ones without the newest routing",
                "state",
                {"live": live, "behind": behind},
            ),
        ]

    def _measure_messages(self) -> Families:
        """Drift of the messages of the organisation that runs the installation, and the judges."""
        now = datetime.now(UTC)
        with Session(self._engine) as session:
            own = session.scalar(
                text("SELECT id FROM organisations WHERE name = :name"), {"name": self._settings.organisation}
            )
            judges = _count_judges(session)
            drifts = {}
            if own is not None:
                database.read_for(session, own)
                drifts = weekly_messages.count_messages(session, own, now).measure_drift()
        latest = {trait.replace(" ", "_"): weeks[-1] for trait, weeks in drifts.items()}
        known = {trait: drift for trait, drift in latest.items() if drift.level is not None}
        return [
            _gauge(
                "tonebridge_judges",
                "Judges of open experiments by whether they have changed",
                "state",
                judges,
            ),
            _gauge(
                "tonebridge_week_messages",
                "Distinct messages of the last seven days, of the organisation that runs the installation",
                "",
                max((drift.messages for drift in latest.values()), default=0),
            ),
            _gauge(
                "tonebridge_drift_index",
                "Population stability index of the last seven days and the four weeks before them, by trait"
                " of the messages; absent with fewer than 200 messages on a side",
                "trait",
                {trait: drift.psi or 0.0 for trait, drift in known.items()},
            ),
            _gauge(
                "tonebridge_drift_level",
                "What that index means, beyond chance: 0 steady, 1 shifting, 2 alarm",
                "trait",
                {trait: _LEVELS[drift.level] for trait, drift in known.items() if drift.level is not None},
            ),
        ]

    def _measure_flows(self) -> Families:
        """The newest runs of the flows, from Prefect."""
        runs = services.flow_runs(self._settings, _FLOW_RUNS)
        since = datetime.now(UTC) - _AN_HOUR
        completed: dict[str, float] = {}
        failed = Counter({run.flow: 0 for run in runs})
        for run in runs:
            if run.started_at is None:
                continue
            if run.type == "COMPLETED":
                completed[run.flow] = max(completed.get(run.flow, 0.0), run.started_at.timestamp())
            elif run.type in ("FAILED", "CRASHED") and run.started_at > since:
                failed[run.flow] += 1
        return [
            _gauge(
                "tonebridge_flow_success_timestamp_seconds",
                "When the newest completed run of a flow started, in Unix time, of the newest 200 runs",
                "flow",
                completed,
            ),
            _gauge(
                "tonebridge_flow_runs_failed",
                "Runs of a flow that failed or crashed, of those that started within an hour",
                "flow",
                failed,
            ),
        ]


def _gauge(
    name: str, meaning: str, label: str, values: Mapping[str, float] | float | None
) -> GaugeMetricFamily:
    """A gauge with one label, or without labels when `label` is empty."""
    family = GaugeMetricFamily(name, meaning, labels=[label] if label else [])
    for value, number in (values if isinstance(values, Mapping) else {"": values or 0}).items():
        family.add_metric([value] if label else [], float(number))
    return family


def _count_unsound(analyses: Iterable[evidence.Dated]) -> dict[str, int]:
    counts = {"sample_ratio": 0, "mixed": 0, "balance": 0}
    for dated in analyses:
        healths = [result.between_users.health for result in dated.evidence.challengers.values()]
        counts["sample_ratio"] += any(not health.is_sample_ratio_sound for health in healths)
        counts["mixed"] += any(not health.is_unmixed for health in healths)
        counts["balance"] += any(not health.is_balanced for health in healths)
    return counts


def _count_judges(session: Session) -> dict[str, int]:
    counts = {"steady": 0, "changed": 0, "unmeasured": 0}
    for experiment_id, stored, challengers in session.execute(text(_OPEN), {"open": list(OPEN)}).all():
        plan = plans.read(stored).plan
        if plan is None or not plan.judge or not challengers:
            continue
        for challenger in challengers:
            judged = judgements.compare(
                session, experiment_id, challenger, plan.for_each_of(len(challengers))
            )
            state = "unmeasured" if judged is None else "steady" if judged.is_judge_steady else "changed"
            counts[state] += 1
    return counts
