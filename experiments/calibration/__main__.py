"""Tests the statistical guarantees of experiments by simulation.

    python -m experiments.calibration configs/calibrate.yaml
    python -m experiments.calibration configs/calibrate.yaml experiments=1000 out=/tmp/calibration

Writes `report.json` and `calibration.png` to the output folder, and prints the report and the targets that it
misses. Fails if the report misses a target that docs/results/calibration.json reaches.
"""

import sys

import configs
from experiments.calibration.config import CalibrationConfig
from experiments.calibration.report import Report, find_newly_missed, format_missed, format_table
from experiments.calibration.run import DOCS, main

if __name__ == "__main__":
    config = configs.from_command_line(CalibrationConfig, sys.argv[1:])
    # Read the published report first: with write=true the run replaces it.
    file = DOCS / "results" / "calibration.json"
    published = Report.model_validate_json(file.read_text("utf-8")) if file.exists() else None
    report = main(config)
    print("\n".join(format_table(report)))
    if report.missed:
        print("\nMissed targets:", *format_missed(report.missed), sep="\n  ")
    if published and (newly_missed := find_newly_missed(report, published)):
        lines = [f"This report misses targets that {file} reaches:", *format_missed(newly_missed)]
        raise SystemExit("\n  ".join(lines))
