"""What helps to choose a metric: its columns, caps, what it can see, and what it would have seen."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy.orm import Session

from experiments import metric_choice, power, recent_users, stored_sums
from experiments.analysis import between_users, pick_arms
from tests.experiments.test_aa_tests import make_units
from tests.experiments.test_unit_values import OWN, PLAN, build, engine
from tests.trials import START

__all__ = ["engine"]  # the fixture of the database


def test_columns_are_described_by_zeros_and_unknown_values() -> None:
    units = make_units(4)._replace(
        quantities={"score": np.array([np.nan, 0.0, 0.5, 1.0]), "vote_hours": np.full(4, np.nan)}
    )
    score, hours = metric_choice.describe(units)
    assert score == ("score", 0.5, 1.0, 0.25, 0.25)
    assert hours == ("vote_hours", None, None, 0.0, 1.0)
    nobody = make_units(0)._replace(quantities={"score": np.array([])})
    assert metric_choice.describe(nobody) == [("score", None, None, 0.0, 0.0)]


def test_a_cap_at_a_percentile_needs_fewer_users() -> None:
    values = np.array([1.0] * 9 + [11.0, np.nan])
    whole, capped = metric_choice.winsorise(values, (1.0, 0.9))
    assert (whole.cap, whole.above, whole.mean, whole.users) == (11.0, 0.0, 2.0, 1.0)
    assert whole.deviation == pytest.approx(np.std([1.0] * 9 + [11.0], ddof=1))
    assert (capped.cap, capped.above, capped.mean, capped.deviation, capped.users) == (
        1.0,
        0.1,
        1.0,
        0.0,
        0.0,
    )
    middle = metric_choice.winsorise(np.array([1.0, 2.0, 3.0, 4.0, 20.0]), (0.8,))[0]
    relative = np.std([1, 2, 3, 4, 4]) / 2.8 / (np.std([1, 2, 3, 4, 20]) / 6.0)
    assert (middle.cap, middle.above, middle.users) == (4.0, 0.2, pytest.approx(relative**2))
    with pytest.raises(ValueError, match="do not differ"):
        metric_choice.winsorise(np.ones(5))


def test_a_metric_sees_what_its_users_detect(session: Session) -> None:
    planned = PLAN.with_own(OWN)
    build(session, planned)
    now = START + timedelta(days=1)
    sights = {sight.name: sight for sight in metric_choice.list_sights(session, planned, 500, now)}
    session.rollback()
    past = recent_users.measure(session, planned, planned.all_metrics, now)
    assert past is not None
    assert {"needed_work", "satisfaction", "requests_a_user", "latency_p50"} <= set(sights)
    assert "cost" not in sights, "no user differs in it"
    for name in ("needed_work", "satisfaction"):
        metric, sight = past.metrics[name], sights[name]
        assert metric.spread is not None
        users = 500 * metric.with_value
        assert sight.detectable == pytest.approx(
            power.compute_detectable_effect(
                users, metric.spread, planned.alpha, planned.power, planned.n_star
            )
        )
        assert sight.of_mean == pytest.approx(sight.detectable / metric.mean)
    parts = [sight.of_mean for sight in sights.values() if sight.of_mean is not None]
    assert parts == sorted(parts)
    assert metric_choice.list_sights(session, planned, 500, datetime(2020, 1, 1, tzinfo=UTC)) == []


def test_gains_count_in_differences_that_the_users_detect(session: Session) -> None:
    planned = PLAN.with_own(OWN)
    trial = build(session, planned)
    arms = stored_sums.read_arms(session, trial.id, planned.all_metrics)
    result = between_users(pick_arms(arms, "challenger"), planned, planned.all_metrics)
    gains = {gain.name: gain for gain in metric_choice.list_gains(result, planned)}
    assert next(iter(gains)) == planned.primary
    assert result.primary is not None
    assert gains[planned.primary].p == result.primary.p
    effect = result.metrics["needed_work"].effect
    assert effect is not None
    gain = gains["needed_work"]
    assert (gain.low, gain.high, gain.p) == (*effect.interval, result.metrics["needed_work"].p)
    assert effect.difference < 0 < gain.gain, "lower is better, and the challenger's users complain less"
    assert gain.gain * gain.detectable == pytest.approx(-effect.difference)
    assert (gain.gain_low * gain.detectable, gain.gain_high * gain.detectable) == pytest.approx(
        (-effect.interval.high, -effect.interval.low)
    )
    liked = result.metrics["liked"].effect
    assert liked is not None
    assert gains["liked"].gain * gains["liked"].detectable == pytest.approx(liked.difference)
    assert "cost" not in gains
