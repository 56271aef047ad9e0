"""Retention deletes what is old, and nothing else."""

import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from prefect.logging import disable_run_logger
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import Feedback, Output, ReplacedVote, UserDay, new_id
from pipelines import retention
from pipelines.retention import retain


def test_the_earlier_values_of_a_vote_leave_and_the_vote_stays(
    local: Settings, engine: Engine, organisation_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Output(
        id=new_id(),
        organisation_id=organisation_id,
        message="Fix it.",
        transform_type="soften",
        intensity=2,
        text="Could you fix it?",
        facts_missing=[],
        spec_digest="0" * 32,
        version="v1",
        upstream_ms=1.0,
    )
    vote = Feedback(
        id=new_id(),
        organisation_id=organisation_id,
        user_id=uuid.uuid4(),
        output_id=output.id,
        kind="thumb",
        thumb_up=False,
    )
    recent = datetime.now(UTC) - timedelta(days=1)
    with Session(engine, expire_on_commit=False) as session, session.begin():
        session.add(output)
        session.flush()
        session.add(vote)
        session.flush()
        for replaced_at in (recent - timedelta(days=400), recent):
            session.add(ReplacedVote(feedback_id=vote.id, replaced_at=replaced_at, thumb_up=True))
    assert local.database_url is not None
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", local.database_url)
    with disable_run_logger():
        retain.fn()
    with Session(engine) as session:
        query = select(ReplacedVote.replaced_at).where(ReplacedVote.feedback_id == vote.id)
        assert session.scalars(query).all() == [recent]
        assert session.get(Feedback, vote.id) is not None


def test_summaries_of_days_leave_after_two_months(
    local: Settings, engine: Engine, organisation_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)  # for the flow, too: it may be almost midnight
    monkeypatch.setattr(retention, "datetime", SimpleNamespace(now=lambda _: now))
    user, today = uuid.uuid4(), now.date()
    numbers = dict.fromkeys(
        ("answers", "misses", "fallbacks", "repeats", "failures", "service_s", "log_ms"), 1
    )
    with Session(engine) as session, session.begin():
        for days in (61, 60, 1):
            day = today - timedelta(days=days)
            session.add(UserDay(user_id=user, day=day, organisation_id=organisation_id, **numbers))
    assert local.database_url is not None
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", local.database_url)
    with disable_run_logger():
        retain.fn()
    with Session(engine) as session:
        kept = session.scalars(select(UserDay.day).where(UserDay.user_id == user).order_by(UserDay.day)).all()
    assert kept == [today - timedelta(days=60), today - timedelta(days=1)]
