"""The inference engines behind the service's own pool: `make bench-inference`, 8 minutes (`QUICK=1`: 3).

Each engine is a process of its own and rewrites held-out messages for 1, 4 and 16 callers, each of whom asks
again as soon as it is answered; greedily, facts unprotected. The version is `artifacts/version` where there
is one, else the bare base. What float32 weights write under transformers is the measure of quality. Prints a
table and keeps it as `artifacts/bench/inference.json`.
"""

import argparse
import asyncio
import contextlib
import functools
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
from serving.inference import pool
from serving.inference.client import Item, Rewritten

REFERENCE = "transformers float32"
_CTRANSLATE2 = ("int8", "int8_float32", "int8_bfloat16", "int16", "bfloat16", "float32")
_ASKED = {1: 16, 4: 48, 16: 96}  # messages by callers
_QUICK = {1: 4, 4: 12, 16: 32}
_NEW_TOKENS = 128
_JUDGED = 24  # messages for the token by token agreement


async def ask(running: pool.Pool, spec: Spec, items: Sequence[Item], callers: int) -> dict[str, Any]:
    """Have so many callers share the items; each message's milliseconds, and what all took."""
    waiting = iter(enumerate(items))
    took_ms: dict[int, float] = {}
    said: dict[int, Rewritten] = {}

    async def keep_asking() -> None:
        for place, item in waiting:
            began = time.perf_counter()
            [said[place]] = await running.rewrite(spec, [item])
            took_ms[place] = (time.perf_counter() - began) * 1e3

    began = time.perf_counter()
    await asyncio.gather(*(keep_asking() for _ in range(callers)))
    return {
        "seconds": time.perf_counter() - began,
        "tokens": sum(one.tokens for one in said.values()),
        "took_ms": [took_ms[place] for place in range(len(items))],
        "texts": [said[place].text for place in range(len(items))],
    }


def measure(folder: Path, engine: Engine, items: Sequence[Item], counts: dict[int, int]) -> dict[str, Any]:
    """Load a version as the service does and ask it; memory is what this process takes, in all."""
    spec = Spec(version="v1", engine=engine, max_new_tokens=_NEW_TOKENS)

    async def run() -> dict[str, Any]:
        running = pool.Pool(1, lambda _: folder)
        began = time.perf_counter()
        await running.load((spec.version, engine))
        found: dict[str, Any] = {"load_s": time.perf_counter() - began, "callers": {}}
        for callers, count in counts.items():
            found["callers"][callers] = await ask(running, spec, items[:count], callers)
        found["memory_mb"] = psutil.Process().memory_info().rss / 1e6
        return found

    return asyncio.run(run())


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Figures by callers: tokens and messages a second, quantiles of a message's milliseconds."""
    by_callers = {
        callers: {
            "tokens_per_s": of["tokens"] / of["seconds"],
            "messages_per_s": len(of["took_ms"]) / of["seconds"],
            "p50_ms": float(np.quantile(of["took_ms"], 0.5)),
            "p99_ms": float(np.quantile(of["took_ms"], 0.99)),
        }
        for callers, of in found["callers"].items()
    }
    return {"load_s": found["load_s"], "memory_mb": found["memory_mb"], "callers": by_callers}


def _child(folder: Path, engine: str, dtype: str, work: Path, quick: bool) -> dict[str, Any]:
    out = work / "out.json"
    command = [sys.executable, "-m", "benchmarks.inference", "--child", str(folder), engine, dtype]
    command += [str(work / "items.json"), str(out), *(["--quick"] if quick else [])]
    subprocess.run(command, check=True)  # noqa: S603
    return json.loads(out.read_text())  # type: ignore[no-any-return]


def _be_child(folder: Path, engine: Engine, dtype: str, asked: Path, out: Path, quick: bool) -> None:
    items = [Item.model_validate(item) for item in json.loads(asked.read_text())]
    counts = _QUICK if quick else _ASKED
    with _loading_as(dtype) if engine == "transformers" else contextlib.nullcontext():
        found = measure(folder, engine, items, counts)
    out.write_text(json.dumps(found))


def _loading_as(dtype: str) -> contextlib.AbstractContextManager[Any]:
    """The transformers engine reads float32; here it is to read another kind, too."""
    import torch

    from models import loading

    load = functools.partial(loading.load_model, dtype=getattr(torch, dtype))
    return patch.object(loading, "load_model", load)


def main(version: Path, quick: bool) -> dict[str, Any]:
    """Measure every engine that this machine has, and print the table."""
    # Imported here, so that the processes that are measured go without torch.
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    from models import evaluation, export, loading, scoreboard

    most = max((_QUICK if quick else _ASKED).values())
    cases = evaluation.test_cases(corpus.SEED / "test", most)
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
        found: dict[str, dict[str, Any]] = {}
        texts: dict[str, list[str]] = {}
        judged: dict[str, export.Agreement] = {}
        messages = [(case.text, TransformType(case.transform_type), case.intensity) for case in cases]
        for kind in ("float32", "bfloat16"):
            found[f"transformers {kind}"] = _child(version, "transformers", kind, work, quick)
        for kind in _CTRANSLATE2:
            if kind not in supported:
                print(f"CTranslate2 {kind}: not on this machine, which has {', '.join(sorted(supported))}")
                continue
            folder = _converted(version, kind, work / kind, TransformersConverter)
            found[f"CTranslate2 {kind}"] = _child(folder, "ctranslate2", kind, work, quick)
            judged[f"CTranslate2 {kind}"] = export.agreement(
                folder, messages[:_JUDGED], _NEW_TOKENS, max_regret_nats=math.inf, min_same_choice=0
            )
        texts = {name: of["callers"]["16"]["texts"] for name, of in found.items()}
        bare = export.base_version(loading.PIP_MODEL, Path("artifacts/base-version")) if trained else version
        scored = scoreboard.score(cases, texts, bare)
    report: dict[str, Any] = {
        "version": "trained" if trained else "base",
        "messages": len(cases),
        "engines": {},
    }
    for name, of in found.items():
        same = [one == other for one, other in zip(texts[name], texts[REFERENCE], strict=True)]
        means = {key: value.model_dump() for key, value in scoreboard.estimates(scored[name], 0).items()}
        agreed = judged.get(name)
        report["engines"][name] = {
            **summary(of),
            "same_text": sum(same) / len(same),
            "scores": {key: means[key] for key in ("facts_kept", "meaning", "composite")},
            "same_choice": agreed and agreed.same_choice,
            "regret_nats": agreed and agreed.regret_nats,
        }
    return report


def _converted(version: Path, kind: str, out: Path, converter: Any) -> Path:
    """A version folder with other quantised weights and all else as it was."""
    out.mkdir()
    for name in ("transformers", "tokenizer.json", "frame.json"):
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
    for name, of in report["engines"].items():
        by_callers = list(of["callers"].values())
        tokens = " | ".join(f"{one['tokens_per_s']:.0f}" for one in by_callers)
        times = " | ".join(f"{one['p50_ms']:,.0f} / {one['p99_ms']:,.0f}" for one in by_callers)
        judged = " | " if of["same_choice"] is None else f"{of['same_choice']:.1%} | {of['regret_nats']:.4f}"
        means = " | ".join(f"{score['mean']:.3f}" for score in of["scores"].values())
        size = f"{of['memory_mb']:.0f} | {of['same_text']:.0%}"
        lines.append(f"| {name} | {tokens} | {times} | {size} | {judged} | {means} |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a third of the messages")
    parser.add_argument("--version", type=Path, default=Path("artifacts/version"))
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        folder, engine, dtype, asked, out = chosen.child
        _be_child(Path(folder), engine, dtype, Path(asked), Path(out), chosen.quick)
    else:
        report = main(chosen.version, chosen.quick)
        print("\n".join(table(report)))
        file = Path("artifacts/bench/inference.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(report, indent=1))
