"""What experiments use is gathered apart from decisions. A judge itself is tested in test_judging.py."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prefect.logging import disable_run_logger
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.tables import Experiment, new_id
from experiments import recent_users
from experiments.plan import Plan
from pipelines import judging
from pipelines.preparation import Prepared, prepare


@pytest.fixture
def url(new_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> str:
    url = new_database()
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", url)
    return url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = database.engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[uuid.UUID, str]]:
    """The experiments whose judges were asked, and the judges; each compares five pairs."""
    asked: list[tuple[uuid.UUID, str]] = []

    def judge_some(settings: Settings, engine: Engine, experiment_id: uuid.UUID, plan: Plan) -> int:
        asked.append((experiment_id, plan.judge))
        return 5

    monkeypatch.setattr(judging, "judge_some", judge_some)
    return asked


def add(engine: Engine, status: str, plan: dict[str, Any]) -> uuid.UUID:
    id = new_id()
    with Session(engine) as session, session.begin():
        session.add(Experiment(id=id, name="t", hypothesis="", plan=plan, salt="s", status=status))
    return id


def run() -> Prepared:
    with disable_run_logger():
        return prepare.fn()


def test_judges_of_running_experiments_are_asked(engine: Engine, judged: list[tuple[uuid.UUID, str]]) -> None:
    plan = Plan(judge="a-judge").model_dump(mode="json")
    first, second = add(engine, "running", plan), add(engine, "running", {**plan, "judge": "another"})
    for status in ("draft", "paused", "shipped"):
        add(engine, status, plan)
    add(engine, "running", {"of_an_old_release": 1})
    assert run() == Prepared(10, is_measured=False), "there is no traffic"
    assert sorted(judged) == sorted([(first, "a-judge"), (second, "another")])


def test_it_does_not_wait_for_decisions_and_runs_once(
    url: str, engine: Engine, judged: list[tuple[uuid.UUID, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(engine, "running", Plan(judge="a-judge").model_dump(mode="json"))
    monkeypatch.setattr(recent_users, "refresh", lambda *_: True)
    with database.lock(url, "decide"):
        assert run() == Prepared(5, is_measured=True), "a decision may be carried out meanwhile"
    with database.lock(url, "prepare"):
        assert run() == Prepared(0, is_measured=False), "another run does it"
    assert len(judged) == 1
