"""A good and a broken challenger, with no hand on it: the whole stack but for the model."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.month_report import MonthReport

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_good_one_is_shipped_and_the_broken_one_paused(tmp_path: Path) -> None:
    challengers = "[{name: good, quality: 0.95}, {name: broken, quality: 0.95, breaks_after: 100}]"
    # Days are longer on a busy machine: no experiment may end because of its age.
    config = ["configs/month.yaml", "days=14", "maximum_days=10000", f"challengers={challengers}"]
    env = {**os.environ, "TONEBRIDGE_ARTIFACTS": str(tmp_path), "TONEBRIDGE_STATE": str(tmp_path / "state")}
    subprocess.run([sys.executable, "-m", "simulation.month", *config], env=env, cwd=ROOT, check=True)
    report = MonthReport.model_validate_json((tmp_path / "month" / "report.json").read_text("utf-8"))
    good, broken = report.stories
    assert (good.status, broken.status) == ("shipped", "paused")
    assert broken.seconds_to_trip is not None
    assert set(report.errors) <= {"compare 503"}, "the champion answers instead, but is no pair by itself"
    by_whom = {(act.challenger, act.action): act.requested_by for act in report.acts}
    assert by_whom[("good", "ship")] == "flow:experiment"
    assert by_whom[("broken", "pause")] == "gateway:breaker"
    assert all(act.reason and act.outcome == "done" for act in report.acts)
    assert report.answered[good.version][-1] > report.answered[good.version][0]
    assert "<img" in (tmp_path / "month" / "index.html").read_text("utf-8")
