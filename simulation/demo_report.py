"""The demo's report as JSON, as a page and as a table: scores of the versions, votes, the decision."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from data.reasons import reason
from experiments.analysis import ComparisonResult, ExperimentResult
from experiments.evidence import Evidence
from experiments.lifecycle import Action
from experiments.recommendation import Assessment
from models.edit_dpo import Kind
from models.results import Estimate
from pipelines import single_page
from pipelines.train import Trained
from simulation.simulated_people import Usage

_TEMPLATE = Path(__file__).with_name("demo_report.html.j2")

METRICS = {
    "facts_kept": "facts kept",
    "meaning": "meaning kept",
    "tone_moved": "tone moved",
    "chatter": "chatter",
}
SYSTEMS = {
    "base": "language model, untrained",
    "copy_input": "copy of the input",
    "champion": "champion",
    "challenger": "challenger",
    "challenger_protected": "challenger, facts protected",
}


class Example(BaseModel):
    """One held-out message with the rewrites that people get from champion and challenger.

    `asked` is the transform type and the intensity.
    """

    message: str
    asked: str
    champion: str
    challenger: str


class Report(BaseModel):
    """The results of one run of the demo. Every number is of this run, except those of the base: these were
    measured when the shipped version was made.

    `learned` has the kinds of edits that the votes tell from chance. The two versions rewrite `differing` of
    `held_out` messages differently.
    """

    model_config = ConfigDict(frozen=True)

    base: dict[str, Estimate]
    copy_input: dict[str, Estimate]
    champion: dict[str, Estimate]
    challenger: dict[str, Estimate]
    challenger_protected: dict[str, Estimate]
    comparison: ComparisonResult | None
    experiment: ExperimentResult | None
    decision: Assessment
    versions: dict[str, str]
    serving_version: str
    usage: list[Usage]
    snapshot: dict[str, int]
    learned: tuple[Kind, ...]
    held_out: int
    differing: int
    examples: list[Example]
    minutes: float

    def write(self, folder: Path) -> Path:
        """Write `report.json` and the page `index.html` to a folder. Returns the path of the page."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(self.model_dump_json(indent=1), encoding="utf-8")
        page = folder / "index.html"
        single_page.write(
            page,
            _TEMPLATE,
            report=self,
            metrics=METRICS,
            systems={label: getattr(self, name) for name, label in self._label_systems().items()},
            scores=single_page.render_figure(self._draw_scores),
            people=single_page.render_figure(self._draw_people),
        )
        return page

    def print_summary(self) -> None:
        """Print the main numbers and three examples."""
        console = Console()
        table = Table(title="On held-out messages, mean and 95 % interval")
        table.add_column("")
        for label in METRICS.values():
            table.add_column(label, justify="right")
        for name, label in self._label_systems().items():
            row: dict[str, Estimate] = getattr(self, name)
            table.add_row(label, *(_format_estimate(row[key]) for key in METRICS))
        console.print(table)
        for kind in self.learned:
            console.print(
                f"Rewrites with more of {kind.name} were chosen {kind.chosen} times and rejected"
                f" {kind.rejected} times: {kind.offset:+.1f} nats.",
                markup=False,
            )
        console.print(f"The versions differ on {self.differing} of {self.held_out} held-out messages.")
        for cause in self.decision.reasons:
            console.print(str(cause), markup=False)
        decision = f"Decision: {self.decision.action}. The gateway answers with {self.serving_version}."
        console.print(decision, markup=False)
        for example in self.examples:
            console.print(f"\n[bold]{example.asked}[/bold]")
            console.print(f"message     {example.message}", markup=False)
            console.print(f"champion    {example.champion}", markup=False)
            console.print(f"challenger  {example.challenger}", markup=False)

    def _label_systems(self) -> dict[str, str]:
        """The label of each system, with its version."""
        return {
            name: f"{label} ({self.versions[name]})" if name in self.versions else label
            for name, label in SYSTEMS.items()
        }

    def _draw_scores(self, figure: Figure) -> None:
        for axes, (key, label) in zip(
            figure.subplots(1, len(METRICS), sharey=False), METRICS.items(), strict=True
        ):
            for place, name in enumerate(SYSTEMS):
                _draw_interval(axes, place, getattr(self, name)[key])
            axes.set_title(label)
            axes.set_xlim(-0.5, len(SYSTEMS) - 0.5)
            axes.set_xticks(range(len(SYSTEMS)), SYSTEMS.values(), rotation=30, ha="right")
            axes.set_ylim(min(0.0, axes.get_ylim()[0]), 1.05)

    def _draw_people(self, figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        left.set_title("Side by side: share that chose the challenger")
        right.set_title("Between users: difference of mean outcomes")
        if self.comparison is not None and self.comparison.win_rate is not None:
            low, high = self.comparison.interval
            _draw_interval(left, 0, Estimate(mean=self.comparison.win_rate, low=low, high=high))
            left.axhline(0.5, color="gray", linestyle=":")
            left.set_ylim(0, 1)
            left.set_ylabel("win rate (0 to 1)")
        if self.experiment is not None and (effect := self.experiment.primary) is not None:
            low, high = effect.interval
            _draw_interval(right, 0, Estimate(mean=effect.difference, low=low, high=high))
            right.axhline(0.0, color="gray", linestyle=":")
            right.set_ylabel("outcome (0 to 1), challenger minus champion")
        for axes in (left, right):
            axes.set_xlim(-1, 1)
            axes.set_xticks([])
            if not axes.has_data():
                axes.text(0.5, 0.5, "nothing to compare yet", transform=axes.transAxes, ha="center")
                axes.set_yticks([])


def assemble(
    first: Trained,
    second: Trained,
    usage: list[Usage],
    snapshot: dict[str, int],
    learned: tuple[Kind, ...],
    evidence: Evidence | None,
    serving_version: str,
    held_out: int,
    differing: int,
    examples: list[Example],
    minutes: float,
) -> Report:
    """Build the report of a run. Without evidence the decision is the gate's rejection of the challenger."""
    rejection = Assessment(
        action=Action.ROLL_BACK,
        reasons=(reason("gate_refused", version=second.version), *second.evaluation.verdict.reasons),
    )
    return Report(
        base=first.evaluation.systems["champion"],  # the shipped version was compared with the bare base
        copy_input=second.evaluation.systems["copy_input"],
        champion=second.evaluation.systems["champion"],
        challenger=second.evaluation.systems["challenger"],
        challenger_protected=second.evaluation.systems["challenger_protected"],
        comparison=evidence.leading.comparison if evidence else None,
        experiment=evidence.leading.between_users if evidence else None,
        decision=evidence.decision.by_challenger[evidence.decision.challenger] if evidence else rejection,
        versions={"champion": first.version, "challenger": second.version},
        serving_version=serving_version,
        usage=usage,
        snapshot=snapshot,
        learned=learned,
        held_out=held_out,
        differing=differing,
        examples=examples,
        minutes=minutes,
    )


def _format_estimate(estimate: Estimate) -> str:
    return f"{estimate.mean:.2f}\n{estimate.low:.2f} to {estimate.high:.2f}"


def _draw_interval(axes: Axes, place: float, estimate: Estimate) -> None:
    ends = [[max(0.0, estimate.mean - estimate.low)], [max(0.0, estimate.high - estimate.mean)]]
    axes.errorbar([place], [estimate.mean], yerr=ends, fmt="o", capsize=4)
