"""The settings of the queue, from `configs/jobs.yaml`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

import configs
from configs import StageConfig

CONFIG = configs.ROOT / "configs" / "jobs.yaml"


class PlanOfJobs(StageConfig):
    """How many jobs of an organisation may wait or run, and how many may run at the same time."""

    open: Annotated[int, Field(ge=1)]
    running: Annotated[int, Field(ge=1)]


class PlansOfJobs(StageConfig):
    """The plans by name, those of `configs/plans.yaml`."""

    free: PlanOfJobs
    team: PlanOfJobs
    scale: PlanOfJobs


class JobsConfig(StageConfig):
    """What workers do with jobs. Durations are in the unit that the name ends in."""

    lease_s: Annotated[float, Field(gt=0)]
    poll_s: Annotated[float, Field(gt=0)]
    list_jobs: Annotated[int, Field(ge=1)]
    most_attempts: Annotated[int, Field(ge=1, le=1000)]
    first_retry_s: Annotated[float, Field(gt=0)]
    longest_retry_s: Annotated[float, Field(gt=0)]
    longest_pause_s: Annotated[float, Field(gt=0)]
    drain_s: Annotated[float, Field(ge=0)]
    kept_days: Annotated[int, Field(ge=1)]
    plans: PlansOfJobs

    @model_validator(mode="after")
    def _renews_in_time(self) -> "JobsConfig":
        if self.lease_s < 3 * self.poll_s:
            raise ValueError(
                "lease_s must be at least three times poll_s, since a third of it renews a lease"
            )
        return self


def load(path: Path = CONFIG) -> JobsConfig:
    """The settings of a yaml file; ConfigError when they are not valid."""
    return configs.load(JobsConfig, path)
