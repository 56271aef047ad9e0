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
from models.edit_dpo import Kind
from models.results import Estimate
from models.validity import Validity
from pipelines import single_page
from pipelines.train import Trained
from simulation import taste_report
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

# The scores above are no measure of it, and people of a simulation are none either.
USABLE = (
    "Nobody has read these rewrites, so this run does not say whether more of them are usable."
    " docs/quality.md says what readers found in those of the shipped version."
)


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
    measured when the shipped version was made. When the votes taught nothing there is no challenger, and the
    champion's scores are those of that time, too.

    `title` is the decision in words, and `reasons` says why. `learned` has the kinds of edits that the votes
    tell from chance. The two versions rewrite `differing` of `held_out` messages differently. `comparison`
    and `experiment` are missing when no experiment ran. `taste` says how valid a judge the people are.
    """

    model_config = ConfigDict(frozen=True)

    title: str
    reasons: list[str]
    base: dict[str, Estimate]
    copy_input: dict[str, Estimate]
    champion: dict[str, Estimate]
    challenger: dict[str, Estimate] | None = None
    challenger_protected: dict[str, Estimate] | None = None
    comparison: ComparisonResult | None = None
    experiment: ExperimentResult | None = None
    versions: dict[str, str]
    serving_version: str
    usage: list[Usage]
    taste: Validity
    snapshot: dict[str, int]
    learned: tuple[Kind, ...] = ()
    held_out: int = 0
    differing: int = 0
    examples: list[Example] = []
    minutes: float

    @property
    def judge(self) -> str:
        """Who voted, and how far their votes can be believed."""
        return (
            f"The people are simulated, and vote by simulation/taste.py. {taste_report.describe(self.taste)}"
        )

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
            usable=USABLE,
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
        console.print(self.judge, markup=False)
        for kind in self.learned:
            console.print(
                f"Rewrites with more of {kind.name} were chosen {kind.chosen} times and rejected"
                f" {kind.rejected} times: {kind.offset:+.1f} nats.",
                markup=False,
            )
        if self.challenger:
            console.print(f"The versions differ on {self.differing} of {self.held_out} held-out messages.")
        for sentence in (*self.reasons, USABLE):
            console.print(sentence, markup=False)
        console.print(f"{self.title} The gateway answers with {self.serving_version}.", markup=False)
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
            if getattr(self, name)
        }

    def _draw_scores(self, figure: Figure) -> None:
        for axes, (key, label) in zip(
            figure.subplots(1, len(METRICS), sharey=False), METRICS.items(), strict=True
        ):
            names = list(self._label_systems())
            for place, name in enumerate(names):
                _draw_interval(axes, place, getattr(self, name)[key])
            axes.set_title(label)
            axes.set_xlim(-0.5, len(names) - 0.5)
            axes.set_xticks(range(len(names)), [SYSTEMS[name] for name in names], rotation=30, ha="right")
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


def describe_decision(second: Trained, evidence: Evidence | None) -> tuple[str, list[str]]:
    """The title and the reasons of a report: of the experiment, or without evidence of the gate's refusal."""
    if evidence is None:
        reasons = (reason("gate_refused", version=second.version), *second.evaluation.verdict.reasons)
        return _name(Action.ROLL_BACK), list(map(str, reasons))
    assessment = evidence.decision.by_challenger[evidence.decision.challenger]
    return _name(assessment.action), list(map(str, assessment.reasons))


def _name(action: Action) -> str:
    return f"{action.replace('_', ' ').capitalize()}."


def _format_estimate(estimate: Estimate) -> str:
    return f"{estimate.mean:.2f}\n{estimate.low:.2f} to {estimate.high:.2f}"


def _draw_interval(axes: Axes, place: float, estimate: Estimate) -> None:
    ends = [[max(0.0, estimate.mean - estimate.low)], [max(0.0, estimate.high - estimate.mean)]]
    axes.errorbar([place], [estimate.mean], yerr=ends, fmt="o", capsize=4)
