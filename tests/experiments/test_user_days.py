"""Summaries of users' days, made by a real Postgres."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from data import database
from data.tables import Answer, UserDay, new_id
from data.traffic import answers
from experiments import user_days

DAY = date(2026, 1, 5)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    url = new_database()
    asyncio.run(answers.ensure_partitions(url, DAY - timedelta(days=3), days=9))
    engine = database.engine(url)
    yield engine
    engine.dispose()


def answer(session: Session, user: uuid.UUID, moment: datetime, **fields: Any) -> None:
    row = Answer(
        id=uuid.UUID(int=answers.floor(moment).int | new_id().int & (1 << 64) - 1),
        organisation_id=uuid.UUID(int=1),
        user_id=user,
        variant="champion",
        epoch=1,
        **{"output_id": new_id(), "cache": "l1", "fell_back": False, "total_ms": 1.0, **fields},
    )
    session.add(row)
    session.flush()


def test_a_whole_day_is_summarised_once(session: Session) -> None:
    user, same = new_id(), new_id()
    answer(session, user, NOON, output_id=same)
    answer(session, user, NOON + timedelta(hours=1), output_id=same, fell_back=True)
    answer(session, user, NOON + timedelta(hours=11, minutes=59), cache="miss", total_ms=1500.0)
    answer(session, user, NOON + timedelta(hours=12), cache="miss", total_ms=90.0)  # the next day
    two_days = NOON, NOON + timedelta(days=1)
    assert user_days.summarise(session, *two_days) == [DAY]
    row = session.get_one(UserDay, (user, DAY))
    assert (row.answers, row.misses, row.fallbacks, row.repeats, row.failures) == (3, 1, 1, 1, 0)
    assert (row.service_s, row.log_ms) == (Decimal("1.5"), Decimal("7.313"))
    answer(session, user, NOON)  # late: it is missing, and the summary stays
    assert user_days.summarise(session, *two_days) == []
    assert user_days.summarise(session, NOON, NOON + timedelta(days=2)) == [DAY + timedelta(days=1)]
    days = session.execute(select(UserDay.day, UserDay.answers).where(UserDay.user_id == user)).all()
    assert sorted(days) == [(DAY, 3), (DAY + timedelta(days=1), 1)]


def test_a_day_ends_at_midnight_utc_in_every_zone(session: Session) -> None:
    tokyo = datetime.fromisoformat("2026-01-05T08:00:00+09:00")  # still the 4th in UTC
    assert user_days.summarise(session, tokyo - timedelta(days=1), tokyo) == [DAY - timedelta(days=2)]
