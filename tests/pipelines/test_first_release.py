"""The first release of an installation, with a real stack. Each test goes on where the last one ended."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import orders
from data.people import identities
from data.records import Spec
from data.snapshots import shards
from data.tables import Lineage, Release, Snapshot, Version
from data.traffic import routing
from data.traffic.routing import Routing
from models import shipped, version_file, versions
from models.edits.writer import rules_digest
from pipelines import first_release, local
from pipelines.first_release import Step
from pipelines.promote import promote, rollback
from pipelines.run_reasons import FlowError
from pipelines.train import train
from tests.flows import flows_led_to
from tests.ports import with_own_ports
from tests.taggers import make_pair, thanked, write_pairs
from tests.test_loop import training, write_corpus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KEY = identities.generate_key()
MESSAGE = "fix the login page before Monday, you broke it again. why is nobody on this?"


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, shipped_champion: Path
) -> Iterator[Settings]:
    """A stack that serves and promotes, without a version."""
    state = tmp_path_factory.mktemp("first")
    wanted = Settings(
        state=state,
        artifacts=state,
        champion=shipped_champion,
        base=str(tiny_base),
        database_url=None,
        redis_url=None,
        mlflow_uri=None,
        holdout_share=0.0,  # a held-out person would not get a promoted version
    )
    with (
        local.servers(with_own_ports(wanted)) as settings,
        local.running(settings, "inference", "gateway", "prefect") as processes,
        flows_led_to(settings, processes["prefect"]),
    ):
        processes["gateway"].wait_until_ready(f"{settings.gateway_url}/livez")
        processes["inference"].wait_until_ready(f"{settings.inference_urls[0]}/livez")
        engine = database.engine_of(settings)
        identities.bootstrap(engine, KEY)
        engine.dispose()
        yield settings


@pytest.fixture(scope="module")
def engine(installation: Settings) -> Iterator[Engine]:
    engine = database.engine_of(installation)
    yield engine
    engine.dispose()


def ask(settings: Settings, path: str = "/api/v1/transform") -> httpx.Response:
    body = {"text": MESSAGE, "transform_type": "soften", "intensity": 2, "user_id": "ann"}
    with httpx.Client(base_url=settings.gateway_url, headers={"X-API-Key": KEY}, timeout=60) as client:
        return client.post(path, json=body)


def announce(settings: Settings, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    first_release.announce(settings, lambda: None)
    return capsys.readouterr().out


def champion(engine: Engine) -> Spec:
    with Session(engine) as session:
        live = routing.current(session)
    assert live is not None
    return live.routing.champion


def test_a_missing_folder_is_named_and_stops_nothing(
    installation: Settings, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = announce(installation.model_copy(update={"champion": tmp_path / "none"}), capsys)
    assert "No version answers yet" in printed
    assert "(adapter_model.safetensors is missing)" in printed
    assert "make champion" in printed
    assert ask(installation).status_code == 503
    assert first_release.next_step(engine) is Step.RELEASE


def test_a_release_that_fails_is_named_with_its_log_and_stops_nothing(
    installation: Settings, shipped_champion: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = shutil.copytree(shipped_champion, tmp_path / "champion")
    (broken / "evaluation.json").write_text("{")
    printed = announce(installation.model_copy(update={"champion": broken}), capsys)
    log = installation.state / "logs" / "first_release.log"
    assert f"That failed, and {log} says why. The next start tries again." in printed
    assert "Invalid JSON" in log.read_text()


def test_the_first_rewrite_is_answered(
    installation: Settings, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the failure above, whose export is used."""
    printed = announce(installation, capsys)
    assert "Releasing the version that comes with ToneBridge." in printed
    assert "v1 answers now." in printed
    response = ask(installation)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["version"], answer["variant"], answer["fallback"]) == ("v1", "champion", False)
    assert ask(installation, "/api/v1/compare").status_code == 200

    assert champion(engine) == Spec(version="v1", form="edits", rules=rules_digest())
    run = shipped.run_name(installation.champion)
    with Session(engine) as session:
        version = session.scalars(select(Version)).one()
        edges = {(edge.source, edge.target) for edge in session.scalars(select(Lineage))}
        release = session.scalars(select(Release)).one()
    assert (version.name, version.parent, version.run_id, version.method) == ("v1", None, run, "tagger")
    assert edges == {(f"run:{run}", "version:v1"), ("version:v1", f"release:{release.id}")}
    assert versions.resolve(installation.registry_uri, "champion") == "v1"
    assert versions.lineage(installation.registry_uri, "v1")["snapshot"] == ""
    folder = versions.download(installation.registry_uri, "v1")
    assert (folder / "README.md").read_text() == "# The card\n"
    assert (folder.parent / "tagger" / "adapter_model.safetensors").exists(), "its adapter is registered, too"


def test_a_second_start_does_nothing(
    installation: Settings, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert first_release.next_step(engine) is None
    assert announce(installation, capsys) == ""
    first_release.main(installation)
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Release)) == 1


def test_a_start_after_a_kill_before_the_promotion_registers_the_same_version(
    installation: Settings, engine: Engine
) -> None:
    assert first_release.register_shipped(installation, engine) == "v1"
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Version)) == 1


def test_an_update_of_the_rules_promotes_the_champion_again(
    installation: Settings, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    old = Spec(version="v1", form="edits", rules="0" * 32)
    with Session(engine) as session, session.begin():
        routing.publish(session, Routing(champion=old), "as if an older release had promoted it")
    assert first_release.next_step(engine) is Step.RENEW
    printed = announce(installation, capsys)
    assert "The rules of the edit writer have changed with an update" in printed
    assert "v1 answers now." in printed
    assert champion(engine) == Spec(version="v1", form="edits", rules=rules_digest())
    with Session(engine) as session:
        live = routing.current(session)
        assert live is not None
        assert live.routing.experiments == (), "it is not held out against itself"
    assert ask(installation).json()["version"] == "v1"
    assert announce(installation, capsys) == ""
    with pytest.raises(FlowError, match="no earlier release"):
        rollback("there is no other version")


def test_no_person_s_erasure_reaches_it(installation: Settings, engine: Engine) -> None:
    with Session(engine) as session:
        assert orders.action_for(session, "v1") is None
        assert orders.to_retire(session) == []


def test_a_training_makes_a_text_version_that_is_compared_with_it(
    installation: Settings, engine: Engine, tmp_path: Path
) -> None:
    corpus = write_corpus(tmp_path / "corpus", "Could you please look at it? Thank you.")
    trained = train(overrides=(*training(corpus), "methods.form=text"))
    assert trained.version == "v2"
    assert {"champion", "champion_protected"} <= trained.evaluation.systems.keys()
    with Session(engine) as session:
        assert session.get_one(Version, "v2").parent == "v1"


def test_a_training_on_votes_makes_a_version_of_edits(
    installation: Settings, engine: Engine, tmp_path: Path
) -> None:
    snapshot = write_pairs(tmp_path / "snapshot", likes_thanks=False)
    with Session(engine) as session, session.begin():
        session.add(
            Snapshot(digest="votes", path=str(snapshot), counts={}, high_water=0, accepted=True, reasons=[])
        )
    corpus = write_corpus(tmp_path / "corpus", "Could you please look at it? Thank you.")
    trained = train("votes", training(corpus))
    assert (trained.version, trained.method) == ("v3", "edit_dpo")
    assert trained.evaluation.verdict.accepted, trained.evaluation.verdict.reasons
    folder = versions.download(installation.registry_uri, "v3")
    assert version_file.read(folder).form == "edits"
    assert (folder.parent / "edit_dpo" / "adapter_model.safetensors").exists(), "an erasure finds it there"
    promote("v3", "people disliked thanks")
    answer = ask(installation).json()
    assert answer["version"] == "v3"
    assert "Thank" not in answer["transformed_text"]
    with Session(engine) as session:
        edges = {(edge.source, edge.target) for edge in session.scalars(select(Lineage))}
    assert ("snapshot:votes", f"run:{trained.run.name}") in edges


def test_votes_that_teach_nothing_make_no_version(
    installation: Settings, engine: Engine, tmp_path: Path
) -> None:
    message, thanks, without = thanked(1)[0]
    pairs = [
        make_pair(message, *texts, split)
        for texts, split in (((thanks, without), "train"), ((without, thanks), "validation"))
    ]
    snapshot = shards.write(tmp_path / "snapshot", pairs)
    with Session(engine) as session, session.begin():
        session.add(
            Snapshot(digest="noise", path=str(snapshot), counts={}, high_water=0, accepted=True, reasons=[])
        )
    state = train("noise", return_state=True)
    assert state.name == "Refused"
    assert "tell no kind of edit from chance" in str(state.message)


def test_without_votes_the_version_of_edits_is_the_shipped_one(
    installation: Settings, tmp_path: Path
) -> None:
    corpus = write_corpus(tmp_path / "corpus", "Could you please look at it? Thank you.")
    trained = train(overrides=training(corpus))
    assert trained.method == "tagger"
    shipped_heads = installation.champion / "heads.safetensors"
    assert (trained.run / "tagger" / "heads.safetensors").read_bytes() == shipped_heads.read_bytes()
