"""A run that is interrupted, by its death or by lack of memory, is the run that is not: in every stage."""

import contextlib
import itertools
import re
from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from data.records import Demonstration, Label, PreferencePair
from data.snapshots import shards
from models import dpo, grpo, kto, reward, sft, training
from models.dpo import DpoConfig
from models.grpo import GrpoConfig
from models.kto import KtoConfig
from models.reward import RewardConfig
from models.sft import SftConfig

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU"),
]

OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB."
CHECKPOINT_EVERY = 4  # logs come every five steps: what is summed up between two must not be lost
TIMINGS = ("runtime", "per_second", "step_time")


class Killed(BaseException):
    pass


class Stage(NamedTuple):
    module: Any
    trainer: type
    config: Any

    def with_folders(self, folder, **changed):
        """The config with folders of its own."""
        return self.config.model_copy(
            update={"out": folder / "out", "checkpoints": folder / "checkpoints"} | changed
        )


class Unbroken(NamedTuple):
    result: Any
    batches: list[tuple[int, Any]]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Two threads add up in another order, and which they take depends on the size of a batch."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tuned(tiny_base, write_snapshot, tmp_path_factory):
    """A tiny model that ends what it says, for GRPO."""
    folder = tmp_path_factory.mktemp("tuned")
    config = SftConfig(
        base=str(tiny_base),
        seed_folder=None,
        snapshots=(write_snapshot(folder / "snapshot"),),
        out=folder / "sft",
        checkpoints=folder / "checkpoints",
        steps=60,
        learning_rate=5e-3,
        lora_rank=0,
        bf16=False,
    )
    return str(sft.main(config).out)


def uneven(snapshot):
    """Chosen rewrites of several lengths, so that a mean over a batch is no mean over a step."""
    pairs = (
        row.model_copy(update={"chosen": row.chosen + " Thank you." * (i % 3)})
        for i, row in enumerate(shards.read(snapshot, PreferencePair))
    )
    others = (shards.read(snapshot, kind) for kind in (Demonstration, Label))
    return shards.write(snapshot.with_name("uneven"), itertools.chain(pairs, *others))


@pytest.fixture(scope="module")
def stages(tiny_base, tuned, write_snapshot, write_adapter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    every = {
        "snapshots": (uneven(write_snapshot(folder / "snapshot")),),
        "steps": 12,
        "batch_size": 2,
        "accumulate_batches": 2,
        "learning_rate": 2e-3,
        "evaluate_every_steps": 6,
        "checkpoint_every_steps": CHECKPOINT_EVERY,
        "bf16": False,
        "healthy": {},
        "seed": 3,
    }
    above = {"base": str(tiny_base), "adapter": write_adapter(tiny_base, folder / "adapter")}
    rules = {"reward": None, "learned_weight": 0, "max_new_tokens": 24, "validation_prompts": 4}
    alone = {"base": tuned, "adapter": write_adapter(tuned, folder / "tuned-adapter", 1)}
    return {
        "sft": Stage(sft, sft.SFTTrainer, SftConfig(base=str(tiny_base), seed_folder=None, **every)),
        "sft on four bits": Stage(
            sft,
            sft.SFTTrainer,
            SftConfig(
                base=str(tiny_base),
                seed_folder=None,
                load="4bit",
                gradient_checkpointing=True,
                optimizer="paged_adamw_8bit",
                **every,
            ),
        ),
        "reward": Stage(reward, reward.RewardTrainer, RewardConfig(**above, **every)),
        "dpo": Stage(dpo, dpo._Trainer, DpoConfig(**above, **every, masks=False)),
        "kto": Stage(kto, kto._Trainer, KtoConfig(**above, **every, masks=False)),
        "grpo": Stage(
            grpo,
            grpo._Trainer,
            GrpoConfig(**alone, **rules, seed_folder=None, generations=2, waive_validity=True, **every),
        ),
    }


def rows(inputs):
    """What a batch holds: its padded ids, or the messages that it asks about."""
    return [row["text"] for row in inputs] if isinstance(inputs, list) else inputs["input_ids"].tolist()


@contextlib.contextmanager
def watched(stage, fails=None):
    """Yields the list of (step, rows) of the batches that are trained on; `fails(trainer)` may end it."""
    seen, honest = [], stage.trainer.training_step

    def training_step(self, model, inputs, *args, **kwargs):
        model.train()  # the first that a step does
        if fails:
            fails(self)
        seen.append((self.state.global_step, rows(inputs)))
        return honest(self, model, inputs, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage.trainer, "training_step", training_step)
        yield seen


@pytest.fixture(scope="module")
def unbroken(stages, tmp_path_factory):
    """`unbroken(name)`: a stage's run without an interruption, once for all tests."""

    @cache
    def run(name):
        with watched(stages[name]) as batches:
            result = stages[name].module.main(stages[name].with_folders(tmp_path_factory.mktemp(name)))
        return Unbroken(result, batches)

    return run


def curves(history, without=()):
    """All logged figures but times, as rows of (step, name, value) in the order in which they were logged."""
    return [
        (entry["step"], name, value)
        for entry in history
        for name, value in sorted(entry.items())
        if not name.endswith(TIMINGS) and name not in without
    ]


def distance(first, second):
    """The greatest difference between the figures of two runs, which must have the same names and steps."""
    assert [row[:2] for row in first] == [row[:2] for row in second]
    greatest = max(abs(a[2] - b[2]) for a, b in zip(first, second, strict=True))
    print(f"greatest distance of {len(first)} figures: {greatest:.2g}")
    return greatest


def assert_same_weights(first, second):
    [file] = (file.name for file in first.glob("*.safetensors"))
    weights = load_file(second / file)
    for name, tensor in load_file(first / file).items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sft", "sft on four bits", "reward", "dpo", "kto", "grpo"])
def test_a_killed_run_goes_on_with_the_same_batches_and_the_same_curve(name, stages, unbroken, tmp_path):
    stage, whole = stages[name], unbroken(name)
    config = stage.with_folders(tmp_path)

    def dies(trainer):
        if trainer.state.global_step == 10:
            raise Killed

    with watched(stage, dies) as before, pytest.raises(Killed):
        stage.module.main(config)
    with watched(stage) as after:
        resumed = stage.module.main(config)
    assert resumed.resumed_from_step == 8
    assert before == whole.batches[: len(before)], "the seed fixes the order"
    assert after == [batch for batch in whole.batches if batch[0] >= 8], "and it goes on where it was"
    assert len(whole.batches) == 2 * 12

    assert distance(curves(resumed.history), curves(whole.result.history)) < 1e-4
    steps = [entry["step"] for entry in resumed.history if "loss" in entry]
    assert steps == [1, 4, 5, 8, 10, 12], "no step stands twice"
    assert_same_weights(whole.result.out, resumed.out)


def test_a_run_that_dies_after_its_last_checkpoint_is_not_trained_again(stages, unbroken, tmp_path):
    stage, whole = stages["sft"], unbroken("sft")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "save", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            stage.module.main(stage.with_folders(tmp_path))
    with watched(stage) as batches:
        resumed = stage.module.main(stage.with_folders(tmp_path))
    assert (resumed.resumed_from_step, batches) == (12, [])
    assert distance(curves(resumed.history), curves(whole.result.history)) < 1e-4


@pytest.mark.parametrize("name", ["sft", "reward", "dpo", "kto", "grpo"])
def test_another_seed_is_another_order(name, stages, unbroken, tmp_path):
    stage, whole = stages[name], unbroken(name)
    with watched(stage) as batches:
        stage.module.main(stage.with_folders(tmp_path, seed=4, steps=3))
    assert batches != whole.batches[: len(batches)]


# Means of the means of batches, which weigh a token by the batch that it is in.
BY_BATCH = ("entropy", "mean_token_accuracy", "kl", "logits/chosen", "logits/rejected")
LEAST_MOST = ("min_reward", "max_reward", "clip_ratio/low_min", "clip_ratio/high_max")


def fits_only(rows_of_a_batch, since_step):
    """From a step on, a larger batch does not fit into memory."""

    def fails(trainer):
        too_large = trainer.args.per_device_train_batch_size > rows_of_a_batch
        if trainer.state.global_step >= since_step and too_large:
            raise torch.OutOfMemoryError(OUT_OF_MEMORY)

    return fails


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "since_step", "from_step"),
    [("sft", 1, 0), ("sft", 6, 4), ("reward", 6, 4), ("dpo", 6, 4), ("grpo", 6, 4)],
)
def test_out_of_memory_cuts_the_batches_and_keeps_the_curve(
    name, since_step, from_step, stages, unbroken, tmp_path, caplog
):
    stage, whole = stages[name], unbroken(name)
    with watched(stage, fits_only(1, since_step)) as batches:
        result = stage.module.main(stage.with_folders(tmp_path))
    assert result.digest == whole.result.digest
    assert (result.out_of_memory_at, result.resumed_from_step) == ((2,), from_step)
    assert sum(step == 11 for step, _ in batches) == 4, "a step is four batches of one"
    without = BY_BATCH + LEAST_MOST
    assert distance(curves(result.history, without), curves(whole.result.history, without)) < 1e-4
    assert_same_weights(whole.result.out, result.out)
    [warning] = [r.getMessage() for r in caplog.records if r.name == "models.training"]
    assert warning == (
        f"{name}: memory ran out with a batch of 2; resuming from the last checkpoint with 4 batches of 1 "
        f"in a step, which learn the same. The error was: {OUT_OF_MEMORY}"
    )


def test_batches_are_cut_as_often_as_it_takes(stages, unbroken, tmp_path):
    stage = stages["sft"]
    with watched(stage, fits_only(1, 2)):
        result = stage.module.main(stage.with_folders(tmp_path, batch_size=4, accumulate_batches=1))
    assert result.out_of_memory_at == (4, 2)
    distances = distance(curves(result.history, BY_BATCH), curves(unbroken("sft").result.history, BY_BATCH))
    assert distances < 1e-4, "four rows are a step, however they are cut"


def test_smaller_batches_without_more_of_them_are_another_curve(stages, unbroken, tmp_path, monkeypatch):
    stage, whole = stages["sft"], unbroken("sft")
    honest = training.cut_batches
    monkeypatch.setattr(
        training,
        "cut_batches",
        lambda config: honest(config).model_copy(update={"accumulate_batches": config.accumulate_batches}),
    )
    with watched(stage, fits_only(1, 6)):
        result = stage.module.main(stage.with_folders(tmp_path))
    without = ("num_tokens", "eval_num_tokens")
    assert distance(curves(result.history, without), curves(whole.result.history, without)) > 1e-2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "sft",
            "sft: memory ran out with a batch of 1, which is not cut into smaller batches.",
        ),
        (
            "kto",
            "kto: memory ran out with a batch of 2, which is not cut into smaller batches.",
        ),
        (
            "grpo",
            "Lower max_prompt_tokens, max_new_tokens, generations, batch_size, set "
            "gradient_checkpointing=true, or take a smaller base",
        ),
    ],
)
def test_where_no_batch_fits_it_says_what_to_do(name, words, stages, tmp_path):
    stage = stages[name]
    with (
        watched(stage, fits_only(0, 0)),
        pytest.raises(torch.OutOfMemoryError, match=f"{re.escape(words)}.*{re.escape(OUT_OF_MEMORY)}"),
    ):
        stage.module.main(stage.with_folders(tmp_path))


def test_smaller_batches_do_not_help_an_evaluation(stages, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise torch.OutOfMemoryError(OUT_OF_MEMORY)

    monkeypatch.setattr(stages["sft"].trainer, "prediction_step", fails)
    config = stages["sft"].with_folders(tmp_path)
    words = "memory ran out evaluating a step's 4 rows at once, .* Lower max_tokens, batch_size, lora_rank"
    with pytest.raises(torch.OutOfMemoryError, match=words):
        sft.main(config)


@pytest.mark.parametrize(
    ("size", "smaller"), [((8, 1), (4, 2)), ((6, 2), (3, 4)), ((9, 1), (3, 3)), ((5, 2), (1, 10))]
)
def test_a_step_is_as_many_rows_however_it_is_cut(size, smaller):
    config = SftConfig(batch_size=size[0], accumulate_batches=size[1])
    result = training.cut_batches(config)
    assert (result.batch_size, result.accumulate_batches) == smaller
