"""How many users are needed: by formula, and by simulation."""

from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from experiments import power, sequential
from experiments.effects import effect
from experiments.estimators import Estimate
from experiments.plan import Plan


def test_the_fixed_sample_is_the_textbook_s() -> None:
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    in_an_arm = 2 * 0.08 * z**2 / 0.05**2
    assert power.fixed_sample(0.05, 4 * 0.08, 0.05, 0.8) == pytest.approx(2 * in_an_arm, rel=1e-3)


def test_the_sequential_sample_finds_the_effect_as_often_as_said() -> None:
    spread, difference = 4 * 0.08, 0.05
    n = power.sequential_sample(difference, spread, 0.05, 0.8, 1000)
    margin = sequential.mean_margin(n, spread, 0.05, 1000)
    seen = np.random.default_rng(0).normal(difference, np.sqrt(spread / n), 20_000)
    assert (seen > margin).mean() == pytest.approx(0.8, abs=0.01)
    assert power.detectable(n, spread, 0.05, 0.8, 1000) == pytest.approx(difference)


def test_what_is_left_is_reckoned_from_how_users_have_come() -> None:
    arm = Estimate(users=100, mean=0.5, variance=0.08)
    plan = Plan()
    found = power.outlook(effect([(arm, arm)], plan.alpha, plan.n_star), plan, timedelta(days=4))
    assert found is not None
    assert found.users == pytest.approx(200)
    assert found.days_left == pytest.approx(4 * (found.users_needed / 200 - 1))
    assert found.detectable > plan.smallest_effect
    assert power.outlook(None, plan, timedelta(days=4)) is None
