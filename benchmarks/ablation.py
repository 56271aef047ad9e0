"""The speed-up by each optimisation of our training: it is measured with one switched off at a time.

    python -m benchmarks.ablation artifacts/bench/ablation.json

Every run trains on the same rows, in the same order of batches except for `length grouping`; no optimisation
changes the result of training. A round runs each of them once. `benchmarks.training` runs this module.
"""

import argparse
import contextlib
import dataclasses
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

import configs
from benchmarks import inputs, probe
from models import dpo, loading, prompts, sft, training

# SmolLM2's chat template puts this before a request without a system message.
_SYSTEM = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
)

_order, _quicken, _read = training.training_order, training.quicken, prompts.read


def _shuffled(lengths: Sequence[int], steps: int, batch_size: int, seed: int) -> list[int]:
    rows = _order(lengths, steps, batch_size, seed)
    return np.random.default_rng(seed).permutation(rows).tolist()  # type: ignore[no-any-return]


def _quickened_float32(model: Any, config: Any, frozen: bool) -> Any:
    return _quicken(model, config, frozen=False)


def _quickened_sdpa(model: Any, config: Any, frozen: bool) -> Any:
    model = _quicken(model, config, frozen)
    model.set_attn_implementation("sdpa")
    return model


def _long_frame(folder: Path) -> prompts.Frame:
    frame = _read(folder)
    return dataclasses.replace(frame, before=_SYSTEM + frame.before)


def _reference_in_each_step(**arguments: Any) -> Any:
    from trl.trainer.dpo_config import DPOConfig

    return DPOConfig(**(arguments | {"precompute_ref_log_probs": False}))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


_Off = Callable[[], contextlib.AbstractContextManager[Any]]

# How to switch off each optimisation, and the settings for that run.
TRICKS: Mapping[str, tuple[_Off, tuple[str, ...]]] = {
    "nothing": (contextlib.nullcontext, ()),
    "length grouping": (lambda: patch.object(training, "training_order", _shuffled), ()),
    "logits of completions only": (
        lambda: patch.object(training, "score_completions_only", lambda *_: None),
        (),
    ),
    "short frame": (lambda: patch.object(prompts, "read", _long_frame), ()),
    "eager attention": (lambda: patch.object(training, "quicken", _quickened_sdpa), ()),
    "frozen weights in bf16": (lambda: patch.object(training, "quicken", _quickened_float32), ()),
    "bf16": (contextlib.nullcontext, ("bf16=false",)),
    "two threads": (_one_thread, ()),
}


def main(base: Path, steps: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds a step by stage and switched-off optimisation, one number a round: SFT, and DPO's reference."""
    timings: dict[str, dict[str, list[float]]] = {"sft": {}, "dpo": {}}
    with tempfile.TemporaryDirectory(prefix="tonebridge-bench-") as name:
        work = Path(name)
        train, held_out = inputs.demonstrations(base, seed=1)
        rows = inputs.snapshot(work / "sft-rows", [*train[: steps * 8], held_out[0]])
        pairs = inputs.snapshot(work / "dpo-rows", [*train[: steps * 4], held_out[0]])
        common = [f"base={base}", f"steps={steps}", f"out={work / 'out'}", f"checkpoints={work / 'c'}"]
        common += [f"evaluate_every_steps={steps}", f"checkpoint_every_steps={steps + 1}"]
        common += ["masks=false", "max_tokens=320"]  # also with the long frame

        def seconds(stage: Any, config: Any) -> float:
            with probe.watching() as record:
                stage.main(config)
            return (sum(record.step_s) + record.reference_s) / len(record.step_s)

        supervised = [*common, f"snapshots=[{rows}]", "seed_folder=null"]
        adapter = inputs.fresh_adapter(base, work / "fresh")
        preferred = [*common, f"snapshots=[{pairs}]", f"adapter={adapter}"]
        for _ in range(rounds):
            for trick, (off, also) in TRICKS.items():
                config: Any = configs.load(sft.SftConfig, "configs/sft.yaml", [*supervised, *also])
                with off():
                    timings["sft"].setdefault(trick, []).append(seconds(sft, config))
            config = configs.load(dpo.DpoConfig, "configs/dpo.yaml", preferred)
            timings["dpo"].setdefault("nothing", []).append(seconds(dpo, config))
            with patch.object(dpo, "DPOConfig", _reference_in_each_step):
                timings["dpo"].setdefault("reference beforehand", []).append(seconds(dpo, config))
    return timings


def table(timings: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """Time of a step without each optimisation, relative to all of them, in Markdown, for each round."""
    lines = ["| stage | without | s/step | times as long |", "|---|---|---|---|"]
    for stage, by_trick in timings.items():
        with_all = statistics.fmean(by_trick["nothing"])
        for trick, each in by_trick.items():
            seconds = ", ".join(f"{value:.2f}" for value in each)
            lines.append(f"| {stage} | {trick} | {seconds} | {statistics.fmean(each) / with_all:.2f} |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--base", default=loading.PIP_MODEL)
    parser.add_argument("--quick", action="store_true", help="3 steps, one round")
    chosen = parser.parse_args(sys.argv[1:])
    sizes = (3, 1) if chosen.quick else (5, 2)
    timings = main(loading.base_folder(chosen.base), *sizes)
    print("\n" + "\n".join(table(timings)))
    chosen.out.write_text(json.dumps(timings, indent=1))
