"""What a plan can show is the answer of a simulated experiment."""

import math
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from experiments import effects, forecasting, history, metrics, power
from experiments.estimators import Estimate, Sums, estimate
from experiments.history import History, PastMetric
from experiments.outlook import MarginOutlook
from experiments.plan import Plan

PLAN = Plan(ramp=(1.0,))
SHARE = metrics.load()["complained"]


EARLIER = {"satisfaction": PastMetric(mean=0.7, spread=0.4, with_value=1.0)}


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
    result = forecasting.forecast(PLAN, metrics.load(), traffic(*[100] * 28), {})
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
    few = forecasting.forecast(PLAN, metrics.load(), traffic(500, 50, 10, *[0] * 25), {})
    assert few.users_in_time == pytest.approx(560)
    assert few.days_needed is None
    assert few.margins["complained"].days is None
    assert {warning.code for warning in few.warnings} == {"margin_too_small"}
    smallest = few.margins["complained"].smallest
    assert smallest is not None
    wider = Plan(ramp=(1.0,), harm_margin=2 * smallest, guardrails={"complained": 1.001 * smallest})
    assert forecasting.forecast(wider, metrics.load(), traffic(500, 50, 10, *[0] * 25), {}).warnings == ()


def test_a_ramp_lets_users_in_later() -> None:
    at_once = forecasting.forecast(PLAN, metrics.load(), traffic(*[100] * 28), {})
    ramped = forecasting.forecast(Plan(), metrics.load(), traffic(*[100] * 28), {})
    assert at_once.days_needed is not None
    assert ramped.days_needed is not None
    # Of steps of 1, 5, 10, 25, 50 and 100 % on the days 0 to 5, the mean user waits this long.
    wait = np.average(np.arange(6), weights=np.diff([0, 0.01, 0.05, 0.1, 0.25, 0.5, 1]))
    assert ramped.days_needed - at_once.days_needed == pytest.approx(wait, abs=0.01)


def test_at_least_the_minimum_days_pass() -> None:
    crowd = forecasting.forecast(PLAN, metrics.load(), traffic(*[10**6] * 28), {})
    assert crowd.days_needed == PLAN.minimum_days + 3


def test_users_a_day_replace_the_traffic_and_nothing_is_known_without_either() -> None:
    entered = forecasting.forecast(PLAN, metrics.load(), None, EARLIER, users_a_day=50)
    assert entered.users_in_time == pytest.approx(1250)
    assert entered.margins["complained"].is_assumed
    unknown = forecasting.forecast(PLAN, metrics.load(), None, EARLIER)
    assert (unknown.users_in_time, unknown.days_needed, unknown.warnings) == (None, None, ())
    assert unknown.users_needed == entered.users_needed
    assert unknown.unknown == ("latency_p95",), "an amount has no worst case"


def test_an_event_that_nobody_had_is_rare() -> None:
    result = forecasting.forecast(PLAN, metrics.load(), traffic(*[100] * 28), {})
    failed = result.margins["failed"]
    assert failed.is_assumed
    rate = 3 / 1000
    assert failed.smallest is not None
    interval = power.compute_detectable_effect(2500, 4 * rate * (1 - rate), 0.05, 0.8, PLAN.n_star)
    assert failed.smallest > interval, "with 3.75 expected events an arm, there is no interval yet"
    assert share_that_excludes(failed.smallest, rate, 2500) >= 0.75
    assert share_that_excludes(0.8 * failed.smallest, rate, 2500) < 0.75


def share_that_excludes(margin: float, rate: float, users: float, experiments: int = 400) -> float:
    """Of simulated experiments with so many users in both arms, those whose analysis excludes the loss."""
    rng = np.random.default_rng(0)

    def excludes() -> bool:
        first, second = (draw_arm(rng, rate, math.ceil(users / 2) + 1) for _ in range(2))
        effect = effects.compare_arms(
            [(first, second)], PLAN.alpha, PLAN.n_star, "lower", 1.0, PLAN.minimum_users_an_arm
        )
        if effect is None:
            return effects.bound_loss_of_share([(first, second)], PLAN.alpha, "lower") <= margin
        return effect.largest_loss("lower") <= margin

    return float(np.mean([excludes() for _ in range(experiments)]))


def draw_arm(rng: np.random.Generator, rate: float, users: int) -> Estimate:
    events, zero = Decimal(int(rng.binomial(users, rate))), Decimal(0)
    return estimate(SHARE, {0: Sums(users, events, events, zero, zero, zero)})


@pytest.mark.parametrize("rate", [0.001, 0.005, 0.01, 0.02, 0.3])
@pytest.mark.parametrize("margin", [0.02, 0.05])
def test_as_many_experiments_as_promised_exclude_the_margin(rate: float, margin: float) -> None:
    """Of a rare event, the interval begins late, and until then a wider bound decides."""
    seen = PastMetric(mean=rate, spread=4 * rate * (1 - rate), with_value=1.0, information=rate / 5)
    plan = PLAN.model_copy(update={"minimum_days": 0.0, "guardrails": {"complained": margin}})
    past = traffic(*[100] * 28).model_copy(update={"metrics": {"complained": seen}, "users": 10**9})
    days = forecasting.forecast(plan, metrics.load(), past, {}).margins["complained"].days
    assert days is not None
    assert share_that_excludes(margin, rate, 100 * (days - 3)) >= 0.75


def test_a_loss_is_not_excluded_before_the_interval_of_an_amount_begins() -> None:
    """The spread alone would exclude it at once."""
    plan = PLAN.model_copy(update={"minimum_days": 0.0})

    def find(information: float | None, users: int = 10**6) -> MarginOutlook:
        slow = PastMetric(mean=900.0, spread=100.0**2, with_value=1.0, information=information)
        past = traffic(*[100] * 28).model_copy(update={"metrics": {"latency_p95": slow}, "users": users})
        return forecasting.forecast(plan, metrics.load(), past, {}).margins["latency_p95"]

    begun = find(0.004)
    assert begun.days is not None
    assert 3 + 2 / 0.004 / 100 < begun.days < 3 + 1.2 * 2 / 0.004 / 100, "both arms need it with the power"
    of_few = find(0.004, users=2_000).days
    assert of_few is not None
    assert of_few > begun.days, "what is measured of fewer users is less certain"
    assert find(None).days == pytest.approx(3 + 2 * PLAN.minimum_users_an_arm / 100)
    assert find(0.0007).smallest is None, "2,500 users are too few for an interval"
    assert find(0.0).days is None
    assert find(0.004).smallest == find(None).smallest, "once begun, the interval is the same"


def test_users_who_write_most_make_an_interval_begin_later() -> None:
    seen = PastMetric(mean=0.3, spread=0.001, with_value=1.0, information=0.06, effective_users=0.1)
    past = traffic(*[100] * 28).model_copy(update={"metrics": {"failed": seen}})
    plan = PLAN.model_copy(update={"minimum_days": 0.0})
    days = forecasting.forecast(plan, metrics.load(), past, {}).margins["failed"].days
    assert days is not None
    assert days > 3 + 2 * PLAN.minimum_users_an_arm / 0.1 / 100


def test_an_effect_is_not_detected_before_there_is_an_interval() -> None:
    rare = PastMetric(mean=0.01, spread=0.0396, with_value=1.0, information=0.002)
    plan = PLAN.model_copy(update={"primary": "complained", "smallest_effect": 0.5})
    result = forecasting.forecast(
        plan, metrics.load(), traffic(*[10] * 28).model_copy(update={"metrics": {"complained": rare}}), {}
    )
    assert result.users_needed is not None
    assert result.users_needed > 2 / 0.002
    assert result.detectable is None, "250 users have 1.25 events an arm"
    assert result.margins["complained"].smallest is not None, "but a bound of the share"


def test_a_summary_of_an_earlier_release_is_read_and_asks_for_no_information() -> None:
    stored = traffic(*[100] * 28).model_dump(mode="json")
    for metric in stored["metrics"].values():
        del metric["information"], metric["effective_users"]
    past = history.parse(stored)
    assert past is not None
    assert past.metrics["satisfaction"].information is None
    assert forecasting.forecast(PLAN, metrics.load(), past, {}) == forecasting.forecast(
        PLAN, metrics.load(), traffic(*[100] * 28), {}
    )


def test_the_proposed_n_star_needs_the_fewest_users() -> None:
    n_star = forecasting.propose_n_star(PLAN, 0.4)
    assert n_star is not None

    def compute_needed(value: int) -> float:
        return power.compute_sequential_sample(PLAN.smallest_effect, 0.4, 0.05, 0.8, value)

    assert compute_needed(n_star) == pytest.approx(n_star, abs=1)
    assert all(
        compute_needed(n_star) <= compute_needed(round(n_star * factor)) for factor in (0.5, 0.8, 1.25, 2)
    )


def test_a_margin_that_excludes_nothing_needs_no_users() -> None:
    plan = Plan(guardrails={"complained": 1.0})
    assert set(forecasting.forecast(plan, metrics.load(), traffic(100), {}).margins) == {"satisfaction"}


def test_several_challengers_need_more_users_and_a_smaller_share_takes_longer() -> None:
    """Each of three challengers has half of the users that a single one has, and a third of its level."""
    past = traffic(*[400] * 28)
    alone, three = (
        forecasting.forecast(PLAN, metrics.load(), past, {}, challengers=count) for count in (1, 3)
    )
    strict = forecasting.forecast(PLAN.for_each_of(3), metrics.load(), past, {})
    assert strict.users_needed is not None
    assert three.users_needed == pytest.approx(2 * strict.users_needed)
    assert alone.users_in_time is not None
    assert three.users_in_time == pytest.approx(alone.users_in_time), "they share the same users"
    quarter = PLAN.model_copy(update={"traffic_share": 0.25})
    fewer = forecasting.forecast(quarter, metrics.load(), past, {})
    assert fewer.users_in_time == pytest.approx(alone.users_in_time / 4)
    assert fewer.users_needed == alone.users_needed
