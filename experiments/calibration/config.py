"""The fields of configs/calibrate.yaml, and constants of the design that several simulations share."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

import configs

HORIZON = 2.5  # sample size at the last analysis, in fixed-horizon samples
POWER = 0.8  # of the fixed-horizon sample
BANDIT_EPOCHS = 10  # a bandit's weights change at the start of each


class CalibrationConfig(configs.StageConfig):
    """How many experiments are simulated, with which effect, and where the report is written."""

    experiments: Annotated[int, Field(ge=2, description="in each setting, as A/A and as A/B")] = 10_000
    looks: Annotated[int, Field(ge=10, description="analyses of each experiment")] = 100
    procedure_experiments: Annotated[int, Field(ge=1, description="whole experiments in each scenario")] = 400
    effect: Annotated[float, Field(gt=0, lt=1, description="in standard deviations of the outcome")] = 0.1
    win_rate: Annotated[float, Field(gt=0.5, lt=1, description="of the better model in comparisons")] = 0.6
    chunk: Annotated[int, Field(ge=1, description="experiments that are simulated together")] = 250
    cut_windows: Annotated[
        bool, Field(description="whole experiments as before: a user's window ends when the shares change")
    ] = False
    plan: Path = Path("configs/experiment.yaml")
    processes: Annotated[int, Field(ge=1)] = 2
    seed: Annotated[int, Field(ge=0)] = 0
    out: Path = Path("artifacts/calibration")
    write: Annotated[bool, Field(description="also write the report and the plot to docs/")] = False
