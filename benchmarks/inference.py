"""The inference engines in the service's own pool: `make bench-inference`, 8 minutes (`QUICK=1`: 3).

Each engine runs in its own process and rewrites held-out messages for 1, 4 and 16 callers. Each caller sends
the next message as soon as it has an answer. Decoding is greedy, without fact protection. The version is
`artifacts/version` if it exists, else the bare base. The edit writer is measured too if
`artifacts/edits-version` exists (`python -m models.tagger configs/tagger.yaml`). The rewrites of transformers
with float32 weights are
the reference for quality. Prints a table and writes it to `artifacts/bench/inference.json`.
"""

import argparse
import asyncio
import contextlib
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil

from data import corpus
from data.records import Engine, Spec, TransformType
from models import version_file
from serving.inference import pool
from serving.inference.client import Item, Rewritten

REFERENCE = "transformers float32"
_CTRANSLATE2 = ("int8", "int8_float32", "int8_bfloat16", "int16", "bfloat16", "float32")
_MESSAGES = {1: 16, 4: 48, 16: 96}  # messages by callers
_QUICK = {1: 4, 4: 12, 16: 32}
_NEW_TOKENS = 128
_COMPARED = 24  # messages whose tokens are compared one by one


async def ask(running: pool.Pool, spec: Spec, items: Sequence[Item], callers: int) -> dict[str, Any]:
    """Rewrite the items with `callers` concurrent callers. Returns the time of each message, and of all."""
    waiting = iter(enumerate(items))
    took_ms: dict[int, float] = {}
    rewritten: dict[int, Rewritten] = {}

    async def keep_calling() -> None:
        for place, item in waiting:
            began = time.perf_counter()
            [rewritten[place]] = await running.rewrite(spec, [item])
            took_ms[place] = (time.perf_counter() - began) * 1e3

    began = time.perf_counter()
    await asyncio.gather(*(keep_calling() for _ in range(callers)))
    return {
        "seconds": time.perf_counter() - began,
        "tokens": sum(rewrite.tokens for rewrite in rewritten.values()),
        "took_ms": [took_ms[place] for place in range(len(items))],
        "texts": [rewritten[place].text for place in range(len(items))],
    }


def measure(folder: Path, engine: Engine, items: Sequence[Item], counts: dict[int, int]) -> dict[str, Any]:
    """Load a version as the service does, and measure it. Memory is the resident memory of this process."""
    form = version_file.read(folder).form
    spec = Spec(version="v1", form=form, engine=engine, max_new_tokens=_NEW_TOKENS)

    async def run() -> dict[str, Any]:
        running = pool.Pool(1, lambda _: folder)
        began = time.perf_counter()
        await running.load((spec.version, engine))
        result: dict[str, Any] = {"load_s": time.perf_counter() - began, "callers": {}}
        for callers, count in counts.items():
            result["callers"][callers] = await ask(running, spec, items[:count], callers)
        result["memory_mb"] = psutil.Process().memory_info().rss / 1e6
        return result

    return asyncio.run(run())


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The results by number of callers: tokens and messages a second, quantiles of a message's time."""
    by_callers = {
        callers: {
            "tokens_per_s": timings["tokens"] / timings["seconds"],
            "messages_per_s": len(timings["took_ms"]) / timings["seconds"],
            "p50_ms": float(np.quantile(timings["took_ms"], 0.5)),
            "p99_ms": float(np.quantile(timings["took_ms"], 0.99)),
        }
        for callers, timings in result["callers"].items()
    }
    return {"load_s": result["load_s"], "memory_mb": result["memory_mb"], "callers": by_callers}


def _child(folder: Path, engine: str, dtype: str, work: Path, quick: bool) -> dict[str, Any]:
    out = work / "out.json"
    command = [sys.executable, "-m", "benchmarks.inference", "--child", str(folder), engine, dtype]
    command += [str(work / "items.json"), str(out), *(["--quick"] if quick else [])]
    subprocess.run(command, check=True)  # noqa: S603
    return json.loads(out.read_text())  # type: ignore[no-any-return]


def _be_child(folder: Path, engine: Engine, dtype: str, items_file: Path, out: Path, quick: bool) -> None:
    items = [Item.model_validate(item) for item in json.loads(items_file.read_text())]
    counts = _QUICK if quick else _MESSAGES
    with _loading_as(dtype) if engine == "transformers" else contextlib.nullcontext():
        result = measure(folder, engine, items, counts)
    out.write_text(json.dumps(result))


def _loading_as(dtype: str) -> contextlib.AbstractContextManager[Any]:
    """Make the transformers engine load weights of another kind than float32."""
    import torch

    from models import loading

    honest = loading.load_model
    return patch.object(
        loading, "load_model", lambda folder, **_: honest(folder, dtype=getattr(torch, dtype))
    )


def main(version: Path, edits: Path, quick: bool) -> dict[str, Any]:
    """Measure every engine that this machine supports, and print the table."""
    # Imported here, so that the measured processes do not load torch.
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    from models import evaluation, export, loading, scoreboard

    most = max((_QUICK if quick else _MESSAGES).values())
    cases = evaluation.draw_cases(evaluation.test_cases(corpus.SEED / "test"), most, 0)
    trained = (version / "version.json").exists()
    with tempfile.TemporaryDirectory(prefix="tonebridge-bench-") as name:
        work = Path(name)
        if not trained:
            version = export.export(loading.base_folder(loading.PIP_MODEL), None, work / "base")
        items = [
            {"text": case.text, "transform_type": case.transform_type.value, "intensity": case.intensity}
            for case in cases
        ]
        (work / "items.json").write_text(json.dumps(items))
        supported = ctranslate2.get_supported_compute_types("cpu")
        result: dict[str, dict[str, Any]] = {}
        texts: dict[str, list[str]] = {}
        agreements: dict[str, export.Agreement] = {}
        messages = [(case.text, TransformType(case.transform_type), case.intensity) for case in cases]
        for kind in ("float32", "bfloat16"):
            result[f"transformers {kind}"] = _child(version, "transformers", kind, work, quick)
        for kind in _CTRANSLATE2:
            if kind not in supported:
                print(f"CTranslate2 {kind}: not on this machine, which has {', '.join(sorted(supported))}")
                continue
            folder = _converted(version, kind, work / kind, TransformersConverter)
            result[f"CTranslate2 {kind}"] = _child(folder, "ctranslate2", kind, work, quick)
            agreements[f"CTranslate2 {kind}"] = export.agreement(
                folder, messages[:_COMPARED], _NEW_TOKENS, max_regret_nats=math.inf, min_same_choice=0
            )
        if (edits / version_file.NAME).exists():
            result["edits"] = _child(edits, "ctranslate2", "int8", work, quick)
        texts = {name: engine["callers"]["16"]["texts"] for name, engine in result.items()}
        bare = export.base_version(loading.PIP_MODEL, Path("artifacts/base-version")) if trained else version
        scored = scoreboard.score(cases, texts, bare)
    report: dict[str, Any] = {
        "version": "trained" if trained else "base",
        "messages": len(cases),
        "engines": {},
    }
    for name, engine in result.items():
        same = [text == reference for text, reference in zip(texts[name], texts[REFERENCE], strict=True)]
        means = {key: value.model_dump() for key, value in scoreboard.estimates(scored[name], 0).items()}
        agreement = agreements.get(name)
        report["engines"][name] = {
            **summary(engine),
            "same_text": sum(same) / len(same),
            "scores": {key: means[key] for key in ("facts_kept", "meaning", "composite")},
            "same_choice": agreement and agreement.same_choice,
            "regret_nats": agreement and agreement.regret_nats,
        }
    return report


def _converted(version: Path, kind: str, out: Path, converter: Any) -> Path:
    """A copy of a version folder with weights of another kind."""
    out.mkdir()
    for name in ("transformers", "tokenizer.json", "frame.json", version_file.NAME):
        (out / name).symlink_to((version / name).resolve())
    converter(str(version / "transformers")).convert(str(out / "ctranslate2"), quantization=kind)
    return out


def table(report: dict[str, Any]) -> list[str]:
    """The printed table, in Markdown."""
    lines = [
        "| engine | tokens/s: 1 caller | 4 | 16 | p50 / p99 ms: 1 | 4 | 16 | memory MB | same text "
        "| same token | regret, nats | facts kept | meaning | composite |",
        "|" + "---|" * 14,
    ]
    for name, engine in report["engines"].items():
        by_callers = list(engine["callers"].values())
        tokens = " | ".join(f"{row['tokens_per_s']:.0f}" for row in by_callers)
        times = " | ".join(f"{row['p50_ms']:,.0f} / {row['p99_ms']:,.0f}" for row in by_callers)
        agreement = (
            " | "
            if engine["same_choice"] is None
            else f"{engine['same_choice']:.1%} | {engine['regret_nats']:.4f}"
        )
        means = " | ".join(f"{score['mean']:.3f}" for score in engine["scores"].values())
        size = f"{engine['memory_mb']:.0f} | {engine['same_text']:.0%}"
        lines.append(f"| {name} | {tokens} | {times} | {size} | {agreement} | {means} |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a third of the messages")
    parser.add_argument("--version", type=Path, default=Path("artifacts/version"))
    parser.add_argument("--edits", type=Path, default=Path("artifacts/edits-version"))
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        folder, engine, dtype, items_file, out = chosen.child
        _be_child(Path(folder), engine, dtype, Path(items_file), Path(out), chosen.quick)
    else:
        report = main(chosen.version, chosen.edits, chosen.quick)
        print("\n".join(table(report)))
        file = Path("artifacts/bench/inference.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(report, indent=1))
