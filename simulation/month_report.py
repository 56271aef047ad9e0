"""The report of a month of experiments: as JSON, and as a page with plots."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pydantic import BaseModel, ConfigDict, Field

from pipelines import single_page

_TEMPLATE = Path(__file__).with_name("month_report.html.j2")


class AuditRow(BaseModel):
    """A row of the audit trail; `day` counts from the start of the month."""

    day: float
    challenger: str
    action: str
    requested_by: str
    reason: str
    outcome: str | None


class WinRate(BaseModel):
    """The win rate side by side at one analysis, with its confidence sequence."""

    day: float
    win_rate: float
    low: float
    high: float


class ChallengerResult(BaseModel):
    """One challenger and its experiment; `began` and `ended` are days since the start of the month."""

    version: str
    name: str
    quality: float
    status: str
    began: float
    ended: float | None
    seconds_to_trip: float | None = Field(
        description="from the first counted failure to the pause, if a breaker tripped"
    )
    win_rates: list[WinRate]

    @property
    def outcome(self) -> str:
        """The status in words. A stopped experiment settled nothing, so its outcome is inconclusive."""
        return "inconclusive" if self.status == "stopped" else self.status.replace("_", " ")


class MonthReport(BaseModel):
    """The results of a month; every number is of this run."""

    model_config = ConfigDict(frozen=True)

    days: int
    seconds_a_day: float
    people: int
    answered: dict[str, list[int]] = Field(description="answers of each version, by day")
    errors: dict[str, int]
    stories: list[ChallengerResult]
    acts: list[AuditRow]

    def write(self, folder: Path) -> Path:
        """Write `report.json` and the page `index.html` to a folder. Returns the path of the page."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(self.model_dump_json(indent=1), encoding="utf-8")
        page = folder / "index.html"
        plots = {
            "answers": single_page.render_figure(self._draw_answers),
            "win_rates": single_page.render_figure(self._draw_win_rates),
        }
        single_page.write(page, _TEMPLATE, report=self, **plots)
        return page

    def _draw_answers(self, figure: Figure) -> None:
        axes = figure.subplots()
        counts = np.array(list(self.answered.values()), dtype=float)
        shares = counts / np.maximum(counts.sum(axis=0), 1)
        axes.stackplot(np.arange(self.days), shares, labels=self._label_versions(), step="post", alpha=0.85)
        for act in self.acts:
            if act.action in ("ship", "roll_back", "pause", "inconclusive"):
                axes.axvline(act.day, color="black", linewidth=1)
                label = f" {act.action.replace('_', ' ')}: {act.challenger}"
                axes.annotate(label, (act.day, 0.03), rotation=90, fontsize=8, ha="right", va="bottom")
        axes.set(xlim=(0, self.days - 1), ylim=(0, 1), xlabel="day", ylabel="share of the answers")
        axes.set_title("Answers by version")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)

    def _label_versions(self) -> list[str]:
        names = {story.version: f"{story.version}, {story.name}" for story in self.stories}
        return [names.get(version, f"{version}, the first") for version in self.answered]

    def _draw_win_rates(self, figure: Figure) -> None:
        for axes, story in zip(
            np.atleast_1d(figure.subplots(1, len(self.stories), sharey=True)), self.stories, strict=True
        ):
            days = [point.day - story.began for point in story.win_rates]
            low, high = [point.low for point in story.win_rates], [point.high for point in story.win_rates]
            axes.vlines(days, low, high, linewidth=4, alpha=0.3)
            axes.plot(days, [point.win_rate for point in story.win_rates], marker=".")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlim(0, max([2.0, *days]) + 0.5)
            axes.axhline(0.5, color="gray", linestyle=":")
            axes.set(title=f"{story.name}: {story.outcome}", xlabel="days since its start", ylim=(0, 1))
        figure.axes[0].set_ylabel("chosen side by side (share)")
