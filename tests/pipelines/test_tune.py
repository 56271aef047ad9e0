"""Searches on the tiny model, with the real Optuna and MLflow."""

import fcntl
import shlex
import signal
import subprocess
import sys
import time

import pytest
import torch
from mlflow import MlflowClient

import configs
from configs.settings import Settings
from data.records import Demonstration, PreferencePair, TransformType
from data.snapshots import shards
from models import sft
from models.checkpoints import newest_checkpoint
from models.sft import SftConfig
from pipelines import tune
from pipelines.tune import TuneConfig

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # mlflow's, on its SQLite file
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """Thirty messages, each with a courteous rewrite and a blunt one."""
    rows = []
    for i in range(30):
        request = {
            "text": f"Fix PAY-{i} today.",
            "transform_type": TransformType.SOFTEN,
            "intensity": i % 4,
            "split": "validation" if i % 5 == 0 else "train",
        }
        kind, blunt = f"Could you please look at PAY-{i} today?", f"Fix PAY-{i}. It is broken again."
        versions = {"chosen_version": "v1", "rejected_version": "v2"}
        rows += [
            Demonstration(**request, rewrite=kind),
            PreferencePair(**request, chosen=kind, rejected=blunt, **versions),
        ]
    return shards.write(tmp_path_factory.mktemp("snapshot"), rows)


@pytest.fixture(scope="module")
def config(tiny_base, snapshot):
    fixed = (
        f"base={tiny_base}",
        "seed_folder=null",
        f"snapshots=[{snapshot}]",
        "steps=20",
        "batch_size=4",
        "evaluate_every_steps=5",
        "checkpoint_every_steps=5",
        "bf16=false",
    )
    return TuneConfig(
        stage="sft",
        fixed=fixed,
        search={
            "learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
            "lora_rank": {"choices": [2, 4]},
            "repeats": {"low": 1, "high": 3},
        },
        objective="held_out_loss_after",
        direction="minimize",
        random_trials=2,
        trials=4,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def settings(tmp_path, store):
    return Settings(state=tmp_path / "state", mlflow_uri=store)


@pytest.fixture(scope="module")
def unbroken(config, store, tmp_path_factory):
    """A search that nobody disturbed, and its settings."""
    settings = Settings(state=tmp_path_factory.mktemp("unbroken"), mlflow_uri=store)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tune.main(config, settings), settings
    torch.set_num_threads(threads)


def changed(config, **values):
    return TuneConfig(**config.model_dump() | values)


def children(settings, result):
    """A search's child runs by the number of their trial."""
    client = MlflowClient(tune.choose_mlflow_uri(settings))
    experiment = client.get_run(result.run_id).info.experiment_id
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{result.run_id}'")
    return client, {int(run.data.tags["trial"]): run for run in runs}


def artifacts(client, run_id):
    return {item.path for item in client.list_artifacts(run_id)}


@pytest.mark.slow
def test_each_trial_is_a_run_below_its_search_and_the_best_can_be_trained_again(config, unbroken, tmp_path):
    result, settings = unbroken
    trials = result.study.trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    assert len({trial.params["learning_rate"] for trial in trials}) == 4

    client, runs = children(settings, result)
    assert sorted(runs) == [0, 1, 2, 3]
    for trial in trials:
        run = runs[trial.number]
        assert run.data.params == {name: str(value) for name, value in trial.params.items()}
        assert run.data.metrics["held_out_loss_after"] == pytest.approx(trial.value)
        assert (run.info.status, run.data.tags["state"]) == ("FINISHED", "complete")
        assert len(client.get_metric_history(run.info.run_id, "sft/eval_loss")) == 5
        assert artifacts(client, run.info.run_id) == {"loss.png", "health.png", "metrics.json"}

    parent = client.get_run(result.run_id)
    best = min(trials, key=lambda trial: trial.value)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["best.trial"] == str(best.number)
    assert parent.data.tags["best.learning_rate"] == str(best.params["learning_rate"])
    assert parent.data.metrics["held_out_loss_after"] == pytest.approx(best.value)
    assert artifacts(client, result.run_id) == {"history.png", "tune.yaml"}
    assert not (settings.state / "tune" / result.study.study_name / "trial").exists(), "weights are not kept"

    python, m, stage, *arguments = shlex.split(result.command)
    assert (python, m, stage, arguments[0]) == ("python", "-m", "models.sft", "configs/sft.yaml")
    again = configs.load(SftConfig, arguments[0], [*arguments[1:], f"out={tmp_path / 'best'}"])
    assert sft.main(again).held_out_loss_after == pytest.approx(best.value, rel=1e-5)

    longer = tune.main(changed(config, trials=5), settings)
    assert longer.run_id == result.run_id
    assert [trial.params for trial in longer.study.trials[:4]] == [trial.params for trial in trials]
    assert sorted(children(settings, longer)[1]) == [0, 1, 2, 3, 4]
    metrics = client.get_run(result.run_id).data.metrics
    assert sum(metrics[f"importance/{name}"] for name in config.search) == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.timeout(300)  # a process that imports everything, on a busy machine
def test_a_killed_search_goes_on_as_an_unbroken_one_would_have(config, unbroken, tmp_path, monkeypatch):
    settings = Settings(state=tmp_path / "killed", mlflow_uri=None)  # so by the file beside its searches

    file = tmp_path / "tune.yaml"
    file.write_text(config.model_dump_json())  # JSON is YAML
    monkeypatch.setenv("TONEBRIDGE_STATE", str(settings.state))
    monkeypatch.delenv("TONEBRIDGE_MLFLOW_URI", raising=False)
    folder = settings.state / "tune" / tune.name_search(config)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.tune", str(file)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )

    def is_in_the_third_trial():
        journal = folder / "journal.jsonl"
        begun = journal.read_text().count('"op_code":4,') if journal.exists() else 0
        [kept] = list((folder / "checkpoints").glob("sft-*")) or [folder]
        return begun == 3 and newest_checkpoint(kept)[1] >= 5

    while process.poll() is None and not is_in_the_third_trial():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"

    result = tune.main(config, settings)
    trials = result.study.trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[3].params == trials[2].params
    ended = [trial for trial in trials if trial.number != 2]
    as_it_should_be = unbroken[0].study.trials[:4]
    assert [trial.params for trial in ended] == [trial.params for trial in as_it_should_be]
    values = [trial.value for trial in as_it_should_be]
    assert [trial.value for trial in ended] == pytest.approx(values, rel=1e-5)

    _, runs = children(settings, result)
    assert {number: run.info.status for number, run in runs.items()} == {
        0: "FINISHED", 1: "FINISHED", 2: "KILLED", 3: "FINISHED", 4: "FINISHED"
    }  # fmt: skip
    assert runs[3].data.metrics["resumed_from_step"] >= 5, "the trial goes on from its checkpoint"
    table = tune.build_table(result.study)
    assert list(table.columns[-1].cells)[2:4] == ["killed, again as 3", "complete"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"search": {"lr": {"low": 1e-5, "high": 1e-3}}}, "search.lr: .*unknown lr; known: base,"),
        (
            {"search": {"learning_rate": {"low": -1.0, "high": 1e-3}}},
            "search.learning_rate: .*greater than 0, not -1",
        ),
        ({"search": {"steps": {"choices": [10, 0]}}}, "search.steps: .*greater than or equal to 1, not 0"),
        ({"search": {"repeats": {"low": 1, "high": 2.5}}}, "search.repeats: .*valid integer"),
        ({"search": {"repeats": {"low": 3, "high": 1}}}, "search.repeats: .*low <= high"),
        ({"search": {"masks": {"low": 0, "high": 1}}}, "search.masks: it is no number; give `choices`"),
        ({"search": {"steps": {"low": 10, "high": 20}}}, "search.steps: it is in `fixed` too"),
        (
            {"objective": "held_out_accuracy"},
            "no figure of sft; known: seconds, held_out_loss_before, held_out_loss_after",
        ),
        ({"objective": "out"}, "no figure of sft"),
    ],
)
def test_what_the_stage_cannot_search_is_refused_before_the_first_trial(config, settings, values, message):
    with pytest.raises(ValueError, match=message):
        tune.main(changed(config, **values), settings)
    assert not settings.state.exists()


@pytest.mark.slow
def test_a_run_that_is_not_healthy_is_a_failed_trial(config, settings):
    """At a rate of 1e20 the losses are soon no numbers."""
    wild = changed(config, search={"learning_rate": {"choices": [5e-3, 1e20]}}, random_trials=4)
    result = tune.main(wild, settings)
    rates = [trial.params["learning_rate"] for trial in result.study.trials]
    assert set(rates) == {5e-3, 1e20}
    client, runs = children(settings, result)
    for trial, rate in zip(result.study.trials, rates, strict=True):
        run = runs[trial.number]
        if rate == 5e-3:
            assert (trial.state.name, run.info.status) == ("COMPLETE", "FINISHED")
        else:
            assert (trial.state.name, run.info.status, run.data.tags["state"]) == ("FAIL", "FAILED", "failed")
            assert "eval_loss is not a number at step" in run.data.tags["reasons"]
            assert "loss.png" in artifacts(client, run.info.run_id)
    assert "learning_rate=0.005" in result.command


def test_a_search_without_a_complete_trial_says_so(config, settings):
    result = tune.main(
        changed(config, fixed=[*config.fixed, "healthy={eval_loss: [0, 0.1]}"], trials=2), settings
    )
    assert result.command is None
    assert all("eval_loss is" in cell for cell in tune.build_table(result.study).columns[-1].cells)


@pytest.mark.slow
def test_a_trial_that_is_worse_than_the_others_is_stopped(config, settings):
    hopeless = {"learning_rate": {"choices": [5e-3, 1e-7]}}
    pruning = changed(config, search=hopeless, random_trials=1, trials=3, seed=5, prune_by="eval_loss")
    result = tune.main(pruning, settings)
    states = {(trial.params["learning_rate"], trial.state.name) for trial in result.study.trials}
    assert states == {(5e-3, "COMPLETE"), (1e-7, "PRUNED")}
    client, runs = children(settings, result)
    for trial in result.study.trials:
        run = runs[trial.number]
        assert run.data.tags["state"] == trial.state.name.lower()
        last = max(m.step for m in client.get_metric_history(run.info.run_id, "sft/eval_loss"))
        assert last == (5 if trial.state.name == "PRUNED" else 20)


def test_pairs_are_searched_by_figures_that_only_the_trainer_logs(config, settings, tiny_base, snapshot):
    fixed = (
        f"base={tiny_base}",
        "adapter=null",
        f"snapshots=[{snapshot}]",
        "steps=4",
        "evaluate_every_steps=2",
        "bf16=false",
    )
    by_accuracy = changed(
        config,
        stage="dpo",
        fixed=fixed,
        search={"learning_rate": {"low": 1e-4, "high": 1e-3}, "beta": {"choices": [0.1, 0.3]}},
        objective="held_out_accuracy",
        direction="maximize",
        prune_by="eval_rewards/accuracies",
        trials=2,
    )
    result = tune.main(by_accuracy, settings)
    assert [list(trial.intermediate_values) for trial in result.study.trials] == [[2], [2]]
    assert all(0 <= trial.value <= 1 for trial in result.study.trials)
    with pytest.raises(ValueError, match=r"prune_by=eval_f1: .* it logs .*eval_rewards/accuracies"):
        tune.main(changed(by_accuracy, prune_by="eval_f1"), settings)


def test_two_processes_cannot_be_at_one_search(config, settings):
    folder = settings.state / "tune" / tune.name_search(config)
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another process runs the search in"):
            tune.main(config, settings)


def test_a_search_does_not_change_its_mlflow(config, settings, tmp_path):
    single = changed(config, trials=1)
    tune.main(single, settings)
    with pytest.raises(ValueError, match="set TONEBRIDGE_MLFLOW_URI as before"):
        tune.main(single, Settings(state=settings.state, mlflow_uri=f"sqlite:///{tmp_path / 'other.db'}"))


def test_the_shipped_search_fits_the_shipped_stage():
    shipped = configs.load(TuneConfig, "configs/tune.yaml")
    assert set(tune.build_distributions(shipped)) == set(shipped.search)
    assert tune.name_search(shipped) == tune.name_search(changed(shipped, trials=1))
    assert tune.name_search(shipped) != tune.name_search(changed(shipped, fixed=["steps=61"]))
