"""The MLflow registry: every version with its adapter, its exported model, its metrics and its lineage.

A version is called `v<number>`, with the number that MLflow assigns in the registered model `tonebridge`.
Files are logged as plain artifacts. Rejected: `mlflow.transformers.log_model`, which silently reloads other
weights for an adapter on a local base.
"""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from data.reasons import render
from models import artifacts
from models.results import Evaluation

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

MODEL = "tonebridge"
BY_HAND = "by hand"  # the tag `by` of a run that no flow made
Alias = Literal["champion", "challenger"]

STAGES = ("sft", "reward", "dpo", "kto", "grpo", "edit_dpo")
# Folders of a run that are logged. A reward model is left out: it is as large as a version.
_LOGGED = ("sft", "dpo", "kto", "grpo", "tagger", "edit_dpo", "version", "evaluation")
_EVALUATION = "evaluation/metrics.json"


def register(uri: str, store: str, run: Path, evaluation: Evaluation, tags: Mapping[str, str]) -> str:
    """Log a run's folder and metrics, register them as a version, and return its name.

    `uri` is MLflow's, and `store` the address of its files (`models.artifacts`), here and in what follows.
    `run` contains `version/` (exported), `evaluation/`, and one folder a stage or `tagger/`; `tags` are the
    lineage: parent, snapshot, method. A run that is registered already keeps its version, so that a retry
    creates no second version.
    """
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    _ensure_registered_model(client)
    registered = client.search_model_versions(f"name = '{MODEL}' and tags.run = '{run.name}'")
    if registered:
        return f"v{registered[0].version}"

    logged = _log_run(client, run, evaluation, tags)
    run_id = logged.info.run_id
    files = artifacts.open_files(client, store, logged)
    for folder in _LOGGED:
        if (run / folder).is_dir():
            files.log_artifacts(str(run / folder), folder)
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


def log_by_hand(
    uri: str,
    store: str,
    run: Path,
    evaluation: Evaluation,
    tags: Mapping[str, str],
    parameters: Mapping[str, object],
) -> str:
    """Log the folder of a run that was trained by hand, beside the flow's runs; return the run's id.

    It has the same metrics as a run of the flow, the parameters, and the files but weights. It is no version:
    nothing releases it, and an erasure does not find it (docs/privacy.md), so MLflow gets no weights. An
    earlier run by hand with the same name is replaced.
    """
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = artifacts.find_or_create_experiment(client, MODEL)
    for earlier in client.search_runs([experiment], f"tags.run = '{run.name}' and tags.by = '{BY_HAND}'"):
        client.delete_run(earlier.info.run_id)
    logged = _log_run(client, run, evaluation, {**tags, "by": BY_HAND})
    run_id = str(logged.info.run_id)
    client.log_batch(run_id, params=[Param(name, str(value)) for name, value in parameters.items()])
    files = artifacts.open_files(client, store, logged)
    for folder in (run / name for name in _LOGGED if name != "version"):
        for file in sorted(folder.glob("*")):
            if file.is_file() and file.suffix != ".safetensors":
                files.log_artifact(str(file), folder.name)
    client.set_terminated(run_id)
    return run_id


def _log_run(client: MlflowClient, run: Path, evaluation: Evaluation, tags: Mapping[str, str]) -> "Run":
    """Create a run with its tags, the curves of its stages, and the scores of its evaluation."""
    experiment = artifacts.find_or_create_experiment(client, MODEL)
    logged = client.create_run(experiment, run_name=run.name, tags={**tags, "run": run.name})
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
    return logged


class LoggedRun(NamedTuple):
    """A run in MLflow: its label, such as `v3: edit_dpo`, and its evaluation."""

    label: str
    evaluation: Evaluation


def read_runs(uri: str, store: str, most: int = 10) -> list[LoggedRun]:
    """The newest runs of the flow and by hand, the newest first. A run without an evaluation is left out, as
    that of a retired version.
    """
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name(MODEL)
    if experiment is None:
        return []
    versions = client.search_model_versions(f"name = '{MODEL}'")
    names = {version.run_id: f"v{version.version}" for version in versions}
    newest = client.search_runs(
        [experiment.experiment_id],
        "attributes.status = 'FINISHED'",
        max_results=most,
        order_by=["attributes.start_time DESC"],
    )
    runs = []
    for run in newest:
        files = artifacts.open_files(client, store, run)
        if not any(item.path == _EVALUATION for item in files.list_artifacts("evaluation")):
            continue
        text = artifacts.fetch(client, store, run, _EVALUATION).read_text(encoding="utf-8")
        name = names.get(run.info.run_id) or run.data.tags.get("by", "no version")
        label = f"{name}: {run.data.tags.get('method', '')}"
        runs.append(LoggedRun(label, Evaluation.model_validate_json(text)))
    return runs


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


def download(uri: str, store: str, name: str) -> Path:
    """The folder of a version's exported model: the store's own when it is on this disk, else a copy until
    the process ends. FileNotFoundError when the store has none.
    """
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    return artifacts.fetch(client, store, client.get_run(str(_version(client, name).run_id)), "version")


def retire(uri: str, store: str, name: str) -> None:
    """Delete a version's files (weights, rewrites, curves) and its aliases.

    Its entry stays in the registry with its metrics, and is marked as retired.
    """
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    version = _version(client, name)
    for alias in version.aliases:
        client.delete_registered_model_alias(MODEL, alias)
    artifacts.delete_files(client, store, client.get_run(str(version.run_id)))
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
