"""Compares the training methods on the same feedback: the report of the experiment in `dvc.yaml`.

    python -m simulation.methods_report artifacts/learning
    python -m simulation.methods_report artifacts/learning docs/results/learning.json

Writes `report.json` and `learning.png` to the folder. With a second report it lists the metrics that differ
beyond noise, and exits with 1 when there are any.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from data.snapshots import shards
from models import score_plots
from models.results import Estimate, Evaluation
from models.training import METRICS_FILE

METHODS = {"sft": "SFT", "dpo": "+ DPO", "kto": "+ KTO", "grpo": "+ DPO + GRPO"}
BASELINES = {
    "champion": "base",
    "copy_input": "copy of the input",
    "rules": "rules",
    "reference": "reference",
}
# `monotone` is Kendall's tau between the requested intensity and how far a rewrite goes. It is measured for
# systems that rewrote messages at all intensities: the copies, the rules and the models alone.
METRICS = ("facts_kept", "meaning", "tone_moved", "chatter", "copy_rate", "composite", "monotone")


class MethodResult(BaseModel):
    """The result of a method.

    `minutes` include the training of the methods before it. `alone` are the metrics of the model, `protected`
    those with facts protected. The gate compares the version with the one that its training started from.
    """

    model_config = ConfigDict(frozen=True)

    minutes: float
    alone: dict[str, Estimate]
    protected: dict[str, Estimate]
    win_rate: Estimate | None
    accepted: bool
    reasons: tuple[str, ...]


class LearningReport(BaseModel):
    """The baselines and the methods on the same held-out messages, and the feedback's numbers of rows."""

    model_config = ConfigDict(frozen=True)

    cases: int
    baselines: dict[str, dict[str, Estimate]]
    methods: dict[str, MethodResult]
    feedback: dict[str, int]
    reward_accuracy: float  # of the reward model, on held-out pairs

    def rows(self) -> Iterator[tuple[str, Mapping[str, Estimate]]]:
        """The label and the metrics of each system, in the order of the table."""
        yield from self.baselines.items()
        for label, result in self.methods.items():
            yield label, result.alone
            yield f"{label}, facts protected", result.protected


def assemble(folder: Path) -> LearningReport:
    """Build the report from the files that the stages wrote to a folder."""
    evaluations = {
        name: Evaluation.model_validate_json((folder / "evaluation" / name / METRICS_FILE).read_text("utf-8"))
        for name in METHODS
    }
    stage_metrics = {
        name: json.loads((folder / name / METRICS_FILE).read_text("utf-8")) for name in (*METHODS, "reward")
    }
    durations_s = {name: metrics["seconds"] for name, metrics in stage_metrics.items()}
    earlier_stages = {"sft": (), "dpo": ("sft",), "kto": ("sft",), "grpo": ("sft", "reward", "dpo")}
    return LearningReport(
        cases=evaluations["sft"].cases,
        baselines={label: evaluations["sft"].systems[name] for name, label in BASELINES.items()},
        methods={
            label: MethodResult(
                minutes=sum(durations_s[stage] for stage in (*earlier_stages[name], name)) / 60,
                alone=evaluations[name].systems["challenger"],
                protected=evaluations[name].systems["challenger_protected"],
                win_rate=evaluations[name].win_rate,
                accepted=evaluations[name].verdict.accepted,
                reasons=tuple(map(str, evaluations[name].verdict.reasons)),
            )
            for name, label in METHODS.items()
        },
        feedback=shards.count(folder / "votes"),
        reward_accuracy=stage_metrics["reward"]["held_out_accuracy"],
    )


def find_differences(new: LearningReport, old: LearningReport) -> list[str]:
    """One sentence for each metric that differs by more than two runs on other test messages would.

    A normal approximation to the intervals with Bonferroni's correction: when nothing has changed, one
    comparison of twenty lists any metric at all.
    """
    old_rows = dict(old.rows())
    pairs = [
        (system, name, row[name], old_rows[system][name])
        for system, row in new.rows()
        for name in METRICS
        if name in row and name in old_rows[system]
    ]
    limit = norm.isf(0.025 / len(pairs)) / norm.isf(0.025)  # in halves of a 95 % interval
    return [
        f"{system}: {name} is {now}, and was {before}"
        for system, name, now, before in pairs
        if abs(now.mean - before.mean) > limit * math.hypot(now.high - now.low, before.high - before.low) / 2
    ]


def plot(report: LearningReport, file: Path) -> None:
    """Draw every metric of every system with its interval, and write the plot to a file."""
    score_plots.draw_scores(list(report.rows()), METRICS).savefig(file, dpi=110)


def format_means(row: Mapping[str, Estimate]) -> list[str]:
    """The mean of each metric of a system, with two decimals; empty for one that was not measured."""
    return [f"{row[name].mean:z.2f}" if name in row else "" for name in METRICS]


def print_table(report: LearningReport) -> None:
    """Print the metrics of every system as a table."""
    table = Table(title=f"On {report.cases} held-out messages")
    for label in ("", *(name.replace("_", " ") for name in METRICS), "minutes", "gate"):
        table.add_column(label, justify="right" if label else "left")
    for system, row in report.rows():
        result = report.methods.get(system)
        verdict = ("accepted" if result.accepted else "rejected") if result else ""
        minutes = f"{result.minutes:.1f}" if result else ""
        table.add_row(system, *format_means(row), minutes, verdict)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def main(folder: Path, other: Path | None = None) -> int:
    """Write the report. Returns 1 when it differs from the report in `other` beyond noise, else 0."""
    report = assemble(folder)
    (folder / "report.json").write_text(report.model_dump_json(indent=1), encoding="utf-8")
    plot(report, folder / "learning.png")
    print_table(report)
    if other is None:
        return 0
    differences = find_differences(report, LearningReport.model_validate_json(other.read_text("utf-8")))
    for line in differences:
        print("DIFFERS", line)
    return 1 if differences else 0


if __name__ == "__main__":
    raise SystemExit(main(*map(Path, sys.argv[1:])))
