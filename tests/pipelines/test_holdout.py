"""The holdout: from promotion to promotion the same few people stay with the same old champion."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from data import database
from data.erasure import orders
from data.records import Spec
from data.tables import Erasure, Experiment, Organisation, Variant, Version, new_id
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split
from experiments.plan import Plan
from models.edits.writer import rules_digest
from pipelines import holdout

SHARE = 0.05


@pytest.fixture
def session(new_database: Callable[..., str]) -> Iterator[Session]:
    """In a database of the test's own: a routing is in force for a whole installation."""
    engine = database.engine(new_database())
    with Session(engine) as session:
        yield session
    engine.dispose()


def promote(session: Session, version: str, share: float = SHARE) -> list[Split]:
    """Make a version champion as `make_champion` does; the experiments from then on."""
    champion = Spec(version=version)
    splits = holdout.splits_after_promotion(session, champion, share)
    routing.publish(session, Routing(champion=champion, experiments=splits), "a test")
    return list(now(session).experiments)


def now(session: Session) -> Routing:
    current = routing.current(session)
    assert current is not None
    return current.routing


def order(session: Session, version: str) -> None:
    tenant = Organisation(name=str(uuid.uuid4()))
    session.add(tenant)
    session.add(Version(name=version, run_id=version, method="sft", metrics={}, accepted=True, reasons=[]))
    session.flush()
    erasure = Erasure(organisation_id=tenant.id, user_id=new_id(), counts={})
    session.add(erasure)
    session.flush()
    orders.issue(session, erasure.id, [version])


def versions(split: Split) -> dict[str, str]:
    return {arm.name: arm.spec.version for arm in split.arms}


def test_it_begins_with_the_second_champion_and_lasts(session: Session) -> None:
    assert promote(session, "v1") == []
    [second] = promote(session, "v2")
    [third] = promote(session, "v3")
    assert versions(second) == {routing.HELD_OUT: "v1", holdout.PRESENT: "v2"}
    assert versions(third) == {routing.HELD_OUT: "v1", holdout.PRESENT: "v3"}
    assert second.slots == third.slots == (0.0, 2 * SHARE)
    assert (second.experiment_id, second.salt) == (third.experiment_id, third.salt), "nobody is moved"
    assert third.epoch == second.epoch + 1, "another champion is another stratum"
    assert session.scalars(select(Experiment.status)).all() == ["holdout"]
    baseline = select(Variant.name).where(Variant.is_baseline)
    assert session.scalars(baseline).all() == [routing.HELD_OUT]


def test_going_back_to_what_is_held_out_keeps_it(session: Session) -> None:
    promote(session, "v1")
    [second] = promote(session, "v2")
    [back] = promote(session, "v1")
    assert set(versions(back).values()) == {"v1"}
    assert back.experiment_id == second.experiment_id


def test_a_share_of_nothing_is_no_holdout(session: Session) -> None:
    promote(session, "v1", share=0)
    assert promote(session, "v2", share=0) == []
    assert session.scalars(select(Experiment)).all() == []


def test_what_learned_from_somebody_who_was_erased_is_held_out_no_longer(session: Session) -> None:
    promote(session, "v1")
    [first] = promote(session, "v2")
    assert holdout.drop_if_erased(session, now(session)) == now(session)
    order(session, "v1")
    routing.publish(session, holdout.drop_if_erased(session, now(session)), "a test")
    assert now(session) == Routing(champion=Spec(version="v2"))
    assert session.scalars(select(Experiment.status)).all() == ["stopped"]
    [again] = promote(session, "v3")
    assert versions(again) == {routing.HELD_OUT: "v2", holdout.PRESENT: "v3"}
    assert again.experiment_id != first.experiment_id


def test_a_promotion_replaces_a_holdout_on_a_version_with_an_order(session: Session) -> None:
    promote(session, "v1")
    promote(session, "v2")
    order(session, "v1")
    [again] = promote(session, "v3")
    assert versions(again) == {routing.HELD_OUT: "v2", holdout.PRESENT: "v3"}
    order(session, "v2")
    order(session, "v3")
    assert promote(session, "v4") == [], "nor is a former champion with an order held out"


def test_what_promotions_have_gained_is_about_the_present_champion(session: Session) -> None:
    assert holdout.measure_gain(session, Plan()) is None
    promote(session, "v1")
    promote(session, "v2")
    gained = holdout.measure_gain(session, Plan())
    assert gained is not None
    assert (gained.baseline.variant, gained.challenger.variant) == (routing.HELD_OUT, holdout.PRESENT)
    assert (gained.primary, gained.verdict) == (None, "too few users")


def test_an_experiment_beside_it_has_the_other_users(session: Session) -> None:
    promote(session, "v1")
    [held_out] = promote(session, "v2")
    arms = tuple(Arm(name=name, weight=0.5, spec=Spec(version=name)) for name in ("v2", "v3"))
    split = Split(experiment_id=new_id(), salt="s", arms=arms, slots=(held_out.slots[1], 1.0))
    routing.publish(session, Routing(champion=Spec(version="v2"), experiments=(held_out, split)), "a test")
    everybody = split.model_copy(update={"slots": (0.0, 1.0)})
    with pytest.raises(ValueError, match="may both cover the same message"):
        Routing(champion=Spec(version="v2"), experiments=(held_out, everybody))


def edits(version: str, rules: str) -> Spec:
    return Spec(version=version, form="edits", rules=rules)


def publish(session: Session, champion: Spec) -> list[Split]:
    splits = holdout.splits_after_promotion(session, champion, SHARE)
    routing.publish(session, Routing(champion=champion, experiments=splits), "a test")
    return list(now(session).experiments)


def test_a_champion_that_is_promoted_again_with_new_rules_is_not_held_out_against_itself(
    session: Session,
) -> None:
    assert publish(session, edits("v1", "0" * 32)) == []
    assert publish(session, edits("v1", rules_digest())) == []
    [first] = publish(session, Spec(version="v2"))
    assert versions(first) == {routing.HELD_OUT: "v1", holdout.PRESENT: "v2"}


def test_one_whose_rules_are_replaced_is_no_longer_held_out(session: Session) -> None:
    former = edits("v1", rules_digest())
    publish(session, former)
    [running] = publish(session, Spec(version="v2"))
    live = now(session)
    # As if the software had been updated since.
    held_out, present = running.arms
    old = held_out.model_copy(update={"spec": edits("v1", "0" * 32)})
    split = running.model_copy(update={"arms": (old, present)})
    routing.publish(session, live.model_copy(update={"experiments": (split,)}), "a test")
    [following] = publish(session, Spec(version="v3"))
    assert versions(following) == {routing.HELD_OUT: "v2", holdout.PRESENT: "v3"}
    assert following.experiment_id != running.experiment_id
