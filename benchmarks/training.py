"""Our training stages against TRL's own command line: `make bench-training`, about 35 minutes (`QUICK=1`: 9).

Each run has its own process, with ours and TRL's in turn. Both get the same rows of the seed corpus: TRL
reads ours as text, and the benchmark checks that the token ids are equal. One line is TRL with the same
batch, precision, LoRA and learning rate, without activation checkpointing. The next is TRL tuned: also with
the flags of its command line that make it faster here. Another is TRL with its defaults, except for the
batch. Prints a table and writes it to `artifacts/bench/training.json`, with the results of
`benchmarks.ablation` and `benchmarks.generation`.
"""

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer

from benchmarks import generation, inputs
from models import loading, reward, training

_HELD_OUT = 32
_GENERATIONS = 4
_NEW_TOKENS = 64


Line = Literal["ours", "trl", "trl_tuned", "trl_defaults"]

# Eager attention is faster on rows this short. KTO has no length grouping: its estimate of the KL divergence
# needs the rows in their order. GRPO draws its prompts itself.
_TUNED = ("--attn_implementation", "eager")
_GROUPED = ("--train_sampling_strategy", "group_by_length")
# Of pairs, the lengths are read from a column that the trainer would remove.
_GROUPED_PAIRS = (*_GROUPED, "--remove_unused_columns", "false")
_PRECOMPUTED = ("--precompute_ref_log_probs", "true")


@dataclass(frozen=True)
class Stage:
    """A stage, the rows of one step, the flags with which TRL's command line does the same, those with which
    it does so faster (besides `_TUNED`), and the stage's share of the steps.
    """

    name: str
    rate: float
    rows: int
    batch: int
    flags: tuple[str, ...] = ()
    tuned: tuple[str, ...] = ()
    steps: float = 1.0


STAGES = (
    Stage("sft", 1.5e-3, rows=8, batch=8, tuned=_GROUPED),
    Stage(
        "reward",
        5e-4,
        rows=4,
        batch=4,
        flags=("--center_rewards_coefficient", "0.01"),
        tuned=_GROUPED_PAIRS,
    ),
    Stage(
        "dpo",
        2e-4,
        rows=4,
        batch=4,
        flags=("--beta", "0.1", "--loss_type", "sigmoid", "sft", "--loss_weights", "1.0", "0.5"),
        tuned=(*_GROUPED_PAIRS, *_PRECOMPUTED),
    ),
    Stage("kto", 5e-5, rows=8, batch=8, flags=("--beta", "0.1"), tuned=_PRECOMPUTED),
    Stage(
        "grpo",
        1e-4,
        rows=8 // _GENERATIONS,
        batch=8,
        flags=(
            *("--reward_funcs", "benchmarks.probe.rules", "--num_generations", str(_GENERATIONS)),
            *("--max_completion_length", str(_NEW_TOKENS), "--beta", "0.04"),
            *("--mask_truncated_completions", "true"),
        ),
        steps=0.5,
    ),
)


class Bench:
    """Runs processes in a work folder, and stores their results."""

    def __init__(self, work: Path, base: Path, steps: int) -> None:
        self.work, self.base, self._steps = work, base, steps
        self.runs: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self._tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))

    def steps(self, stage: Stage) -> int:
        """The number of steps of a stage."""
        return max(2, round(self._steps * stage.steps))

    def ours(self, stage: Stage, start: Mapping[str, str], rows: Path, seed: int) -> dict[str, Any]:
        """Run our stage; `start` has the settings of its base and adapter."""
        settings = {
            **start,
            "snapshots": f"[{rows}]",
            "out": str(self.work / f"{stage.name}-{seed}"),
            "checkpoints": str(self.work / "checkpoints"),
            "steps": str(self.steps(stage)),
            "evaluate_every_steps": str(self.steps(stage)),
            "checkpoint_every_steps": str(self.steps(stage) + 1),
            "batch_size": str(stage.batch),
            "learning_rate": f"{stage.rate:.1e}",
            "seed": str(seed),
        }
        arguments = [f"{key}={value}" for key, value in settings.items()]
        return self._run(stage, "ours", [f"models.{stage.name}", f"configs/{stage.name}.yaml", *arguments])

    def theirs(self, stage: Stage, base: Path, rows: Path, seed: int, line: Line) -> dict[str, Any]:
        """Run TRL's script of the stage on a data set, with our settings, tuned, or with its defaults."""
        defaults = line == "trl_defaults"
        steps = self.steps(stage)
        arguments = {
            "model_name_or_path": str(base),
            "dataset_name": str(rows),
            "output_dir": str(self.work / "trl"),
            # Half of the steps are enough to measure the speed of the defaults.
            "max_steps": str(-(-steps // 2) if defaults else steps),
            "per_device_train_batch_size": str(stage.batch),
            "use_peft": "true",
            "use_cpu": str(not torch.cuda.is_available()).lower(),
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": "true",
            "seed": str(seed),
        }
        if not defaults:
            arguments |= {
                "per_device_eval_batch_size": str(stage.batch),
                "learning_rate": str(stage.rate),
                "lr_scheduler_type": "cosine",
                "warmup_steps": str(max(1, steps // 20)),
                "bf16": str(training.bf16_is_fast()).lower(),
                "lora_r": str(inputs.RANK),
                "lora_alpha": str(2 * inputs.RANK),
                "lora_dropout": "0",
                "lora_target_modules": "all-linear",
                "gradient_checkpointing": "false",
            }
            if stage.name != "grpo":
                arguments |= {"eval_strategy": "steps", "eval_steps": str(steps)}
        flags = [part for key, value in arguments.items() for part in (f"--{key}", value)]
        if stage.name == "reward":
            # By default TRL's head reads the token before the stop: see models.reward.load_tokens.
            pad = str(reward.load_tokens(base).tokenizer.pad_token)
            flags += ["--lora_task_type", "SEQ_CLS", "--pad_token", pad]
        flags += () if defaults else stage.flags
        flags += (*_TUNED, *stage.tuned) if line == "trl_tuned" else ()
        return self._run(stage, line, [f"trl.scripts.{stage.name}", *flags])

    def write_rows(self, stage: Stage, run: Mapping[str, Any]) -> Path:
        """Write the rows of our run as a data set for TRL."""
        folder = self.work / f"{stage.name}-rows"
        folder.mkdir()
        for split, rows in {"train": run["train_rows"], "test": run["held_out_rows"]}.items():
            lines = [json.dumps(inputs.as_text(row, self._tokenizer)) for row in rows]
            (folder / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        return folder

    def _run(self, stage: Stage, name: Line, arguments: Sequence[str]) -> dict[str, Any]:
        out, log = self.work / "run.json", self.work / "run.log"
        command = [sys.executable, "-m", "benchmarks.probe", str(out), *arguments]
        with log.open("w") as output:
            done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{log.read_text()[-3000:]}")
        run: dict[str, Any] = json.loads(out.read_text())
        by_name = self.runs.setdefault(stage.name, {})
        result = summary(run)
        if stage.name == "grpo":
            result["held_out_loss"] = None  # it does not measure the quality of a policy
        by_name.setdefault(name, []).append(result)
        _show(stage.name, name, by_name[name][-1])
        return run


def summary(run: Mapping[str, Any]) -> dict[str, Any]:
    """The results of a run. The time of the reference's log-probabilities counts as time of the steps."""
    seconds = sum(run["step_s"]) + run["reference_s"]
    losses = [entry["eval_loss"] for entry in run["history"] if "eval_loss" in entry]
    return {
        "tokens_per_s": run["tokens"] / seconds,
        "s_per_step": seconds / len(run["step_s"]),
        "reference_s": run["reference_s"],
        "step_s": run["step_s"],
        "tokens": run["tokens"],
        "padding": 1 - run["tokens"] / run["slots"],
        "peak_mb": run["peak_mb"],
        "held_out_loss": losses[-1] if losses else None,
        "generation_share": sum(run["generation_s"]) / seconds,
        "generation_s": run["generation_s"],
        "generated_tokens": run["generated_tokens"],
    }


def _show(stage: str, name: str, result: Mapping[str, Any]) -> None:
    loss = result["held_out_loss"]
    print(
        f"{stage:8}{name:14}{result['tokens_per_s']:10.0f}{result['s_per_step']:10.2f}"
        f"{result['peak_mb']:9.0f}{result['padding']:9.0%}" + ("" if loss is None else f"{loss:12.4f}"),
        flush=True,
    )


def table(runs: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> list[str]:
    """The printed table, in Markdown: means over the runs of a line, and ratios of the means."""
    lines = [
        "| stage | | tokens/s | ours to it | s/step | peak MB | padding | held-out loss |",
        "|---|---|---|---|---|---|---|---|",
    ]
    names = {
        "ours": "**ToneBridge**",
        "trl": "TRL, the same settings",
        "trl_tuned": "TRL, tuned",
        "trl_defaults": "TRL, its defaults",
    }
    for stage, lines_of in runs.items():
        ours = statistics.fmean(run["tokens_per_s"] for run in lines_of["ours"])
        for name in names:
            if name not in lines_of:
                continue
            line_runs = lines_of[name]
            mean = {
                key: statistics.fmean(run[key] for run in line_runs)
                for key in ("tokens_per_s", "s_per_step", "padding")
            }
            losses = [f"{run['held_out_loss']:.3f}" for run in line_runs if run["held_out_loss"] is not None]
            cells = [
                stage if name == "ours" else "",
                names[name],
                f"{mean['tokens_per_s']:.0f}",
                "" if name == "ours" else f"{ours / mean['tokens_per_s']:.2f}",
                f"{mean['s_per_step']:.2f}",
                f"{max(run['peak_mb'] for run in line_runs):.0f}",
                f"{mean['padding']:.0%}",
                ", ".join(losses),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def beginning(stage: Stage, start: Path, work: Path) -> dict[str, str]:
    """The settings with which our stage starts like TRL's: from a base with a new adapter."""
    begin = {"base": str(start)}
    if stage.name == "reward":
        return {**begin, "adapter": "null"}
    begin["masks"] = "false"
    if stage.name == "sft":
        return {**begin, "seed_folder": "null"}
    adapter = work / "fresh"
    begin["adapter"] = str(adapter if adapter.exists() else inputs.fresh_adapter(start, adapter))
    if stage.name == "grpo":
        begin |= {"seed_folder": "null", "reward": "null", "learned_weight": "0", "validation_prompts": "2"}
        begin |= {"generations": str(_GENERATIONS), "max_new_tokens": str(_NEW_TOKENS)}
        # TRL has no such guards, and nobody has read what a fresh adapter writes.
        begin |= {"guard_rewrites": "2", "waive_validity": "true"}
    return begin


def main(base: Path, steps: int, rounds: int, stages: Sequence[str]) -> dict[str, Any]:
    """Run everything, print the tables and return the report."""
    print(f"{'stage':8}{'':14}{'tokens/s':>10}{'s/step':>10}{'peak MB':>9}{'padding':>9}{'loss':>12}")
    with tempfile.TemporaryDirectory(prefix="tonebridge-bench-") as name:
        work = Path(name)
        bench = Bench(work, base, steps)
        train, held_out = inputs.demonstrations(base, seed=0)
        generated = None
        start = base
        for stage in (stage for stage in STAGES if stage.name in stages):
            samples = stage.name == "grpo"
            # Each message is a row of sft, reward, dpo and grpo, and two labels of kto.
            messages = bench.steps(stage) * stage.rows // (2 if stage.name == "kto" else 1)
            chosen = [*train[:messages], *held_out[:_HELD_OUT]]
            rows = inputs.snapshot(work / f"{stage.name}-snapshot", chosen)
            begin = beginning(stage, start, work)
            data = None
            for seed in range(1 if samples else rounds):
                run = bench.ours(stage, begin, rows, seed)
                data = data or bench.write_rows(stage, run)
                for line in ("trl", "trl_tuned"):
                    their = bench.theirs(stage, start, data, seed, line)
                    for kind in ("train_rows",) if samples else ("train_rows", "held_out_rows"):
                        if not inputs.same_rows(run[kind], their[kind]):
                            raise RuntimeError(f"{stage.name}: TRL's {kind} are other token ids than ours")
            assert data is not None
            if samples:
                prompts = [row["prompt"] for row in run["train_rows"]]
                generated = generation.measure(
                    start, work / "grpo-0", prompts, bench.steps(stage), _GENERATIONS
                )
            else:  # with its defaults GRPO samples more and longer rewrites: not comparable
                bench.theirs(stage, start, data, 0, "trl_defaults")
            if stage.name == "sft":  # the next stages start from its result
                tokenizer = loading.load_tokenizer(base)
                loading.save(loading.load_model(base, work / "sft-0"), tokenizer, work / "tuned")
                start = work / "tuned"
    print("\n" + "\n".join(table(bench.runs)))
    if generated is not None:
        print("\n" + "\n".join(generation.table(bench.runs["grpo"]["ours"][0], generated)))
    return {"steps": steps, "machine": machine(), "runs": bench.runs, "generation": generated}


def machine() -> dict[str, Any]:
    """The machine and the versions of the run."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line), "")
    return {
        "processor": model,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "bf16": training.bf16_is_fast(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="SFT and DPO, 4 steps, one round")
    parser.add_argument("--base", default=loading.PIP_MODEL)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--stages", nargs="*", choices=[stage.name for stage in STAGES])
    parser.add_argument("--without-ablation", action="store_true")
    chosen = parser.parse_args()
    steps = chosen.steps or (4 if chosen.quick else 10)
    rounds = 1 if chosen.quick else 2
    stages = chosen.stages or (["sft", "dpo"] if chosen.quick else [stage.name for stage in STAGES])
    report = main(loading.base_folder(chosen.base), steps, rounds, stages)
    if not chosen.without_ablation:
        out = Path(tempfile.mkdtemp(prefix="tonebridge-bench-")) / "ablation.json"
        length = ["--quick"] if chosen.quick else []
        command = [sys.executable, "-m", "benchmarks.ablation", str(out), "--base", chosen.base, *length]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)  # noqa: S603
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
        report["ablation"] = json.loads(out.read_text())
        shutil.rmtree(out.parent)
    file = Path("artifacts/bench/training.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1))
