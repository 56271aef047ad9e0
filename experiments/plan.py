"""The plan of an experiment: what is settled before it starts, and frozen from then on."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, model_validator

import configs

FILE = Path(__file__).parent.parent / "configs" / "experiment.yaml"

Share = Annotated[float, Field(gt=0, lt=1)]
Opened = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
_LONGEST_H = 24 * 366


class Plan(configs.StageConfig):
    """How an experiment is run, and when its evidence is enough."""

    model_config = ConfigDict(allow_inf_nan=False)

    alpha: Share = Field(0.05, description="chance of ever deciding wrongly between equals, in each evidence")
    minimum_comparisons: Count = Field(40, description="decided votes before which nothing is concluded")
    maximum_comparisons: Count = Field(400, description="decided votes at which an open question is closed")
    votes_a_person: Count = Field(5, description="comparisons of one person that count: nobody decides alone")
    minimum_users_an_arm: Count = Field(50, description="users with an outcome before arms are compared")
    n_star: Count = Field(500, description="users at which the interval of the effect is narrowest")
    harm_margin: Share = Field(0.05, description="shown loss of mean outcome (0 to 1) that forbids to ship")
    response_margin: Share = Field(
        0.05, description="shown difference of response rates that forbids to ship"
    )
    sample_ratio_alpha: Share = Field(0.01, description="chance of ever calling a sound assignment broken")
    ramp: Annotated[
        tuple[Opened, ...],
        Field(min_length=1, max_length=100, description="share of the users in it, from step to step"),
    ] = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
    window_hours: Annotated[
        float,
        Field(
            gt=0, le=_LONGEST_H, description="after a user's first exposure: what counts; then the user is in"
        ),
    ] = 72.0
    hours_a_step: Annotated[
        float, Field(ge=0, le=_LONGEST_H, description="of the ramp, while nothing shows harm")
    ] = 24.0
    automatic: bool = Field(True, description="ship and roll back by itself; else it waits for a click")

    @property
    def window(self) -> timedelta:
        """`window_hours` as a duration."""
        return timedelta(hours=self.window_hours)

    @model_validator(mode="after")
    def _ramps_up(self) -> "Plan":
        if list(self.ramp) != sorted(set(self.ramp)):
            raise ValueError(f"a ramp goes up, not {self.ramp}")
        return self


def load(overrides: Sequence[str] = ()) -> Plan:
    """The plan of `configs/experiment.yaml`, with `key=value` overrides."""
    return configs.load(Plan, FILE, overrides)


def with_changes(changes: Mapping[str, JsonValue]) -> Plan:
    """The plan of `configs/experiment.yaml` with some fields changed. ValueError names what is unknown beside
    what is known; pydantic's ValidationError, which is one, names what does not fit.
    """
    if unknown := sorted(set(changes) - set(Plan.model_fields)):
        raise ValueError(f"unknown {', '.join(unknown)}; known: {', '.join(Plan.model_fields)}")
    return Plan.model_validate({**load().model_dump(), **changes})
