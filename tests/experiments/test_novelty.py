"""Tests of change over days are compared with those of statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.meta_analysis import combine_effects

from experiments.effects import Effect, compare_arms
from experiments.estimators import Estimate
from experiments.novelty import judge

ALPHA = 0.05


def effect(difference: float, users: int = 400, variance: float = 0.24) -> Effect:
    arms = [Estimate(users=users, mean=0.4 + shift, variance=variance) for shift in (0.0, difference)]
    compared = compare_arms([(arms[0], arms[1])], ALPHA, 500)
    assert compared is not None
    return compared


def test_a_trend_is_tested_as_in_a_weighted_regression() -> None:
    rng = np.random.default_rng(0)
    days = {day: effect(rng.normal(0.05, 0.04), int(rng.integers(100, 900))) for day in (0, 1, 3, 4, 7)}
    [curve] = judge({"entry": days}, ALPHA).values()
    weights = [day.clock / day.spread for day in days.values()]
    fitted = sm.WLS([day.difference for day in days.values()], sm.add_constant(list(days)), weights).fit(
        cov_type="fixed scale", use_t=False
    )
    assert curve.p == pytest.approx(fitted.pvalues[1])
    assert [point.day for point in curve.points] == [0, 1, 3, 4, 7]
    assert curve.points[0].interval == days[0].fixed_interval


def test_weekdays_are_tested_by_cochran_s_q() -> None:
    rng = np.random.default_rng(1)
    days = {day: effect(rng.normal(0.05, 0.05)) for day in range(7)}
    [curve] = judge({"weekday": days}, ALPHA).values()
    combined = combine_effects(
        np.array([day.difference for day in days.values()]),
        np.array([day.spread / day.clock for day in days.values()]),
    )
    assert curve.p == pytest.approx(combined.test_homogeneity().pvalue)


@pytest.mark.parametrize(
    ("differences", "finding"),
    [
        ([0.3, 0.2, 0.1, 0.0], "fades"),
        ([0.0, 0.1, 0.2, 0.3], "grows"),
        ([-0.3, -0.2, -0.1, 0.0], "fades"),
        ([-0.15, -0.05, 0.05, 0.15], "changes"),
        ([0.1, 0.1, 0.1, 0.1], "no sign of change"),
        ([0.3, 0.0], "too few users"),
    ],
)
def test_a_sentence_says_how_the_effect_changes(differences: list[float], finding: str) -> None:
    days = {day: effect(difference) for day, difference in enumerate(differences)}
    curve = judge({"entry": days}, ALPHA)["entry"]
    assert curve.finding == finding
    assert (curve.p is None) == (finding == "too few users")


def test_three_tests_need_smaller_p_values() -> None:
    days = {day: effect(difference) for day, difference in enumerate((0.0, 0.02, 0.05, 0.08))}
    steady = dict.fromkeys(range(4), effect(0.05))
    alone = judge({"entry": days}, ALPHA)["entry"]
    together = judge({"entry": days, "since_entry": steady, "weekday": steady}, ALPHA)["entry"]
    assert alone.p is not None
    assert together.p == pytest.approx(3 * alone.p)


def test_no_days_are_no_curve() -> None:
    assert judge({"entry": {}}, ALPHA)["entry"].finding == "too few users"
