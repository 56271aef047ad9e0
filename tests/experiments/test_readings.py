"""What the pages on experiments read, as far as their own tests do not show it."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data import database
from data.tables import Experiment
from experiments import evidence, readings
from experiments.plan import Plan
from experiments.readings import NoExperimentError
from tests.experiments.test_evidence import build_evidence
from tests.trials import Trial


@pytest.fixture
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


def add(session: Session, users: int, **fields: object) -> uuid.UUID:
    trial = Trial(session)
    trial.epoch(0.5, 0.5)
    row = session.get_one(Experiment, trial.id)
    for name, value in {"plan": Plan().model_dump(mode="json"), **fields}.items():
        setattr(row, name, value)
    row.started_at = row.created_at = datetime.now(UTC) - timedelta(
        days=10 - len(readings.list_experiments(session))
    )
    evidence.store(session, trial.id, build_evidence(users=users))
    return trial.id


def test_the_newest_experiment_is_the_last_one_that_has_compared_its_arms(session: Session) -> None:
    with pytest.raises(NoExperimentError, match="no experiment of this installation has compared its arms"):
        readings.read_newest_page(session)
    add(session, 400, is_sample=True)
    add(session, 0)
    with pytest.raises(NoExperimentError):
        readings.read_newest_page(session)
    add(session, 400)
    newest = add(session, 400)
    add(session, 0)
    add(session, 400, is_sample=True)
    add(session, 400, plan={})
    assert readings.read_newest_page(session).id == newest
