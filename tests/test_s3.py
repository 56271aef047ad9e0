"""Versions and snapshots in a bucket of a real S3 server, by keys in the environment."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.repo import Repo
from mlflow import MlflowClient

from configs.settings import SERVICE_USER, Settings
from data.snapshots import archive
from models import versions
from pipelines import local as processes
from serving.inference import release
from tests import buckets
from tests.ports import with_own_ports
from tests.registry import EVALUATION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module", autouse=True)
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with buckets.running(tmp_path_factory.mktemp("s3") / "server"):
        yield


def install(local: Settings, folder: Path) -> Settings:
    """The settings of an installation on another machine, with the same databases and bucket."""
    place = f"s3://{buckets.BUCKET}/models"
    return with_own_ports(local).model_copy(update={"state": folder, "artifact_location": place})


def register(settings: Settings, folder: Path) -> str:
    """A version of a run of its own; its name."""
    run = folder / uuid.uuid4().hex
    (run / "version" / "ctranslate2").mkdir(parents=True)
    (run / "version" / "version.json").write_text("{}")
    (run / "version" / "ctranslate2" / "model.bin").write_bytes(b"weights of " + run.name.encode())
    return versions.register(settings.registry_uri, settings.artifact_store, run, EVALUATION, {})


def test_a_version_of_one_machine_is_published_by_another_and_retired_by_a_third(
    local: Settings, tmp_path: Path
) -> None:
    here, there = install(local, tmp_path / "here"), install(local, tmp_path / "there")
    name = register(here, tmp_path)
    run_id = MlflowClient(tracking_uri=here.registry_uri).get_model_version(versions.MODEL, name[1:]).run_id
    stored = f"models/{run_id}/artifacts/version/"
    assert {key for key in buckets.list_keys() if key.startswith(stored)} == {
        f"{stored}version.json",
        f"{stored}ctranslate2/model.bin",
    }
    folder = versions.download(there.registry_uri, there.artifact_store, name)
    release.publish(folder, name, there)
    weights = release.find(name, there) / "ctranslate2" / "model.bin"
    assert weights.read_bytes().startswith(b"weights of ")

    third = install(local, tmp_path / "third")
    versions.retire(third.registry_uri, third.artifact_store, name)
    assert not [key for key in buckets.list_keys() if key.startswith(stored)]
    with pytest.raises(FileNotFoundError, match=f"no 'version' in s3://{buckets.BUCKET}/models/{run_id}/"):
        versions.download(there.registry_uri, there.artifact_store, name)


def test_who_has_only_the_server_needs_no_keys(
    local: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = install(local, local.state)
    name = register(settings, tmp_path)
    with processes.running(settings, "mlflow") as started:
        uri = f"http://127.0.0.1:{settings.mlflow_port}"
        started["mlflow"].wait_until_ready(f"{uri}/health", 120)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", SERVICE_USER)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", settings.secret("mlflow_password"))
        elsewhere = (tmp_path / "nothing is here").as_uri()
        folder = versions.download(uri, elsewhere, name)
        assert (folder / "ctranslate2" / "model.bin").read_bytes().startswith(b"weights of ")
        second = versions.register(
            uri, elsewhere, shutil.copytree(folder.parent, tmp_path / uuid.uuid4().hex), EVALUATION, {}
        )
        assert (versions.download(uri, elsewhere, second) / "version.json").is_file()
        versions.retire(uri, elsewhere, second)
        with pytest.raises(FileNotFoundError, match="no 'version' in mlflow-artifacts:/"):
            versions.download(uri, elsewhere, second)
    assert not (tmp_path / "nothing is here").exists()


def test_a_snapshot_is_pushed_pulled_and_forgotten(tmp_path: Path) -> None:
    remote, repository = f"s3://{buckets.BUCKET}/snapshots", tmp_path / "data"
    folder = repository / "snapshots" / "f00d"
    folder.mkdir(parents=True)
    (folder / "rows.txt").write_text("rows")
    archive.add(repository, folder, remote)
    assert sum(key.startswith("snapshots/files/md5/") for key in buckets.list_keys()) == 2
    shutil.rmtree(folder)
    shutil.rmtree(repository / ".dvc" / "cache")
    with Repo(str(repository)) as repo:
        repo.pull()
    assert (folder / "rows.txt").read_text() == "rows"
    archive.forget(repository, folder, remote)
    assert not [key for key in buckets.list_keys() if key.startswith("snapshots/")]
