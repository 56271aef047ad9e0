"""Every training stage and the evaluation, killed by kill -9 and started again by the same command: the
result equals that of a run that was not killed.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from data.records import Demonstration, Label, PreferencePair, TransformType
from data.snapshots import shards
from models import export
from pipelines import train

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

ROOT = Path(__file__).parents[2]
LEARN = ("sft", "reward", "dpo", "kto", "grpo")
TIMINGS = ("runtime", "per_second", "step_time")
EVERY = 8  # steps from checkpoint to checkpoint; logs come every five, so some means begin before one

# Stops with half of the second checkpoint's last file written, and says so.
STOPS_IN_MID_CHECKPOINT = f"""
import pathlib, runpy, sys, time
from transformers import TrainerState
write = TrainerState.save_to_json
def half(state, path):
    write(state, path)
    if state.global_step == {2 * EVERY}:
        file = pathlib.Path(path)
        file.write_text(file.read_text()[:200])
        file.with_name("stopped").touch()
        time.sleep(120)
TrainerState.save_to_json = half
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


class Stage:
    """A stage's command, run without a kill in this process and killed in processes of its own."""

    def __init__(self, name: str, folder: Path, *overrides: str) -> None:
        self.name, self.overrides = name, overrides
        self.unbroken, self.killed = folder / name / "unbroken", folder / name / "killed"
        self.killed.mkdir(parents=True)
        self.kept: tuple[int, ...] = ()  # whole checkpoints after each kill, the newest of them

    def arguments(self, folder: Path) -> list[str]:
        own = [f"out={folder / 'out'}"]
        if self.name == "evaluate":
            compared = [
                f"{option}={folder.with_name(f'{option}-{folder.name}')}"
                for option in ("version", "champion")
            ]
            return [*self.overrides, *own, *compared]
        return [*self.overrides, *own, f"checkpoints={folder / 'checkpoints'}"]

    def run_unbroken(self) -> Path:
        config = train.stage_config(self.name, self.arguments(self.unbroken), [])
        train.STAGES[self.name].main(config)
        return self.unbroken / "out"

    def start(self, *how: str) -> subprocess.Popen[bytes]:
        module = "models.evaluation" if self.name == "evaluate" else f"models.{self.name}"
        with (self.killed / "stderr").open("ab") as stderr:
            return subprocess.Popen(
                [
                    *(sys.executable, *(how or ("-m",)), module, f"configs/{self.name}.yaml"),
                    *self.arguments(self.killed),
                ],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def said(self) -> str:
        return (self.killed / "stderr").read_text()[-2000:]

    def kill_after(self, seen: Callable[[], object], after_s: float, *how: str) -> None:
        """Start, and kill -9 so long after something is seen."""
        process = self.start(*how)
        deadline = time.monotonic() + 120
        while not seen():
            assert process.poll() is None, f"it ended before it could be killed: {self.said()}"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
        assert not (self.killed / "out" / "metrics.json").exists()
        self.kept += (self.newest_checkpoint(),)

    def finish(self) -> None:
        assert self.start().wait(180) == 0, self.said()

    def newest_checkpoint(self) -> int:
        states = self.killed.glob("checkpoints/*/checkpoint-*/trainer_state.json")
        return max((int(state.parent.name.rpartition("-")[2]) for state in states), default=0)

    def kill_and_finish(self) -> None:
        after_s = random.Random(self.name).uniform(0, 0.3)  # about the time between two checkpoints
        if self.name == "evaluate":
            self.kill_after((self.killed.with_name("version-killed") / "rewrites.json").exists, after_s)
        elif self.name == "sft":
            stopped = self.killed.glob
            self.kill_after(
                lambda: any(stopped("checkpoints/*/checkpoint-*/stopped")), 0, "-c", STOPS_IN_MID_CHECKPOINT
            )
            self.kill_after(lambda: self.newest_checkpoint() >= 3 * EVERY, after_s)
        else:
            self.kill_after(lambda: self.newest_checkpoint() >= EVERY, after_s)
        self.finish()

    def figures(self, folder: Path) -> dict[str, Any]:
        return dict(json.loads((folder / "out" / "metrics.json").read_text()))


def write_data(folder: Path) -> Path:
    """A snapshot of forty messages, each with a courteous and a blunt rewrite, and the same as a corpus."""
    rows: list[shards.Row] = []
    corpus = []
    for i in range(100, 140):
        text, kind, blunt = (
            f"Fix PAY-{i} today.",
            f"Could you please look at PAY-{i} today?",
            f"Fix PAY-{i}. It is broken again.",
        )
        asked = {"transform_type": TransformType.SOFTEN, "intensity": 2}
        about = {"text": text, **asked, "split": "validation" if i % 5 == 0 else "train"}
        versions = {"chosen_version": "v1", "rejected_version": "v1"}
        rows += [
            Demonstration(**about, rewrite=kind if i % 2 else blunt),
            PreferencePair(**about, chosen=kind, rejected=blunt, **versions),
            Label(**about, rewrite=kind, good=True, version="v1"),
            Label(**about, rewrite=blunt, good=False, version="v1"),
        ]
        corpus.append(
            {
                "id": f"tiny-{i}",
                "domain": "tiny",
                "style": "blunt",
                "text": text,
                "facts": [],
                "rewrites": [{**asked, "text": kind}],
            }
        )
    (folder / "corpus").mkdir(parents=True)
    (folder / "corpus" / "tiny.jsonl").write_text("\n".join(map(json.dumps, corpus)) + "\n")
    return shards.write(folder, rows)


@pytest.fixture(scope="module")
def stages(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """All stages, each on what the ones before it left: run once as they are, then killed and finished."""
    folder = tmp_path_factory.mktemp("killed-training")
    data = write_data(folder / "data")
    common = (
        f"snapshots=[{data}]",
        "bf16=false",
        "batch_size=4",
        "accumulate_batches=2",
        f"checkpoint_every_steps={EVERY}",
        "evaluate_every_steps=20",
        "healthy={}",
        "learning_rate=2.0e-3",
        "steps=60",
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = {}

    def add(name: str, *overrides: str) -> Path:
        made[name] = Stage(name, folder, *overrides)
        return made[name].run_unbroken()

    tuned = Stage(
        "sft", folder / "tuned", *common, "learning_rate=5.0e-3", f"base={tiny_base}", "lora_rank=0"
    )
    tuned.overrides += ("seed_folder=null",)
    base = tuned.run_unbroken()
    common += (f"base={base}",)
    adapter = add("sft", *common, "seed_folder=null", "lora_rank=4")
    common += (f"adapter={adapter}",)
    reward = add("reward", *common, "lora_rank=4")
    add("dpo", *common)
    add("kto", *common, "masks=false")
    sampled = ("max_new_tokens=24", "generations=4", "validation_prompts=4", f"reward={reward}")
    sampled += ("waive_validity=true",)  # nobody has read what a tiny model writes
    add("grpo", *common, *sampled, "seed_folder=null", "steps=24", "evaluate_every_steps=12")

    for run in ("unbroken", "killed"):  # what a version wrote is kept in its folder, so each has its own
        export.export(base, adapter, folder / "evaluate" / f"version-{run}")
        export.export(base, None, folder / "evaluate" / f"champion-{run}")
    measured = (
        f"test_folders=[{data / 'corpus'}]",
        "most_cases=12",
        "intensity_messages=4",
        "max_new_tokens=24",
    )
    add("evaluate", *measured, f"base={tiny_base}", f"base_version={folder / 'base-version'}")
    torch.set_num_threads(threads)

    with ThreadPoolExecutor(2) as both:
        list(both.map(Stage.kill_and_finish, made.values()))
    return made


def figures(history: list[dict[str, float]]) -> list[tuple[float, str, float]]:
    """All that was logged but times, as (step, name, value) in the order in which it was logged."""
    return [
        (entry["step"], name, value)
        for entry in history
        for name, value in sorted(entry.items())
        if not name.endswith(TIMINGS)
    ]


@pytest.mark.parametrize("name", LEARN)
def test_a_killed_stage_ends_where_an_unbroken_one_does(name: str, stages: dict[str, Stage]) -> None:
    stage = stages[name]
    whole, resumed = stage.figures(stage.unbroken), stage.figures(stage.killed)
    print(name, "whole checkpoints at the kills:", stage.kept, "went on from", resumed["resumed_from_step"])
    assert resumed["resumed_from_step"] >= EVERY
    expected, actual = figures(whole.pop("history")), figures(resumed.pop("history"))
    assert [row[:2] for row in expected] == [row[:2] for row in actual], "the whole curve, and no step twice"
    distances = [abs(a[2] - b[2]) for a, b in zip(expected, actual, strict=True)]
    print(name, "greatest distance of", len(expected), "figures:", max(distances))
    assert max(distances) < 1e-4

    for key in ("out", "resumed_from_step", "seconds"):
        del whole[key], resumed[key]
    numbers = {key for key, value in whole.items() if isinstance(value, float)}
    assert {key: resumed[key] for key in numbers} == pytest.approx(
        {key: whole[key] for key in numbers}, abs=1e-4
    )
    assert {k: v for k, v in resumed.items() if k not in numbers} == {
        k: v for k, v in whole.items() if k not in numbers
    }

    [file] = (file.name for file in (stage.unbroken / "out").glob("*.safetensors"))
    weights = load_file(stage.killed / "out" / file)
    for tensor_name, tensor in load_file(stage.unbroken / "out" / file).items():
        torch.testing.assert_close(weights[tensor_name], tensor, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_that_was_being_written_is_not_gone_on_from(stages: dict[str, Stage]) -> None:
    first, _ = stages["sft"].kept
    assert first == 2 * EVERY, "it was cut off there"
    bars = (stages["sft"].killed / "stderr").read_text()
    assert f" {EVERY}/60 [00:00]" in bars, "the second process began there"


def test_a_killed_evaluation_finds_the_same(stages: dict[str, Stage]) -> None:
    stage = stages["evaluate"]
    assert stage.figures(stage.killed) == stage.figures(stage.unbroken)
    kept = [
        json.loads((stage.killed.with_name(f"version-{run}") / "rewrites.json").read_text())
        for run in ("killed", "unbroken")
    ]
    assert kept[0] == kept[1]
