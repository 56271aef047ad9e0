"""Links to the pages of MLflow and Prefect."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from configs.settings import SERVICE_USER, Settings
from models import versions
from pipelines import local as stack
from pipelines import tracking
from serving.dashboard import services
from tests.dashboards import own_settings


def test_the_address_of_mlflow_follows_from_the_settings() -> None:
    def address(uri: str | None) -> str | None:
        return services.mlflow(Settings(mlflow_uri=uri, mlflow_port=5001))

    assert address(None) is None
    assert address("postgresql+psycopg://me:secret@db/mlflow") == "http://127.0.0.1:5001"
    assert address("https://me:secret@flow.example:8443/base/") == "https://flow.example:8443/base"
    assert (services.OF_VERSIONS, services.OF_EXPERIMENTS) == (versions.MODEL, tracking.EXPERIMENT)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # mlflow's
def test_links_lead_to_the_right_runs(
    local: Settings, new_database: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MLflow and Prefect as `make up` starts them."""
    settings = own_settings(local, new_database(), tmp_path)
    settings = settings.model_copy(update={"mlflow_uri": f"sqlite:///{tmp_path / 'mlflow.db'}"})
    with stack.running(settings, "mlflow", "prefect") as processes:
        at = f"http://127.0.0.1:{settings.mlflow_port}"
        processes["mlflow"].wait_until_ready(f"{at}/health")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", SERVICE_USER)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", settings.secret("mlflow_password"))
        client = MlflowClient(tracking_uri=at)
        ids = {}
        for experiment in (versions.MODEL, tracking.EXPERIMENT):
            experiment_id = client.create_experiment(experiment)
            for value in ("one", "other"):
                run = client.create_run(experiment_id, tags={"run": value})
                ids[experiment, value] = experiment_id, run.info.run_id
        for (experiment, value), (experiment_id, run) in ids.items():
            page = services.run_in_mlflow(settings, experiment, "run", value)
            assert page == f"{at}/#/experiments/{experiment_id}/runs/{run}"
        assert services.run_in_mlflow(settings, versions.MODEL, "run", "nobody") is None
        assert services.run_in_mlflow(settings, "no such experiment", "run", "one") is None
        assert services.answers(at)

        address = services.prefect(settings)
        processes["prefect"].wait_until_ready(f"{address}/api/health")
        # Prefect's database belongs to the session: other tests may have run flows in it.
        earlier = {run.address for run in services.flow_runs(settings, 100)}
        with services.prefect_client(settings) as prefect:
            flow = prefect.post("/flows/", json={"name": "collect"}).raise_for_status().json()["id"]
            state = {"type": "COMPLETED", "name": "NotEnoughFeedback", "message": "3 of 50"}
            run = prefect.post("/flow_runs/", json={"flow_id": flow, "state": state}).raise_for_status()
            scheduled = {"type": "SCHEDULED", "name": "Scheduled"}
            prefect.post("/flow_runs/", json={"flow_id": flow, "state": scheduled}).raise_for_status()
        (only,) = [run for run in services.flow_runs(settings, 100) if run.address not in earlier]
        assert (only.flow, only.state, only.message) == ("collect", "NotEnoughFeedback", "3 of 50")
        assert (only.type, only.reasons) == ("COMPLETED", [])
        assert only.address == f"{address}/runs/flow-run/{run.json()['id']}"
