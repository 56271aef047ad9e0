"""The command: `python -m experiments.calibration configs/calibrate.yaml [key=value ...]`."""

import sys

import configs
from experiments.calibration import report
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.report import Report
from experiments.calibration.run import DOCS, main

if __name__ == "__main__":
    wanted = configs.from_command_line(CalibrationConfig, sys.argv[1:])
    published = DOCS / "results" / "calibration.json"
    before = Report.model_validate_json(published.read_text("utf-8")) if published.exists() else None
    made = main(wanted)
    print("\n".join(report.table(made)))
    if made.missed:
        print("\nNot reached:", *made.missed, sep="\n  ")
    if before and (worse := report.newly_missed(made, before)):
        raise SystemExit("\n  ".join([f"{published} reached what this does not:", *worse]))
