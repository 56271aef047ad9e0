"""The sample: stored once, only where there is nothing, and taken into account nowhere."""

import re
import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database, reasons
from data.people import identities
from data.reasons import catalogue
from data.tables import Experiment, Organisation
from experiments import evidence, metrics, page_effects, plan, readings, stored_sums
from experiments.effects import Effect
from pipelines import carry_out, sample_experiment, tracking


@pytest.fixture
def engine(new_database: Callable[..., str]) -> Iterator[Engine]:
    """A new installation, with the organisation that runs it."""
    engine = database.engine(new_database())
    identities.bootstrap(engine, None, "first")
    yield engine
    engine.dispose()


def stored(engine: Engine) -> readings.ExperimentPage:
    with Session(engine) as session:
        return readings.read_experiment_page(session, session.scalars(select(Experiment.id)).one())


def numbers_of(effect: Effect) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d[\d.]*(?:e[+-]?\d+)?", effect.model_dump_json())]


def test_it_is_stored_once_and_shows_everything(engine: Engine) -> None:
    assert sample_experiment.store(engine, "first")
    assert not sample_experiment.store(engine, "first")
    one = stored(engine)
    assert one.is_sample
    assert one.started_at is not None
    assert one.ended_at is not None
    assert one.evidence is not None
    assert one.evidence.decision.action == "ship"
    assert one.evidence.decision.reasons[0].code == "people_prefer_challenger"
    codes = [[why.code for why in row.reasons] for row in one.audit]
    assert codes[-1] == ["passed_gate"], "the oldest decision started it"
    assert not [code for of_row in codes for code in of_row if code not in catalogue()["reasons"]]
    assert reasons.WRITTEN not in [code for of_row in codes for code in of_row], "all are recognised"
    with Session(engine) as session:
        own = session.scalars(select(Organisation.id)).one()
        assert len(evidence.read_effects_over_time(session, one.id, "sample-2")) > 1
        assert page_effects.read_totals(session, one.id, metrics.load()).keys() >= {
            ("satisfaction", arm.name) for arm in one.arms
        }
        ways = page_effects.compute_effects_by_way(session, one, "regenerated")
        database.read_for(session, own)
        sides = readings.read_side_by_side(session, one)
    assert ways["as decided"] is not None
    assert ways["without cap"] is not None
    effect = one.evidence.leading.between_users.metrics["regenerated"].effect
    # The last digits depend on the processor.
    assert numbers_of(effect) == pytest.approx(numbers_of(ways["as decided"]))
    assert len(sides) > 2
    assert all(side.baseline != side.challenger for side in sides)
    newer = {"cost", "vote_hours"}  # metrics that did not exist when the sample ended
    assert set(one.evidence.leading.between_users.metrics) | {"satisfaction"} | newer == set(
        metrics.load()
    ), "export the sample again"


def test_nothing_takes_it_into_account(engine: Engine) -> None:
    assert sample_experiment.store(engine, "first")
    with Session(engine) as session:
        planned = carry_out._limit_ship_alpha(session, plan.load())
        assert readings.read_past(session).metrics == {}
        session.scalars(select(Experiment)).one().is_sample = False
        session.flush()
        assert carry_out._limit_ship_alpha(session, plan.load()) != planned, "it would spend alpha"
        past = readings.read_past(session).metrics
        assert past["satisfaction"].spread is not None
        id = session.scalars(select(Experiment.id)).one()
        id = session.scalars(select(Experiment.id)).one()
        pooled, closed = stored_sums.read_pooled(session, id, {"regenerated": metrics.load()["regenerated"]})
        value, regenerated = pooled["regenerated"], past["regenerated"]
        assert value.users == closed
        assert regenerated.with_value == 1
        assert value.information is not None
        assert value.effective_users is not None
        assert regenerated.information == pytest.approx(value.information / value.users)
        assert regenerated.effective_users == pytest.approx(value.effective_users / value.users)
        assert 0 < regenerated.effective_users < 1, "some write more than others"
        with pytest.raises(ValueError, match="latency_p50, latency_p95 cannot be pooled"):
            stored_sums.read_pooled(session, id, metrics.load())
        session.rollback()
    nowhere = Settings(database_url=engine.url.render_as_string(hide_password=False), mlflow_uri=None)
    assert list(tracking.write_ended(nowhere, engine)) == [], "it would ask for MLflow, which is not set"


def test_no_sample_beside_an_experiment(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        session.add(Experiment(id=uuid.uuid4(), name="ours", hypothesis="", plan={}, salt=""))
    assert not sample_experiment.store(engine, "first")
