"""The files of MLflow's runs: where they lie, and how they are read, written and deleted.

MLflow stores an address with each experiment and each run, and cannot change it. An experiment of ours has
the address `mlflow-artifacts:/`, which names no machine: the files of a run lie in `<run>/artifacts` below
`Settings.artifact_store`, wherever that is now. MLflow's server shows them from there, since the Procfile
gives it the same place as `--artifacts-destination`.

A process with MLflow's database, such as the flows, reads and writes the place itself, since a version may
have 700 MB. A process that has only the address of a server goes through that server, and needs no keys of a
bucket. Rejected: an address `file://...` or `s3://...` for each experiment, as in earlier releases.
"""

import atexit
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # as `mlflow gc` does

if TYPE_CHECKING:
    from mlflow.entities import Run

SCHEME = "mlflow-artifacts"
LOCATION = f"{SCHEME}:/"  # of an experiment: wherever the files are now


def find_or_create_experiment(client: MlflowClient, name: str) -> str:
    """The id of an experiment. A server that is not ours decides itself where the files go."""
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    return str(client.create_experiment(name, None if _has_server(client) else LOCATION))


def address(store: str, run_id: str) -> str:
    """Where the files of a run lie below the address of the store."""
    return f"{store.rstrip('/')}/{run_id}/artifacts"


def open_files(client: MlflowClient, store: str, run: "Run") -> ArtifactRepository:
    """The files of a run, below the address `store` unless MLflow's server or another place has them."""
    return get_artifact_repository(locate(client, store, run), tracking_uri=client.tracking_uri)


def locate(client: MlflowClient, store: str, run: "Run") -> str:
    """The address of a run's files.

    A run of an earlier release names a folder. Its files count as moved to the store when the store has them,
    or when the folder is gone; so a copy of an installation never touches the files of the original.
    """
    recorded = str(run.info.artifact_uri)
    parts = urlsplit(recorded)
    if parts.scheme == SCHEME:
        return recorded if _has_server(client) else f"{store.rstrip('/')}{parts.path}"
    if parts.scheme != "file":
        return recorded
    own = address(store, run.info.run_id)
    if get_artifact_repository(own).list_artifacts() or not Path(unquote(parts.path)).is_dir():
        return own
    return recorded


def fetch(client: MlflowClient, store: str, run: "Run", path: str) -> Path:
    """A file or folder of a run: the store's own when it is on this disk, else a copy until the process ends.

    FileNotFoundError when the run has none; it names the address and the setting.
    """
    place = locate(client, store, run)
    parts = urlsplit(place)
    if parts.scheme == "file":  # a download would copy 700 MB of a version on the same disk
        file = Path(unquote(parts.path)) / path
        if file.exists():
            return file
    else:
        files = get_artifact_repository(place, tracking_uri=client.tracking_uri)
        if _has(files, path):
            file = Path(files.download_artifacts(path, str(_make_folder())))
            # A store may still list a folder whose files were deleted.
            if file.is_file() or any(each.is_file() for each in file.rglob("*")):
                return file
    raise FileNotFoundError(
        f"MLflow's run {run.info.run_id} has no {path!r} in {place}: set TONEBRIDGE_ARTIFACT_LOCATION (or"
        " TONEBRIDGE_STATE, without it) to the place that has the files, or restore them there"
    )


@contextlib.contextmanager
def write_files(client: MlflowClient, store: str, run: "Run") -> Iterator[Path]:
    """Context manager: a folder, whose files become files of the run."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        open_files(client, store, run).log_artifacts(folder)


def delete_files(client: MlflowClient, store: str, run: "Run") -> None:
    """Delete all files of a run."""
    files = open_files(client, store, run)
    for item in files.list_artifacts():
        files.delete_artifacts(item.path)


def _has(files: ArtifactRepository, path: str) -> bool:
    """Whether a store has a file, or a folder with something in it. MLflow takes every other path for that of
    a file, and asks for it again and again.
    """
    if files.list_artifacts(path):
        return True
    above = str(PurePosixPath(path).parent)
    return any(
        item.path == path and not item.is_dir
        for item in files.list_artifacts(None if above == "." else above)
    )


def _has_server(client: MlflowClient) -> bool:
    """Whether MLflow is reached through a server, and not in its database."""
    return urlsplit(client.tracking_uri).scheme in ("http", "https")


def _make_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tonebridge-files-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
