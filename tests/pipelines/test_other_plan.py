"""An experiment as if it had had another plan: analysed by the code of the flow, and nothing stays."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import Organisation
from experiments import evidence, page_effects, readings
from experiments.readings import ExperimentPage, NoExperimentError
from pipelines import other_plan
from pipelines.experiment import analyse
from tests.experiments.test_unit_values import OWN, PLAN, build, engine
from tests.trials import START

__all__ = ["engine"]  # the fixture of the database


@pytest.fixture
def page(engine: Engine, operator: str) -> ExperimentPage:
    """An experiment with the shipped metrics that was analysed twice."""
    with Session(engine) as session:
        trial = build(session)
        for hours in (2, 3):
            at = START + timedelta(hours=hours)
            evidence.store(session, trial.id, analyse(session, trial.id, PLAN, operator, at), at)
        session.commit()
        return readings.read_experiment_page(session, trial.id)


@pytest.fixture
def operator(engine: Engine) -> str:
    """The name of the organisation that runs the installation."""
    name = str(uuid.uuid4())
    with Session(engine) as session, session.begin():
        session.add(Organisation(name=name))
    return name


def read_all(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the tables that an analysis writes."""
    tables = (
        "experiments", "analyses", "metric_sums", "arm_counts", "units", "open_units", "counted_voters",
        "user_days",
    )  # fmt: skip
    with engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(text(f"SELECT t::text FROM {name} t"))))
            for name in tables
        }


def test_an_analysis_with_more_metrics_has_them_and_the_stored_results(
    engine: Engine, page: ExperimentPage, operator: str
) -> None:
    before = read_all(engine)
    with other_plan.analysed(engine, page, PLAN.with_own(OWN), operator, analyses=30) as session:
        changed = readings.read_experiment_page(session, page.id)
        curve = evidence.read_effects_over_time(session, page.id, "challenger", "needed_work")
        breakdowns = page_effects.compute_breakdowns(session, changed)
    assert read_all(engine) == before
    assert page.result is not None
    assert changed.result is not None
    was, now = page.result.between_users, changed.result.between_users
    assert now.primary == was.primary is not None
    assert (now.health, now.safety, now.verdict) == (was.health, was.safety, was.verdict)
    assert {name: now.metrics[name].effect for name in was.metrics} == {
        name: row.effect for name, row in was.metrics.items()
    }
    assert set(now.metrics) - set(was.metrics) == set(OWN.metrics)
    needed_work = now.metrics["needed_work"].effect
    assert needed_work is not None
    assert needed_work.interval.high < 0
    assert [point.at for point in curve] == [START + timedelta(hours=hours) for hours in (2, 3)]
    assert changed.plan is not None
    assert changed.plan.own_segments == OWN.segments
    assert {"true", "false"} == set(breakdowns["in_chat"].segments)


def test_the_newest_analysis_is_among_few(engine: Engine, page: ExperimentPage, operator: str) -> None:
    with other_plan.analysed(engine, page, PLAN.with_own(OWN), operator) as session:
        curve = evidence.read_effects_over_time(session, page.id, "challenger", "needed_work")
    assert [point.at for point in curve] == [START + timedelta(hours=3)]


def test_an_error_in_the_block_leaves_nothing(engine: Engine, page: ExperimentPage, operator: str) -> None:
    before = read_all(engine)
    with (
        pytest.raises(DBAPIError, match="division by zero"),
        other_plan.analysed(engine, page, PLAN.with_own(OWN), operator) as session,
    ):
        session.execute(text("SELECT 1 / 0"))
    assert read_all(engine) == before


def test_trying_metrics_gives_the_result_and_the_pages(
    engine: Engine, page: ExperimentPage, operator: str
) -> None:
    before = read_all(engine)
    settings = Settings(_env_file=None, organisation=operator)
    trial = other_plan.try_metrics(engine, settings, page, OWN)
    assert read_all(engine) == before
    assert trial.result.metrics["needed_work"].effect is not None
    assert "in_chat" in trial.breakdowns
    assert set(trial.pages) == set(OWN.metrics)
    assert "answers that needed work; lower is better" in trial.pages["needed_work"]
    assert "One user counts for at most 2." in trial.pages["requests_a_user"]


def test_the_newest_experiment_to_look_at_is_no_sample_and_has_compared_its_arms(
    engine: Engine, page: ExperimentPage
) -> None:
    with Session(engine) as session:
        newest = build(session)  # is not analysed
        assert readings.list_experiments(session)[0].id == newest.id
        assert readings.read_newest_page(session).id == page.id
        session.execute(text("UPDATE experiments SET is_sample = true"))
        with pytest.raises(NoExperimentError, match="has compared its arms yet; wait until"):
            readings.read_newest_page(session)
