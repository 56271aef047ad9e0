"""Writes ended experiments to MLflow, each as one run: the plan, the counts of each arm, every effect, the
decision and two plots.

The decision does not depend on MLflow. An experiment ends in Postgres; afterwards the flow compares both
stores and writes the runs that are missing. So runs that could not be written while MLflow was unavailable
are written by a later run of the flow. The evidence of each analysis stays in Postgres (table `analyses`);
the runs in MLflow serve to compare experiments. The tag `experiment_id` identifies the run, so that each
experiment has exactly one.
"""

import json
import logging
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database, reasons
from data.tables import Decision, Experiment, Variant
from experiments import evidence
from experiments.analysis import ArmSummary, ChallengerResult
from experiments.effects import Effect
from experiments.evidence import Evidence, Point
from experiments.lifecycle import ENDING, Status
from models import artifacts
from pipelines import tracking_plots

log = logging.getLogger(__name__)

EXPERIMENT = "experiments"
_WRITTEN_FOR = timedelta(days=30)  # experiments that ended earlier are not written any longer
_MOST_LISTED = 1000
_LONGEST_PARAM = 6000  # MLflow's limit


class EndedExperiment(NamedTuple):
    """An ended experiment, who ended it and why. `challenger` is the shipped or leading one of all
    `challengers`; effects and win rates over time are its own. `evidence` is None when the experiment was
    never analysed.
    """

    id: uuid.UUID
    name: str
    hypothesis: str
    status: str
    baseline: str
    challenger: str
    challengers: Sequence[str]
    began_at: datetime
    ended_at: datetime
    decided_by: str
    reason: str
    plan: Mapping[str, Any]
    evidence: Evidence | None
    effects: Sequence[Point]
    win_rates: Sequence[Point]


def write_ended(settings: Settings, engine: Engine) -> Iterator[str]:
    """Write the experiments that ended in the last thirty days and are missing in MLflow. Yields one sentence
    for each. While one process writes, others return at once.

    While MLflow is unavailable this only logs a warning, after MLflow's own retries of a minute or two.
    """
    assert settings.database_url is not None
    with Session(engine) as session:
        recently_ended = select(Experiment.id, Experiment.status).where(
            Experiment.ended_at > func.now() - _WRITTEN_FOR,
            Experiment.plan != {},  # a holdout has none
            Experiment.status != Status.DISCARDED,
            ~Experiment.is_sample,
        )
        ended = session.execute(recently_ended.order_by(Experiment.ended_at)).all()
    if not ended:
        return
    with database.lock(settings.database_url, "track", wait=False) as may_write:
        if not may_write:
            return
        try:
            written = read_written_statuses(settings.registry_uri)
            for experiment_id, status in ended:
                if written.get(str(experiment_id)) != status:
                    experiment = _read(engine, experiment_id)
                    write_run(settings.registry_uri, settings.artifact_store, experiment)
                    yield f"wrote experiment {experiment_id} ({status}) to MLflow"
        except (MlflowException, SQLAlchemyError, OSError, ValueError) as error:
            log.warning(
                "An ended experiment is not in MLflow yet: %s. Its decision is in force. The next run of the"
                " flow tries again. If this warning repeats, check that TONEBRIDGE_MLFLOW_URI responds.",
                error,
            )


def _read(engine: Engine, experiment_id: uuid.UUID) -> EndedExperiment:
    with Session(engine) as session:
        row = session.get_one(Experiment, experiment_id)
        variants = session.scalars(
            select(Variant).where(Variant.experiment_id == row.id).order_by(Variant.name)
        ).all()
        challengers = [variant.name for variant in variants if not variant.is_baseline]
        decision = session.scalar(
            select(Decision)
            .where(Decision.experiment_id == row.id, Decision.action.in_(ENDING), Decision.outcome == "done")
            .order_by(Decision.created_at.desc())
            .limit(1)
        )
        newest = evidence.read_newest(session, row.id)
        leading = newest.evidence.decision.challenger if newest else challengers[0]
        if decision and row.status == Status.SHIPPED:
            leading = decision.parameters.get("challenger", leading)
        assert row.ended_at is not None, row.id
        return EndedExperiment(
            id=row.id,
            name=row.name,
            hypothesis=row.hypothesis,
            status=row.status,
            baseline=next((variant.name for variant in variants if variant.is_baseline), ""),
            challenger=leading,
            challengers=challengers,
            began_at=row.started_at or row.created_at,
            ended_at=row.ended_at,
            decided_by=decision.requested_by if decision else "a promotion",
            reason=reasons.render(decision.reasons) if decision else "Another version was promoted.",
            plan=row.plan,
            evidence=newest.evidence if newest else None,
            effects=evidence.read_effects_over_time(session, row.id, leading),
            win_rates=evidence.read_win_rates_over_time(session, row.id, leading),
        )


def read_written_statuses(uri: str) -> dict[str, str]:
    """The status of each experiment with a complete run, by the experiment's id; among the newest thousand
    runs.
    """
    client = MlflowClient(tracking_uri=uri)
    if (experiment := client.get_experiment_by_name(EXPERIMENT)) is None:
        return {}
    runs = client.search_runs(
        [experiment.experiment_id],
        "attributes.status = 'FINISHED'",
        max_results=_MOST_LISTED,
        order_by=["attributes.end_time DESC"],
    )
    tags = [run.data.tags for run in runs]
    return {tag["experiment_id"]: tag["status"] for tag in tags if "experiment_id" in tag}


def write_run(uri: str, store: str, experiment: EndedExperiment) -> str:
    """Write the run of an experiment, or overwrite it; its files go to the address `store`. Returns the run's
    id.

    The run gets the status FINISHED last, so a finished run is complete.
    """
    client = MlflowClient(tracking_uri=uri)
    parent_id = artifacts.find_or_create_experiment(client, EXPERIMENT)
    began_ms, ended_ms = _to_ms(experiment.began_at), _to_ms(experiment.ended_at)
    existing = client.search_runs([parent_id], f"tags.experiment_id = '{experiment.id}'")
    run = (
        existing[0]
        if existing
        else client.create_run(parent_id, began_ms, _make_tags(experiment), experiment.name)
    )
    run_id = str(run.info.run_id)
    client.update_run(run_id, status="RUNNING")
    numbers = collect_metrics(experiment) if experiment.evidence else {}
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, ended_ms, 0) for name, value in numbers.items()],
        params=[Param(name, str(value)[:_LONGEST_PARAM]) for name, value in list_parameters(experiment.plan)],
        tags=[RunTag(name, value) for name, value in _make_tags(experiment).items()],
    )
    if experiment.evidence is not None:
        with artifacts.write_files(client, store, run) as folder:
            (folder / "evidence.json").write_text(
                experiment.evidence.model_dump_json(indent=2), encoding="utf-8"
            )
            for name, height, draw in (
                ("effect", 6.4, tracking_plots.draw_effect),
                ("metrics", 6.0, tracking_plots.draw_metrics),
            ):
                figure = Figure(figsize=(9, height), layout="constrained")
                draw(figure, experiment)
                figure.savefig(folder / f"{name}.png", dpi=110)
    client.set_terminated(run_id, end_time=ended_ms)
    return run_id


def collect_metrics(experiment: EndedExperiment) -> dict[str, float]:
    """The metrics of a run: `challenger/exposed`, `satisfaction/difference`, `comparison/win_rate`, ...

    The metrics of challengers other than the leading one begin with their name. The p-values of the secondary
    metrics are corrected by Holm's method over all secondary metrics.
    """
    assert experiment.evidence is not None, experiment.id
    primary = str(experiment.plan["primary"])
    return {
        ("" if name == experiment.challenger else f"{name}/") + key: float(number)
        for name, result in experiment.evidence.challengers.items()
        for key, number in _list_challenger_metrics(result, primary).items()
        if number is not None and math.isfinite(number)
    }


def _list_challenger_metrics(result: ChallengerResult, primary: str) -> dict[str, float | None]:
    comparison, users = result.comparison, result.between_users
    numbers: dict[str, float | None] = {
        "comparison/wins": comparison.tally.wins,
        "comparison/losses": comparison.tally.losses,
        "comparison/ties": comparison.tally.ties,
        "comparison/people": comparison.tally.people,
        "comparison/win_rate": comparison.win_rate,
        "comparison/low": comparison.interval.low,
        "comparison/high": comparison.interval.high,
    }
    values = (users.primary.baseline, users.primary.challenger) if users.primary else (None, None)
    for arm, summary, value in zip(
        ("baseline", "challenger"), (users.baseline, users.challenger), values, strict=True
    ):
        numbers |= _list_arm_metrics(arm, summary) | {f"{arm}/{primary}": value}
    numbers |= _list_effect_metrics(primary, users.primary, users.primary.p if users.primary else None)
    response_p = users.response.p if users.response else None
    numbers |= _list_effect_metrics("response_rate", users.response, response_p)
    for name, metric in users.metrics.items():
        numbers |= _list_effect_metrics(name, metric.effect, metric.p)
    return numbers


def list_parameters(plan: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The parameters of a run, as pairs of name and value. A metric of one's own is one parameter: MLflow
    takes a hundred at once.
    """
    own = {name: json.dumps(metric) for name, metric in plan.get("own_metrics", {}).items()}
    yield from flatten({**plan, "own_metrics": own})


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values as pairs of path and value; a path is `guardrails.failed`."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _list_arm_metrics(arm: str, summary: ArmSummary) -> dict[str, float | None]:
    return {
        f"{arm}/exposed": summary.exposed,
        f"{arm}/closed": summary.closed,
        f"{arm}/users": summary.users,
        f"{arm}/response_rate": summary.response_rate,
    }


def _list_effect_metrics(name: str, effect: Effect | None, p: float | None) -> dict[str, float | None]:
    if effect is None:
        return {}
    return {
        f"{name}/difference": effect.difference,
        f"{name}/low": effect.interval.low,
        f"{name}/high": effect.interval.high,
        f"{name}/p": p,
        f"{name}/chance_to_win": effect.chance_to_win,
    }


def _make_tags(experiment: EndedExperiment) -> dict[str, str]:
    return {
        "experiment_id": str(experiment.id),
        "name": experiment.name,
        "hypothesis": experiment.hypothesis,
        "status": experiment.status,
        "baseline": experiment.baseline,
        "challenger": experiment.challenger,
        "challengers": ", ".join(experiment.challengers),
        "decided_by": experiment.decided_by,
        MLFLOW_RUN_NOTE: experiment.reason,
    }


def _to_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
