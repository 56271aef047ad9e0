"""The files of MLflow's runs, in stores that move, and in a store behind MLflow's own server."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from models import artifacts

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

_NAME = "tonebridge"


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")


def log(client: MlflowClient, store: Path, text: str) -> Run:
    run = client.create_run(artifacts.find_or_create_experiment(client, _NAME))
    with artifacts.write_files(client, store.as_uri(), run) as folder:
        (folder / "version").mkdir()
        (folder / "version" / "weights").write_text(text)
    return run


def read(client: MlflowClient, store: Path, run: Run) -> str:
    return (artifacts.fetch(client, store.as_uri(), run, "version") / "weights").read_text()


def as_of_an_earlier_release(client: MlflowClient, folder: Path) -> None:
    client.create_experiment(_NAME, artifact_location=folder.as_uri())


def test_a_record_names_no_folder(client: MlflowClient, tmp_path: Path) -> None:
    run = log(client, tmp_path / "store", "a")
    assert run.info.artifact_uri == f"mlflow-artifacts:/{run.info.run_id}/artifacts"
    assert read(client, tmp_path / "store", run) == "a"
    shutil.move(tmp_path / "store", tmp_path / "moved 100%")
    assert read(client, tmp_path / "moved 100%", run) == "a"
    assert artifacts.fetch(client, (tmp_path / "moved 100%").as_uri(), run, "version").is_relative_to(
        tmp_path / "moved 100%"
    ), "nothing is copied"


def test_missing_files_are_named_with_their_place_and_the_setting(
    client: MlflowClient, tmp_path: Path
) -> None:
    run = log(client, tmp_path / "store", "a")
    place = f"{(tmp_path / 'other').as_uri()}/{run.info.run_id}/artifacts"
    with pytest.raises(FileNotFoundError, match=f"'version' in {place}: set TONEBRIDGE_ARTIFACT_LOCATION"):
        artifacts.fetch(client, (tmp_path / "other").as_uri(), run, "version")


def test_an_experiment_of_an_earlier_release_moves_too(client: MlflowClient, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    as_of_an_earlier_release(client, old)
    first = log(client, old, "first")
    assert first.info.artifact_uri == f"{old.as_uri()}/{first.info.run_id}/artifacts"
    assert read(client, old, first) == "first"
    # Another store is set, and the files stay where they are.
    second = log(client, new, "second")
    assert (read(client, new, first), read(client, new, second)) == ("first", "second")
    assert (new / second.info.run_id).is_dir()
    # Now they are moved.
    shutil.move(old / first.info.run_id, new)
    shutil.rmtree(old)
    assert (read(client, new, first), read(client, new, second)) == ("first", "second")
    assert not old.exists(), "nothing is written there"


def test_a_copy_of_an_installation_deletes_nothing_of_the_original(
    client: MlflowClient, tmp_path: Path
) -> None:
    as_of_an_earlier_release(client, tmp_path / "original")
    run = log(client, tmp_path / "original", "a")
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    artifacts.delete_files(client, (tmp_path / "copy").as_uri(), run)
    assert read(client, tmp_path / "original", run) == "a"
    assert not (tmp_path / "copy" / run.info.run_id / "artifacts" / "version").exists()


def test_an_experiment_that_somebody_keeps_elsewhere_stays_there(
    client: MlflowClient, tmp_path: Path
) -> None:
    client.create_experiment(_NAME, artifact_location="s3://theirs/runs")
    run = client.create_run(artifacts.find_or_create_experiment(client, _NAME))
    address = artifacts.locate(client, tmp_path.as_uri(), run)
    assert address == f"s3://theirs/runs/{run.info.run_id}/artifacts"
