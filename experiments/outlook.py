"""What a plan can show, before its experiment starts: users and days needed, the smallest effect within
reach, and whether its margins can be excluded in time. `forecasting` computes it.
"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from data.reasons import Reason


class MarginOutlook(BaseModel):
    """How long it takes to exclude a loss of a metric's margin, if both versions are equally good."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: float = Field(description="loss that must be excluded, in the metric's unit", examples=[0.05])
    days: float | None = Field(
        description="days until then, with the plan's power; null: more than two years", examples=[12.0]
    )
    smallest: float | None = Field(
        description="smallest loss that can be excluded within the plan's maximum_days; null: none",
        examples=[0.03],
    )
    is_assumed: bool = Field(description="how much users differ is not known: the worst case is assumed")


class Outlook(BaseModel):
    """What a plan can show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users_in_time: float | None = Field(
        description="users whose windows close within the plan's maximum_days; null: not known how many come",
        examples=[2400.0],
    )
    users_needed: float | None = Field(
        description="users who detect the plan's smallest effect with its power; users without a value of the"
        " primary metric are included",
        examples=[1800.0],
    )
    users_needed_fixed: float | None = Field(
        description="the same in a test with one analysis at a time that is fixed in advance",
        examples=[1200.0],
    )
    days_needed: float | None = Field(
        description="days until then, with ramp, window and minimum_days; null: more than two years, or not"
        " known",
        examples=[21.0],
    )
    detectable: float | None = Field(
        description="smallest effect on the primary metric that the plan detects within its maximum_days",
        examples=[0.04],
    )
    n_star: int | None = Field(
        description="the n_star with which the fewest users are needed", examples=[900]
    )
    margins: Mapping[str, MarginOutlook] = Field(
        description="of the primary metric and the guardrails, by the metric's name",
        examples=[{"satisfaction": {"margin": 0.05, "days": 12.0, "smallest": 0.03, "is_assumed": False}}],
    )
    unknown: tuple[str, ...] = Field(
        description="metrics of the plan of which nothing is known yet", examples=[["latency_p95"]]
    )
    is_assumed: bool = Field(description="how users differ in the primary metric is assumed: the worst case")
    warnings: tuple[Reason, ...] = Field(description="what the plan cannot do, or does badly", examples=[[]])
