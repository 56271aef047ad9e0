"""The messages of each week: different ones, of one organisation, by trait."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data.snapshots import drift, weekly_messages
from data.tables import Organisation
from data.traffic.participation import WEEK
from tests.traffic import Traffic

NOW = datetime.now(UTC)


@pytest.fixture
def session(engine: Engine, organisation_id: uuid.UUID) -> Iterator[Session]:
    """Messages of this week and of the one before. Nothing is committed."""
    with Session(engine) as session:
        traffic = Traffic(session, organisation_id)
        now, before = NOW - timedelta(hours=1), NOW - WEEK - timedelta(hours=1)
        for message in ("Fix it.", "Fix it.", "x" * 100, "直して"):
            traffic.add_output(now, message)
        traffic.add_output(now, "Fix it.", "clarify")
        traffic.add_output(now, "Simulated.", version="sample-1")
        traffic.add_output(before, "Überlang " * 200)
        neighbour = Organisation(name=str(uuid.uuid4()))
        session.add(neighbour)
        session.flush()
        Traffic(session, neighbour.id).add_output(now, "Of another organisation, to its own people.")
        yield session


def test_different_messages_are_counted_by_week_and_trait(
    session: Session, organisation_id: uuid.UUID
) -> None:
    messages = weekly_messages.count_messages(session, organisation_id, NOW)
    assert messages.ends[-2:] == [NOW - WEEK, NOW]
    assert len(messages.ends) == weekly_messages.WEEKS + drift.BEFORE
    newest = {trait: dict(weeks[-1]) for trait, weeks in messages.counts.items()}
    assert newest == {
        "transform type": {"soften": 3, "clarify": 1},
        "intensity": {"1": 4},
        "length": {"1–40": 3, "81–160": 1},
        "script": {"ASCII only": 3, "kana or kanji": 1},
    }
    assert dict(messages.counts["script"][-2]) == {"other letters": 1}
    assert {week.level for weeks in messages.measure_drift().values() for week in weeks} == {None}, "too few"


def test_shares_are_in_the_order_of_the_lengths(session: Session, organisation_id: uuid.UUID) -> None:
    shares = weekly_messages.count_messages(session, organisation_id, NOW).compute_shares()
    assert shares["length"] == [("1–40", 0.75, 0.0), ("81–160", 0.25, 0.0), ("over 1,280", 0.0, 1.0)]
    assert [name for name, _, _ in shares["transform type"]] == ["soften", "clarify"]
