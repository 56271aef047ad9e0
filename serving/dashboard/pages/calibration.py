"""The page on calibration: whether the evidence keeps its promises, as simulated experiments have found."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Response
from markupsafe import Markup
from pydantic import ValidationError

from experiments import plan as plans
from experiments.calibration.report import Estimate, Report
from experiments.plan import Plan
from serving.dashboard import charts
from serving.dashboard.charts import Ranged
from serving.dashboard.visit import Visit, viewer_visit

router = APIRouter(prefix="/calibration")

Here = Annotated[Visit, viewer_visit]
_SHIPPED = Path(__file__).parents[3] / "docs" / "results" / "calibration.json"


class Read(NamedTuple):
    """A report, where it was found, and when it was written; `is_own` when it was made here."""

    report: Report
    file: Path
    is_own: bool
    made_at: datetime | None


def read(artifacts: Path) -> Read | None:
    """The newest report that was made here, else the one that is shipped."""
    own = artifacts / "calibration" / "report.json"
    for file, is_own in ((own, True), (_SHIPPED, False)):
        if file.is_file():
            try:
                report = Report.model_validate_json(file.read_text(encoding="utf-8"))
            except ValidationError:  # of another release, whose settings were others
                continue
            # What is shipped has the time of a checkout, which says nothing.
            made_at = datetime.fromtimestamp(file.stat().st_mtime, UTC) if is_own else None
            return Read(report, file, is_own, made_at)
    return None


def differences(calibrated: Plan, current: Plan) -> dict[str, tuple[Any, Any]]:
    """Which fields of the plan in use are not as they were calibrated, with both values."""
    before, now = calibrated.model_dump(mode="json"), current.model_dump(mode="json")
    return {name: (before[name], value) for name, value in now.items() if before[name] != value}


@router.get("")
def show(here: Here) -> Response:
    """The page."""
    found = read(here.settings.artifacts)
    current, fault = None, None
    try:
        current = plans.load()
    except (ValueError, OSError) as error:
        fault = str(error)
    return here.page(
        "calibration.html",
        found=found,
        missed=_missed(found.report) if found else {},
        differences=differences(found.report.plan, current) if found and current else {},
        fault=fault,
        fields={name: field.description or name for name, field in Plan.model_fields.items()},
        drawn=_draw(here, found.report) if found else {},
    )


def _missed(report: Report) -> Mapping[str, list[str]]:
    """What each setting has not reached, in the report's own words."""
    found: dict[str, list[str]] = {}
    for said in report.missed:
        setting, _, what = said.partition(": ")
        found.setdefault(setting, []).append(what)
    return found


def _ranged(name: str, one: Estimate) -> Ranged:
    return Ranged(name, one.value, one.low, one.high)


def _draw(here: Visit, report: Report) -> dict[str, Markup]:
    say = here.words.say
    names = {name: say(name.replace("_", " ")) for name in report.settings}
    false_winners = {
        say("our intervals"): [
            _ranged(names[name], one) for name, one in report.aa_false_winner_rate.items()
        ],
        say("a test meant for one look"): [
            _ranged(names[name], one.naive_false_winner_rate) for name, one in report.settings.items()
        ],
    }
    coverage = {"": [_ranged(names[name], one) for name, one in report.coverage.items()]}
    return {
        "false_winners": charts.ranges(
            false_winners,
            say("False winners between equals by setting: our intervals, and a test meant for one look"),
            say("a winner that is none (dashed: 5 %)"),
            limits=[0.05],
            percent=True,
        ),
        "coverage": charts.ranges(
            coverage,
            say("Share of experiments whose interval holds the true effect at every look, by setting"),
            say("truth covered at every look (dashed: 95 %)"),
            limits=[0.95],
            percent=True,
        ),
    }
