"""Caps by percentile, from what a real Postgres has of the time before the start."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data import database
from data.tables import Experiment, UserDay, new_id
from data.traffic import answers
from experiments.caps import fix_caps
from experiments.metrics import Metric
from experiments.plan import Plan

START = datetime(2026, 2, 10, 15, tzinfo=UTC)
PLAN = Plan(window_hours=30)  # two whole days of the history
REPEATS = Metric(kind="mean", of="repeats", cap_percentile=0.9, better="lower", says="x")
SLOW = Metric(kind="ratio", of="service_s", per="answers", cap_percentile=0.9, better="lower", says="x")


@pytest.fixture
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    url = new_database()
    asyncio.run(answers.ensure_partitions(url, START.date(), days=1))
    engine = database.engine(url)
    yield engine
    engine.dispose()


def add_day(session: Session, days_ago: int, user: uuid.UUID, organisation: uuid.UUID, repeats: int) -> None:
    numbers = dict.fromkeys(("answers", "misses", "fallbacks", "failures", "service_s", "log_ms"), 0)
    day = START.date() - timedelta(days=days_ago)
    session.add(UserDay(user_id=user, day=day, organisation_id=organisation, repeats=repeats, **numbers))


def start(session: Session, **fields: Any) -> Experiment:
    row = Experiment(
        id=new_id(),
        name="t",
        hypothesis="",
        plan={},
        salt="s",
        status="running",
        started_at=START,
        **{"seen_until": 0, **fields},
    )
    session.add(row)
    session.flush()
    return row


def fix(session: Session, row: Experiment, *, is_organisation: bool = False) -> dict[str, float | None]:
    fixed = fix_caps(
        session,
        row,
        PLAN,
        {"repeats": REPEATS, "slow": SLOW},
        is_organisation=is_organisation,
        now=START + timedelta(days=1),
    )
    assert all(metric.cap_percentile is None for metric in fixed.values())
    return {name: metric.cap for name, metric in fixed.items()}


def test_the_cap_is_the_percentile_of_the_days_before_the_start(session: Session) -> None:
    organisations = [new_id() for _ in range(2)]
    for number in range(1, 101):
        user = new_id()
        add_day(session, 1, user, organisations[number % 2], number)
        add_day(session, 2, user, organisations[number % 2], number)
        add_day(session, 3, user, organisations[0], 1000)  # before the two days of a window
        add_day(session, 0, user, organisations[0], 1000)  # the day of the start
        add_day(session, 1, new_id(), organisations[0], 0)  # has none of it
    session.flush()
    row = start(session)
    assert fix(session, row) == {"repeats": 180.0, "slow": None}, "nobody waited, so there is no cap"
    assert row.caps == {"repeats": 180.0}
    add_day(session, 1, new_id(), organisations[0], 10_000)
    session.flush()
    assert fix(session, row)["repeats"] == 180.0, "it stays"
    assert fix(session, start(session), is_organisation=True)["repeats"] is None, (
        "two organisations are too few"
    )
    assert fix(session, start(session, seen_until=5))["repeats"] is None, (
        "some windows have closed without it"
    )


def test_few_users_before_the_start_set_no_cap(session: Session) -> None:
    for number in range(99):
        add_day(session, 1, new_id(), new_id(), number + 1)
    session.flush()
    assert fix(session, start(session))["repeats"] is None
