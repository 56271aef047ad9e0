"""Values and errors from sums are compared with those that other libraries compute from the rows."""

import math
from decimal import Decimal

import numpy as np
import pytest
import statsmodels.api as sm

from experiments.estimators import NOTHING, Covariate, Estimate, Sums, adjust_for_past, estimate
from experiments.metrics import BINS_MS, Metric

MEAN = Metric(kind="mean", of="score", better="higher", says="x")
RATIO = Metric(kind="ratio", of="failures", per="requests", better="lower", says="x")


def sums(x: np.ndarray, y: np.ndarray, u: np.ndarray | None = None, v: np.ndarray | None = None) -> Sums:
    nothing = np.zeros(len(x))
    exact = {
        name: [Decimal(float(value)) for value in (nothing if values is None else values)]
        for name, values in {"x": x, "y": y, "u": u, "v": v}.items()
    }

    def add(names: str) -> Decimal:
        return sum((math.prod(row) for row in zip(*(exact[name] for name in names), strict=True)), Decimal(0))

    return Sums(len(x), *(add(names) for names in Sums._fields[1:]))


def test_a_mean_equals_that_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    x, before = rng.random(200), rng.random(200)
    estimated = estimate(MEAN, {0: sums(x, before)})
    assert (estimated.users, estimated.mean) == (200, pytest.approx(x.mean()))
    assert estimated.variance == pytest.approx(x.var(ddof=1))
    assert estimated.covariate is not None
    assert estimated.covariate.covariance == pytest.approx(np.cov(x, before)[0, 1])


def test_large_sums_keep_their_digits() -> None:
    x = 1e9 + np.array([0.0, 1.0, 2.0] * 100)
    estimated = estimate(MEAN, {0: sums(x, np.zeros(300))})
    assert estimated.variance == pytest.approx(np.array([0.0, 1.0, 2.0] * 100).var(ddof=1), rel=1e-12)


def test_one_user_has_a_value_without_variance_and_no_users_have_no_value() -> None:
    estimated = estimate(MEAN, {0: sums(np.array([0.5]), np.array([0.0]))})
    assert (estimated.users, estimated.mean, estimated.variance) == (1, 0.5, None)
    assert estimate(MEAN, {}) == NOTHING
    assert estimate(RATIO, {0: sums(np.zeros(3), np.zeros(3))}) == NOTHING


def test_a_ratio_has_the_error_of_a_regression_with_clusters() -> None:
    """A regression on a constant with standard errors clustered by user: its requests are correlated."""
    rng = np.random.default_rng(1)
    requests = np.minimum(100, rng.random(300) ** (-1 / 1.1)).astype(int)
    failures = rng.binomial(requests, rng.beta(1, 4, 300))
    estimated = estimate(RATIO, {0: sums(failures, requests)})
    users = np.repeat(np.arange(300), requests)
    failed = np.concatenate([np.arange(n) < k for n, k in zip(requests, failures, strict=True)]) * 1.0
    groups = {"groups": users, "use_correction": False}
    fitted = sm.OLS(failed, np.ones(len(failed))).fit(cov_type="cluster", cov_kwds=groups)
    assert estimated.mean == pytest.approx(fitted.params[0])
    assert estimated.variance is not None
    assert estimated.variance / 300 == pytest.approx(fitted.bse[0] ** 2 * 300 / 299)


def latencies(rng: np.random.Generator, users: int, levels: np.ndarray | None = None) -> list[np.ndarray]:
    """Latencies of users who differ in how long their messages take, and in how many misses they have."""
    counts = np.minimum(12, rng.random(users) ** (-1 / 1.5)).astype(int)
    if levels is None:
        levels = rng.normal(0, 0.7, users)
    return [rng.lognormal(6 + level, 0.5, n) for level, n in zip(levels, counts, strict=True)]


def sum_by_bin(misses: list[np.ndarray], earlier: list[np.ndarray] | None = None) -> dict[int, Sums]:
    """The sums by bin as `outcomes` stores them. `earlier` has the latencies before the users entered."""
    n = len(misses)
    m = np.array([len(times) for times in misses])
    u, v = np.zeros(n), np.zeros(n)
    if earlier is not None:
        u = np.array([np.log(times).sum() for times in earlier])
        v = np.array([len(times) for times in earlier])
    nothing = np.zeros(n)
    bins = {0: sums(nothing, m, u, v)}
    before = np.zeros(n, dtype=int)
    took, users = np.concatenate(misses), np.repeat(np.arange(n), m)
    for number, end in enumerate([*BINS_MS, np.inf], start=1):
        k = np.bincount(users[took < end], minlength=n)
        increments = [k.sum() - before.sum(), k @ k - before @ before, k @ m - before @ m]
        x, xx, xy = (Decimal(int(value)) for value in increments)
        xu, xv = (Decimal(float((k - before) @ past)) for past in (u, v))
        bins[number] = Sums(n, x, xx, Decimal(0), Decimal(0), xy, xu=xu, xv=xv)
        before = k
    return bins


@pytest.mark.slow
@pytest.mark.parametrize("q", [0.5, 0.95])
def test_a_quantile_is_over_all_misses_and_its_error_is_clustered_by_user(q: float) -> None:
    rng = np.random.default_rng(2)
    metric = Metric(kind="quantile", q=q, better="lower", says="x")
    estimates, errors, exact, independent_errors = [], [], [], []
    for _ in range(200):
        misses = latencies(rng, 800)
        estimated = estimate(metric, sum_by_bin(misses))
        assert estimated.mean is not None
        assert estimated.variance is not None
        estimates.append(estimated.mean)
        errors.append(np.sqrt(estimated.variance / estimated.users))
        exact.append(np.quantile(np.concatenate(misses), q))
        if len(exact) <= 10:
            independent = estimate(metric, sum_by_bin([np.array([took]) for took in np.concatenate(misses)]))
            assert independent.variance is not None
            independent_errors.append(np.sqrt(independent.variance / independent.users))
    assert np.mean(estimates) == pytest.approx(np.mean(exact), rel=0.02)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(exact), rel=0.15)
    assert np.mean(independent_errors) < 0.8 * np.mean(errors), "misses of one user are alike"


@pytest.mark.parametrize("median_ms", [4.0, 90.0, 2500.0])
@pytest.mark.parametrize("is_bimodal", [False, True])
@pytest.mark.parametrize("q", [0.5, 0.95])
def test_a_quantile_is_within_two_percent(median_ms: float, is_bimodal: bool, q: float) -> None:
    rng = np.random.default_rng(0)
    took = rng.lognormal(np.log(median_ms), 0.05 if is_bimodal else 0.8, 20_000)
    if is_bimodal:
        took[rng.random(20_000) < 0.2] *= 6
    metric = Metric(kind="quantile", q=q, better="lower", says="x")
    estimated = estimate(metric, sum_by_bin([np.array([took]) for took in took]))
    assert estimated.mean == pytest.approx(np.quantile(took, q), rel=0.02)


def test_a_quantile_beyond_the_last_bin_is_the_end_of_that_bin() -> None:
    estimated = estimate(
        Metric(kind="quantile", q=0.5, better="lower", says="x"), sum_by_bin([np.array([1e6])] * 5)
    )
    assert estimated.mean == BINS_MS[-1]


def test_a_ratio_is_adjusted_for_the_ratio_before() -> None:
    """The error equals that of the delta method on the four means, with derivatives by hand."""
    rng = np.random.default_rng(4)
    rates = rng.beta(1, 4, (2, 400))
    arms = []
    for rate in rates:
        requests, earlier = rng.geometric(0.2, 400), rng.geometric(0.1, 400) * (rng.random(400) < 0.7)
        arms.append((rng.binomial(requests, rate), requests, rng.binomial(earlier, rate), earlier))
    adjusted = adjust_for_past(*(estimate(RATIO, {0: sums(*arm)}) for arm in arms))
    plain = [estimate(RATIO, {0: sums(*arm[:2])}) for arm in arms]
    covariates = [estimate(RATIO, {0: sums(*arm)}).covariate for arm in arms]
    assert all(covariates)
    theta = sum(c.covariance for c in covariates if c) / sum(c.variance for c in covariates if c)
    for (x, y, u, v), after, before in zip(arms, adjusted, plain, strict=True):
        ratio, past = x.sum() / y.sum(), u.sum() / v.sum()
        slopes = [1 / y.mean(), -ratio / y.mean(), -theta / v.mean(), theta * past / v.mean()]
        expected = np.array(slopes) @ np.cov([x, y, u, v]) @ np.array(slopes)
        assert after.variance == pytest.approx(expected)
        assert after.variance is not None
        assert before.variance is not None
        assert after.variance < 0.95 * before.variance
    difference = [a.sum() / b.sum() - theta * c.sum() / d.sum() for a, b, c, d in arms]
    assert adjusted[1].mean is not None
    assert adjusted[0].mean is not None
    assert adjusted[1].mean - adjusted[0].mean == pytest.approx(difference[1] - difference[0])


def test_a_ratio_is_not_adjusted_for_the_past_of_a_few() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 2, 500), np.ones(500)
    for users_with_past, is_adjusted in ((40, False), (60, True)):
        v = (np.arange(500) < users_with_past) * 1.0
        assert (estimate(RATIO, {0: sums(x, y, x * v, v)}).covariate is not None) == is_adjusted


@pytest.mark.slow
def test_a_latency_is_adjusted_for_the_latencies_before() -> None:
    """Over 200 pairs of equal arms: no bias, a smaller error, and the error that is estimated."""
    rng = np.random.default_rng(6)
    metric = Metric(kind="quantile", q=0.95, better="lower", says="x")
    differences, errors = [], []
    for _ in range(200):
        arms = []
        for _ in range(2):
            levels = rng.normal(0, 0.7, 400)
            misses = latencies(rng, 400, levels)
            earlier = [
                rng.lognormal(6 + level, 0.5, 4 * len(took))
                for level, took in zip(levels, misses, strict=True)
            ]
            arms.append(estimate(metric, sum_by_bin(misses, earlier)))
        pairs = (arms, adjust_for_past(*arms))
        differences.append([(b.mean or 0) - (a.mean or 0) for a, b in pairs])
        errors.append([((a.variance or 0) + (b.variance or 0)) / 400 for a, b in pairs])
    plain, adjusted = np.std(differences, axis=0)
    assert adjusted < 0.9 * plain
    assert np.sqrt(np.mean(errors, axis=0)[1]) == pytest.approx(adjusted, rel=0.15)
    assert abs(np.mean(differences, axis=0)[1]) < 4 * adjusted / math.sqrt(200)


def test_cuped_is_the_analysis_of_covariance() -> None:
    rng = np.random.default_rng(3)
    before = rng.random(500)
    is_challenger = rng.random(500) < 0.3
    x = 0.2 + 0.1 * is_challenger + 0.5 * before + rng.normal(0, 0.1, 500)
    arms = [estimate(MEAN, {0: sums(x[side], before[side])}) for side in (~is_challenger, is_challenger)]
    baseline, challenger = adjust_for_past(*arms)
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
    assert adjust_for_past(*arms) == arms
    assert adjust_for_past(NOTHING, arms[1]) == (NOTHING, arms[1])


def test_information_is_what_the_value_rests_on() -> None:
    """Kish's numbers by hand: events of a proportion, the equal parts of an amount, the users of a ratio."""
    complained = Metric(kind="proportion", of="complaints", better="lower", says="x")
    some = estimate(complained, {0: sums(np.array([1.0] * 4 + [0.0] * 96), np.array([0.0] * 100))})
    assert some.information == pytest.approx(4 / 5)
    most = estimate(complained, {0: sums(np.array([1.0] * 98 + [0.0] * 2), np.array([0.0] * 100))})
    assert most.information == pytest.approx(2 / 5), "the two users without the event count"
    amount = Metric(kind="mean", of="edits", better="lower", says="x")
    assert estimate(
        amount, {0: sums(np.array([3.0] * 100), np.array([0.0] * 100))}
    ).information == pytest.approx(100 / 200)
    failed = Metric(kind="ratio", of="failures", per="requests", better="lower", says="x")
    one_writes_most = estimate(failed, {0: sums(np.array([1.0] * 10), np.array([1.0] * 9 + [91.0]))})
    assert one_writes_most.effective_users == pytest.approx(100**2 / (9 + 91**2))
