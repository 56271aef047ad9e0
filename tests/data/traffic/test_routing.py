"""Routing: which experiments may run at the same time, and what may change while one runs."""

import uuid
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from data.records import PROTECTED, Protection, Spec, TransformType
from data.tables import new_id
from data.traffic import routing
from data.traffic.routing import Arm, Routing, Split, Target

CHAMPION = Spec(version="v1")


def arms(*weights: float, champion: str = "v1") -> tuple[Arm, ...]:
    specs = {"champion": champion, "challenger": "v2", "third": "v3"}
    return tuple(
        Arm(name=name, weight=weight, spec=Spec(version=version))
        for (name, version), weight in zip(specs.items(), weights, strict=False)
    )


def split(**changes: Any) -> Split:
    return Split(**{"experiment_id": new_id(), "salt": "s", "arms": arms(0.5, 0.5), **changes})


def test_the_samples_that_people_compare_are_masked_but_not_written_again() -> None:
    champion = Spec(version="v1", protection=PROTECTED)
    sampled = Routing(champion=champion).sampled
    assert sampled.protection == Protection(masks=True)
    assert sampled.temperature > 0
    assert {champion.digest, sampled.digest} == set(Routing(champion=champion).specs())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": arms(0.5, 0.4)}, "sum to 1"),
        ({"arms": arms(0.5, 0.5)[:1] * 2}, "two arms have the same name: champion, champion"),
        ({"slots": (0.5, 0.5)}, "from low to high"),
        ({"testers": {uuid.uuid4(): "other"}}, "testers need arms of the experiment, not other"),
    ],
)
def test_an_invalid_split_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        split(**changes)


SOFTEN = Target(transform_types=frozenset({TransformType.SOFTEN}))
CLARIFY = Target(transform_types=frozenset({TransformType.CLARIFY}))
JAPANESE, JAPAN = Target(locales=frozenset({"ja"})), Target(locales=frozenset({"ja-JP"}))


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ({"slots": (0.0, 0.5)}, {"slots": (0.5, 1.0)}, True),
        ({"slots": (0.0, 0.6)}, {"slots": (0.5, 1.0)}, False),
        ({"slots": (0.0, 0.5)}, {"slots": (0.5, 1.0), "layer": "other"}, False),
        ({"slots": (0.0, 0.5)}, {"slots": (0.5, 1.0), "unit": "organisation"}, False),
        ({"target": SOFTEN}, {"target": CLARIFY, "layer": "other"}, True),
        ({"target": SOFTEN}, {"target": JAPAN}, False),
        ({"target": JAPANESE}, {"target": JAPAN}, False),
        ({"target": JAPAN}, {"target": Target(locales=frozenset({"ja-Latn", "en"}))}, True),
    ],
)
def test_a_message_is_in_one_experiment_at_most(
    one: dict[str, Any], other: dict[str, Any], may: bool
) -> None:
    both = (split(**one), split(**other))
    if may:
        assert Routing(champion=CHAMPION, experiments=both).experiments == both
    else:
        with pytest.raises(ValidationError, match="may both cover the same message"):
            Routing(champion=CHAMPION, experiments=both)


def test_a_target_covers_what_each_of_its_fields_names() -> None:
    tenant = uuid.uuid4()
    target = Target(
        transform_types=frozenset({TransformType.SOFTEN}),
        organisations=frozenset({tenant}),
        locales=frozenset({"ja"}),
        channels=frozenset({"chat", "mail"}),
    )
    assert target.covers(tenant, TransformType.SOFTEN, "JA-jp", "mail")
    assert not target.covers(tenant, TransformType.SOFTEN, "jav", "mail"), "another language"
    assert not target.covers(tenant, TransformType.SOFTEN, None, "mail")
    assert not target.covers(tenant, TransformType.SOFTEN, "ja", None)
    assert not target.covers(tenant, TransformType.CLARIFY, "ja", "mail")
    assert not target.covers(uuid.uuid4(), TransformType.SOFTEN, "ja", "mail")
    assert Target().covers(tenant, TransformType.SOFTEN, None, None)


def test_an_experiment_has_an_epoch_of_its_own() -> None:
    first = split().follow(None, 3)
    assert (first.epoch, first.reached) == (3, 1.0)
    assert first.follow(first, 4) == first, "a change of another experiment starts no epoch of this one"
    tested = first.model_copy(update={"testers": {uuid.uuid4(): "challenger"}})
    assert tested.follow(first, 4).epoch == 3, "testers are not counted, so they start none either"
    assert first.model_copy(update={"arms": arms(0.5, 0.5, champion="v9")}).follow(first, 5).epoch == 5
    weighed = first.model_copy(update={"arms": arms(0.2, 0.8)}).follow(first, 6)
    assert (weighed.epoch, weighed.is_reweighted, first.is_reweighted) == (6, True, False)
    assert weighed.model_copy(update={"arms": first.arms}).follow(weighed, 7).is_reweighted, "for good"


def test_a_ramp_goes_up_or_pauses() -> None:
    tenth = split(slots=(0.2, 0.7), ramp=0.1).follow(None, 1)
    assert tenth.open_until == pytest.approx(0.25)
    half = tenth.model_copy(update={"ramp": 0.5}).follow(tenth, 2)
    paused = half.model_copy(update={"ramp": 0.0}).follow(half, 3)
    assert [published.epoch for published in (tenth, half, paused)] == [1, 2, 3]
    assert half.model_copy(update={"ramp": 0.5}).follow(paused, 4).reached == half.reached
    for former in (half, paused):
        with pytest.raises(ValueError, match="grows upwards"):
            tenth.follow(former, 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"salt": "another"},
        {"unit": "organisation"},
        {"layer": "another"},
        {"target": SOFTEN},
        {"arms": arms(0.5, 0.3, 0.2)},
        {"slots": (0.1, 1.0)},
    ],
)
def test_nobody_who_is_in_an_arm_is_moved(changes: dict[str, Any]) -> None:
    running = split().follow(None, 1)
    with pytest.raises(ValueError, match=r"stay|grows upwards"):
        running.model_copy(update=changes).follow(running, 2)


def test_weights_between_organisations_stay() -> None:
    running = split(unit="organisation").follow(None, 1)
    with pytest.raises(ValueError, match="between organisations stay"):
        running.model_copy(update={"arms": arms(0.4, 0.6)}).follow(running, 2)


def test_an_erased_tester_is_in_no_routing(engine: Engine) -> None:
    ann, bob = uuid.uuid4(), uuid.uuid4()
    with Session(engine) as session:
        for testers in ({ann: "champion"}, {ann: "champion", bob: "challenger"}):
            wanted = Routing(champion=CHAMPION, experiments=(split(testers=testers),))
            former = routing.publish(session, wanted, "a test")
        assert routing.forget_tester(session, ann) == 2
        live = routing.current(session)
        assert live is not None
        assert (live.number, live.routing.experiments[0].testers) == (former + 1, {bob: "challenger"})
        assert live.routing.experiments[0].epoch == former
        assert routing.forget_tester(session, ann) == 0
        session.rollback()


def test_publish_keeps_the_epochs_of_experiments_apart(engine: Engine) -> None:
    low, high = split(slots=(0.0, 0.5)), split(slots=(0.5, 1.0))
    with Session(engine) as session:
        first = routing.publish(session, Routing(champion=CHAMPION, experiments=(low,)), "a test")
        second = routing.publish(session, Routing(champion=CHAMPION, experiments=(low, high)), "a test")
        live = routing.current(session)
        assert live is not None
        assert live.number == second
        assert [split.epoch for split in live.routing.experiments] == [first, second]
        session.rollback()
