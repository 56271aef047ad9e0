"""Only the time in which an experiment let users in counts."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from data import database
from data.tables import Epoch, Experiment
from experiments import running
from experiments.running import find_periods

START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@pytest.mark.parametrize(
    ("ended", "changes", "until", "days"),
    [
        (None, [], 3, 3),
        (None, [(0, 0.01), (1, 0.05), (2, 0.1)], 3, 3),  # the steps of a ramp
        (None, [(0, 1.0), (2, 0.0)], 11, 2),  # paused for nine days
        (None, [(0, 1.0), (2, 0.0), (11, 1.0)], 13, 4),
        (None, [(0, 1.0), (2, 0.0), (11, 1.0)], 5, 2),  # a moment within the pause
        (None, [(0, 1.0), (2, 0.0), (11, 1.0)], 1, 1),  # and one before it
        (None, [(0, 1.0), (2, 0.0), (4, 0.0), (6, 0.5), (7, 1.0), (8, 0.0)], 20, 4),  # a drop within a pause
        (5, [(0, 1.0), (2, 0.0), (3, 1.0)], 9, 4),  # ended
        (9, [(0, 1.0), (2, 0.0)], 12, 2),  # ended while it was paused
        (None, [(0, 1.0)], -1, 0),
    ],
)
def test_pauses_do_not_count(
    ended: float | None, changes: Sequence[tuple[float, float]], until: float, days: float
) -> None:
    periods = find_periods(
        START, None if ended is None else day(ended), [(day(at), share) for at, share in changes]
    )
    assert periods.lasted(day(until)) == timedelta(days=days)


def test_the_periods_are_read_from_the_epochs_of_each_experiment(session: Session) -> None:
    """Two experiments: one is paused, and the pause of the other changes nothing about it."""
    ids = [uuid.uuid4(), uuid.uuid4()]
    for number, experiment_id in enumerate(ids):
        name = f"experiment {number}"
        session.add(
            Experiment(id=experiment_id, name=name, hypothesis="", plan={}, salt="", started_at=START)
        )
    draft = uuid.uuid4()
    session.add(Experiment(id=draft, name="a draft", hypothesis="", plan={}, salt=""))
    shares = [((1.0, 1), (1.0, 1)), ((0.0, 2), (1.0, 1)), ((0.0, 2), (0.0, 3)), ((1.0, 4), (0.0, 3))]
    for place, splits in enumerate(shares):
        routing = [
            {"experiment_id": str(experiment_id), "epoch": epoch, "ramp": share}
            for experiment_id, (share, epoch) in zip(ids, splits, strict=True)
        ]
        session.add(
            Epoch(number=place + 1, routing={"experiments": routing}, reasons=[], started_at=day(2 * place))
        )
    session.flush()
    periods = running.read_each(session, [*ids, draft])
    assert {key: value.lasted(day(8)).days for key, value in periods.items()} == {ids[0]: 4, ids[1]: 4}
    assert [periods[key].periods for key in ids] == [
        ((day(0), day(2)), (day(6), None)),
        ((day(0), day(4)),),
    ]
    session.execute(update(Experiment).where(Experiment.id == ids[0]).values(ended_at=day(7)))
    assert running.read(session, ids[0]).periods[-1] == (day(6), day(7))
    with pytest.raises(KeyError):
        running.read(session, draft)
