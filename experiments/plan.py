"""The plan of an experiment: settled before it starts, stored with it, and not changed while it runs."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

import configs
from data.reasons import ReasonedError
from experiments import metrics

FILE = Path(__file__).parent.parent / "configs" / "experiment.yaml"

Share = Annotated[float, Field(gt=0, lt=1)]
Opened = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Allocation = Literal["fixed", "top_two", "thompson"]
Margin = Annotated[float, Field(gt=0, le=1e9)]
_LONGEST_DAYS = 366


class PlanError(ReasonedError, ValueError):
    """The fields of a plan do not fit together, or are unknown."""


class Plan(configs.StageConfig):
    """What is asked, of whom, and what must be seen before it is decided."""

    model_config = ConfigDict(allow_inf_nan=False)

    alpha: Share = Field(0.05, description="chance of ever deciding wrongly between equals, in each evidence")
    ship_alpha: Share = Field(0.05, description="as alpha, to ship: what earlier launches leave to this one")
    false_discovery_rate: Share = Field(
        0.1, description="expected share of all shipped challengers that are no better: it sets ship_alpha"
    )
    minimum_comparisons: Count = Field(40, description="decided votes before which nothing is concluded")
    maximum_comparisons: Count = Field(400, description="decided votes at which an open question is closed")
    votes_a_person: Count = Field(3, description="comparisons of one person that count: nobody decides alone")
    primary: str = Field("satisfaction", description="the metric that arms are compared by")
    harm_margin: Margin = Field(0.05, description="shown loss in the primary metric that forbids to ship")
    guardrails: Mapping[str, Margin] = Field(
        {"complained": 0.05, "failed": 0.02, "fell_back": 0.05, "latency_p95": 1000.0},
        description="other metrics, and the shown loss in each that forbids to ship",
    )
    response_margin: Share = Field(
        0.05, description="shown difference of response rates that forbids to ship"
    )
    minimum_users_an_arm: Count = Field(50, description="users with a value before arms are compared")
    n_star: Count = Field(500, description="users at which the interval of an effect is narrowest")
    smallest_effect: Margin = Field(0.05, description="in the primary metric, that is worth finding")
    power: Share = Field(0.8, description="chance to find it, for which the users needed are reckoned")
    sample_ratio_alpha: Share = Field(0.01, description="chance of ever calling a sound assignment broken")
    ramp: Annotated[
        tuple[Opened, ...],
        Field(min_length=1, max_length=100, description="share of the users in it, from step to step"),
    ] = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
    window_hours: Annotated[
        float,
        Field(
            gt=0,
            le=24 * _LONGEST_DAYS,
            description="after a user's first exposure: what counts; then the user is in",
        ),
    ] = 72.0
    past_days: Annotated[
        float,
        Field(
            ge=0,
            le=_LONGEST_DAYS,
            description="before it: what a user's past is taken from, for CUPED; 0 is none",
        ),
    ] = 14.0
    hours_a_step: Annotated[
        float, Field(ge=0, le=24 * _LONGEST_DAYS, description="of the ramp, while nothing shows harm")
    ] = 24.0
    minimum_days: Annotated[
        float, Field(ge=0, le=_LONGEST_DAYS, description="before which nothing is shipped: weekdays differ")
    ] = 3.0
    maximum_days: Annotated[
        float, Field(gt=0, le=_LONGEST_DAYS, description="after which an open question is closed")
    ] = 28.0
    allocation: Allocation = Field(
        "fixed", description="of the users to the arms: top_two finds out with fewer in the worse arm"
    )
    hours_a_batch: Annotated[
        float, Field(gt=0, le=24 * _LONGEST_DAYS, description="between new weights: each begins an epoch")
    ] = 24.0
    shadow_messages: Annotated[
        int,
        Field(ge=0, le=1000, description="recent ones that the challenger answers unseen before it starts"),
    ] = 50
    automatic: bool = Field(True, description="ship and roll back by itself; else it waits for a click")

    def __hash__(self) -> int:  # pydantic's own fails at the guardrails, which are a dict
        return hash(self.model_dump_json())

    @property
    def window(self) -> timedelta:
        """`window_hours` as a duration."""
        return timedelta(hours=self.window_hours)

    @property
    def past(self) -> timedelta:
        """`past_days` as a duration."""
        return timedelta(days=self.past_days)

    @model_validator(mode="after")
    def _has_an_order(self) -> "Plan":
        if list(self.ramp) != sorted(set(self.ramp)):
            raise PlanError("ramp_not_rising", ramp=str(self.ramp))
        if self.minimum_days > self.maximum_days:
            raise PlanError("days_reversed", minimum=self.minimum_days, maximum=self.maximum_days)
        return self

    @model_validator(mode="after")
    def _asks_for_what_is_measured(self) -> "Plan":
        measured = metrics.load()
        if unknown := sorted({self.primary, *self.guardrails} - set(measured)):
            raise PlanError("unknown_metrics", unknown=" or ".join(unknown), known=", ".join(measured))
        return self


def load(overrides: Sequence[str] = ()) -> Plan:
    """The plan of `configs/experiment.yaml`, with `key=value` overrides."""
    return configs.load(Plan, FILE, overrides)


def with_changes(changes: Mapping[str, JsonValue]) -> Plan:
    """The plan of `configs/experiment.yaml` with some fields changed. PlanError names the unknown fields and
    the known ones; pydantic's ValidationError names the fields that do not fit.
    """
    if unknown := sorted(set(changes) - set(Plan.model_fields)):
        raise PlanError("plan_unknown_fields", unknown=", ".join(unknown), known=", ".join(Plan.model_fields))
    return Plan.model_validate({**load().model_dump(), **changes})
