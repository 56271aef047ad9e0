import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data import corpus
from data.records import Demonstration, TransformType
from data.snapshots import shards
from data.snapshots import snapshot as snapshots
from models import curves, loading, prompts
from models import written_edits as written
from models.checkpoints import newest_checkpoint
from models.sft import SftConfig, demonstrations, held_out_losses, main, seed_demonstrations
from tests.snapshots import TEACHER

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

FACTS = [
    "PAY-123",
    "Monday",
    "14 orders",
    "version 2.4.1",
    "3 May",
    "$1,200",
    "5 pm",
    "Anna",
    "40 ms",
    "Thursday",
]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("snapshot")
    rows = [
        Demonstration(
            text=f"Fix {fact} today.",
            transform_type=TransformType.SOFTEN,
            intensity=i % 4,
            rewrite=f"Could you please look at {fact} today?",
            split="validation" if i % 5 == 0 else "train",
        )
        for i, fact in enumerate(FACTS * 3)
    ]
    return shards.write(folder, rows)


@pytest.fixture
def config(sft_fields):
    whole = {"lora_rank": 0, "steps": 20, "evaluate_every_steps": 10, "checkpoint_every_steps": 5}
    return SftConfig(**sft_fields | whole | {"batch_size": 4})


def test_training_lowers_the_held_out_loss_and_writes_a_whole_model(config):
    result = main(config)
    assert result.held_out_loss_after < result.held_out_loss_before - 1.0
    loading.load_model(config.out)
    assert prompts.read(config.out) == prompts.read(Path(config.base))
    assert json.loads((config.out / "metrics.json").read_text())["digest"] == result.digest
    assert (config.out / "loss.png").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_run_killed_in_mid_training_goes_on_and_ends_where_an_unbroken_one_does(config, tmp_path):
    long = config.model_copy(update={"steps": 120, "checkpoint_every_steps": 20, "evaluate_every_steps": 60})
    unbroken = main(long)

    broken = long.model_copy(update={"out": tmp_path / "broken", "checkpoints": tmp_path / "killed"})
    file = tmp_path / "sft.yaml"
    file.write_text(broken.model_dump_json())  # JSON is YAML
    process = subprocess.Popen(
        [sys.executable, "-m", "models.sft", str(file)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    folder = broken.checkpoints / f"sft-{unbroken.digest}"
    while process.poll() is None and newest_checkpoint(folder)[1] < 40:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"

    resumed = main(broken)
    assert 40 <= resumed.resumed_from_step < 120
    assert resumed.held_out_loss_before == unbroken.held_out_loss_before
    assert resumed.held_out_loss_after == pytest.approx(unbroken.held_out_loss_after, rel=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_two_processes_learn_the_same_as_one(config, tmp_path):
    # With --cpu it would start one process only, unless there is an mpirun. Without a GPU this is gloo, too.
    launch = ["accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--main_process_port=0"]
    launch += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no", "-m", "models.sft"]
    # A short last batch is filled up, and the mean of batches moves: 48 rows are held out, 6 whole batches.
    config = config.model_copy(update={"snapshots": config.snapshots * 4})
    histories, stderr = {}, {}
    for name, module, batch_size in (("one", ["models.sft"], 8), ("two", launch, 4)):
        sizes = {"out": tmp_path / name, "batch_size": batch_size, "steps": 12, "evaluate_every_steps": 6}
        run = config.model_copy(update={**sizes, "checkpoints": tmp_path / f"{name}-checkpoints"})
        file = tmp_path / f"{name}.yaml"
        file.write_text(run.model_dump_json())  # JSON is YAML
        done = subprocess.run(
            [sys.executable, "-m", *module, str(file)], capture_output=True, text=True, check=True
        )
        stderr[name] = done.stderr
        histories[name] = json.loads((run.out / "metrics.json").read_text())["history"]
        assert not run.checkpoints.exists() or not any(run.checkpoints.iterdir())
    for key in ("loss", "eval_loss", "grad_norm"):
        steps, values = curves.curve(histories["one"], key)
        assert len(steps) >= 3
        assert curves.curve(histories["two"], key) == (steps, pytest.approx(values, rel=1e-4)), key
    opened = [stderr[name].count("| 0/12 [00:00]") for name in ("one", "two")]
    assert opened == [1, 1], "only one process shows the bar"


def test_an_adapter_is_small_and_changes_the_base(config):
    lora = config.model_copy(update={"lora_rank": 4, "steps": 5})
    result = main(lora)
    assert result.held_out_loss_after < result.held_out_loss_before
    assert {file.name for file in lora.out.iterdir()} >= {
        "adapter_model.safetensors",
        "metrics.json",
        "loss.png",
    }
    base, tuned = loading.load_model(lora.base), loading.load_model(lora.base, lora.out)
    assert not base.model.layers[0].mlp.up_proj.weight.equal(tuned.model.layers[0].mlp.up_proj.weight)


def test_no_original_stands_in_both_splits_of_the_seed():
    rows = list(seed_demonstrations(corpus.SEED / "train"))
    texts = {split: {row.text for row in rows if row.split == split} for split in ("train", "validation")}
    assert not texts["train"] & texts["validation"]
    assert 0.02 < len(texts["validation"]) / len(texts["train"]) < 0.2


def test_too_little_data_is_said_and_not_a_crash(config, tmp_path):
    shards.write(tmp_path, [])
    with pytest.raises(ValueError, match="of 0 rows, 0 remain for training and 0 for validation"):
        main(config.model_copy(update={"snapshots": (tmp_path,)}))


def test_a_teachers_rows_are_trained_on_and_never_held_out(config, tmp_path):
    row = Demonstration(
        text="Taught.", transform_type=TransformType.SOFTEN, intensity=2, rewrite="Could you please?"
    )
    of_teacher = snapshots.write_of_teacher(tmp_path, [(row, ())], [], TEACHER).folder
    rows = demonstrations(config.model_copy(update={"teachers": (of_teacher,)}))
    assert [each.split for each in rows if each.text == "Taught."] == ["train"]
    assert len(rows) == len(demonstrations(config)) + 1
    assert demonstrations(config.model_copy(update={"teachers": (of_teacher,), "teacher_share": 0.0})) == (
        demonstrations(config)
    )


def test_in_the_form_of_scripts_the_model_learns_the_edits_that_make_the_rewrites(config):
    text = demonstrations(config.model_copy(update={"masks": False}))
    scripts = demonstrations(config.model_copy(update={"masks": False, "form": "script"}))
    rewrites = {(row.text, row.intensity): row.rewrite for row in text}
    # "Fix Anna today." has none: its script would be longer than the rewrite.
    assert len(scripts) == 21 < len(text)
    assert scripts[0].rewrite == "- Fix => Could you please look at\n- . => ?"
    for row in scripts:
        assert written.apply(row.text, row.rewrite) == rewrites[row.text, row.intensity]


@pytest.mark.usefixtures("one_thread")
def test_held_out_losses_are_those_of_training_and_pair_two_runs_by_message(config, tmp_path):
    lora = config.model_copy(update={"lora_rank": 4, "masks": False, "validation_rows": 1, "steps": 10})
    result = main(lora)
    for adapter, loss in ((None, result.held_out_loss_before), (lora.out, result.held_out_loss_after)):
        [(message, measured)] = held_out_losses(lora, adapter).items()
        assert measured == pytest.approx(loss, rel=1e-4)
        assert message in {row.text for row in demonstrations(lora) if row.split == "validation"}
    many = lora.model_copy(update={"validation_rows": 64, "masks": True})
    slower = many.model_copy(update={"learning_rate": 1e-6, "out": tmp_path / "slower"})
    main(slower)
    before, fast, slow = (held_out_losses(many, adapter) for adapter in (None, lora.out, slower.out))
    assert list(fast) == list(slow) == list(before)
    assert set(fast) == {row.text for row in demonstrations(lora) if row.split == "validation"}
    assert slow == pytest.approx(before, rel=1e-2)
    assert all(fast[message] < slow[message] for message in fast)
