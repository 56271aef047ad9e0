"""Runs one training in a process of its own and writes down what it took.

    python -m benchmarks.probe out.json models.sft configs/sft.yaml steps=10
    python -m benchmarks.probe out.json trl.scripts.sft --model_name_or_path ... --dataset_name ...

The module runs as it would by itself; `trl.scripts.sft` is what `trl sft` starts. Both are timed in the same
places, those of the trainer that they share.
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

# What a row holds, whichever trainer prepared it.
_COLUMNS = ("input_ids", "prompt_ids", "chosen_ids", "rejected_ids", "completion_ids", "labels", "label")
_PROMPT_COLUMNS = ("prompt", "text", "transform_type", "intensity")


@dataclass
class Seen:
    """What a training run took.

    `step_s` is of each step from its batch to the end of the optimiser's step, `reference_s` what the
    reference's log-probabilities of the training rows took beforehand. Tokens are those that a step's model
    reads, prompts of pairs twice; `slots` are tokens and padding. `generation_s` is the part of each step in
    which GRPO samples, `generated_tokens` how many that were. `peak_mb` is the process's largest resident
    memory.
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
def watching() -> Iterator[Seen]:
    """Watch the one training run that happens inside."""
    seen = Seen()

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            seen.step_s.append(time.perf_counter() - self.began)

    def around(owner: type, name: str, watched: Callable[..., Any]) -> Any:
        """Replace a method by `watched(method, self, *args, **kwargs)`."""
        method = getattr(owner, name)

        def watch(self: Any, *args: Any, **kwargs: Any) -> Any:
            return watched(method, self, *args, **kwargs)

        return patch.object(owner, name, watch)

    def train(method: Any, trainer: Any, *args: Any, **kwargs: Any) -> Any:
        seen.train_rows = _rows(trainer.train_dataset)
        seen.held_out_rows = _rows(trainer.eval_dataset) if trainer.eval_dataset is not None else []
        seen.history = trainer.state.log_history
        try:
            return method(trainer, *args, **kwargs)
        finally:
            seen.history = trainer.state.log_history

    def training_step(method: Any, trainer: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        for name, mask in inputs.items() if isinstance(inputs, dict) else ():
            if name.endswith("attention_mask"):
                seen.tokens += int(mask.sum())
                seen.slots += mask.numel()
        return method(trainer, model, inputs, *args, **kwargs)

    def reference(method: Any, trainer: Any, dataset: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(trainer, dataset, name, *args, **kwargs)
        finally:
            if name == "train":
                seen.reference_s += time.perf_counter() - began

    def generate(method: Any, trainer: Any, *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        said = method(trainer, *args, **kwargs)
        if trainer.model.training:
            seen.generation_s.append(time.perf_counter() - began)
        return said

    def score(method: Any, trainer: Any, *args: Any, **kwargs: Any) -> Any:
        batch = method(trainer, *args, **kwargs)
        if trainer.model.training:
            seen.generated_tokens.append(int(batch["completion_mask"].sum()))
            seen.tokens += int(batch["prompt_mask"].sum() + batch["completion_mask"].sum())
            seen.slots += batch["prompt_mask"].numel() + batch["completion_mask"].numel()
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
        yield seen
    seen.peak_mb = _peak_mb()


def _rows(dataset: Any) -> list[dict[str, Any]]:
    names = [name for name in _COLUMNS if name in dataset.column_names]
    names = names or [name for name in _PROMPT_COLUMNS if name in dataset.column_names]
    return [dict(row) for row in dataset.select_columns(names)]


def _peak_mb() -> float:
    """The largest resident memory so far; Linux's own count, which a parent's size does not touch."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found, status
    return int(found[1]) / 1e3


def rules(
    completions: list[str], text: list[str], transform_type: list[str], intensity: list[int], **_: Any
) -> list[float]:
    """The reward of `models.grpo` by rules, where TRL's command line finds it by its path."""
    kinds = [TransformType(kind) for kind in transform_type]
    return grpo.rules(masks=False)(
        completions=completions, text=text, transform_type=kinds, intensity=intensity
    )


if __name__ == "__main__":
    out, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    with watching() as seen:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    Path(out).write_text(json.dumps(asdict(seen)), encoding="utf-8")
