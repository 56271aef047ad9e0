"""The page on calibration: the error rates, coverage and power of the evidence in simulated experiments."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Response
from markupsafe import Markup
from pydantic import ValidationError

from configs import ConfigError
from data.reasons import Reason
from experiments import own_metrics
from experiments import plan as plans
from experiments.calibration.report import Estimate, Report
from experiments.plan import Plan
from serving.dashboard import charts
from serving.dashboard.charts import Ranged
from serving.dashboard.visit import Visit, viewer_visit
from serving.validation import reasons_of

router = APIRouter(prefix="/calibration")

Here = Annotated[Visit, viewer_visit]
_PUBLISHED = Path(__file__).parents[3] / "docs" / "results" / "calibration.json"


class StoredReport(NamedTuple):
    """A report and its file.

    `is_own`: this installation made the report. `made_at` is None for the published report.
    """

    report: Report
    file: Path
    is_own: bool
    made_at: datetime | None


def read(artifacts: Path) -> StoredReport | None:
    """The report of this installation, or else the published one. None if no file has the current format."""
    own = artifacts / "calibration" / "report.json"
    for file, is_own in ((own, True), (_PUBLISHED, False)):
        if file.is_file():
            try:
                report = Report.model_validate_json(file.read_bytes())
            except ValidationError:  # written by a release with other settings
                continue
            # The published file has the time of the checkout, not of the calibration.
            made_at = datetime.fromtimestamp(file.stat().st_mtime, UTC) if is_own else None
            return StoredReport(report, file, is_own, made_at)
    return None


def compare_plans(calibrated: Plan, current: Plan) -> dict[str, tuple[Any, Any]]:
    """The fields in which the plans differ: the calibrated value and the current one, by name."""
    fields = set(plans.CHANGEABLE)
    before, now = (plan.model_dump(mode="json", include=fields) for plan in (calibrated, current))
    return {name: (before[name], value) for name, value in now.items() if before[name] != value}


@router.get("")
def show(here: Here) -> Response:
    """The page."""
    stored_report = read(here.settings.artifacts)
    current, faults = None, list[Reason]()
    try:
        current = plans.load(own=own_metrics.load(here.settings.metrics_file))
    except ConfigError as error:
        faults = reasons_of(error)
    return here.page(
        "calibration.html",
        stored_report=stored_report,
        differences=compare_plans(stored_report.report.plan, current) if stored_report and current else {},
        faults=faults,
        fields={name: field.description or name for name, field in Plan.model_fields.items()},
        plots=_draw(here, stored_report.report) if stored_report else {},
    )


def _to_ranged(name: str, estimate: Estimate) -> Ranged:
    return Ranged(name, estimate.value, estimate.low, estimate.high)


def _draw(here: Visit, report: Report) -> dict[str, Markup]:
    say = here.words.say
    names = {name: say(name.replace("_", " ")) for name in report.settings}
    false_winners = {
        say("our intervals"): [
            _to_ranged(names[name], rate) for name, rate in report.aa_false_winner_rate.items()
        ],
        say("fixed-horizon test"): [
            _to_ranged(names[name], result.naive_false_winner_rate)
            for name, result in report.settings.items()
        ],
    }
    coverage = {"": [_to_ranged(names[name], share) for name, share in report.coverage.items()]}
    return {
        "false_winners": charts.draw_ranges(
            false_winners,
            say("False winners between equal arms: our intervals, and repeated fixed-horizon tests"),
            say("experiments with a false winner (dashed: 5 %)"),
            limits=[0.05],
            percent=True,
        ),
        "coverage": charts.draw_ranges(
            coverage,
            say("Share of experiments whose interval contains the true effect at every analysis, by setting"),
            say("true effect covered at every analysis (dashed: 95 %)"),
            limits=[0.95],
            percent=True,
        ),
    }
