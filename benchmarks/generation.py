"""The time that GRPO would save if CTranslate2 sampled the rewrites; `benchmarks.training` runs it.

GRPO samples from weights that change with every step. CTranslate2 samples faster than transformers, but reads
its weights from a file: each step has to merge, convert and load the adapter.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
from tokenizers import Tokenizer

from models import export, prompts

_NEW_TOKENS = 64
_KINDS = ("int8", "float32")
_THREADS = ((2, 1), (1, 2))  # batches at a time, threads of each


def measure(
    base: Path, adapter: Path, rendered: Sequence[str], steps: int, generations: int
) -> dict[str, dict[str, Any]]:
    """Seconds of a step's rewrites, and of exporting and loading the weights, by kind of weights.

    `rendered` has the prompts of all steps in order. Of the two uses of two threads, the faster counts.
    """
    by_kind: dict[str, dict[str, Any]] = {}
    for kind in _KINDS:
        version = adapter.with_name(f"{adapter.name}-{kind}")
        began = time.perf_counter()
        export.export(base, adapter, version, kind)
        exported = time.perf_counter()
        ctranslate2.Generator(str(version / "ctranslate2"), inter_threads=1, intra_threads=1)
        loaded = time.perf_counter()
        measured = [sample(version, rendered, steps, generations, *threads) for threads in _THREADS]
        best = min(measured, key=lambda timings: statistics.fmean(timings["generation_s"]))
        by_kind[kind] = {"export_s": exported - began, "load_s": loaded - exported, **best}
    return by_kind


def sample(
    version: Path, rendered: Sequence[str], steps: int, generations: int, batches: int, threads: int
) -> dict[str, Any]:
    """Sample as GRPO does, from all tokens at temperature 1. Returns seconds and tokens of each step."""
    tokenizer = Tokenizer.from_file(str(version / "tokenizer.json"))
    stop = prompts.read(version).stop
    generator = ctranslate2.Generator(
        str(version / "ctranslate2"), inter_threads=batches, intra_threads=threads
    )
    size = len(rendered) // steps
    seconds: list[float] = []
    tokens: list[int] = []
    for start in range(0, len(rendered), size):
        batch = [
            tokenizer.encode(prompt, add_special_tokens=False).tokens
            for prompt in rendered[start : start + size]
            for _ in range(generations)
        ]
        began = time.perf_counter()
        results = generator.generate_batch(
            batch,
            max_batch_size=-(-len(batch) // batches),
            max_length=_NEW_TOKENS,
            sampling_topk=0,
            end_token=stop,
            return_end_token=True,
            include_prompt_in_result=False,
        )
        seconds.append(time.perf_counter() - began)
        tokens.append(sum(len(result.sequences_ids[0]) for result in results))
    return {"generation_s": seconds, "generated_tokens": tokens}


def table(run: Mapping[str, Any], by_kind: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A step of GRPO with each generator, in Markdown, scaled to the tokens that transformers generated."""
    tokens = statistics.fmean(run["generated_tokens"])
    now_s = statistics.fmean(run["generation_s"])
    lines = [
        "| GRPO samples with | tokens/s | sampling, s | new weights, s | whole step, s | times faster |",
        "|---|---|---|---|---|---|",
        f"| transformers (today) | {tokens / now_s:.0f} | {now_s:.2f} | | {run['s_per_step']:.2f} | |",
    ]
    for kind, timings in by_kind.items():
        per_s = sum(timings["generated_tokens"]) / sum(timings["generation_s"])
        renewal_s = timings["export_s"] + timings["load_s"]
        step_s = run["s_per_step"] - now_s + tokens / per_s + renewal_s
        cells = [f"CTranslate2, {kind}", f"{per_s:.0f}", f"{tokens / per_s:.2f}", f"{renewal_s:.2f}"]
        cells += [f"{step_s:.2f}", f"{run['s_per_step'] / step_s:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
