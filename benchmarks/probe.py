"""Runs one training in its own process, and writes its time, tokens and memory to a file.

    python -m benchmarks.probe out.json models.sft configs/sft.yaml steps=10
    python -m benchmarks.probe out.json trl.scripts.sft --model_name_or_path ... --dataset_name ...

The module runs as it would alone; `trl.scripts.sft` is the module that `trl sft` starts. Both are timed at
the same points, in the methods of the trainer that they share.
"""

import contextlib
import json
import re
import runpy
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from transformers import Trainer, TrainerCallback
from transformers import trainer as transformers_trainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.kto_trainer import KTOTrainer

from data.records import TransformType
from models import grpo

# Columns of a row, for every trainer.
_COLUMNS = ("input_ids", "prompt_ids", "chosen_ids", "rejected_ids", "completion_ids", "labels", "label")
_PROMPT_COLUMNS = ("prompt", "text", "transform_type", "intensity")


@dataclass
class Record:
    """The measurements of a training run.

    `step_s` is the time of each step from its batch to the end of the optimiser's step. `reference_s` is the
    time before training for the reference's log-probabilities of the training rows. `tokens` are those that
    the model reads, prompts of pairs twice; `slots` also counts padding. `generation_s` is the time of each
    step in which GRPO samples, and `generated_tokens` the number of sampled tokens. `peak_mb` is the largest
    resident memory of the process.
    """

    step_s: list[float] = field(default_factory=list)
    reference_s: float = 0.0
    tokens: int = 0
    slots: int = 0
    generation_s: list[float] = field(default_factory=list)
    generated_tokens: list[int] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    train_rows: list[dict[str, Any]] = field(default_factory=list)
    held_out_rows: list[dict[str, Any]] = field(default_factory=list)
    peak_mb: float = 0.0


@contextlib.contextmanager
def watching() -> Iterator[Record]:
    """Context manager: records the one training run inside it."""
    record = Record()

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            record.step_s.append(time.perf_counter() - self.began)

    def around(owner: type, name: str, watched: Callable[..., Any]) -> Any:
        """Replace a method by `watched(method, self, *args, **kwargs)`."""
        method = getattr(owner, name)

        def watch(self: Any, *args: Any, **kwargs: Any) -> Any:
            return watched(method, self, *args, **kwargs)

        return patch.object(owner, name, watch)

    def train(method: Any, trainer: Any, *args: Any, **kwargs: Any) -> Any:
        record.train_rows = _rows(trainer.train_dataset)
        record.held_out_rows = _rows(trainer.eval_dataset) if trainer.eval_dataset is not None else []
        record.history = trainer.state.log_history
        try:
            return method(trainer, *args, **kwargs)
        finally:
            record.history = trainer.state.log_history

    def training_step(method: Any, trainer: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        for name, mask in inputs.items() if isinstance(inputs, dict) else ():
            if name.endswith("attention_mask"):
                record.tokens += int(mask.sum())
                record.slots += mask.numel()
        return method(trainer, model, inputs, *args, **kwargs)

    def reference(method: Any, trainer: Any, dataset: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(trainer, dataset, name, *args, **kwargs)
        finally:
            if name == "train":
                record.reference_s += time.perf_counter() - began

    def generate(method: Any, trainer: Any, *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        result = method(trainer, *args, **kwargs)
        if trainer.model.training:
            record.generation_s.append(time.perf_counter() - began)
        return result

    def score(method: Any, trainer: Any, *args: Any, **kwargs: Any) -> Any:
        batch = method(trainer, *args, **kwargs)
        if trainer.model.training:
            record.generated_tokens.append(int(batch["completion_mask"].sum()))
            record.tokens += int(batch["prompt_mask"].sum() + batch["completion_mask"].sum())
            record.slots += batch["prompt_mask"].numel() + batch["completion_mask"].numel()
        return batch

    with contextlib.ExitStack() as stack:
        stack.enter_context(
            patch.object(
                transformers_trainer,
                "DEFAULT_CALLBACKS",
                [*transformers_trainer.DEFAULT_CALLBACKS, Clock],
            )
        )
        stack.enter_context(around(Trainer, "train", train))
        stack.enter_context(around(Trainer, "training_step", training_step))
        stack.enter_context(around(DPOTrainer, "_precompute_ref_logps", reference))
        stack.enter_context(around(KTOTrainer, "_precompute_ref_logps", reference))
        stack.enter_context(around(GRPOTrainer, "_generate", generate))
        stack.enter_context(around(GRPOTrainer, "_generate_and_score_completions", score))
        yield record
    record.peak_mb = _peak_mb()


def _rows(dataset: Any) -> list[dict[str, Any]]:
    names = [name for name in _COLUMNS if name in dataset.column_names]
    names = names or [name for name in _PROMPT_COLUMNS if name in dataset.column_names]
    return [dict(row) for row in dataset.select_columns(names)]


def _peak_mb() -> float:
    """The largest resident memory so far in MB, by Linux's count, which excludes the parent process."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match, status
    return int(match[1]) / 1e3


def rules(
    completions: list[str], text: list[str], transform_type: list[str], intensity: list[int], **_: Any
) -> list[float]:
    """The rule-based reward of `models.grpo`, at a path that TRL's command line can import."""
    kinds = [TransformType(kind) for kind in transform_type]
    return grpo.rules(masks=False)(
        completions=completions, text=text, transform_type=kinds, intensity=intensity
    )


if __name__ == "__main__":
    out, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    with watching() as record:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    Path(out).write_text(json.dumps(asdict(record)), encoding="utf-8")
