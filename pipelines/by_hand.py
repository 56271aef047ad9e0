"""What training by hand shares with the flow: the snapshot, the champion, MLflow, and a stage's settings.

A run by hand is in no lineage, so an erasure does not find it (docs/privacy.md). All its files are in one
folder, so that one deletion removes them.
"""

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlparse

from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from configs import StageConfig
from configs.settings import Settings
from data import database
from data.snapshots import folders, shards
from data.tables import Snapshot
from models import versions
from models.results import Evaluation
from pipelines import first_release, promote, tracking
from pipelines.run_reasons import FlowError
from serving.inference import engines
from serving.inference.client import Item, Rewritten

_CONNECT_S = 5.0
_PORTS = {"http": 80, "https": 443}


class Workspace(NamedTuple):
    """The folder of runs by hand, the version folder of the shipped champion in it, and MLflow: its address
    and that of its files.
    """

    folder: Path
    champion: Path
    registry_uri: str
    artifact_store: str


def open_workspace(settings: Settings, folder: Path) -> Workspace:
    """Prepare a folder for runs by hand.

    MLflow is that of the installation. Without one it is a SQLite file in the folder, in which the shipped
    champion is v1, as in a new installation. ConnectionError when the installation's does not answer.
    """
    run, evaluated = first_release.make_run(settings.model_copy(update={"state": folder}))
    if settings.mlflow_uri is not None:
        _require_server("MLflow", settings.mlflow_uri)
        return Workspace(folder, run / "version", settings.mlflow_uri, settings.artifact_store)
    uri, store = f"sqlite:///{(folder / 'mlflow.db').resolve()}", (folder / "mlflow").resolve().as_uri()
    versions.register(uri, store, run, evaluated, {"method": "tagger", "snapshot": "", "parent": ""})
    return Workspace(folder, run / "version", uri, store)


def _require_server(name: str, uri: str) -> None:
    """ConnectionError unless a server listens; MLflow's client would try for minutes."""
    address = urlparse(uri)
    if address.scheme not in _PORTS:
        return
    try:
        port = address.port or _PORTS[address.scheme]
        socket.create_connection((address.hostname or "", port), timeout=_CONNECT_S).close()
    except OSError:
        raise ConnectionError(
            f"{name} does not answer at {address.hostname}:{port}: start the installation with `make up`, or "
            "unset the TONEBRIDGE_* variables to work without one"
        ) from None


def find_newest_snapshot(settings: Settings) -> Path | None:
    """The folder of the installation's newest snapshot that may be trained on; None without an installation,
    or when it has no snapshot yet.

    Raises FlowError with the reasons when all snapshots were rejected, MissingFilesError when none has its
    files here, and ConnectionError when Postgres does not answer.
    """
    if settings.database_url is None:
        return None
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            newest_first = session.scalars(select(Snapshot).order_by(Snapshot.created_at.desc())).all()
    except OperationalError:
        raise ConnectionError(
            "Postgres does not answer: start the installation with `make up`, or unset the TONEBRIDGE_* "
            "variables to work without one"
        ) from None
    finally:
        engine.dispose()
    kept = [(row, folders.from_row(settings.state, row.path)) for row in newest_first if row.path]
    stored = [(row, folder) for row, folder in kept if shards.is_snapshot(folder)]
    for row, folder in stored:
        if row.accepted:
            return folder
    if stored:
        row, _ = stored[0]
        raise FlowError("snapshot_rejected", snapshot=row.digest, details=row.reasons)
    for row, _ in kept:
        folders.find(settings.state, row.digest, row.path)
    return None


def rewrite(version: Path, items: Sequence[Item]) -> list[Rewritten]:
    """The rewrites of a version folder, by its engine and by the spec that it would be served with."""
    spec = promote.make_spec(version, "by-hand")
    engine = engines.load(version, spec.engine)
    try:
        return engine.generate(spec, items)
    finally:
        engine.close()


def log_run(
    workspace: Workspace,
    run: Path,
    evaluation: Evaluation,
    tags: Mapping[str, str],
    stages: Mapping[str, StageConfig],
) -> str:
    """Log a run's folder beside the flow's runs, with the settings of its stages as parameters, such as
    `sft.steps`; return the run's id. See `models.versions.log_by_hand`.
    """
    parameters = tracking.flatten({name: stage.model_dump(mode="json") for name, stage in stages.items()})
    return versions.log_by_hand(
        workspace.registry_uri, workspace.artifact_store, run, evaluation, tags, dict(parameters)
    )
