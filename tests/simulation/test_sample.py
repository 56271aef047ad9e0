"""The sample: its rows are those of the real system, and several processes use it at the same time."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, delete, func, select, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.records import TransformType
from data.tables import (
    Analysis,
    Answer,
    ArmCount,
    CountedVoter,
    Epoch,
    Experiment,
    ExperimentUnit,
    Exposure,
    Feedback,
    MetricSum,
    OpenUnit,
    Output,
    Version,
)
from data.traffic import answers
from data.traffic.routing import Routing
from experiments import evidence, readings
from experiments.assignment import assign
from experiments.lifecycle import Action, Status
from experiments.plan import Plan
from models import rules
from pipelines.environments import write_environment
from pipelines.experiment import analyse
from simulation import sample
from simulation.sample_fill import BASELINE, CHALLENGER, fill
from simulation.sample_traffic import SampleConfig, midnight

SMALL = SampleConfig(
    people=50,
    weeks=2,
    teams=1,
    messages=52,
    messages_a_week=8,
    comparisons_share=0.4,
    shifted_weeks=1,
    experiment_week=1,
    plan=("ramp=[1.0]", "window_hours=24", "shadow_messages=0"),
)
TODAY = midnight(datetime.now(UTC))
# The last Friday before today: people write on working days, so samples of other days have other repetitions.
UNTIL = TODAY - timedelta(days=(TODAY.weekday() - 4) % 7 or 7)
# Opens the sample, and prints the number of answers.
OPENER = """
import sys
import psycopg
from simulation import sample
settings = sample.open_settings(sample.SampleConfig.model_validate_json(sys.argv[1]))
with psycopg.connect(settings.database_url) as connection:
    print(connection.execute("SELECT count(*) FROM answers").fetchone()[0])
"""
# Fills the sample in a state folder, and stops before the new database gets the name of the sample.
FILLER = """
import sys
from pathlib import Path
from datetime import datetime
from configs.settings import Settings
from simulation import sample, sample_fill
fill = sample_fill.fill
def fill_and_stop(*arguments):
    fill(*arguments)
    print("filled", flush=True)
    sys.stdin.read()
sample_fill.fill = fill_and_stop
settings = Settings(state=Path(sys.argv[1]), database_url=None)
config = sample.SampleConfig.model_validate_json(sys.argv[2])
with sample.opened_sample(settings, config, datetime.fromisoformat(sys.argv[3]), progress=False):
    pass
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def settings(state: Path) -> Iterator[Settings]:
    """A sample whose first fill was killed."""
    arguments = [str(state), SMALL.model_dump_json(), UNTIL.isoformat()]
    command = [sys.executable, "-c", FILLER, *arguments]
    folder = state / "sample" / "postgres"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as filler:
        assert filler.stdout is not None
        assert filler.stdout.readline() == "filled\n"
        assert find_databases(folder) == {"sample_filling"}
        filler.kill()
    wanted = Settings(state=state, artifacts=state / "artifacts", database_url=None)
    with sample.opened_sample(wanted, SMALL, UNTIL, progress=False) as opened:
        yield opened
    assert not (folder / "postmaster.pid").exists(), "the last process that leaves stops the server"


def find_databases(folder: Path) -> set[str]:
    """The sample's databases on the server of a folder; none while it does not answer."""
    pid_file = folder / "postmaster.pid"
    try:
        socket_folder = pid_file.read_text().splitlines()[4]
        with psycopg.connect(f"postgresql://postgres@/postgres?host={socket_folder}") as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'sample%'")
            return {name for (name,) in rows.fetchall()}
    except (OSError, IndexError, psycopg.OperationalError):
        return set()


@pytest.fixture(scope="module")
def filled(settings: Settings) -> Iterator[Engine]:
    engine = database.engine_of(settings)
    yield engine
    engine.dispose()


@pytest.fixture
def session(filled: Engine) -> Iterator[Session]:
    with Session(filled) as session:
        yield session


def read_experiment(session: Session) -> Experiment:
    return session.scalars(select(Experiment)).one()


# --- opening it ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_fill_that_was_killed_starts_again(settings: Settings, filled: Engine) -> None:
    assert find_databases(settings.state / "postgres") == {"sample"}
    with Session(filled) as session:
        assert session.scalar(select(func.count()).select_from(Answer))


@pytest.mark.slow
def test_another_process_uses_the_server_and_leaves_it_running(
    settings: Settings, session: Session, state: Path
) -> None:
    """It also says that the installation whose settings lie in the state folder has stopped."""
    gone = f"postgresql://postgres@/tonebridge?host={state / 'gone'}"
    stopped = settings.model_copy(update={"state": state, "database_url": gone, "redis_url": ""})
    write_environment(stopped)
    result = subprocess.run(
        [sys.executable, "-c", OPENER, SMALL.model_dump_json()],
        env={**os.environ, "TONEBRIDGE_STATE": str(state)},
        capture_output=True,
        text=True,
        check=True,
    )
    sentence, count = result.stdout.splitlines()
    assert "has stopped (`make up` starts it)" in sentence
    assert "the sample" in sentence
    assert int(count) == session.scalar(select(func.count()).select_from(Answer))
    assert session.scalar(text("SELECT 1")) == 1


def test_a_running_installation_comes_before_the_sample(
    local: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_environment(local.model_copy(update={"state": tmp_path}))
    monkeypatch.setenv("TONEBRIDGE_STATE", str(tmp_path))
    opened = sample.open_settings(SMALL)
    assert opened.database_url == local.database_url
    assert opened.secret("receipt_secret") == local.secret("receipt_secret")
    assert "running installation" in capsys.readouterr().out
    assert not (tmp_path / "sample").exists()


def test_a_named_database_comes_first_and_has_to_answer(
    local: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_environment(local.model_copy(update={"state": tmp_path}))
    monkeypatch.setenv("TONEBRIDGE_STATE", str(tmp_path))
    named = database.replace_database(str(local.database_url), "postgres")
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", named)
    assert sample.open_settings(SMALL).database_url == named
    assert "TONEBRIDGE_DATABASE_URL" in capsys.readouterr().out
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", f"postgresql://postgres@/x?host={tmp_path}")
    with pytest.raises(sample.NoInstallationError, match="unset the variable"):
        sample.open_settings(SMALL)


# --- its rows ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_config_and_end_give_the_same_rows(
    settings: Settings, filled: Engine, new_database: Callable[..., str]
) -> None:
    again = settings.model_copy(update={"database_url": new_database()})
    fill(again, SMALL, UNTIL, progress=False)
    engine = database.engine_of(again)
    for table, columns in {
        "users": "id, external_id, consents_to_training, created_at",
        "outputs": "id, text, spec_digest, seed, upstream_ms, created_at",
        "answers": "id, output_id, experiment_id, variant, epoch, cache, fell_back, total_ms, locale",
        "exposures": "user_id, experiment_id, variant, epoch, answer_id, exposed_at",
        "comparisons": "id, first_output_id, second_output_id, pair_id, people, skipped_at",
        "feedback": "id, kind, thumb_up, rating, text, preferred_output_id, created_at",
        "experiments": "id, salt, status, started_at, ended_at",
        "decisions": "id, action, created_at, done_at, reasons::text",
        "releases": "id, version, created_at",
        "epochs": "number, routing::text, started_at",
        "analyses": "analysed_at, evidence::text",
    }.items():
        query = f"SELECT {columns} FROM {table} ORDER BY 1, 2"
        first, second = read_rows(filled, query), read_rows(engine, query)
        assert first == second, table
        assert first, table
    engine.dispose()


def read_rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


@pytest.mark.slow
def test_every_row_has_a_time_of_the_sample(filled: Engine) -> None:
    start = SMALL.start(UNTIL)
    for table, moment in {
        "answers": "uuid_extract_timestamp(id)",
        "outputs": "created_at",
        "feedback": "created_at",
        "comparisons": "created_at",
        "exposures": "exposed_at",
        "users": "created_at",
        "epochs": "started_at",
        "versions": "created_at",
        "releases": "created_at",
        "decisions": "done_at",
        "experiments": "started_at",
        "analyses": "analysed_at",
    }.items():
        ((first, last),) = read_rows(filled, f"SELECT min({moment}), max({moment}) FROM {table}")
        assert start <= first <= last <= UNTIL, table
    for table in ("outputs", "feedback", "comparisons"):
        is_off = "created_at - uuid_extract_timestamp(id) NOT BETWEEN interval '0' AND interval '1 ms'"
        assert not read_rows(filled, f"SELECT id FROM {table} WHERE {is_off}"), table


@pytest.mark.slow
def test_people_vote_in_every_way(session: Session) -> None:
    kinds = set(session.scalars(select(Feedback.kind)))
    assert kinds == {"thumb", "rating", "edit", "comparison", "comment"}


@pytest.mark.slow
def test_repeated_requests_are_answered_from_a_cache(session: Session) -> None:
    assert session.scalar(select(func.count()).where(Answer.cache != "miss"))
    outputs = select(func.count(Answer.output_id.distinct()))
    answered, made = (session.scalar(query) for query in (outputs, outputs.where(Answer.cache == "miss")))
    assert answered == made


@pytest.mark.slow
def test_several_people_vote_on_one_output(session: Session) -> None:
    voters = select(func.count(Feedback.user_id.distinct()).label("people")).group_by(Feedback.output_id)
    assert session.scalar(select(func.max(voters.subquery().c.people))) > 1
    ((pairs,),) = session.execute(
        text("SELECT count(*) FROM (SELECT FROM comparisons GROUP BY pair_id HAVING count(*) > 1) AS shared")
    )
    assert pairs


@pytest.mark.slow
def test_rewrites_are_those_of_the_versions(session: Session) -> None:
    outputs = session.scalars(select(Output).where(Output.version == BASELINE)).all()
    for output in outputs:
        assert output.text == rules.rewrite(
            output.message, TransformType(output.transform_type), output.intensity
        )
    edited = session.scalars(select(Output).where(Output.version == CHALLENGER)).all()
    assert any(output.text != output.message for output in edited)
    for output in edited:
        assert (output.text == output.message) == (output.unchanged is not None)
    stored = session.scalars(select(Version).order_by(Version.name)).all()
    assert [version.name for version in stored] == [BASELINE, CHALLENGER]


@pytest.mark.slow
def test_the_gateways_assignment_gives_the_arms(session: Session) -> None:
    row = read_experiment(session)
    routings = {
        epoch.number: Routing.model_validate(epoch.routing) for epoch in session.scalars(select(Epoch))
    }
    exposures = session.scalars(select(Exposure)).all()
    assert {exposure.variant for exposure in exposures} == {BASELINE, CHALLENGER}
    for exposure in exposures:
        split = routings[exposure.epoch].split(row.id)
        assert split is not None
        arms = [(arm.name, arm.weight) for arm in split.arms]
        assert exposure.variant == assign(row.salt, exposure.user_id, arms)
        own = select(Answer.id).where(Answer.user_id == exposure.user_id, Answer.experiment_id == row.id)
        assert session.scalar(own.order_by(Answer.id).limit(1)) == exposure.answer_id
    assert row.started_at is not None
    before = select(Answer.variant).where(Answer.id < answers.floor(row.started_at)).distinct()
    assert session.scalars(before).all() == ["champion"]


# --- its experiment ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_fresh_analysis_of_all_rows_gives_the_stored_evidence(session: Session) -> None:
    """The daily analyses add up to one analysis of everything."""
    row, newest = read_experiment(session), session.scalars(select(Analysis)).all()[-1]
    assert len(session.scalars(select(Analysis)).all()) > 3
    for table in (ExperimentUnit, OpenUnit, ArmCount, MetricSum, CountedVoter):
        session.execute(delete(table).where(table.experiment_id == row.id))
    row.seen_until = 0
    session.flush()
    plan = Plan.model_validate(row.plan)
    fresh = analyse(session, row.id, plan, "first", newest.analysed_at)
    stored = evidence.read_newest(session, row.id)
    assert stored is not None
    assert fresh == stored.evidence


@pytest.mark.slow
def test_the_page_of_the_experiment_can_be_read(session: Session) -> None:
    row = read_experiment(session)
    page = readings.read_experiment_page(session, row.id)
    assert page.evidence is not None
    assert page.baseline is not None
    assert (page.baseline.name, page.challenger.name) == (BASELINE, CHALLENGER)
    assert [line.action for line in page.audit][-1] == "start"
    if row.status == Status.RUNNING:
        assert page.evidence.decision.action == Action.KEEP_RUNNING
    else:
        assert page.audit[0].action == page.evidence.decision.action


def test_without_an_installation_the_settings_name_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TONEBRIDGE_STATE", str(tmp_path))
    settings = sample.find_settings()
    assert settings.database_url is None
    assert settings.state == tmp_path
    assert not list(tmp_path.iterdir()), "no sample is made"
    assert "No installation runs" in capsys.readouterr().out
