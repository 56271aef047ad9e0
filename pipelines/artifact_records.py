"""Takes folders out of MLflow's records of earlier releases, so that its pages show the files after a move.

    . .tonebridge/env && python -m pipelines.artifact_records

Earlier releases gave MLflow addresses such as `file:///srv/tonebridge/mlflow`. ToneBridge finds the files of
such runs after a move, but MLflow's own pages do not. MLflow cannot change an address, so this command writes
to three tables of its database. Run it once the files are in the place that `TONEBRIDGE_ARTIFACT_LOCATION`
names.
"""

from mlflow import MlflowClient
from sqlalchemy import create_engine, text

from configs.settings import Settings
from models import artifacts
from models.versions import MODEL

NAMES = (MODEL, "experiments", "tonebridge-tune")  # of MLflow's experiments that are ours
_MOST_LISTED = 1000
_STATEMENTS = (
    "UPDATE experiments SET artifact_location = :location"
    " WHERE experiment_id = :experiment AND artifact_location LIKE 'file:%'",
    "UPDATE model_versions SET source = :location || run_id || '/artifacts/version',"
    " storage_location = :location || run_id || '/artifacts/version'"
    " WHERE source LIKE 'file:%' AND run_id IN (SELECT run_uuid FROM runs WHERE experiment_id = :experiment)",
    "UPDATE runs SET artifact_uri = :location || run_uuid || '/artifacts'"
    " WHERE experiment_id = :experiment AND artifact_uri LIKE 'file:%'",
)


def convert(uri: str, store: str) -> int:
    """Replace the `file://` addresses in an MLflow database; the number of runs that had one.

    ValueError when files of a run are in their folder and not below the address `store`, and when `uri` is no
    database. Then nothing is changed.
    """
    if uri.startswith(("http://", "https://")):
        raise ValueError(
            f"TONEBRIDGE_MLFLOW_URI is {uri}, a server; set it to the address of the server's database"
        )
    client, runs = MlflowClient(tracking_uri=uri), 0
    experiments = [client.get_experiment_by_name(name) for name in NAMES]
    ids = [int(experiment.experiment_id) for experiment in experiments if experiment is not None]
    for experiment_id in ids:
        runs += _count_convertible(client, store, experiment_id)
    engine = create_engine(uri)
    with engine.begin() as connection:
        for experiment_id in ids:
            for statement in _STATEMENTS:
                connection.execute(
                    text(statement), {"location": artifacts.LOCATION, "experiment": experiment_id}
                )
    engine.dispose()
    return runs


def _count_convertible(client: MlflowClient, store: str, experiment: int) -> int:
    count, token = 0, None
    while True:
        page = client.search_runs([str(experiment)], max_results=_MOST_LISTED, page_token=token)
        for run in page:
            recorded = str(run.info.artifact_uri)
            if not recorded.startswith("file:"):
                continue
            if artifacts.locate(client, store, run) != artifacts.address(store, run.info.run_id):
                raise ValueError(
                    f"the files of run {run.info.run_id} are in {recorded} and not below {store}: copy them,"
                    " or set TONEBRIDGE_ARTIFACT_LOCATION to the place where they are"
                )
            count += 1
        if not page.token:
            return count
        token = page.token


if __name__ == "__main__":
    settings = Settings()
    try:
        count = convert(settings.registry_uri, settings.artifact_store)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    print(f"{count} runs lost the folder in their address; their files are in {settings.artifact_store}.")
