"""What a calibration simulates, and the design of its experiments."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

import configs

HORIZON = 2.5  # the last look, in fixed-horizon samples
POWER = 0.8  # of the fixed-horizon sample
BANDIT_EPOCHS = 10


class CalibrationConfig(configs.StageConfig):
    """What is simulated, how often, and where the report goes."""

    experiments: Annotated[int, Field(ge=2)] = 10_000
    looks: Annotated[int, Field(ge=10)] = 100
    effect: Annotated[float, Field(gt=0, lt=1, description="in standard deviations of the outcome")] = 0.1
    win_rate: Annotated[float, Field(gt=0.5, lt=1, description="of the better model, side by side")] = 0.6
    plan: Path = Path("configs/experiment.yaml")
    processes: Annotated[int, Field(ge=1)] = 2
    seed: Annotated[int, Field(ge=0)] = 0
    out: Path = Path("artifacts/calibration")
    write: bool = False
