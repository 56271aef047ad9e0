"""Answers of recent days are counted by a real Postgres."""

import asyncio
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data import database
from data.tables import Answer, new_id
from data.traffic import answers, volume
from data.traffic.volume import Volume

NOW = datetime(2026, 1, 29, 12, tzinfo=UTC)


@pytest.fixture
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    """An engine for a database of this test, with partitions for the last weeks."""
    url = new_database()
    asyncio.run(answers.ensure_partitions(url, (NOW - timedelta(days=30)).date(), days=31))
    engine = database.engine(url)
    yield engine
    engine.dispose()


def answer(session: Session, days_ago: float, cache: str) -> None:
    at = NOW - timedelta(days=days_ago)
    session.add(
        Answer(
            id=uuid.UUID(int=answers.floor(at).int | 7 << 76 | 2 << 62 | random.getrandbits(60)),
            output_id=new_id(),
            organisation_id=new_id(),
            user_id=new_id(),
            variant="champion",
            epoch=1,
            cache=cache,
            fell_back=False,
            total_ms=1.0,
        )
    )


def test_answers_of_the_last_weeks_are_counted_and_scaled_to_a_month(engine: Engine) -> None:
    with Session(engine) as session:
        for days_ago, cache in ((29, "miss"), (10, "miss"), (9, "l1"), (2, "l2"), (1, "miss"), (-0.1, "l1")):
            answer(session, days_ago, cache)
        session.flush()
        counted = volume.read(session, NOW)
        assert counted == Volume(answers=4, hits=2, days=10)
        assert (counted.hit_rate, counted.answers_a_month, counted.outputs_a_month) == (0.5, 12, 6)
        assert counted.outputs_a_day == pytest.approx(0.2)
        assert volume.read(session, NOW, days=5) == Volume(answers=2, hits=1, days=2)


def test_an_hour_of_traffic_is_not_taken_for_that_of_all_hours(engine: Engine) -> None:
    with Session(engine) as session:
        assert volume.read(session, NOW) == Volume(answers=0, hits=0, days=1)
        assert volume.read(session, NOW).hit_rate == 0
        for minutes in range(10):
            answer(session, minutes / 1440, "miss")
        session.flush()
        assert volume.read(session, NOW).outputs_a_month == 300 - 30  # the newest is not before now
