"""Values and errors from sums, against what others compute from the rows themselves."""

from decimal import Decimal

import numpy as np
import pytest
import statsmodels.api as sm

from experiments.estimators import NOTHING, Covariate, Estimate, Sums, adjusted, estimate
from experiments.metrics import BINS_MS, Metric

MEAN = Metric(kind="mean", of="score", better="higher", says="x")
RATIO = Metric(kind="ratio", of="failures", per="requests", better="lower", says="x")


def sums(x: np.ndarray, y: np.ndarray) -> Sums:
    one, other = ([Decimal(float(value)) for value in values] for values in (x, y))
    pairs = list(zip(one, other, strict=True))
    return Sums(
        len(pairs),
        sum(one, Decimal(0)),
        sum((a * a for a in one), Decimal(0)),
        sum(other, Decimal(0)),
        sum((b * b for b in other), Decimal(0)),
        sum((a * b for a, b in pairs), Decimal(0)),
    )


def test_a_mean_is_that_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    x, before = rng.random(200), rng.random(200)
    found = estimate(MEAN, {0: sums(x, before)})
    assert (found.users, found.mean) == (200, pytest.approx(x.mean()))
    assert found.variance == pytest.approx(x.var(ddof=1))
    assert found.covariate is not None
    assert found.covariate.covariance == pytest.approx(np.cov(x, before)[0, 1])


def test_large_sums_keep_their_digits() -> None:
    x = 1e9 + np.array([0.0, 1.0, 2.0] * 100)
    found = estimate(MEAN, {0: sums(x, np.zeros(300))})
    assert found.variance == pytest.approx(np.array([0.0, 1.0, 2.0] * 100).var(ddof=1), rel=1e-12)


def test_few_users_have_a_value_and_no_variance_and_none_have_nothing() -> None:
    one = estimate(MEAN, {0: sums(np.array([0.5]), np.array([0.0]))})
    assert (one.users, one.mean, one.variance) == (1, 0.5, None)
    assert estimate(MEAN, {}) == NOTHING
    assert estimate(RATIO, {0: sums(np.zeros(3), np.zeros(3))}) == NOTHING


def test_a_ratio_has_the_error_of_a_regression_with_clusters() -> None:
    """Requests of one user belong together: a regression on a constant, with robust errors by user, knows."""
    rng = np.random.default_rng(1)
    requests = np.minimum(100, rng.random(300) ** (-1 / 1.1)).astype(int)
    failures = rng.binomial(requests, rng.beta(1, 4, 300))
    found = estimate(RATIO, {0: sums(failures, requests)})
    users = np.repeat(np.arange(300), requests)
    failed = np.concatenate([np.arange(n) < k for n, k in zip(requests, failures, strict=True)]) * 1.0
    groups = {"groups": users, "use_correction": False}
    fitted = sm.OLS(failed, np.ones(len(failed))).fit(cov_type="cluster", cov_kwds=groups)
    assert found.mean == pytest.approx(fitted.params[0])
    assert found.variance is not None
    assert found.variance / 300 == pytest.approx(fitted.bse[0] ** 2 * 300 / 299)


def latencies(rng: np.random.Generator, users: int) -> list[np.ndarray]:
    """Of users who differ in how long their messages take, and in how many misses they have."""
    counts = np.minimum(12, rng.random(users) ** (-1 / 1.5)).astype(int)
    return [
        rng.lognormal(6 + level, 0.5, n) for level, n in zip(rng.normal(0, 0.7, users), counts, strict=True)
    ]


def binned(misses: list[np.ndarray]) -> dict[int, Sums]:
    """As `outcomes` keeps them."""
    n = len(misses)
    m = np.array([len(times) for times in misses])
    bins = {0: Sums(n, Decimal(0), Decimal(0), Decimal(int(m.sum())), Decimal(int(m @ m)), Decimal(0))}
    before = np.zeros(n, dtype=int)
    took, users = np.concatenate(misses), np.repeat(np.arange(n), m)
    for number, end in enumerate([*BINS_MS, np.inf], start=1):
        k = np.bincount(users[took < end], minlength=n)
        grown = [k.sum() - before.sum(), k @ k - before @ before, k @ m - before @ m]
        x, xx, xy = (Decimal(int(value)) for value in grown)
        bins[number] = Sums(n, x, xx, Decimal(0), Decimal(0), xy)
        before = k
    return bins


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_a_quantile_is_that_of_all_misses_and_its_error_that_of_drawing_users(q: float) -> None:
    rng = np.random.default_rng(2)
    metric = Metric(kind="quantile", q=q, better="lower", says="x")
    found, errors, exact = [], [], []
    for _ in range(200):
        misses = latencies(rng, 800)
        one = estimate(metric, binned(misses))
        assert one.mean is not None
        assert one.variance is not None
        found.append(one.mean)
        errors.append(np.sqrt(one.variance / one.users))
        exact.append(np.quantile(np.concatenate(misses), q))
    assert np.mean(found) == pytest.approx(np.mean(exact), rel=0.02)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(exact), rel=0.15)
    alone = estimate(metric, binned([np.array([took]) for took in np.concatenate(misses)]))
    assert alone.variance is not None
    assert np.sqrt(alone.variance / alone.users) < 0.8 * np.mean(errors), "as if misses were drawn"


def test_beyond_the_last_bin_a_quantile_is_its_end() -> None:
    found = estimate(Metric(kind="quantile", q=0.5, better="lower", says="x"), binned([np.array([1e6])] * 5))
    assert found.mean == BINS_MS[-1]


def test_cuped_is_the_analysis_of_covariance() -> None:
    rng = np.random.default_rng(3)
    before = rng.random(500)
    is_challenger = rng.random(500) < 0.3
    x = 0.2 + 0.1 * is_challenger + 0.5 * before + rng.normal(0, 0.1, 500)
    arms = [estimate(MEAN, {0: sums(x[side], before[side])}) for side in (~is_challenger, is_challenger)]
    baseline, challenger = adjusted(*arms)
    design = sm.add_constant(np.column_stack([is_challenger, before]).astype(float))
    fitted = sm.OLS(x, design).fit(cov_type="HC2")
    assert challenger.mean is not None
    assert baseline.mean is not None
    assert challenger.mean - baseline.mean == pytest.approx(fitted.params[1])
    assert challenger.variance is not None
    assert baseline.variance is not None
    error = baseline.variance / baseline.users + challenger.variance / challenger.users
    assert error == pytest.approx(fitted.bse[1] ** 2, rel=0.02)
    raw = sum((arm.variance or 0) / arm.users for arm in arms)
    assert error < raw / 2


def test_without_a_past_nothing_is_adjusted() -> None:
    past = Covariate(mean=0.5, variance=0.0, covariance=0.0)
    arms = (
        Estimate(users=9, mean=0.4, variance=0.1, covariate=past),
        Estimate(users=9, mean=0.6, variance=0.1, covariate=past),
    )
    assert adjusted(*arms) == arms
    assert adjusted(NOTHING, arms[1]) == (NOTHING, arms[1])
