"""The demo's page: with a challenger and without one, it says what happened and what nobody measured."""

from pathlib import Path
from typing import Any

import pytest

from configs import ROOT
from models import shipped
from models.edit_dpo import Kind
from simulation import taste_report
from simulation.demo_report import USABLE, Example, Report
from simulation.simulated_people import Usage

SCORES = shipped.read_evaluation(ROOT / "champion").systems
OF_BOTH: dict[str, Any] = {
    "base": SCORES["champion"],
    "copy_input": SCORES["copy_input"],
    "champion": SCORES["challenger"],
    "usage": [Usage(counts={"requests": 40, "comparisons": 8}, errors={})],
    "taste": taste_report.measure_validity(),
    "snapshot": {"pairs": 6, "labels_validation": 2},
    "serving_version": "v1",
    "minutes": 2.0,
}
EXAMPLE = Example(message="Fix it.", asked="soften 2", champion="Fix it.", challenger="Could you fix it?")
UNLEARNED = Report(
    title="v1 stays champion.",
    reasons=["The votes tell no kind of edit from chance."],
    versions={"champion": "v1"},
    **OF_BOTH,
)
LEARNED = Report(
    title="Roll back.",
    reasons=["The gate refused v2.", "It keeps fewer facts."],
    versions={"champion": "v1", "challenger": "v2"},
    challenger=SCORES["challenger"],
    challenger_protected=SCORES["challenger_protected"],
    learned=(Kind(name="soften", chosen=30, rejected=9, offset=0.4),),
    held_out=168,
    differing=1,
    examples=[
        Example(message="Fix it.", asked="soften 2", champion="Fix it.", challenger="Could you fix it?")
    ],
    **OF_BOTH,
)


@pytest.mark.parametrize("report", [UNLEARNED, LEARNED], ids=["votes taught nothing", "with a challenger"])
def test_the_page_and_the_summary_say_what_happened(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = report.write(tmp_path).read_text(encoding="utf-8")
    assert Report.model_validate_json((tmp_path / "report.json").read_text(encoding="utf-8")) == report
    report.print_summary()
    printed = " ".join(capsys.readouterr().out.split())
    for text in (page, printed):
        assert all(sentence in text for sentence in (report.title, *report.reasons, USABLE))
        assert ("challenger (v2)" in " ".join(text.split())) == (report is LEARNED)
        assert ("Could you fix it?" in text) == (report is LEARNED)


@pytest.mark.parametrize("report", [UNLEARNED, LEARNED], ids=["votes taught nothing", "with a challenger"])
def test_the_page_and_the_summary_say_which_judge_the_people_are_and_how_valid(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    auc = report.taste.auc
    assert auc is not None
    line = (
        "The people are simulated, and vote by simulation/taste.py. The judge taste is not valid for rewrites"
        " by the champion: it ranks a usable one above a wrong one with probability"
        f" {auc.mean:.2f}, between {auc.low:.2f} and {auc.high:.2f}."
    )
    assert line in report.write(tmp_path).read_text(encoding="utf-8")
    report.print_summary()
    assert line in " ".join(capsys.readouterr().out.split())
