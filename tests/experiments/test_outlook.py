"""What a plan can show is the answer of a simulated experiment."""

from datetime import UTC, datetime

import numpy as np
import pytest

from experiments import metrics, outlook, power
from experiments.history import History, PastMetric
from experiments.plan import Plan

PLAN = Plan(ramp=(1.0,))


def traffic(*arrivals: int, spread: float = 0.4, with_value: float = 0.5) -> History:
    past = PastMetric(mean=0.7, spread=spread, with_value=with_value)
    return History(
        measured_at=datetime(2026, 1, 1, tzinfo=UTC),
        arrivals=arrivals,
        window_hours=72,
        users=1000,
        metrics=dict.fromkeys(("satisfaction", "complained", "fell_back"), past)
        | {"failed": PastMetric(mean=0.0, spread=None, with_value=1.0)},
    )


def test_days_follow_from_the_users_needed_their_arrival_and_the_window() -> None:
    result = outlook.forecast(PLAN, metrics.load(), traffic(*[100] * 28), {})
    voters = power.compute_sequential_sample(0.05, 0.4, 0.05, 0.8, PLAN.n_star)
    assert result.users_needed == pytest.approx(voters / 0.5), "half of the users vote"
    assert result.days_needed == pytest.approx(voters / 0.5 / 100 + 3)
    assert result.users_in_time == pytest.approx(2500), (
        "those of the last three days are not closed on day 28"
    )
    assert result.detectable == pytest.approx(
        power.compute_detectable_effect(1250, 0.4, 0.05, 0.8, PLAN.n_star)
    )


def test_users_who_come_often_come_first() -> None:
    few = outlook.forecast(PLAN, metrics.load(), traffic(500, 50, 10, *[0] * 25), {})
    assert few.users_in_time == pytest.approx(560)
    assert few.days_needed is None
    assert few.margins["complained"].days is None
    assert {warning.code for warning in few.warnings} == {"margin_too_small"}
    smallest = few.margins["complained"].smallest
    assert smallest is not None
    wider = Plan(ramp=(1.0,), harm_margin=2 * smallest, guardrails={"complained": 1.001 * smallest})
    assert outlook.forecast(wider, metrics.load(), traffic(500, 50, 10, *[0] * 25), {}).warnings == ()


def test_a_ramp_lets_users_in_later() -> None:
    at_once = outlook.forecast(PLAN, metrics.load(), traffic(*[100] * 28), {})
    ramped = outlook.forecast(Plan(), metrics.load(), traffic(*[100] * 28), {})
    assert at_once.days_needed is not None
    assert ramped.days_needed is not None
    # Of steps of 1, 5, 10, 25, 50 and 100 % on the days 0 to 5, the mean user waits this long.
    wait = np.average(np.arange(6), weights=np.diff([0, 0.01, 0.05, 0.1, 0.25, 0.5, 1]))
    assert ramped.days_needed - at_once.days_needed == pytest.approx(wait, abs=0.01)


def test_at_least_the_minimum_days_pass() -> None:
    crowd = outlook.forecast(PLAN, metrics.load(), traffic(*[10**6] * 28), {})
    assert crowd.days_needed == PLAN.minimum_days + 3


def test_users_a_day_replace_the_traffic_and_nothing_is_known_without_either() -> None:
    entered = outlook.forecast(PLAN, metrics.load(), None, {"satisfaction": 0.4}, users_a_day=50)
    assert entered.users_in_time == pytest.approx(1250)
    assert entered.margins["complained"].is_assumed
    unknown = outlook.forecast(PLAN, metrics.load(), None, {"satisfaction": 0.4})
    assert (unknown.users_in_time, unknown.days_needed, unknown.warnings) == (None, None, ())
    assert unknown.users_needed == entered.users_needed
    assert unknown.unknown == ("latency_p95",), "an amount has no worst case"


def test_an_event_that_nobody_had_is_rare() -> None:
    result = outlook.forecast(PLAN, metrics.load(), traffic(*[100] * 28), {})
    failed = result.margins["failed"]
    assert failed.is_assumed
    rate = 3 / 1000
    assert failed.smallest == pytest.approx(
        power.compute_detectable_effect(2500, 4 * rate * (1 - rate), 0.05, 0.8, PLAN.n_star)
    )


def test_the_proposed_n_star_needs_the_fewest_users() -> None:
    n_star = outlook.propose_n_star(PLAN, 0.4)
    assert n_star is not None

    def compute_needed(value: int) -> float:
        return power.compute_sequential_sample(PLAN.smallest_effect, 0.4, 0.05, 0.8, value)

    assert compute_needed(n_star) == pytest.approx(n_star, abs=1)
    assert all(
        compute_needed(n_star) <= compute_needed(round(n_star * factor)) for factor in (0.5, 0.8, 1.25, 2)
    )


def test_a_margin_that_excludes_nothing_needs_no_users() -> None:
    plan = Plan(guardrails={"complained": 1.0})
    assert set(outlook.forecast(plan, metrics.load(), traffic(100), {}).margins) == {"satisfaction"}


def test_several_challengers_need_more_users_and_a_smaller_share_takes_longer() -> None:
    """Each of three challengers has half of the users that a single one has, and a third of its level."""
    past = traffic(*[400] * 28)
    alone, three = (outlook.forecast(PLAN, metrics.load(), past, {}, challengers=count) for count in (1, 3))
    strict = outlook.forecast(PLAN.for_each_of(3), metrics.load(), past, {})
    assert strict.users_needed is not None
    assert three.users_needed == pytest.approx(2 * strict.users_needed)
    assert alone.users_in_time is not None
    assert three.users_in_time == pytest.approx(alone.users_in_time), "they share the same users"
    quarter = PLAN.model_copy(update={"traffic_share": 0.25})
    fewer = outlook.forecast(quarter, metrics.load(), past, {})
    assert fewer.users_in_time == pytest.approx(alone.users_in_time / 4)
    assert fewer.users_needed == alone.users_needed
