"""The MLflow registry: every version with its adapter, its exported model, its metrics and its lineage.

A version is called `v<number>`, with the number that MLflow assigns in the registered model `tonebridge`.
Files are logged as plain artifacts. Rejected: `mlflow.transformers.log_model`, which silently reloads other
weights for an adapter on a local base.
"""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlparse

from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # as `mlflow gc` does

from data.reasons import render
from models.results import Evaluation

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

MODEL = "tonebridge"
Alias = Literal["champion", "challenger"]

STAGES = ("sft", "reward", "dpo", "kto", "grpo", "edit_dpo")
# Folders of a run that are logged. A reward model is left out: it is as large as a version.
_LOGGED = ("sft", "dpo", "kto", "grpo", "tagger", "edit_dpo", "version", "evaluation")


def register(uri: str, artifacts: Path, run: Path, evaluation: Evaluation, tags: Mapping[str, str]) -> str:
    """Log a run's folder and metrics, register them as a version, and return its name.

    `run` contains `version/` (exported), `evaluation/`, and one folder a stage or `tagger/`; `tags` are the
    lineage: parent, snapshot, method. A run that is registered already keeps its version, so that a retry
    creates no second version.
    """
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    _ensure_registered_model(client)
    registered = client.search_model_versions(f"name = '{MODEL}' and tags.run = '{run.name}'")
    if registered:
        return f"v{registered[0].version}"

    logged = client.create_run(
        _experiment_id(client, artifacts), run_name=run.name, tags={**tags, "run": run.name}
    )
    run_id = logged.info.run_id
    for stage in STAGES:
        if (file := run / stage / "metrics.json").exists():
            client.log_batch(run_id, metrics=list(curves(stage, file)))
    now_ms = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[
            Metric(f"{system}/{name}", estimate.mean, now_ms, 0)
            for system, scores in evaluation.systems.items()
            for name, estimate in scores.items()
        ]
        + [
            Metric(f"{system}/{kind}/{name}", estimate.mean, now_ms, 0)
            for system, kinds in evaluation.by_type.items()
            for kind, scores in kinds.items()
            for name, estimate in scores.items()
        ],
    )
    for folder in _LOGGED:
        if (run / folder).is_dir():
            client.log_artifacts(run_id, str(run / folder), folder)
    client.set_terminated(run_id)

    verdict = evaluation.verdict
    version = client.create_model_version(
        MODEL,
        source=f"{logged.info.artifact_uri}/version",
        run_id=run_id,
        tags={**tags, "run": run.name, "accepted": str(verdict.accepted).lower()},
        description="accepted" if verdict.accepted else "rejected: " + render(verdict.reasons),
    )
    return f"v{version.version}"


def set_alias(uri: str, alias: Alias, name: str) -> None:
    """Move an alias to a version."""
    MlflowClient(tracking_uri=uri, registry_uri=uri).set_registered_model_alias(MODEL, alias, _number(name))


def resolve(uri: str, alias: Alias) -> str | None:
    """The version of an alias, or None. Resolve once and keep the name, since an alias may move."""
    try:
        version = MlflowClient(tracking_uri=uri, registry_uri=uri).get_model_version_by_alias(MODEL, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return f"v{version.version}"


def download(uri: str, name: str) -> Path:
    """The folder of a version's exported model: MLflow's own folder when it is on this disk, else a copy."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    run_id = str(_version(client, name).run_id)
    location = urlparse(client.get_run(run_id).info.artifact_uri)
    if location.scheme == "file":  # download_artifacts would copy 700 MB on the same disk
        return Path(unquote(location.path)) / "version"
    return Path(client.download_artifacts(run_id, "version"))


def retire(uri: str, name: str) -> None:
    """Delete a version's files (weights, rewrites, curves) and its aliases.

    Its entry stays in the registry with its metrics, and is marked as retired.
    """
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    version = _version(client, name)
    for alias in version.aliases:
        client.delete_registered_model_alias(MODEL, alias)
    artifacts = get_artifact_repository(str(client.get_run(str(version.run_id)).info.artifact_uri))
    for item in artifacts.list_artifacts():
        artifacts.delete_artifacts(item.path)
    client.set_model_version_tag(MODEL, version.version, "retired", "true")
    client.update_model_version(MODEL, version.version, "retired: somebody it was trained on was erased")


def lineage(uri: str, name: str) -> dict[str, str]:
    """A version's tags: run, parent, snapshot, method, accepted."""
    return dict(_version(MlflowClient(tracking_uri=uri, registry_uri=uri), name).tags)


def _number(name: str) -> str:
    if not (name.startswith("v") and name[1:].isdigit()):
        raise ValueError(f"{name!r} is no version name; they are v1, v2, ...")
    return name[1:]


def _version(client: MlflowClient, name: str) -> "ModelVersion":
    return client.get_model_version(MODEL, _number(name))


def _ensure_registered_model(client: MlflowClient) -> None:
    try:
        client.create_registered_model(MODEL)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _experiment_id(client: MlflowClient, artifacts: Path) -> str:
    experiment = client.get_experiment_by_name(MODEL)
    if experiment is not None:
        return str(experiment.experiment_id)
    return client.create_experiment(MODEL, artifact_location=artifacts.resolve().as_uri())


def curves(stage: str, file: Path) -> Iterator[Metric]:
    """A stage's training log as MLflow metrics: `sft/loss`, `sft/eval_loss`, ... by step.

    A figure that is not finite is text in the file (null in one of an earlier release), and is skipped.
    """
    now_ms = int(time.time() * 1000)
    entry: dict[str, Any]
    for entry in json.loads(file.read_text(encoding="utf-8"))["history"]:
        for key, value in entry.items():
            if key not in ("step", "epoch") and isinstance(value, int | float):
                yield Metric(f"{stage}/{key}", value, now_ms, int(entry["step"]))
