"""Answers of recent days are counted by a real Postgres."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data import database
from data.tables import new_id
from data.traffic import volume
from data.traffic.volume import Volume
from tests.traffic import Traffic

NOW = datetime(2026, 1, 29, 12, tzinfo=UTC)


@pytest.fixture
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    """An engine for a database of this test."""
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


def test_answers_of_the_last_weeks_are_counted_and_scaled_to_a_month(engine: Engine) -> None:
    with Session(engine) as session:
        traffic = Traffic(session, new_id())
        for days_ago, cache in ((29, "miss"), (10, "miss"), (9, "l1"), (2, "l2"), (1, "miss"), (-0.1, "l1")):
            traffic.answer(NOW - timedelta(days=days_ago), new_id(), new_id(), cache)
        counted = volume.read(session, NOW)
        assert counted == Volume(answers=4, hits=2, days=10)
        assert (counted.hit_rate, counted.answers_a_month, counted.outputs_a_month) == (0.5, 12, 6)
        assert counted.outputs_a_day == pytest.approx(0.2)
        assert volume.read(session, NOW, days=5) == Volume(answers=2, hits=1, days=2)


def test_an_hour_of_traffic_is_not_taken_for_that_of_all_hours(engine: Engine) -> None:
    with Session(engine) as session:
        assert volume.read(session, NOW) == Volume(answers=0, hits=0, days=1)
        assert volume.read(session, NOW).hit_rate == 0
        traffic = Traffic(session, new_id())
        for minutes in range(10):
            traffic.answer(NOW - timedelta(minutes=minutes), new_id(), new_id())
        assert volume.read(session, NOW).outputs_a_month == 300 - 30  # the newest is not before now
