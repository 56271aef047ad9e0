"""What each method of learning makes of the same feedback, side by side: the report of the experiment in
`dvc.yaml`.

    python -m simulation.methods_report artifacts/learning
    python -m simulation.methods_report artifacts/learning docs/results/learning.json

Writes `report.json` and `learning.png` to the folder. With a second report it says which metrics differ from
it beyond noise, and fails when one does.
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
from models.evaluation import Evaluation
from models.scoreboard import Estimate
from models.training import METRICS_FILE

METHODS = {"sft": "SFT", "dpo": "+ DPO", "kto": "+ KTO", "grpo": "+ DPO + GRPO"}
BASELINES = {
    "champion": "base",
    "copy_input": "copy of the input",
    "rules": "rules",
    "reference": "reference",
}
SHOWN = ("facts_kept", "meaning", "tone_moved", "chatter", "copy_rate", "composite")


class Learned(BaseModel):
    """What a method took and gave: minutes of training with those of the methods before it, the metrics of
    the model alone and with its facts protected, and what the gate says of it against what it was made from.
    """

    model_config = ConfigDict(frozen=True)

    minutes: float
    alone: dict[str, Estimate]
    protected: dict[str, Estimate]
    win_rate: Estimate | None
    accepted: bool
    reasons: tuple[str, ...]


class LearningReport(BaseModel):
    """The baselines and the methods on the same held-out messages, and the feedback that was learned from."""

    model_config = ConfigDict(frozen=True)

    cases: int
    baselines: dict[str, dict[str, Estimate]]
    methods: dict[str, Learned]
    feedback: dict[str, int]
    reward_accuracy: float  # of the reward model, on held-out pairs

    def rows(self) -> Iterator[tuple[str, Mapping[str, Estimate]]]:
        """Each system's words and metrics, in the order of a table."""
        yield from self.baselines.items()
        for name, learned in self.methods.items():
            yield name, learned.alone
            yield f"{name}, facts protected", learned.protected


def assemble(folder: Path) -> LearningReport:
    """The report of what the stages left in a folder."""
    found = {
        name: Evaluation.model_validate_json((folder / "evaluation" / name / METRICS_FILE).read_text("utf-8"))
        for name in METHODS
    }
    figures = {
        name: json.loads((folder / name / METRICS_FILE).read_text("utf-8")) for name in (*METHODS, "reward")
    }
    took_s = {name: figures[name]["seconds"] for name in figures}
    before = {"sft": (), "dpo": ("sft",), "kto": ("sft",), "grpo": ("sft", "reward", "dpo")}
    return LearningReport(
        cases=found["sft"].cases,
        baselines={words: found["sft"].systems[name] for name, words in BASELINES.items()},
        methods={
            words: Learned(
                minutes=sum(took_s[stage] for stage in (*before[name], name)) / 60,
                alone=found[name].systems["challenger"],
                protected=found[name].systems["challenger_protected"],
                win_rate=found[name].win_rate,
                accepted=found[name].verdict.accepted,
                reasons=tuple(map(str, found[name].verdict.reasons)),
            )
            for name, words in METHODS.items()
        },
        feedback=shards.count(folder / "votes"),
        reward_accuracy=figures["reward"]["held_out_accuracy"],
    )


def beyond_noise(ours: LearningReport, theirs: LearningReport) -> list[str]:
    """The shown metrics that differ by more than two runs on other test messages would.

    In one comparison of twenty runs one metric is named here by chance, not in each run one of twenty
    metrics: Bonferroni's correction of the normal approximation to the intervals.
    """
    others = dict(theirs.rows())
    pairs = [(system, name, row[name], others[system][name]) for system, row in ours.rows() for name in SHOWN]
    most = norm.isf(0.025 / len(pairs)) / norm.isf(0.025)  # in half 95 % intervals
    return [
        f"{system}: {name} is {one}, and was {other}"
        for system, name, one, other in pairs
        if abs(one.mean - other.mean) > most * math.hypot(one.high - one.low, other.high - other.low) / 2
    ]


def plot(report: LearningReport, file: Path) -> None:
    """Draw the shown metrics of every system with their intervals."""
    rows = list(report.rows())[::-1]
    figure = Figure(figsize=(3 * len(SHOWN), 0.36 * len(rows) + 1), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(SHOWN), sharey=True), SHOWN, strict=True):
        for place, (_, row) in enumerate(rows):
            at = row[name]
            axes.errorbar(
                at.mean,
                place,
                xerr=[[at.mean - at.low], [at.high - at.mean]],
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
    """The table on the terminal."""
    table = Table(title=f"On {report.cases} held-out messages")
    for words in ("", *(name.replace("_", " ") for name in SHOWN), "minutes", "gate"):
        table.add_column(words, justify="right" if words else "left")
    for system, row in report.rows():
        learned = report.methods.get(system)
        verdict = ("accepted" if learned.accepted else "refused") if learned else ""
        minutes = f"{learned.minutes:.1f}" if learned else ""
        table.add_row(system, *(f"{row[name].mean:.2f}" for name in SHOWN), minutes, verdict)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def main(folder: Path, other: Path | None = None) -> int:
    """Write the report; 1 when it differs from another beyond noise."""
    report = assemble(folder)
    (folder / "report.json").write_text(report.model_dump_json(indent=1), encoding="utf-8")
    plot(report, folder / "learning.png")
    show(report)
    differs = (
        beyond_noise(report, LearningReport.model_validate_json(other.read_text("utf-8"))) if other else []
    )
    for line in differs:
        print("DIFFERS", line)
    return 1 if differs else 0


if __name__ == "__main__":
    raise SystemExit(main(*map(Path, sys.argv[1:])))
