"""Recent traffic is summed up by a real Postgres, as if it had been an experiment."""

import asyncio
import random
import statistics
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from data import database
from data.tables import Answer, Feedback, Output, TrafficSummary, new_id
from data.traffic import answers
from experiments import history, metrics, recent_users
from experiments.plan import Plan
from tests.traffic import id_at

NOW = datetime(2026, 1, 29, 12, tzinfo=UTC)
PLAN = Plan()


@pytest.fixture(scope="module")
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    """An engine for a database of this module, with partitions for the last weeks."""
    url = new_database()
    for days_ago in (42, 21):
        asyncio.run(answers.ensure_partitions(url, (NOW - timedelta(days=days_ago)).date(), days=22))
    engine = database.engine(url)
    yield engine
    engine.dispose()


def use(
    session: Session, user: uuid.UUID, days_ago: float, up: bool | None = None, ms: float = 100.0
) -> None:
    """An answer to a user, and perhaps a thumb an hour later."""
    at = NOW - timedelta(days=days_ago)
    output = Output(
        id=id_at(at),
        organisation_id=new_id(),
        message="Fix it.",
        transform_type="soften",
        intensity=1,
        text="Please fix it.",
        facts_missing=[],
        spec_digest="0" * 32,
        version="v1",
        upstream_ms=1.0,
    )
    session.add(output)
    session.flush()
    session.add(
        Answer(
            id=id_at(at),
            output_id=output.id,
            organisation_id=output.organisation_id,
            user_id=user,
            variant="champion",
            epoch=1,
            cache="miss",
            fell_back=False,
            total_ms=ms,
        )
    )
    if up is not None:
        voted_at = at + timedelta(hours=1)
        session.add(
            Feedback(
                organisation_id=output.organisation_id,
                user_id=user,
                output_id=output.id,
                kind="thumb",
                thumb_up=up,
                variant="champion",
                epoch=1,
                created_at=voted_at,
                updated_at=voted_at,
            )
        )
    session.flush()


def test_users_enter_with_their_first_answer_and_count_their_window(session: Session) -> None:
    rng = random.Random(0)
    scores = []
    for number in range(60):
        user, entered = new_id(), 27.5 - number % 20
        use(session, user, entered, ms=rng.uniform(50, 500))
        if number % 3:
            up = rng.random() < 0.7
            use(session, user, entered - 1, up)
            scores.append(float(up))
        use(session, user, entered - 5, up=False)  # after the window
    still_open = new_id()
    use(session, still_open, 1.0, up=True)
    use(session, new_id(), 40.0)  # before the time
    result = recent_users.measure(session, PLAN, metrics.load(), NOW)
    assert result is not None
    assert sum(result.arrivals) == 61
    assert result.arrivals == (3,) * 20 + (0,) * 7 + (1,)
    assert result.users == 60
    satisfaction = result.metrics["satisfaction"]
    assert satisfaction.mean == pytest.approx(statistics.mean(scores))
    assert satisfaction.spread == pytest.approx(4 * statistics.variance(scores)), "nobody has a past"
    assert satisfaction.with_value == pytest.approx(40 / 60)
    complained = [1 - score for score in scores] + [0.0] * 20
    assert result.metrics["complained"].spread == pytest.approx(4 * statistics.variance(complained))
    assert result.metrics["failed"].mean == 0
    assert result.metrics["failed"].spread is None
    assert result.metrics["latency_p95"].spread is not None
    # The information is that of so many users: five complaints and five others are enough.
    assert result.metrics["complained"].information == pytest.approx(sum(complained) / 5 / 60)
    assert result.metrics["failed"].information == 0
    assert result.metrics["complained"].effective_users is None
    # 40 users have two misses in the window, and 20 have one.
    effective = (20 + 2 * 40) ** 2 / (20 + 4 * 40)
    assert result.metrics["failed"].effective_users == pytest.approx(effective / 60)
    assert result.metrics["latency_p95"].information == pytest.approx(0.05 * effective / 5 / 60)


def test_the_past_of_users_narrows_the_spread(session: Session) -> None:
    with_past, scores = [], []
    for number in range(80):
        user, likes = new_id(), number % 2 == 0
        with_past.append(user)
        # A week before the time of the traffic and after its start, the same vote.
        use(session, user, 32.0, up=likes)
        use(session, user, 20.0, up=likes if number % 8 else not likes)
        scores.append(float(likes if number % 8 else not likes))
    result = recent_users.measure(session, PLAN, metrics.load(), NOW)
    assert result is not None
    without_cuped = 4 * statistics.variance(scores)
    spread = result.metrics["satisfaction"].spread
    assert spread is not None
    assert 0 < spread < 0.7 * without_cuped


def test_a_sample_of_users_is_measured(session: Session) -> None:
    for number in range(30):
        use(session, new_id(), 10.0, up=number % 2 == 0)
    result = recent_users.measure(session, PLAN, metrics.load(), NOW, most_users=12)
    assert result is not None
    assert (result.users, sum(result.arrivals)) == (12, 30)


def test_one_summary_is_kept_for_a_day(session: Session) -> None:
    assert not recent_users.refresh(session, PLAN, metrics.load(), NOW), "there is no traffic"
    assert history.read(session) is None
    use(session, new_id(), 10.0, up=True)
    assert recent_users.refresh(session, PLAN, metrics.load(), NOW)
    assert not recent_users.refresh(session, PLAN, metrics.load(), NOW + timedelta(hours=23))
    stored = history.read(session)
    assert stored is not None
    assert (stored.measured_at, stored.users) == (NOW, 1)
    assert recent_users.refresh(session, PLAN, metrics.load(), NOW + timedelta(hours=24))
    assert session.scalar(select(func.count()).select_from(TrafficSummary)) == 1
