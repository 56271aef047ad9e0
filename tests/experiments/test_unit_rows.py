"""The rows of units, read by a real Postgres. `test_recount` compares their sums with the stored ones."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from experiments import unit_rows
from experiments.plan import Plan
from tests import trials
from tests.trials import START, Trial

PLAN = Plan(window_hours=1)


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    with trials.open_engine(new_database()) as engine:
        yield engine


def test_an_exposure_that_no_analysis_has_seen_is_left_out(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    assert unit_rows.read_units(session, trial.id, PLAN, START + timedelta(hours=24)) == []
    trial.expose(uuid.uuid4(), "champion", epoch)
    trial.refresh()
    trial.expose(uuid.uuid4(), "champion", epoch)
    session.commit()
    assert len(unit_rows.read_units(session, trial.id, PLAN, START + timedelta(hours=24))) == 1


def test_another_window_has_what_happened_in_it(session: Session) -> None:
    trial = Trial(session)
    epoch = trial.epoch(0.5, 0.5)
    user = uuid.uuid4()
    trial.expose(user, "champion", epoch)
    trial.vote(user, "champion", epoch, False, minute=30)
    trial.refresh()

    def read(hours: float, at: float) -> list[int | None]:
        plan = PLAN.model_copy(update={"window_hours": hours})
        units = unit_rows.read_units(session, trial.id, plan, START + timedelta(hours=at))
        return [unit.numbers["complained"].x if unit.numbers else None for unit in units]

    assert read(1, at=24) == [1]
    assert read(0.25, at=24) == [0]
    assert read(2, at=2) == [None], "a window that has just closed waits for late rows"
    assert read(2, at=2.1) == [1]
