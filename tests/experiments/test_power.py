"""The number of users needed is compared with the textbook formula and with a simulation."""

from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from experiments import power, sequential
from experiments.effects import compare_arms
from experiments.estimators import Estimate
from experiments.plan import Plan


def test_the_fixed_sample_is_that_of_the_textbook() -> None:
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    users_an_arm = 2 * 0.08 * z**2 / 0.05**2
    assert power.compute_fixed_sample(0.05, 4 * 0.08, 0.05, 0.8) == pytest.approx(2 * users_an_arm, rel=1e-3)


def test_the_sequential_sample_has_the_requested_power() -> None:
    spread, difference = 4 * 0.08, 0.05
    n = power.compute_sequential_sample(difference, spread, 0.05, 0.8, 1000)
    margin = sequential.mean_margin(n, spread, 0.05, 1000)
    differences = np.random.default_rng(0).normal(difference, np.sqrt(spread / n), 20_000)
    assert (differences > margin).mean() == pytest.approx(0.8, abs=0.01)
    assert power.compute_detectable_effect(n, spread, 0.05, 0.8, 1000) == pytest.approx(difference)


def test_days_left_follow_from_the_present_rate_of_users() -> None:
    arm = Estimate(users=100, mean=0.5, variance=0.08)
    plan = Plan()
    outlook = power.forecast(compare_arms([(arm, arm)], plan.alpha, plan.n_star), plan, timedelta(days=4))
    assert outlook is not None
    assert outlook.users == pytest.approx(200)
    assert outlook.days_left == pytest.approx(4 * (outlook.users_needed / 200 - 1))
    assert outlook.detectable > plan.smallest_effect
    assert power.forecast(None, plan, timedelta(days=4)) is None
