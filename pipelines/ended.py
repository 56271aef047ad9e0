"""Writes experiments that have ended into MLflow, each as one run (`pipelines.tracking`).

It follows the decision and is no part of it: an experiment ends in Postgres, and what MLflow lacks is found
by asking both. So a run that MLflow was away for is written by a later run of the flow `experiment`.
"""

import logging
import uuid
from collections.abc import Iterator
from datetime import timedelta

from mlflow.exceptions import MlflowException
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.tables import Decision, Experiment, Look, Variant
from experiments.analysis import ComparisonResult, ExperimentResult
from pipelines import tracking
from pipelines.tracking import Ended, Point, Seen

log = logging.getLogger(__name__)

_LOOKED_BACK = timedelta(days=30)
_ENDS = ("ship", "roll_back", "inconclusive", "stop")


def write(settings: Settings, engine: Engine) -> Iterator[str]:
    """Write the experiments of the last thirty days that MLflow lacks; a sentence of each. One process at a
    time does so; a second one leaves it to the first.

    MLflow that is away is logged, and nothing else: it waits for MLflow's own retries, a minute or two.
    """
    assert settings.database_url is not None
    with Session(engine) as session:
        statuses = select(Experiment.id, Experiment.status).where(
            Experiment.ended_at > func.now() - _LOOKED_BACK,
            Experiment.plan != {},  # a holdout has none
            ~Experiment.is_sample,
        )
        ended = session.execute(statuses.order_by(Experiment.ended_at)).all()
    if not ended:
        return
    with database.lock(settings.database_url, "track", wait=False) as may_write:
        if not may_write:
            return
        try:
            there = tracking.written(settings.registry_uri)
            for experiment_id, status in ended:
                if there.get(str(experiment_id)) != status:
                    about = _about(engine, experiment_id)
                    tracking.write(settings.registry_uri, settings.state / "mlflow", about)
                    yield f"MLflow has experiment {experiment_id} ({status}) now"
        except (MlflowException, SQLAlchemyError, OSError, ValueError) as error:
            log.warning(
                "An experiment that has ended is not in MLflow yet: %s. What was decided stands. The next run"
                " of the flow tries again; if this stays, see that TONEBRIDGE_MLFLOW_URI answers.",
                error,
            )


def _about(engine: Engine, experiment_id: uuid.UUID) -> Ended:
    with Session(engine) as session:
        row = session.get_one(Experiment, experiment_id)
        variants = session.scalars(select(Variant).where(Variant.experiment_id == row.id))
        names = {variant.is_baseline: variant.name for variant in variants}
        decision = session.scalar(
            select(Decision)
            .where(Decision.experiment_id == row.id, Decision.action.in_(_ENDS), Decision.outcome == "done")
            .order_by(Decision.created_at.desc())
            .limit(1)
        )
        looks = session.execute(
            select(Look.looked_at, Look.evidence["comparison"], Look.evidence["between_users"]["primary"])
            .where(Look.experiment_id == row.id)
            .order_by(Look.looked_at)
        ).all()
        assert row.ended_at is not None, row.id
        return Ended(
            id=row.id,
            name=row.name,
            hypothesis=row.hypothesis,
            status=row.status,
            baseline=names.get(True, ""),
            challenger=names[False],
            began_at=row.started_at or row.created_at,
            ended_at=row.ended_at,
            decided_by=decision.requested_by if decision else "a promotion",
            reason=decision.reason if decision else "Another version was promoted.",
            plan=row.plan,
            seen=_last(session, row) if looks else None,
            effects=[Point(at, found["difference"], *found["interval"]) for at, _, found in looks if found],
            win_rates=[
                Point(at, compared["win_rate"], *compared["interval"])
                for at, compared, _ in looks
                if compared["win_rate"] is not None
            ],
        )


def _last(session: Session, row: Experiment) -> Seen:
    newest = select(Look.evidence).where(Look.experiment_id == row.id).order_by(Look.looked_at.desc())
    evidence = session.scalars(newest.limit(1)).one()
    return Seen(
        ComparisonResult.model_validate(evidence["comparison"]),
        ExperimentResult.model_validate(evidence["between_users"]),
        evidence,
    )
