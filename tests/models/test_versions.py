import json

import pytest

from models import artifacts, versions
from models.results import Estimate, Evaluation, Verdict


def evaluation(accepted=True):
    estimate = Estimate(mean=0.7, low=0.6, high=0.8)
    return Evaluation(
        cases=3,
        systems={"challenger": {"composite": estimate}, "copy_input": {"composite": estimate}},
        by_type={"challenger": {"soften": {"facts_kept": estimate}}},
        move_by_intensity={},
        win_rate=estimate,
        verdict=Verdict(accepted=accepted, reasons=() if accepted else ("it is worse: 0.1",)),
    )


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path / 'mlflow.db'}", (tmp_path / "artifacts").as_uri()


def list_files(client, place, run_id, folder=None):
    files = artifacts.open_files(client, place, client.get_run(run_id))
    return {item.path for item in files.list_artifacts(folder)}


def run_folder(folder):
    for name in ("sft", "version", "evaluation", "checkpoints"):
        (folder / name).mkdir(parents=True)
    (folder / "sft/adapter_model.safetensors").write_bytes(b"weights " + folder.name.encode())
    history = [{"step": 0, "eval_loss": 3.0}, {"step": 5, "loss": 2.5, "epoch": 0.1}]
    (folder / "sft/metrics.json").write_text(json.dumps({"history": history}))
    (folder / "version/version.json").write_text("{}")
    (folder / "version/transformers").mkdir()
    (folder / "version/transformers/model.safetensors").write_bytes(b"merged")
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_versions_are_counted_kept_whole_and_named_by_aliases(store, tmp_path):
    uri, place = store
    lineage = {"parent": "", "snapshot": "abc", "method": "sft"}
    assert versions.register(uri, place, run_folder(tmp_path / "a"), evaluation(), lineage) == "v1"
    again = versions.register(uri, place, tmp_path / "a", evaluation(), lineage)
    assert again == "v1", "a retried run makes no second version"
    second = run_folder(tmp_path / "b")
    assert versions.register(uri, place, second, evaluation(False), lineage | {"parent": "v1"}) == "v2"

    assert versions.resolve(uri, "champion") is None
    versions.set_alias(uri, "champion", "v1")
    versions.set_alias(uri, "challenger", "v2")
    assert (versions.resolve(uri, "champion"), versions.resolve(uri, "challenger")) == ("v1", "v2")
    versions.set_alias(uri, "champion", "v2")
    assert versions.resolve(uri, "champion") == "v2"

    folder = versions.download(uri, place, "v1")
    assert (folder / "transformers/model.safetensors").read_bytes() == b"merged"
    tags = versions.lineage(uri, "v2")
    assert tags == {"parent": "v1", "snapshot": "abc", "method": "sft", "run": "b", "accepted": "false"}
    with pytest.raises(ValueError, match="no version name"):
        versions.download(uri, place, "latest")

    client = versions.MlflowClient(tracking_uri=uri, registry_uri=uri)
    entry = client.get_model_version("tonebridge", "2")
    assert entry.description == "rejected: it is worse: 0.1"
    assert [m.value for m in client.get_metric_history(entry.run_id, "sft/loss")] == [2.5]
    metrics = client.get_run(entry.run_id).data.metrics
    assert metrics["challenger/composite"] == metrics["challenger/soften/facts_kept"] == 0.7
    kept = list_files(client, place, entry.run_id)
    assert kept == {"sft", "version", "evaluation"}, "checkpoints are not kept"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_retired_version_keeps_its_numbers_and_loses_all_else(store, tmp_path):
    uri, place = store
    for name in ("a", "b"):
        versions.register(uri, place, run_folder(tmp_path / name), evaluation(), {"method": "sft"})
    versions.set_alias(uri, "challenger", "v1")
    versions.set_alias(uri, "champion", "v2")
    versions.retire(uri, place, "v1")
    versions.retire(uri, place, "v1")
    remaining = [path.read_bytes() for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
    assert b"weights b" in remaining
    assert b"weights a" not in remaining
    with pytest.raises(FileNotFoundError, match="no 'version'"):
        versions.download(uri, place, "v1")
    assert (versions.resolve(uri, "challenger"), versions.resolve(uri, "champion")) == (None, "v2")
    client = versions.MlflowClient(tracking_uri=uri, registry_uri=uri)
    entry = client.get_model_version("tonebridge", "1")
    assert entry.description.startswith("retired")
    assert client.get_run(entry.run_id).data.metrics["challenger/composite"] == 0.7


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_by_hand_is_beside_the_versions_without_weights_and_is_replaced(store, tmp_path):
    uri, place = store
    assert versions.read_runs(uri, place) == []
    versions.register(uri, place, run_folder(tmp_path / "a"), evaluation(), {"method": "tagger"})
    hand = run_folder(tmp_path / "hand")
    (hand / "sft/loss.png").write_bytes(b"picture")
    for folder in (tmp_path / "a", hand):
        (folder / "evaluation/metrics.json").write_text(evaluation(False).model_dump_json())
    tags, client = {"method": "sft"}, versions.MlflowClient(tracking_uri=uri)

    first = versions.log_by_hand(uri, place, hand, evaluation(False), tags, {"sft.steps": 8})
    second = versions.log_by_hand(uri, place, hand, evaluation(False), tags, {"sft.steps": 9})
    assert client.get_run(first).info.lifecycle_stage == "deleted"
    run = client.get_run(second)
    assert run.data.params == {"sft.steps": "9"}
    assert run.data.metrics["challenger/composite"] == 0.7
    assert [m.value for m in client.get_metric_history(second, "sft/loss")] == [2.5]
    kept = {path for folder in ("sft", "evaluation") for path in list_files(client, place, second, folder)}
    assert kept == {"sft/loss.png", "sft/metrics.json", "evaluation/metrics.json"}
    assert list_files(client, place, second) == {"evaluation", "sft"}, "no version"
    assert len(client.search_model_versions("name = 'tonebridge'")) == 1

    [newest] = versions.read_runs(uri, place)
    assert (newest.label, newest.evaluation) == ("by hand: sft", evaluation(False))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_runs_are_read_from_the_newest_and_without_those_of_retired_versions(store, tmp_path):
    uri, place = store
    for name in ("a", "b", "c"):
        run = run_folder(tmp_path / name)
        (run / "evaluation/metrics.json").write_text(evaluation().model_dump_json())
        versions.register(uri, place, run, evaluation(), {"method": name})
    assert [run.label for run in versions.read_runs(uri, place)] == ["v3: c", "v2: b", "v1: a"]
    assert [run.label for run in versions.read_runs(uri, place, most=1)] == ["v3: c"]
    versions.retire(uri, place, "v2")
    assert [run.label for run in versions.read_runs(uri, place)] == ["v3: c", "v1: a"]
