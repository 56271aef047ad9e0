"""An installation is stopped, moved to another folder, and started from there: everything goes on."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from dvc.repo import Repo
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database
from data.people import identities
from data.reasons import ReasonedError
from data.snapshots import archive, folders
from data.tables import Lineage, Snapshot, Version
from models import versions
from pipelines import first_release, local
from pipelines.promote import promote
from pipelines.train import train
from tests.flows import flows_led_to
from tests.ports import with_own_ports
from tests.taggers import write_pairs
from tests.test_loop import training, write_corpus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_KEY = identities.generate_key()
_DIGEST = "f00d" * 8
_MESSAGE = "fix the login page before Monday, you broke it again. why is nobody on this?"


@contextlib.contextmanager
def started(settings: Settings) -> Iterator[tuple[Settings, Engine]]:
    """The servers and processes of an installation, until the end of the block."""
    with (
        local.servers(with_own_ports(settings)) as stores,
        local.running(stores, "inference", "gateway", "prefect") as processes,
        flows_led_to(stores, processes["prefect"]),
    ):
        processes["gateway"].wait_until_ready(f"{stores.gateway_url}/livez")
        processes["inference"].wait_until_ready(f"{stores.inference_urls[0]}/livez")
        engine = database.engine_of(stores)
        try:
            yield stores, engine
        finally:
            engine.dispose()


def read_version(settings: Settings) -> str:
    body = {"text": _MESSAGE, "transform_type": "soften", "intensity": 2, "user_id": "ann"}
    with httpx.Client(base_url=settings.gateway_url, headers={"X-API-Key": _KEY}, timeout=60) as client:
        response = client.post("/api/v1/transform", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["version"])


def store_snapshot(settings: Settings, engine: Engine) -> None:
    """A snapshot of people who dislike thanks, as the flow `collect` stores it."""
    repository = folders.repository(settings.state)
    folder = write_pairs(repository / "snapshots" / _DIGEST, likes_thanks=False)
    archive.add(repository, folder, settings.dvc_remote)
    with Session(engine) as session, session.begin():
        session.add(
            Snapshot(
                digest=_DIGEST,
                path=folders.to_row(settings.state, folder),
                counts={},
                high_water=0,
                accepted=True,
                reasons=[],
            )
        )


def test_an_installation_goes_on_in_another_folder(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_base: Path,
    shipped_champion: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")
    for checkout in (here, there):  # the yaml files name folders of the checkout, in which the flows run
        (checkout / "data").symlink_to(configs.ROOT / "data")
    corpus = write_corpus(there / "corpus", "Could you please look at it? Thank you.")
    monkeypatch.chdir(here)
    wanted = Settings(
        state=Path("state"),
        artifacts=Path("artifacts"),
        dvc_remote=str(here / "remote"),
        champion=shipped_champion,
        base=str(tiny_base),
        database_url=None,
        redis_url=None,
        mlflow_uri=None,
        holdout_share=0.0,
    )
    with started(wanted) as (settings, engine):
        identities.bootstrap(engine, _KEY)
        first_release.main(settings)
        assert read_version(settings) == "v1"
        store_snapshot(settings, engine)
        assert train(_DIGEST, training(corpus)).version == "v2"

    monkeypatch.chdir(there)
    (there / "deeper").mkdir()
    for name in ("state", "remote"):
        (here / name).rename(there / "deeper" / name)
    shutil.rmtree(here)
    moved = wanted.model_copy(
        update={
            "state": there / "deeper" / "state",
            "artifacts": there / "deeper" / "artifacts",
            "dvc_remote": str(there / "deeper" / "remote"),
        }
    )
    with started(moved) as (settings, engine):
        assert read_version(settings) == "v1", "the model store has it"
        promote("v2", "people disliked thanks")
        assert read_version(settings) == "v2"

        snapshot = folders.repository(moved.state) / "snapshots" / _DIGEST
        shutil.rmtree(snapshot)
        with pytest.raises(ReasonedError, match=f"not in {snapshot}. TONEBRIDGE_STATE"):
            train(_DIGEST, training(corpus))
        shutil.rmtree(folders.repository(moved.state) / ".dvc" / "cache")
        # The next snapshot names the remote where it is now.
        another = Path(shutil.copytree(corpus, snapshot.parent / "another"))
        archive.add(folders.repository(moved.state), another, moved.dvc_remote)
        with Repo(str(folders.repository(moved.state))) as repo:
            repo.pull()
        # The evaluation reads the files of v1 and v2 in MLflow.
        trained = train(_DIGEST, (*training(corpus), "edit_dpo.rating_weight=0.4"))
        assert (trained.version, trained.method) == ("v3", "edit_dpo")
        assert trained.run.is_relative_to(moved.state)
        with Session(engine) as session:
            runs = {row.name: row.run_id for row in session.scalars(select(Version))}
            edges = {(row.source, row.target) for row in session.scalars(select(Lineage))}
            parent = session.get_one(Version, "v3").parent
        assert parent == "v2"
        assert {(f"snapshot:{_DIGEST}", f"run:{runs[name]}") for name in ("v2", "v3")} <= edges
        for name in ("v1", "v2", "v3"):
            folder = versions.download(settings.registry_uri, settings.artifact_store, name)
            assert folder.is_relative_to(moved.state)
    assert not here.exists(), "nothing was written to the old folder"
