"""A plan says in words what it asks."""

import pytest

from configs import ConfigError
from data.reasons import reason
from experiments import plan as plans
from experiments.plan import Plan, PlanError


def test_a_plan_in_words_has_its_numbers() -> None:
    plan = Plan(ramp=(0.25, 1.0), window_hours=48, harm_margin=0.04, guardrails={"latency_p95": 300.0})
    text = " ".join(plan.describe())
    for part in (
        "at most 3 votes of a person", "25%, 100% of the users", "within 48 hours", "0.04 in satisfaction",
        "300 in latency p95", "95.0% one-sided", "after 28 days", "at 95% confidence",
    ):  # fmt: skip
        assert part in text
    assert "top_two" not in text
    assert "top_two" in " ".join(Plan(allocation="top_two").describe())


@pytest.mark.parametrize(
    ("days", "nearest"), [(0, 7), (3, 7), (7.5, 14), (10, 14), (27.99, 28), (0.001, 7), (365.5, 364)]
)
def test_the_minimum_of_a_new_plan_is_whole_weeks(days: float, nearest: int) -> None:
    refused = [reason("days_not_whole_weeks", days=float(days), nearest=nearest)]
    with pytest.raises(PlanError, match=f"write {nearest}") as error:
        plans.with_changes({"minimum_days": days, "maximum_days": 366})
    assert error.value.reasons == refused
    with pytest.raises(PlanError) as error:
        plans.load([f"minimum_days={days}", "maximum_days=366"])
    assert error.value.reasons == refused
    short = plans.with_changes({"minimum_days": days, "maximum_days": 366, "compressed_time": True})
    assert short.minimum_days == days


def test_two_weeks_are_a_minimum_and_a_longer_one_than_the_maximum_is_not() -> None:
    assert plans.with_changes({"minimum_days": 14}).minimum_days == 14
    assert plans.load(["minimum_days=28"]).minimum_days == 28
    with pytest.raises(ConfigError, match="at least 35 days and at most 28"):
        plans.load(["minimum_days=35"])


def test_a_plan_that_an_earlier_release_stored_is_still_valid() -> None:
    """It had any number of days, and no field `compressed_time`."""
    stored = Plan(minimum_days=3).model_dump(mode="json", exclude={"compressed_time"})
    read = plans.read(stored)
    assert read.faults == []
    assert read.plan is not None
    assert read.plan.minimum_days == 3
