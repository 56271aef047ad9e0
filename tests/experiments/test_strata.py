"""Weights and errors of strata are compared with the definition and with simulation."""

import math
from decimal import Decimal

import numpy as np
import pytest
import statsmodels.api as sm

from experiments.estimators import Estimate, Sums, adjust_for_past, estimate
from experiments.metrics import Metric
from experiments.strata import FEWEST, Arms, merge_small, stratify

MEAN = Metric(kind="mean", of="score", better="higher", says="x")
RATES = np.array([0.2, 0.5, 0.9])


def sums(x: np.ndarray, y: np.ndarray | None = None) -> Sums:
    y = np.zeros(len(x)) if y is None else y
    numbers = (x.sum(), x @ x, y.sum(), y @ y, x @ y)
    return Sums(len(x), *(Decimal(float(number)) for number in numbers))


def split(
    x: np.ndarray, is_challenger: np.ndarray, stratum: np.ndarray, y: np.ndarray
) -> tuple[Arms, list[Arms]]:
    """All users of both arms, and those of each stratum."""

    def pick(chosen: np.ndarray) -> Arms:
        sides = [chosen & ~is_challenger, chosen & is_challenger]
        return sums(x[sides[0]], y[sides[0]]), sums(x[sides[1]], y[sides[1]])

    everybody = np.ones(len(x), dtype=bool)
    return pick(everybody), [pick(stratum == number) for number in np.unique(stratum)]


def users(*counts: tuple[int, int]) -> list[Arms]:
    nothing = [Decimal(0)] * 5
    return [(Sums(a, *nothing), Sums(b, *nothing)) for a, b in counts]


def counted(arms: list[Arms]) -> list[tuple[int, int]]:
    return [(a.n, b.n) for a, b in arms]


def test_the_difference_and_its_error_are_those_of_a_regression_on_strata() -> None:
    """Lin's regression: interactions of the arm with centred strata. The difference is its coefficient."""
    rng = np.random.default_rng(0)
    stratum, is_challenger = rng.choice(3, 900, p=[0.5, 0.3, 0.2]), rng.random(900) < 0.4
    x = (rng.random(900) < RATES[stratum]) * 1.0
    whole, strata = split(x, is_challenger, stratum, np.zeros(900))
    baseline, challenger = stratify(whole, strata, MEAN)
    dummies = np.stack([stratum == 1, stratum == 2], axis=1) - np.array(
        [np.mean(stratum == 1), np.mean(stratum == 2)]
    )
    design = np.column_stack([np.ones(900), is_challenger, dummies, dummies * is_challenger[:, None]])
    fitted = sm.OLS(x, design).fit(cov_type="HC2")
    assert challenger.mean is not None
    assert baseline.mean is not None
    assert challenger.mean - baseline.mean == pytest.approx(fitted.params[1])
    assert challenger.variance is not None
    assert baseline.variance is not None
    error = challenger.variance / challenger.users + baseline.variance / baseline.users
    assert error == pytest.approx(fitted.bse[1] ** 2)
    assert (baseline.users, challenger.users) == (whole[0].n, whole[1].n)


def test_the_past_still_adjusts_what_is_stratified() -> None:
    rng = np.random.default_rng(1)
    errors: list[tuple[float, float]] = []
    variances = []
    for _ in range(400):
        stratum, is_challenger = rng.choice(3, 300, p=[0.5, 0.3, 0.2]), rng.random(300) < 0.5
        past = RATES[stratum] + rng.normal(0, 0.2, 300)
        x = past + rng.normal(0, 0.1, 300) + 0.05 * is_challenger
        whole, strata = split(x, is_challenger, stratum, past)
        plain: tuple[Estimate, Estimate] = (estimate(MEAN, {0: whole[0]}), estimate(MEAN, {0: whole[1]}))
        adjusted = adjust_for_past(*stratify(whole, strata, MEAN))
        errors.append(tuple((b.mean or 0) - (a.mean or 0) - 0.05 for a, b in (plain, adjusted)))
        variances.append(sum((arm.variance or 0) / arm.users for arm in adjusted))
    spread = np.std(errors, axis=0)
    assert spread[1] < spread[0] / 2
    assert spread[1] == pytest.approx(math.sqrt(np.mean(variances)), rel=0.1)
    assert abs(np.mean(errors, axis=0)[1]) < 4 * spread[1] / math.sqrt(400)


def test_small_strata_are_one_with_the_users_of_none() -> None:
    (whole,) = users((300, 300))
    large, small, smaller = (100, 120), (50, FEWEST - 1), (5, 5)
    assert counted(merge_small(whole, users(large, small, smaller))) == [large, (200, 180)]
    (exact,) = users((150, 170))
    assert counted(merge_small(exact, users(large, (50, 50)))) == [(50, 50), large], "nobody is left"


def test_a_rest_of_few_users_takes_in_the_smallest_stratum() -> None:
    (whole,) = users((165, 175))
    assert counted(merge_small(whole, users((100, 110), (60, 60)))) == [(100, 110), (65, 65)]
    (few,) = users((25, 15))
    assert counted(merge_small(few, users((20, 10), (5, 5)))) == [(25, 15)]


def test_one_stratum_leaves_the_arms_as_they_are() -> None:
    rng = np.random.default_rng(2)
    arms = sums(rng.random(40)), sums(rng.random(40))
    assert stratify(arms, [arms], MEAN) == tuple(estimate(MEAN, {0: arm}) for arm in arms)
    assert stratify((arms[0], users((0, 0))[0][0]), [], MEAN)[1].mean is None
    ratio = Metric(kind="ratio", of="failures", per="requests", better="lower", says="x")
    with pytest.raises(ValueError, match="a ratio cannot be stratified"):
        stratify(arms, [], ratio)
