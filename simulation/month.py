"""A month of automatic experiments: with a harmful, a good, a bad, an equal and a broken challenger.

    python -m simulation.month configs/month.yaml

The gateway, Postgres, Valkey, the registry, the releases and the flows are the real ones. The people are
simulated and use the gateway over HTTP. In place of a language model there is a service whose versions have a
known quality (`simulation.fake_inference`), so the right outcome of each experiment is known. The hours and
days of the plan are shortened by the same factor as the days.

Writes `report.json` and a page with plots to `artifacts/month`.
"""

import asyncio
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session
from tqdm import tqdm

import configs
from configs.settings import Settings
from data import corpus, database
from data.people import identities
from data.reasons import render
from data.tables import Decision, Experiment, Variant, Version
from data.traffic import comparisons, routing
from data.traffic.evidence_messages import is_for_evidence
from experiments import evidence
from models import versions
from models.results import Estimate, Evaluation, Verdict
from pipelines import deployments, local
from pipelines.environments import environment
from pipelines.experiment import experiment
from pipelines.promote import promote
from simulation import simulated_people
from simulation.fake_inference import WEIGHTS, Weights, serve
from simulation.month_report import AuditRow, ChallengerResult, MonthReport, WinRate
from simulation.simulated_people import PeopleConfig, PlannedRequest

_CONFIGS = configs.ROOT / "configs"
_KEY = "tb_month001_" + "0" * 43  # valid only on 127.0.0.1, while the month runs
Share = Annotated[float, Field(ge=0, le=1)]


class Challenger(configs.StageConfig):
    """A version with a known quality. It fails on every message after the first `breaks_after`.

    With `own_quality` it is as good as `quality` only on the messages that people compare: a version that
    people prefer side by side, and that may harm those who live with it.
    """

    name: str
    quality: Share
    own_quality: Share | None = None
    breaks_after: Annotated[int, Field(ge=1)] | None = None


class MonthConfig(configs.StageConfig):
    """The length of the month, the number of people, and the challengers in the order of their arrival."""

    days: Annotated[int, Field(ge=1)]
    seconds_a_day: Annotated[float, Field(gt=0)]
    maximum_days: Annotated[float, Field(gt=0)]
    people_a_day: Annotated[int, Field(ge=1)]
    champion: Share
    challengers: tuple[Challenger, ...]
    seed: int

    @property
    def plan(self) -> tuple[str, ...]:
        """The overrides of `configs/experiment.yaml`: times in the month's short days, a ramp of two steps,
        and margins that a few hundred people can keep within.
        """
        day_h = self.seconds_a_day / 3600
        return (
            "ramp=[0.5, 1.0]",
            f"hours_a_step={day_h}",
            f"window_hours={day_h / 2}",
            f"hours_a_person={day_h}",
            f"minimum_days={3 * day_h / 24}",
            f"maximum_days={self.maximum_days * day_h / 24}",
            "harm_margin=0.1",
            "guardrails={complained: 0.1, failed: 0.05, fell_back: 0.1, latency_p95: 1000.0}",
        )


class Month:
    """Runs the days one after another, and reports what happened."""

    def __init__(self, config: MonthConfig, settings: Settings, engine: Engine) -> None:
        self.config, self.settings, self.engine = config, settings, engine
        self._waiting = list(config.challengers)
        self._arrived: dict[str, Challenger] = {}
        self._day_starts: list[datetime] = []
        self._errors: dict[str, int] = {}
        folders = (corpus.SEED / "messages", corpus.SEED / "messages" / "ordinary")
        messages = [row for folder in folders for row in corpus.read_lines(folder, corpus.Message)]
        random.Random(config.seed).shuffle(messages)
        self._messages = messages

    def run(self) -> MonthReport:
        """Run all days. Returns the report."""
        first = self._register(Challenger(name="the first", quality=self.config.champion))
        promote(first, "the first version")
        with tqdm(range(self.config.days), desc="a month", unit="day") as days:
            for day in days:
                self._day_starts.append(datetime.now(UTC))
                days.set_postfix_str(self._run_flow())
                self._use_gateway(day)
                elapsed_s = (datetime.now(UTC) - self._day_starts[-1]).total_seconds()
                time.sleep(max(0.0, self.config.seconds_a_day - elapsed_s))
        experiment(self.config.plan, return_state=True)  # analyses the votes of the last day
        return self._make_report()

    def _run_flow(self) -> str:
        """Register the next challenger when no experiment is open, and run the flow. Returns its state's
        name.
        """
        with Session(self.engine) as session:
            is_busy = session.scalar(
                select(Experiment.id).where(Experiment.status.in_(["running", "paused"])).limit(1)
            )
        if is_busy is None and self._waiting:
            challenger = self._waiting.pop(0)
            self._arrived[self._register(challenger)] = challenger
        state = experiment(self.config.plan, return_state=True)
        return str(state.name)

    def _register(self, challenger: Challenger) -> str:
        """Register a version that has passed the gate. Returns its name."""
        quality = Estimate(mean=challenger.quality, low=challenger.quality, high=challenger.quality)
        evaluation = Evaluation(
            cases=1,
            systems={"challenger": {"composite": quality}},
            by_type={},
            move_by_intensity={},
            win_rate=quality,
            verdict=Verdict(accepted=True, reasons=()),
        )
        weights = Weights(
            quality=challenger.quality,
            own_quality=challenger.own_quality,
            breaks_after=challenger.breaks_after,
        )
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / challenger.name.replace(" ", "-")
            (run / "version").mkdir(parents=True)
            (run / "version" / WEIGHTS).write_text(weights.model_dump_json(), encoding="utf-8")
            name = versions.register(
                self.settings.registry_uri, self.settings.artifacts / "mlflow", run, evaluation, {}
            )
        with Session(self.engine) as session, session.begin():
            session.add(
                Version(name=name, run_id=name, method="rules", metrics={}, accepted=True, reasons=[])
            )
        return name

    def _use_gateway(self, day: int) -> None:
        """Let the people of a day use the gateway, and count their errors."""
        overrides = [
            f"people={self.config.people_a_day}",
            f"seed={1000 * self.config.seed + day}",
            "max_messages=20",
        ]
        people = configs.load(PeopleConfig, _CONFIGS / "people.yaml", overrides)
        planned = self._choose_requests(
            simulated_people.plan_requests(people, self._messages[day :: self.config.days])
        )
        usage = asyncio.run(simulated_people.use_gateway(people, self.settings.gateway_url, _KEY, planned))
        for error, count in usage.errors.items():
            self._errors[error] = self._errors.get(error, 0) + count

    def _choose_requests(self, planned: Sequence[PlannedRequest]) -> list[PlannedRequest]:
        """The requests that people make. While there is a challenger, they compare the messages for evidence,
        as on the page Compare, and ask for rewrites of the others. Otherwise they use the others only.
        """
        with Session(self.engine) as session:
            live = routing.current(session)
        has_challenger = live is not None and bool(live.routing.challengers)
        share = comparisons.load().evidence_share
        return [
            row
            for row in planned
            if is_for_evidence(row.request.text, share) == (has_challenger and row.compares)
        ]

    def _to_day(self, moment: datetime) -> float:
        """A moment in days since the start, interpolated between the starts of the days."""
        starts = [start.timestamp() for start in self._day_starts]
        return float(np.interp(moment.timestamp(), starts, np.arange(len(starts))))

    def _make_report(self) -> MonthReport:
        with Session(self.engine) as session:
            rows = session.execute(
                text(
                    "SELECT o.version, uuid_extract_timestamp(a.id) FROM answers a"
                    " JOIN outputs o ON o.id = a.output_id"
                )
            )
            answers_by_day: dict[str, list[int]] = {}
            for version, moment in rows:
                counts = answers_by_day.setdefault(version, [0] * self.config.days)
                counts[max(0, bisect_right(self._day_starts, moment) - 1)] += 1
            stories = [self._read_result(session, version) for version in self._arrived]
            decisions = session.execute(
                select(Decision, Variant.name)
                .join(Variant, Variant.experiment_id == Decision.experiment_id)
                .where(Variant.is_baseline.is_(False), Variant.name.in_(self._arrived))
                .order_by(Decision.created_at, Decision.id)
            )
            acts = [
                AuditRow(
                    day=self._to_day(row.created_at),
                    challenger=self._arrived[version].name,
                    action=row.action,
                    requested_by=row.requested_by,
                    reason=render([*row.reasons, *(row.failure or [])]),
                    outcome=row.outcome,
                )
                for row, version in decisions
            ]
        return MonthReport(
            days=self.config.days,
            seconds_a_day=self.config.seconds_a_day,
            people=self.config.days * self.config.people_a_day,
            answered=dict(sorted(answers_by_day.items())),
            errors=self._errors,
            stories=stories,
            acts=acts,
        )

    def _read_result(self, session: Session, version: str) -> ChallengerResult:
        row = session.scalars(
            select(Experiment)
            .join(Variant, Variant.experiment_id == Experiment.id)
            .where(Variant.name == version, Variant.is_baseline.is_(False))
        ).one()
        challenger = self._arrived[version]
        return ChallengerResult(
            version=version,
            name=challenger.name,
            quality=challenger.quality,
            status=row.status,
            began=self._to_day(row.started_at or row.created_at),
            ended=self._to_day(row.ended_at) if row.ended_at else None,
            seconds_to_trip=self._measure_seconds_to_trip(session, row),
            win_rates=[
                WinRate(day=self._to_day(point.at), win_rate=point.value, low=point.low, high=point.high)
                for point in evidence.read_win_rates_over_time(session, row.id, version)
            ],
        )

    def _measure_seconds_to_trip(self, session: Session, row: Experiment) -> float | None:
        """The seconds from the first failure that tripped the breaker until the pause; None without a pause.

        The breaker counts the failures of the ten seconds before it requests the pause.
        """
        pauses = select(Decision).where(Decision.experiment_id == row.id, Decision.action == "pause")
        pause = session.scalar(pauses)
        if pause is None or pause.done_at is None:
            return None
        failed_at = session.scalar(
            text(
                "SELECT min(uuid_extract_timestamp(id)) FROM answers WHERE experiment_id = :id AND fell_back"
                " AND uuid_extract_timestamp(id) > :since"
            ),
            {"id": row.id, "since": pause.created_at - timedelta(seconds=10)},
        )
        return (pause.done_at - failed_at).total_seconds() if failed_at else None


def run_month(config: MonthConfig) -> None:
    """Run the month and print the outcomes. The process's environment has the addresses of the services."""
    settings = Settings()
    assert settings.database_url is not None
    engine = database.engine_of(settings)
    identities.bootstrap(engine, _KEY, settings.organisation)
    for target, argument in ((serve, settings), (deployments.listen, settings.database_url)):
        threading.Thread(target=target, args=(argument,), daemon=True).start()
    report = Month(config, settings, engine).run()
    page = report.write(settings.artifacts / "month")
    for story in report.stories:
        outcome = story.outcome
        if story.seconds_to_trip is not None:
            outcome += f", {story.seconds_to_trip:.1f} s after its failures began"
        print(f"{story.name:8} ({story.version}): {outcome}")
    print(f"The page: {page}, and report.json in the same folder.")
    engine.dispose()


def main(config: MonthConfig, arguments: Sequence[str]) -> int:
    """Start the services, run the month in a child process, stop the services. Returns the child's exit code.

    Only the child gets the addresses of the services in its environment.
    """
    state = Settings().state / "month"
    shutil.rmtree(state, ignore_errors=True)
    base_settings = Settings(state=state, database_url=None, redis_url=None, mlflow_uri=None)
    with (
        local.servers(local.with_free_ports(base_settings)) as settings,
        local.running(settings, "gateway", "prefect") as processes,
    ):
        processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
        processes["prefect"].wait_until_ready(f"http://127.0.0.1:{settings.prefect_port}/api/health")
        command = [sys.executable, "-m", "simulation.month", *arguments, "--run-month"]
        quiet = {"PREFECT_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}
        env = {**environment(settings), **quiet}
        return subprocess.run(command, env=env, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    *arguments, last = sys.argv[1:] or [""]
    if last == "--run-month":
        run_month(configs.from_command_line(MonthConfig, arguments))
    else:
        raise SystemExit(main(configs.from_command_line(MonthConfig, sys.argv[1:]), sys.argv[1:]))
