"""The flow `prepare`: gathers what experiments use and no decision may wait for.

A judge's preferences can take minutes, and so can a summary of recent traffic. In the flow `experiment` they
would keep a person's pause waiting, because it holds the lock of decisions.
"""

from typing import NamedTuple

from prefect import flow, get_run_logger
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.tables import Experiment
from experiments import own_metrics, recent_users
from experiments import plan as plans
from experiments.lifecycle import Status
from pipelines import judging
from pipelines.run_reasons import label_failure
from serving.observability.start import watch


class Prepared(NamedTuple):
    """The number of pairs that judges have compared, and whether the traffic was measured."""

    judged: int
    is_measured: bool


@flow(name="prepare", on_failure=[label_failure])
def prepare() -> Prepared:
    """Let the judges of running experiments compare some pairs, and measure the traffic once a day. While one
    run does so, others return at once.
    """
    settings = Settings()
    watch(settings, "flows")
    engine = database.engine_of(settings)
    assert settings.database_url is not None
    try:
        with database.lock(settings.database_url, "prepare", wait=False) as may_prepare:
            if not may_prepare:
                return Prepared(0, is_measured=False)
            judged = _judge(settings, engine)
            plan = plans.load(own=own_metrics.load(settings.metrics_file))
            with Session(engine) as session, session.begin():
                is_measured = recent_users.refresh(session, plan, plan.all_metrics)
    finally:
        engine.dispose()
    if judged:
        get_run_logger().info("Judges have compared %d pairs.", judged)
    return Prepared(judged, is_measured)


def _judge(settings: Settings, engine: Engine) -> int:
    """Let each running experiment's judge compare some pairs; returns their number."""
    with Session(engine) as session:
        running = session.execute(
            select(Experiment.id, Experiment.plan).where(Experiment.status == Status.RUNNING)
        ).all()
    judged = 0
    for row in running:
        plan = plans.read(row.plan).plan
        if plan is not None:
            judged += judging.judge_some(settings, engine, row.id, plan)
    return judged
