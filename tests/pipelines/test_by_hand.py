"""What training by hand shares with the flow, with a real Postgres and a real MLflow."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.reasons import reason
from data.records import TransformType
from data.snapshots import shards
from data.snapshots.folders import MissingFilesError
from data.tables import Snapshot
from models import shipped, versions
from models.sft import SftConfig
from models.training import write_figures
from pipelines import by_hand
from pipelines.run_reasons import FlowError
from serving.inference.client import Item
from tests.ports import with_own_ports
from tests.registry import EVALUATION

TOO_FEW = reason("not_enough_feedback", votes=3, minimum=50)


@pytest.fixture
def installation(new_database: Callable[..., str], tmp_path: Path) -> Settings:
    return Settings(database_url=new_database(), state=tmp_path)


def store(settings: Settings, digest: str, accepted: bool, is_complete: bool = True) -> Path:
    folder = settings.state / digest
    if is_complete:
        shards.write(folder, [])
    engine = database.engine_of(settings)
    reasons = [] if accepted else [TOO_FEW]
    with Session(engine) as session, session.begin():
        session.add(
            Snapshot(
                digest=digest,
                path=str(folder),
                counts={},
                high_water=0,
                accepted=accepted,
                reasons=reasons,
            )
        )
    engine.dispose()
    return folder


def test_the_newest_snapshot_that_may_be_trained_on_is_taken(installation: Settings) -> None:
    assert by_hand.find_newest_snapshot(installation) is None, "none was made yet"
    store(installation, "a" * 32, accepted=True)
    second = store(installation, "b" * 32, accepted=True)
    store(installation, "c" * 32, accepted=False)
    store(installation, "d" * 32, accepted=True, is_complete=False)
    assert by_hand.find_newest_snapshot(installation) == second


def test_without_an_installation_there_is_no_snapshot(tmp_path: Path) -> None:
    assert by_hand.find_newest_snapshot(Settings(database_url=None, state=tmp_path)) is None


def test_a_rejected_snapshot_is_refused_with_its_reasons(installation: Settings) -> None:
    store(installation, "e" * 32, accepted=False)
    with pytest.raises(FlowError, match=f"Snapshot {'e' * 32} was rejected: .*50"):
        by_hand.find_newest_snapshot(installation)


def test_an_installation_without_the_files_of_its_snapshots_says_where_they_should_be(
    installation: Settings,
) -> None:
    store(installation, "f" * 32, accepted=True, is_complete=False)
    folder = re.escape(f"{installation.state}/{'f' * 32}")
    with pytest.raises(MissingFilesError, match=f"not in {folder}. TONEBRIDGE_STATE names"):
        by_hand.find_newest_snapshot(installation)


def test_a_server_that_does_not_answer_is_named_with_what_to_do(
    tmp_path: Path, shipped_champion: Path
) -> None:
    dead = with_own_ports(Settings(state=tmp_path, champion=shipped_champion))  # nobody listens there
    url = f"http://127.0.0.1:{dead.mlflow_port}"
    with pytest.raises(
        ConnectionError, match=f"MLflow does not answer at 127.0.0.1:{dead.mlflow_port}: .*make up"
    ):
        by_hand.open_workspace(dead.model_copy(update={"mlflow_uri": url}), tmp_path / "03")
    url = f"postgresql://nobody@127.0.0.1:{dead.mlflow_port}/none"
    with pytest.raises(ConnectionError, match=r"Postgres does not answer: .*make up"):
        by_hand.find_newest_snapshot(dead.model_copy(update={"database_url": url}))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_without_an_installation_a_run_is_logged_beside_the_shipped_champion(
    tmp_path: Path, shipped_champion: Path
) -> None:
    settings = Settings(champion=shipped_champion, mlflow_uri=None, state=tmp_path / "state")
    for _ in range(2):  # a second time it is the same version
        workspace = by_hand.open_workspace(settings, tmp_path / "03")
    champion, *others = versions.read_runs(workspace.registry_uri, workspace.artifact_store)
    assert (champion.label, others) == ("v1: tagger", [])
    assert champion.evaluation == shipped.read_evaluation(shipped_champion)

    run = workspace.folder / "mine"
    (run / "evaluation").mkdir(parents=True)
    write_figures(EVALUATION, run / "evaluation")
    config = SftConfig(steps=7, snapshots=(tmp_path,), healthy={"grad_norm": (0.0, 1.0)})
    run_id = by_hand.log_run(workspace, run, EVALUATION, {"method": "sft"}, {"sft": config})
    assert [each.label for each in versions.read_runs(workspace.registry_uri, workspace.artifact_store)] == [
        "by hand: sft",
        "v1: tagger",
    ]
    parameters = versions.MlflowClient(tracking_uri=workspace.registry_uri).get_run(run_id).data.params
    assert parameters["sft.steps"] == "7"
    assert parameters["sft.healthy.grad_norm"] == "[0.0, 1.0]"
    assert not settings.state.exists(), "all files are in the workspace"


def test_a_version_rewrites_as_it_would_be_served(
    tmp_path: Path, shipped_champion: Path, tiny_version: Path
) -> None:
    settings = Settings(champion=shipped_champion, mlflow_uri=None)
    item = Item(text="Fix PAY-123 today.", transform_type=TransformType.SOFTEN, intensity=3)
    [edited] = by_hand.rewrite(by_hand.open_workspace(settings, tmp_path).champion, [item])
    [written] = by_hand.rewrite(tiny_version, [item])
    assert (edited.tokens, edited.facts_missing) == (0, []), "edits are no tokens"
    assert written.tokens > 0
