"""A month of experiments in minutes, with no hand on it: a good, a bad, an equal and a broken challenger.

    python -m simulation.month configs/month.yaml

The gateway, Postgres, Valkey, the registry, the releases and the flows are the real ones, and so is the taste
of the people, who use the gateway over HTTP. In place of a language model stands a service whose versions are
one number each, their quality: the share of the messages that they rewrite (by the rules of `models.rules`);
the others they give back. So it is known what must come out. The plan's hours and days are as much shorter as
the days are.

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
from experiments import evidence
from models import versions
from models.evaluation import Evaluation
from models.gate import Verdict
from models.scoreboard import Estimate
from pipelines import deployments, local
from pipelines.environments import environment
from pipelines.experiment import experiment
from pipelines.promote import promote
from simulation import simulated_people
from simulation.fake_inference import WEIGHTS, Weights, serve
from simulation.month_report import Act, MonthReport, Story, WinRate
from simulation.simulated_people import PeopleConfig

_CONFIGS = Path(__file__).parent.parent / "configs"
_KEY = "tb_month001_" + "0" * 43  # opens a gateway on 127.0.0.1, while the month runs
Share = Annotated[float, Field(ge=0, le=1)]


class Challenger(configs.StageConfig):
    """A version whose quality is known; one that breaks has no answer any more after so many."""

    name: str
    quality: Share
    breaks_after: Annotated[int, Field(ge=1)] | None = None


class MonthConfig(configs.StageConfig):
    """How long, how many people, and who comes."""

    days: Annotated[int, Field(ge=1)]
    seconds_a_day: Annotated[float, Field(gt=0)]
    people_a_day: Annotated[int, Field(ge=1)]
    champion: Share
    challengers: tuple[Challenger, ...]
    seed: int

    @property
    def plan(self) -> tuple[str, ...]:
        """The overrides of `configs/experiment.yaml`: its times in these days, and a ramp of two steps."""
        day_h = self.seconds_a_day / 3600
        return (
            "ramp=[0.5, 1.0]",
            f"hours_a_step={day_h}",
            f"window_hours={day_h / 2}",
            f"minimum_days={3 * day_h / 24}",
            f"maximum_days={10 * day_h / 24}",
        )


class Month:
    """The days, one after another."""

    def __init__(self, config: MonthConfig, settings: Settings, engine: Engine) -> None:
        self.config, self.settings, self.engine = config, settings, engine
        self._waiting = list(config.challengers)
        self._came: dict[str, Challenger] = {}
        self._mornings: list[datetime] = []
        self._errors: dict[str, int] = {}
        messages = [message.text for message in corpus.read_lines(corpus.SEED / "messages", corpus.Message)]
        random.Random(config.seed).shuffle(messages)
        self._messages = messages

    def run(self) -> MonthReport:
        """Live through it."""
        first = self._register(Challenger(name="the first", quality=self.config.champion))
        promote(first, "the first version")
        with tqdm(range(self.config.days), desc="a month", unit="day") as days:
            for day in days:
                self._mornings.append(datetime.now(UTC))
                days.set_postfix_str(self._morning())
                self._people(day)
                lasted = (datetime.now(UTC) - self._mornings[-1]).total_seconds()
                time.sleep(max(0.0, self.config.seconds_a_day - lasted))
        experiment(self.config.plan, return_state=True)  # what the last day has shown
        return self._report()

    def _morning(self) -> str:
        """A challenger comes when no experiment runs; the flow does what is due."""
        with Session(self.engine) as session:
            is_busy = session.scalar(
                select(Experiment.id).where(Experiment.status.in_(["running", "paused"])).limit(1)
            )
        if is_busy is None and self._waiting:
            challenger = self._waiting.pop(0)
            self._came[self._register(challenger)] = challenger
        state = experiment(self.config.plan, return_state=True)
        return str(state.name)

    def _register(self, challenger: Challenger) -> str:
        """A version in the registry that has passed the gate; its name."""
        one = Estimate(mean=challenger.quality, low=challenger.quality, high=challenger.quality)
        found = Evaluation(
            cases=1,
            systems={"challenger": {"composite": one}},
            by_type={},
            move_by_intensity={},
            win_rate=one,
            verdict=Verdict(accepted=True, reasons=()),
        )
        weights = Weights(quality=challenger.quality, breaks_after=challenger.breaks_after)
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / challenger.name.replace(" ", "-")
            (run / "version").mkdir(parents=True)
            (run / "version" / WEIGHTS).write_text(weights.model_dump_json(), encoding="utf-8")
            name = versions.register(
                self.settings.registry_uri, self.settings.artifacts / "mlflow", run, found, {}
            )
        with Session(self.engine) as session, session.begin():
            about = {"run_id": name, "method": "rules", "metrics": {}, "reasons": []}
            session.add(Version(name=name, accepted=True, **about))
        return name

    def _people(self, day: int) -> None:
        overrides = [
            f"people={self.config.people_a_day}",
            f"seed={1000 * self.config.seed + day}",
            "max_messages=20",
        ]
        people = configs.load(PeopleConfig, _CONFIGS / "people.yaml", overrides)
        errands = simulated_people.errands(people, self._messages[day :: self.config.days])
        usage = asyncio.run(simulated_people.use(people, self.settings.gateway_url, _KEY, errands))
        for error, count in usage.errors.items():
            self._errors[error] = self._errors.get(error, 0) + count

    def _day(self, moment: datetime) -> float:
        mornings = [morning.timestamp() for morning in self._mornings]
        return float(np.interp(moment.timestamp(), mornings, np.arange(len(mornings))))

    def _report(self) -> MonthReport:
        with Session(self.engine) as session:
            answered = session.execute(
                text(
                    "SELECT o.version, uuid_extract_timestamp(a.id) FROM answers a"
                    " JOIN outputs o ON o.id = a.output_id"
                )
            )
            by_day: dict[str, list[int]] = {}
            for version, moment in answered:
                of_version = by_day.setdefault(version, [0] * self.config.days)
                of_version[max(0, bisect_right(self._mornings, moment) - 1)] += 1
            stories = [self._story(session, version) for version in self._came]
            rows = session.execute(
                select(Decision, Variant.name)
                .join(Variant, Variant.experiment_id == Decision.experiment_id)
                .where(Variant.is_baseline.is_(False), Variant.name.in_(self._came))
                .order_by(Decision.created_at, Decision.id)
            )
            acts = [
                Act(
                    day=self._day(row.created_at),
                    challenger=self._came[version].name,
                    action=row.action,
                    requested_by=row.requested_by,
                    reason=render([*row.reasons, *(row.failure or [])]),
                    outcome=row.outcome,
                )
                for row, version in rows
            ]
        return MonthReport(
            days=self.config.days,
            seconds_a_day=self.config.seconds_a_day,
            people=self.config.days * self.config.people_a_day,
            answered=dict(sorted(by_day.items())),
            errors=self._errors,
            stories=stories,
            acts=acts,
        )

    def _story(self, session: Session, version: str) -> Story:
        row = session.scalars(
            select(Experiment)
            .join(Variant, Variant.experiment_id == Experiment.id)
            .where(Variant.name == version, Variant.is_baseline.is_(False))
        ).one()
        challenger = self._came[version]
        return Story(
            version=version,
            name=challenger.name,
            quality=challenger.quality,
            status=row.status,
            began=self._day(row.started_at or row.created_at),
            ended=self._day(row.ended_at) if row.ended_at else None,
            seconds_to_trip=self._tripped(session, row),
            win_rates=[
                WinRate(day=self._day(point.at), win_rate=point.value, low=point.low, high=point.high)
                for point in evidence.win_rates_over_time(session, row.id)
            ],
        )

    def _tripped(self, session: Session, row: Experiment) -> float | None:
        """Seconds to the pause, from the first of the failures that tripped a breaker: those of the ten
        seconds before it was asked for.
        """
        pause = select(Decision).where(Decision.experiment_id == row.id, Decision.action == "pause")
        found = session.scalar(pause)
        if found is None or found.done_at is None:
            return None
        failed = session.scalar(
            text(
                "SELECT min(uuid_extract_timestamp(id)) FROM answers WHERE experiment_id = :id AND fell_back"
                " AND uuid_extract_timestamp(id) > :since"
            ),
            {"id": row.id, "since": found.created_at - timedelta(seconds=10)},
        )
        return (found.done_at - failed).total_seconds() if failed else None


def live(config: MonthConfig) -> None:
    """The month, in a process whose environment names the running stack."""
    settings = Settings()
    assert settings.database_url is not None
    engine = database.engine_of(settings)
    identities.bootstrap(engine, _KEY, settings.organisation)
    for what, argument in ((serve, settings), (deployments.listen, settings.database_url)):
        threading.Thread(target=what, args=(argument,), daemon=True).start()
    report = Month(config, settings, engine).run()
    page = report.write(settings.artifacts / "month")
    for story in report.stories:
        became = story.became
        if story.seconds_to_trip is not None:
            became += f", {story.seconds_to_trip:.1f} s after its failures began"
        print(f"{story.name:8} ({story.version}): {became}")
    print(f"The page: {page}, and report.json beside it.")
    engine.dispose()


def main(config: MonthConfig, arguments: Sequence[str]) -> int:
    """Start the stack, live in a child that gets its addresses, stop the stack; the child's exit code."""
    state = Settings().state / "month"
    shutil.rmtree(state, ignore_errors=True)
    wanted = Settings(state=state, database_url=None, redis_url=None, mlflow_uri=None)
    with (
        local.servers(local.with_free_ports(wanted)) as settings,
        local.running(settings, "gateway", "prefect") as processes,
    ):
        processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
        processes["prefect"].wait_until_ready(f"http://127.0.0.1:{settings.prefect_port}/api/health", 120)
        command = [sys.executable, "-m", "simulation.month", *arguments, "--live"]
        quiet = {"PREFECT_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}
        env = {**environment(settings), **quiet}
        return subprocess.run(command, env=env, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    *words, last = sys.argv[1:] or [""]
    if last == "--live":
        live(configs.from_command_line(MonthConfig, words))
    else:
        raise SystemExit(main(configs.from_command_line(MonthConfig, sys.argv[1:]), sys.argv[1:]))
