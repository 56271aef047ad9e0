"""What the flows do with a version that was trained on somebody who was erased since."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import orders
from data.records import Spec
from data.tables import (
    Decision,
    Erasure,
    Experiment,
    Feedback,
    Organisation,
    Output,
    Snapshot,
    StoredSpec,
    User,
    Variant,
    Version,
    VersionOrder,
    new_id,
)
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split
from experiments import plan as plans
from pipelines.collect import count_new_votes
from pipelines.experiment import _find_new_challenger, _withdraw_erased
from pipelines.promote import make_champion


@pytest.fixture
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    """A database of the test's own: an open order concerns whole installations."""
    engine = database.engine(new_database())
    yield engine
    engine.dispose()


@pytest.fixture
def tenant(engine: Engine) -> uuid.UUID:
    with Session(engine, expire_on_commit=False) as session, session.begin():
        row = Organisation(name="a tenant")
        session.add(row)
        session.flush()
        for name in ("v1", "v2"):
            session.add(Version(name=name, run_id=name, method="sft", metrics={}, accepted=True, reasons=[]))
    return row.id


def order(engine: Engine, tenant: uuid.UUID, version: str) -> None:
    with Session(engine) as session, session.begin():
        erasure = Erasure(organisation_id=tenant, user_id=new_id(), counts={})
        session.add(erasure)
        session.flush()
        orders.issue(session, erasure.id, [version])


def publish(engine: Engine, new: Routing) -> None:
    with Session(engine) as session, session.begin():
        routing.publish(session, new, "a test")


def test_an_open_order_makes_all_votes_new_until_a_training_has_succeeded(
    engine: Engine, tenant: uuid.UUID
) -> None:
    with Session(engine) as session, session.begin():
        session.add(User(id=tenant, organisation_id=tenant))
        output = Output(
            id=new_id(),
            organisation_id=tenant,
            message="Fix it.",
            transform_type="soften",
            intensity=1,
            text="Could you fix it?",
            facts_missing=[],
            spec_digest="0" * 32,
            version="v1",
            upstream_ms=1.0,
        )
        session.add(output)
        session.flush()
        session.add(
            Feedback(organisation_id=tenant, user_id=tenant, output_id=output.id, kind="thumb", thumb_up=True)
        )
        session.add(
            Snapshot(
                digest="s",
                path="",
                counts={},
                high_water=2**40,
                trained_at=datetime.now(UTC) - timedelta(hours=1),
                accepted=True,
                reasons=[],
                quality=None,
            )
        )
    publish(engine, Routing(champion=Spec(version="v1")))
    assert count_new_votes(engine, tenant) == 0, "all of it was trained on"
    order(engine, tenant, "v2")
    assert count_new_votes(engine, tenant) == 0, "what is retired asks for no training"
    order(engine, tenant, "v1")
    assert count_new_votes(engine, tenant) == 1
    with Session(engine) as session, session.begin():
        session.get_one(Snapshot, "s").trained_at = datetime.now(UTC)
    assert count_new_votes(engine, tenant) == 0


def test_a_version_with_an_order_does_not_become_champion(
    engine: Engine, tenant: uuid.UUID, local: Settings
) -> None:
    order(engine, tenant, "v2")
    publish(engine, Routing(champion=Spec(version="v1")))
    with pytest.raises(orders.OrderedError, match="v2 was trained on data of a person who asked"):
        make_champion.fn(local, engine, Spec(version="v2"), "a test")
    with Session(engine) as session:
        live = routing.current(session)
    assert live is not None
    assert (live.number, live.routing.champion.version) == (1, "v1")


def test_an_experiment_of_a_challenger_with_an_order_is_stopped(engine: Engine, tenant: uuid.UUID) -> None:
    champion, challenger = Spec(version="v1"), Spec(version="v2")
    publish(engine, Routing(champion=champion))
    assert _find_new_challenger(engine, plans.load()) == "v2"
    experiment = new_id()
    with Session(engine) as session, session.begin():
        session.add(Experiment(id=experiment, name="x", hypothesis="", plan={}, salt="s", status="running"))
        session.merge(StoredSpec(digest=challenger.digest, spec={}))
        session.flush()
        for spec in (champion, challenger):
            session.add(
                Variant(
                    experiment_id=experiment,
                    name=spec.version,
                    spec_digest=spec.digest,
                    is_baseline=spec == champion,
                )
            )
        arms = tuple(Arm(name=spec.version, weight=0.5, spec=spec) for spec in (champion, challenger))
        split = Split(experiment_id=experiment, salt="s", arms=arms)
        routing.publish(
            session, Routing(champion=champion, challengers=(challenger,), experiments=(split,)), "a test"
        )
    order(engine, tenant, "v1")
    assert not _withdraw_erased(engine, experiment), "a challenger may replace a champion with an order"
    order(engine, tenant, "v2")
    [reason] = _withdraw_erased(engine, experiment)
    assert str(reason).startswith("v2 was trained on data of a person who asked to be forgotten")
    with Session(engine) as session, session.begin():
        assert session.get_one(Experiment, experiment).status == "stopped"
        assert session.scalars(select(Decision.action)).one() == "stop"
        assert routing.current(session) == (3, Routing(champion=champion))
        orders.retire_unused(session)
        actions = session.execute(select(VersionOrder.version, VersionOrder.action)).all()
    assert dict(map(tuple, actions)) == {"v1": "retrain", "v2": "retire"}  # type: ignore[arg-type]
    assert _find_new_challenger(engine, plans.load()) is None
