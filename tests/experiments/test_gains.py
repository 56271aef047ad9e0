"""The gain of each champion over the version that is held out, from the sums of a real Postgres."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data import database
from data.records import Spec
from data.tables import ArmCount, Experiment, MetricSum, Variant, new_id
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split
from experiments import gains
from experiments.gains import HELD_OUT, PRESENT
from experiments.plan import Plan

PLAN = Plan()


@pytest.fixture
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


def create(session: Session, status: str = "holdout") -> uuid.UUID:
    row = Experiment(
        id=new_id(), name="t", hypothesis="", plan={}, salt="s", status=status, started_at=datetime.now(UTC)
    )
    session.add(row)
    session.flush()
    return row.id


def publish(session: Session, experiment_id: uuid.UUID, **versions: str) -> int:
    arms = tuple(Arm(name=name, weight=0.5, spec=Spec(version=version)) for name, version in versions.items())
    split = Split(experiment_id=experiment_id, salt="s", arms=arms, slots=(0.0, 0.1))
    champion = Spec(version=list(versions.values())[-1])
    number = routing.publish(session, Routing(champion=champion, experiments=(split,)), "a test")
    for name in versions:
        session.merge(
            Variant(
                experiment_id=experiment_id,
                name=name,
                spec_digest=arms[0].spec.digest,
                is_baseline=name == arms[0].name,
            )
        )
    session.flush()
    return number


def add_votes(
    session: Session, experiment_id: uuid.UUID, epoch: int, variant: str, users: int, ups: int
) -> None:
    """`users` have voted once, `ups` of them with a thumb up."""
    session.add(
        ArmCount(experiment_id=experiment_id, epoch=epoch, variant=variant, exposed=users, closed=users)
    )
    zero = Decimal(0)
    session.add(
        MetricSum(
            experiment_id=experiment_id, epoch=epoch, variant=variant, metric=PLAN.primary, bin=0, n=users,
            x=Decimal(ups), xx=Decimal(ups), y=zero, yy=zero, xy=zero,
        )
    )  # fmt: skip
    session.flush()


def test_each_champion_has_a_gain_over_the_version_held_out(session: Session) -> None:
    holdout = create(session)
    first = publish(session, holdout, **{HELD_OUT: "v1", PRESENT: "v2"})
    second = publish(session, holdout, **{HELD_OUT: "v1", PRESENT: "v3"})
    for epoch, variant, users, ups in (
        (first, HELD_OUT, 400, 200),
        (first, PRESENT, 400, 300),
        (second, HELD_OUT, 30, 15),
        (second, PRESENT, 40, 20),
    ):
        add_votes(session, holdout, epoch, variant, users, ups)
    stored = gains.read_holdout(session, holdout, PLAN)
    assert stored is not None
    assert (stored.held_out, stored.metric, stored.ended_at) == ("v1", PLAN.primary, None)
    assert [(gain.champion, gain.users, gain.held_out_users) for gain in stored.gains] == [
        ("v2", 400, 400),
        ("v3", 40, 30),
    ]
    effect = stored.gains[0].effect
    assert effect is not None
    assert effect.difference == pytest.approx(0.25)
    assert effect.interval.low > 0
    assert stored.gains[1].effect is None, "too few users"


def test_an_ordinary_experiment_is_no_holdout(session: Session) -> None:
    experiment = create(session, status="running")
    assert gains.read_holdout(session, experiment, PLAN) is None
    publish(session, experiment, champion="v1", challenger="v2")
    assert gains.read_holdout(session, experiment, PLAN) is None
