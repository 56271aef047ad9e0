"""The MLflow registry: every version with its adapter, its exported model, its numbers and its lineage.

A version is called `v<number>`, the number MLflow gives it in the registered model `tonebridge`. Files are
logged as plain artifacts: `mlflow.transformers.log_model` of an adapter on a local base reloads other
weights, silently.
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
from models.evaluation import Evaluation

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

MODEL = "tonebridge"
Alias = Literal["champion", "challenger"]

STAGES = ("sft", "reward", "dpo", "kto", "grpo")
# Of a run's folder. Checkpoints are of no use afterwards, and a reward model is as large as a version.
_KEPT = ("sft", "dpo", "kto", "grpo", "version", "evaluation")


def register(uri: str, artifacts: Path, run: Path, found: Evaluation, tags: Mapping[str, str]) -> str:
    """Log a run's folder and numbers and make a version of them; its name comes back.

    `run` holds `version/` (exported), `evaluation/`, and a folder a stage; `tags` are the lineage
    (parent, snapshot, method). A run that has been registered before keeps its version, so that a retry
    makes no second one.
    """
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    _ensure_registered_model(client)
    done = client.search_model_versions(f"name = '{MODEL}' and tags.run = '{run.name}'")
    if done:
        return f"v{done[0].version}"

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
            for system, scores in found.systems.items()
            for name, estimate in scores.items()
        ]
        + [
            Metric(f"{system}/{kind}/{name}", estimate.mean, now_ms, 0)
            for system, kinds in found.by_type.items()
            for kind, scores in kinds.items()
            for name, estimate in scores.items()
        ],
    )
    for folder in _KEPT:
        if (run / folder).is_dir():
            client.log_artifacts(run_id, str(run / folder), folder)
    client.set_terminated(run_id)

    verdict = found.verdict
    version = client.create_model_version(
        MODEL,
        source=f"{logged.info.artifact_uri}/version",
        run_id=run_id,
        tags={**tags, "run": run.name, "accepted": str(verdict.accepted).lower()},
        description="accepted" if verdict.accepted else "rejected: " + render(verdict.reasons),
    )
    return f"v{version.version}"


def set_alias(uri: str, alias: Alias, name: str) -> None:
    """Point an alias at a version; it leaves the version that it pointed at before."""
    MlflowClient(tracking_uri=uri, registry_uri=uri).set_registered_model_alias(MODEL, alias, _number(name))


def resolve(uri: str, alias: Alias) -> str | None:
    """The version an alias points at, or None. Resolve once and keep the name: an alias may move."""
    try:
        version = MlflowClient(tracking_uri=uri, registry_uri=uri).get_model_version_by_alias(MODEL, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return f"v{version.version}"


def download(uri: str, name: str) -> Path:
    """The folder of a version's exported model: MLflow's own where it lies on this machine, else a copy."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    run_id = str(_version(client, name).run_id)
    place = urlparse(client.get_run(run_id).info.artifact_uri)
    if place.scheme == "file":  # MLflow would copy 700 MB from one folder of this disk to another
        return Path(unquote(place.path)) / "version"
    return Path(client.download_artifacts(run_id, "version"))


def retire(uri: str, name: str) -> None:
    """Remove what was logged of a version: weights, rewrites, curves. Its entry stays, with its numbers, and
    says so; aliases leave it.
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

    A figure that was no number is null in the file, and left out.
    """
    now_ms = int(time.time() * 1000)
    entry: dict[str, Any]
    for entry in json.loads(file.read_text(encoding="utf-8"))["history"]:
        for key, value in entry.items():
            if key not in ("step", "epoch") and value is not None:
                yield Metric(f"{stage}/{key}", value, now_ms, int(entry["step"]))
