"""Fills the database of the sample: an organisation, two versions, weeks of traffic, and an experiment.

The releases, the experiment, its analyses and its end are made by the code of the flows, at the midnights of
the sample's days. This code stores the time of the clock; it is replaced by the time of the sample.
"""

import random
import secrets
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg
from psycopg import sql
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from tqdm import tqdm

from configs.settings import Settings
from data import database
from data.people import identities
from data.people.identities import Identity
from data.reasons import reason, written
from data.records import Spec
from data.tables import Experiment, Organisation, Version
from data.traffic import routing
from experiments import evidence, recent_users
from experiments import plan as plans
from experiments.decisions import Command
from experiments.lifecycle import Action, Status
from experiments.plan import Plan
from models import shipped
from models.edits.writer import rules_digest
from pipelines import carry_out, promote
from pipelines.experiment import analyse
from serving.inference.edits_engine import EditsEngine
from simulation.sample_answers import COLUMNS, Gateway, Rewriter, Rows, make_id
from simulation.sample_traffic import SampleConfig, Visit, load_people, plan_visits

BASELINE, CHALLENGER = "v1", "v2"
_KEY_ID = "sample"
_DAY = timedelta(days=1)

# The columns that the code of the flows sets to the time of the clock.
_TIMES = {
    "organisations": ("created_at",),
    "api_keys": ("created_at",),
    "specs": ("created_at",),
    "versions": ("created_at",),
    "lineage": ("created_at",),
    "epochs": ("started_at",),
    "releases": ("created_at",),
    "experiments": ("created_at", "started_at", "ended_at"),
    "decisions": ("created_at", "claimed_at", "done_at"),
}
_USAGE = """
    INSERT INTO usage (organisation_id, month, answers)
    SELECT organisation_id, date_trunc('month', at AT TIME ZONE 'UTC')::date, sum(texts) FROM (
        SELECT organisation_id, uuid_extract_timestamp(id) AS at, 1 AS texts FROM answers
        UNION ALL SELECT organisation_id, created_at, 2 FROM comparisons
    ) AS used GROUP BY 1, 2
"""


def fill(settings: Settings, config: SampleConfig, until: datetime, progress: bool = True) -> None:
    """Fill a migrated, empty database with the traffic until a midnight that has passed.

    The analyses of the experiment decide how it ends: it is shipped or withdrawn at the midnight of the
    analysis that says so, or still runs.
    """
    engine = database.engine_of(settings)
    writer = EditsEngine(shipped.export_once(settings))
    try:
        _Fill(settings, engine, config, until, Rewriter(writer.generate)).run(progress)
    finally:
        writer.close()
        engine.dispose()


class _Fill:
    """One fill."""

    def __init__(
        self, settings: Settings, engine: Engine, config: SampleConfig, until: datetime, rewriter: Rewriter
    ) -> None:
        self._settings, self._engine, self._config, self._until = settings, engine, config, until
        self._rng = random.Random(f"{config.seed}:{until.isoformat()}")
        self._start = config.start(until)
        self._plan = plans.load(config.plan)
        self._challenger = Spec(version=CHALLENGER, form="edits", rules=rules_digest())
        self._experiment_id: uuid.UUID | None = None
        people = load_people(config)
        identity = self._create_organisation()
        self._gateway = Gateway(config, people, identity, rewriter, until)
        self._visits = plan_visits(config, people, until)

    def run(self, progress: bool) -> None:
        """Store all rows, day by day."""
        self._register_versions()
        with tqdm(
            total=len(self._visits), desc="filling the sample", unit="message", disable=not progress
        ) as bar:
            for midnight, visits in self._split_days():
                if midnight == self._start + timedelta(weeks=self._config.experiment_week):
                    self._begin_experiment(midnight)
                with Session(self._engine) as session:
                    live = routing.current(session)
                assert live is not None
                self._store(self._gateway.answer(live, visits))
                if self._experiment_id is not None:
                    self._analyse(self._experiment_id, midnight + _DAY)
                bar.update(len(visits))
        with Session(self._engine) as session, session.begin():
            session.execute(text(_USAGE))
            recent_users.refresh(session, self._plan, self._plan.all_metrics, self._until)
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))

    def _split_days(self) -> Iterator[tuple[datetime, list[Visit]]]:
        place = 0
        for day in range(7 * self._config.weeks):
            midnight, first = self._start + day * _DAY, place
            while place < len(self._visits) and self._visits[place].at < midnight + _DAY:
                place += 1
            yield midnight, self._visits[first:place]

    def _create_organisation(self) -> Identity:
        organisation = Organisation(
            id=make_id(self._start, self._rng), name=self._settings.organisation, plan="scale"
        )
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            session.add(organisation)
            session.flush()
            key = f"tb_{_KEY_ID}_{secrets.token_urlsafe(32)}"  # nobody needs it: no gateway runs
            identities.add_key(session, organisation.id, "sample", key)
            self._set_times(session, self._start)
            for week in range(self._config.weeks):
                first = (self._start + timedelta(weeks=week)).date()
                session.execute(text("SELECT ensure_answer_partitions(:first, 7)"), {"first": first})
        return Identity(organisation.id, _KEY_ID, "member", b"", "scale")

    def _register_versions(self) -> None:
        """Register both versions, and release the first one."""
        evaluation = shipped.read_evaluation(self._settings.champion)
        run = shipped.run_name(self._settings.champion)
        described = {BASELINE: ("rules", "rules"), CHALLENGER: (run, "tagger")}
        systems = {BASELINE: "rules", CHALLENGER: "challenger"}
        with Session(self._engine) as session, session.begin():
            for name, (run_id, method) in described.items():
                means = {key: score.mean for key, score in evaluation.systems[systems[name]].items()}
                session.add(
                    Version(name=name, run_id=run_id, method=method, metrics=means, accepted=True, reasons=[])
                )
            session.flush()
            first = Spec(version=BASELINE)
            promote.record_champion(session, first, written("The rule baseline is the first champion."), 0.0)
            self._set_times(session, self._start)

    def _store(self, rows: Rows) -> None:
        """Store the rows of a day in one transaction."""
        url = self._settings.database_url
        assert url is not None
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            for table, columns in COLUMNS.items():
                query = sql.SQL("COPY {} ({}) FROM STDIN").format(
                    sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns.split(", ")))
                )
                with cursor.copy(query) as copy:
                    for row in getattr(rows, table):
                        copy.write_row(row)

    # --- the experiment ---------------------------------------------------------------------------------

    def _begin_experiment(self, at: datetime) -> None:
        self._experiment_id = make_id(at, self._rng)
        command = Command(self._experiment_id, Action.START, [reason("passed_gate", version=CHALLENGER)])
        with Session(self._engine) as session, session.begin():
            salt = random.Random(f"{self._config.seed}:salt").randbytes(8).hex()
            carry_out.open_experiment(session, command, self._challenger, self._plan, None, salt)
            self._set_times(session, at)

    def _analyse(self, experiment_id: uuid.UUID, at: datetime) -> None:
        """Analyse the experiment at a midnight, and do what the flow does then."""
        with Session(self._engine) as session, session.begin():
            plan = Plan.model_validate(session.get_one(Experiment, experiment_id).plan)
            result = analyse(session, experiment_id, plan, self._settings.organisation, at)
            evidence.store(session, experiment_id, result, at)
        decision = result.decision
        command = Command(experiment_id, decision.action, decision.reasons)
        match decision.action:
            case Action.KEEP_RUNNING:
                self._ramp_up(experiment_id, plan)
            case Action.SHIP:
                with Session(self._engine) as session, session.begin():
                    promote.record_champion(session, self._challenger, decision.reasons, 0.0)
                    carry_out.record_end(session, command, {"challenger": decision.challenger})
            case _:
                carry_out.withdraw(self._engine, command)
        with Session(self._engine) as session, session.begin():
            self._set_times(session, at)
            status = session.get_one(Experiment, experiment_id).status
        if status != Status.RUNNING:
            self._experiment_id = None

    def _ramp_up(self, experiment_id: uuid.UUID, plan: Plan) -> None:
        """Widen the experiment to the next share of its ramp. A step lasts a day or less in the plan."""
        with Session(self._engine) as session:
            live = routing.current(session)
        split = live.routing.split(experiment_id) if live else None
        assert split is not None
        wider = next((share for share in plan.ramp if share > split.ramp), None)
        if wider is not None:
            cause = reason("ramp_due", share=split.ramp, hours=plan.hours_a_step)
            carry_out.ramp(self._engine, Command(experiment_id, Action.RAMP, [cause]), wider)

    def _set_times(self, session: Session, at: datetime) -> None:
        """Give what was stored just now the time of the sample, and ids that follow from it. The traffic
        ended before now, so rows that are newer than it were stored just now.
        """
        for table in ("decisions", "releases"):
            query = text(f"SELECT id FROM {table} WHERE created_at > :until ORDER BY id")  # noqa: S608
            for former in list(session.scalars(query, {"until": self._until})):
                ids = {"id": make_id(at, self._rng), "former": former}
                session.execute(text(f"UPDATE {table} SET id = :id WHERE id = :former"), ids)  # noqa: S608
                session.execute(
                    text(
                        "UPDATE lineage SET target = 'release:' || CAST(:id AS text)"
                        " WHERE target = 'release:' || CAST(:former AS text)"
                    ),
                    ids,
                )
        for table, columns in _TIMES.items():
            for column in columns:
                query = text(f"UPDATE {table} SET {column} = :at WHERE {column} > :until")  # noqa: S608
                session.execute(query, {"at": at, "until": self._until})
