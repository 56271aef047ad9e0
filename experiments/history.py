"""What recent traffic says about an experiment that has not begun: how many users come on each day, and how
much they differ in each metric.

`recent_users` measures it and stores sums only, so the gateway and the dashboard read one row, whatever the
traffic is.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.orm import Session

# Reads the newest summary. The gateway runs it, too.
NEWEST = "SELECT summary FROM traffic_summaries ORDER BY measured_at DESC LIMIT 1"


class PastMetric(BaseModel):
    """A metric of recent users."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    spread: float | None = Field(
        description="of an effect (`experiments.power`), with CUPED; None while nothing differs between users"
    )
    with_value: float = Field(description="share of the users who have a value")
    information: float | None = Field(
        None,
        description="information of a user with a value: an interval begins when those of each arm have 1"
        " together (`estimators.Estimate`); None: not known",
    )
    effective_users: float | None = Field(
        None, description="Kish's effective users for each user with a value of a ratio; None: 1"
    )


class History(BaseModel):
    """Recent traffic, as if all of it had been an experiment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measured_at: datetime
    arrivals: tuple[int, ...] = Field(
        description="users by the day, from the first one, of their first answer; whole days only"
    )
    window_hours: float
    users: int = Field(description="sampled users whose windows have closed")
    metrics: Mapping[str, PastMetric]


def read(session: Session) -> History | None:
    """The stored summary; None before the first one."""
    return parse(session.scalar(text(NEWEST)))


def parse(stored: dict[str, Any] | None) -> History | None:
    """A summary from its row."""
    return None if stored is None else History.model_validate(stored)
