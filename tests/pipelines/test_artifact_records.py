"""MLflow's records of an earlier release lose their folders, once the files are in the store."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from configs.settings import Settings
from models import artifacts, versions
from pipelines import artifact_records, tracking, tune
from tests.registry import EVALUATION

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state=tmp_path / "state", mlflow_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")


def register(settings: Settings, folder: Path, name: str) -> None:
    (folder / name / "version").mkdir(parents=True)
    (folder / name / "version" / "version.json").write_text(name)
    versions.register(settings.registry_uri, settings.artifact_store, folder / name, EVALUATION, {})


def test_addresses_lose_their_folder_once_the_files_are_in_the_store(
    settings: Settings, tmp_path: Path
) -> None:
    client = MlflowClient(tracking_uri=settings.registry_uri, registry_uri=settings.registry_uri)
    old = tmp_path / "former" / "mlflow"
    client.create_experiment(versions.MODEL, artifact_location=old.as_uri())
    before = settings.model_copy(update={"artifact_location": str(old)})
    register(before, tmp_path, "first")
    with pytest.raises(
        ValueError, match=r"are in file:///.*/former/mlflow/.* and not below file:///.*: copy them"
    ):
        artifact_records.convert(settings.registry_uri, settings.artifact_store)
    shutil.copytree(old, settings.state / "mlflow")
    assert artifact_records.convert(settings.registry_uri, settings.artifact_store) == 1

    entry = client.get_model_version(versions.MODEL, "1")
    run = client.get_run(str(entry.run_id))
    assert run.info.artifact_uri == f"mlflow-artifacts:/{entry.run_id}/artifacts"
    assert entry.source == f"{run.info.artifact_uri}/version"
    assert client.get_model_version_download_uri(versions.MODEL, "1") == entry.source
    experiment = client.get_experiment_by_name(versions.MODEL)
    assert experiment is not None
    assert experiment.artifact_location == artifacts.LOCATION
    register(settings, tmp_path, "second")
    for name, text in (("v1", "first"), ("v2", "second")):
        folder = versions.download(settings.registry_uri, settings.artifact_store, name)
        assert (folder / "version.json").read_text() == text
        assert folder.is_relative_to(settings.state)
    assert artifact_records.convert(settings.registry_uri, settings.artifact_store) == 0, "once is enough"


def test_a_server_is_no_database(settings: Settings) -> None:
    with pytest.raises(ValueError, match="a server; set it to the address of the server's database"):
        artifact_records.convert("http://127.0.0.1:1", settings.artifact_store)


def test_it_knows_the_experiments_that_are_ours() -> None:
    assert set(artifact_records.NAMES) == {versions.MODEL, tracking.EXPERIMENT, tune.EXPERIMENT}
