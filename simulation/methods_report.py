"""The report of the experiment in `dvc.yaml`: all training methods on the same feedback, compared.

    python -m simulation.methods_report artifacts/learning
    python -m simulation.methods_report artifacts/learning docs/results/learning.json

Writes `report.json` and `learning.png` to the folder. With a second report as argument it lists the metrics
that differ from that report beyond noise, and exits with 1 when there are any.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from data.snapshots import shards
from models.results import Estimate, Evaluation
from models.training import METRICS_FILE

METHODS = {"sft": "SFT", "dpo": "+ DPO", "kto": "+ KTO", "grpo": "+ DPO + GRPO"}
BASELINES = {
    "champion": "base",
    "copy_input": "copy of the input",
    "rules": "rules",
    "reference": "reference",
}
METRICS = ("facts_kept", "meaning", "tone_moved", "chatter", "copy_rate", "composite")


class Learned(BaseModel):
    """The cost and the result of a method.

    `minutes` are the training time with the methods before it. `alone` and `protected` are the metrics
    without and with fact protection. `win_rate`, `accepted` and `reasons` compare it with the version that it
    was trained from.
    """

    model_config = ConfigDict(frozen=True)

    minutes: float
    alone: dict[str, Estimate]
    protected: dict[str, Estimate]
    win_rate: Estimate | None
    accepted: bool
    reasons: tuple[str, ...]


class LearningReport(BaseModel):
    """Baselines and methods on the same held-out messages, and the rows of feedback by kind."""

    model_config = ConfigDict(frozen=True)

    cases: int
    baselines: dict[str, dict[str, Estimate]]
    methods: dict[str, Learned]
    feedback: dict[str, int]
    reward_accuracy: float  # of the reward model, on held-out pairs

    def rows(self) -> Iterator[tuple[str, Mapping[str, Estimate]]]:
        """Each system's name and metrics, in the order of the table."""
        yield from self.baselines.items()
        for name, learned in self.methods.items():
            yield name, learned.alone
            yield f"{name}, facts protected", learned.protected


def assemble(folder: Path) -> LearningReport:
    """Read the files that the stages wrote to a folder."""
    evaluations = {
        name: Evaluation.model_validate_json((folder / "evaluation" / name / METRICS_FILE).read_text("utf-8"))
        for name in METHODS
    }
    figures = {
        name: json.loads((folder / name / METRICS_FILE).read_text("utf-8")) for name in (*METHODS, "reward")
    }
    seconds = {name: figures[name]["seconds"] for name in figures}
    before = {"sft": (), "dpo": ("sft",), "kto": ("sft",), "grpo": ("sft", "reward", "dpo")}
    return LearningReport(
        cases=evaluations["sft"].cases,
        baselines={words: evaluations["sft"].systems[name] for name, words in BASELINES.items()},
        methods={
            words: Learned(
                minutes=sum(seconds[stage] for stage in (*before[name], name)) / 60,
                alone=evaluations[name].systems["challenger"],
                protected=evaluations[name].systems["challenger_protected"],
                win_rate=evaluations[name].win_rate,
                accepted=evaluations[name].verdict.accepted,
                reasons=tuple(map(str, evaluations[name].verdict.reasons)),
            )
            for name, words in METHODS.items()
        },
        feedback=shards.count(folder / "votes"),
        reward_accuracy=figures["reward"]["held_out_accuracy"],
    )


def beyond_noise(ours: LearningReport, theirs: LearningReport) -> list[str]:
    """One line for each metric of `METRICS` that differs between two reports beyond noise.

    The test is the normal approximation to the intervals with Bonferroni's correction: without a difference,
    one comparison of reports in twenty names a metric by chance.
    """
    their_rows = dict(theirs.rows())
    pairs = [
        (system, name, row[name], their_rows[system][name]) for system, row in ours.rows() for name in METRICS
    ]
    limit = norm.isf(0.025 / len(pairs)) / norm.isf(0.025)  # in halves of a 95 % interval
    return [
        f"{system}: {name} is {our}, and was {their}"
        for system, name, our, their in pairs
        if abs(our.mean - their.mean) > limit * math.hypot(our.high - our.low, their.high - their.low) / 2
    ]


def plot(report: LearningReport, file: Path) -> None:
    """Draw the metrics of `METRICS` for every system, with their intervals."""
    rows = list(report.rows())[::-1]
    figure = Figure(figsize=(3 * len(METRICS), 0.36 * len(rows) + 1), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(METRICS), sharey=True), METRICS, strict=True):
        for y, (_, row) in enumerate(rows):
            estimate = row[name]
            axes.errorbar(
                estimate.mean,
                y,
                xerr=[[estimate.mean - estimate.low], [estimate.high - estimate.mean]],
                fmt="o",
                color="tab:blue",
                capsize=2,
            )
        axes.set(
            title=name.replace("_", " "), yticks=range(len(rows)), yticklabels=[words for words, _ in rows]
        )
        axes.grid(axis="x", alpha=0.3)
    figure.savefig(file, dpi=110)


def show(report: LearningReport) -> None:
    """Print the table."""
    table = Table(title=f"On {report.cases} held-out messages")
    for words in ("", *(name.replace("_", " ") for name in METRICS), "minutes", "gate"):
        table.add_column(words, justify="right" if words else "left")
    for system, row in report.rows():
        learned = report.methods.get(system)
        verdict = ("accepted" if learned.accepted else "refused") if learned else ""
        minutes = f"{learned.minutes:.1f}" if learned else ""
        table.add_row(system, *(f"{row[name].mean:.2f}" for name in METRICS), minutes, verdict)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def main(folder: Path, other: Path | None = None) -> int:
    """Write and print the report; return 1 when it differs from the report `other` beyond noise."""
    report = assemble(folder)
    (folder / "report.json").write_text(report.model_dump_json(indent=1), encoding="utf-8")
    plot(report, folder / "learning.png")
    show(report)
    differences = (
        beyond_noise(report, LearningReport.model_validate_json(other.read_text("utf-8"))) if other else []
    )
    for line in differences:
        print("DIFFERS", line)
    return 1 if differences else 0


if __name__ == "__main__":
    raise SystemExit(main(*map(Path, sys.argv[1:])))
