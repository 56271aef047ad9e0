"""Each number of an effect is compared with an independent computation."""

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from gbstats.frequentist.tests import (
    FrequentistConfig,
    SequentialConfig,
    SequentialTwoSidedTTest,
    TTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import (
    RatioStatistic,
    RegressionAdjustedStatistic,
    SampleMeanStatistic,
    TestStatistic,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import lambertw
from statsmodels.stats.multitest import multipletests

from experiments.effects import Effect, adjust_by_holm, bound_loss_of_share, compare_arms
from experiments.estimators import Covariate, Estimate, Sums, estimate
from experiments.metrics import Metric

ALPHA, N_STAR = 0.05, 500


def estimate_values(values: np.ndarray, before: np.ndarray | None = None) -> Estimate:
    past = None
    if before is not None:
        covariance = float(np.cov(values, before)[0, 1])
        past = Covariate(mean=before.mean(), variance=before.var(ddof=1), covariance=covariance)
    return Estimate(users=len(values), mean=values.mean(), variance=values.var(ddof=1), covariate=past)


def compare(*pairs: Sequence[Estimate], better: str = "higher") -> Effect:
    effect = compare_arms(
        [(a, b) for a, b in pairs], ALPHA, N_STAR, "higher" if better == "higher" else "lower"
    )
    assert effect is not None
    return effect


def test_the_fixed_horizon_interval_is_welch_s() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(40), rng.random(25) + 0.1
    effect, welch = compare((estimate_values(a), estimate_values(b))), stats.ttest_ind(b, a, equal_var=False)
    assert effect.fixed_p == pytest.approx(welch.pvalue)
    assert effect.fixed_interval == pytest.approx(tuple(welch.confidence_interval(0.95)))


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_posterior_agrees_with_numerical_integration(better: str) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(60), rng.random(60) + 0.05
    effect = compare((estimate_values(a), estimate_values(b)), better=better)
    error = math.sqrt(a.var(ddof=1) / 60 + b.var(ddof=1) / 60)
    posterior = stats.norm(b.mean() - a.mean(), error)
    wins = (0, np.inf) if better == "higher" else (-np.inf, 0)
    loses = (-np.inf, 0) if better == "higher" else (0, np.inf)
    assert effect.chance_to_win == pytest.approx(integrate.quad(posterior.pdf, *wins)[0])
    lost = integrate.quad(lambda d: abs(d) * posterior.pdf(d), *loses)[0]
    assert effect.expected_loss == pytest.approx(lost)


@given(st.floats(-0.3, 0.3), st.integers(10, 5000), st.floats(0.01, 0.2))
def test_p_is_below_alpha_exactly_when_the_interval_excludes_zero(
    shift: float, users: int, variance: float
) -> None:
    a = Estimate(users=users, mean=0.5, variance=variance)
    b = Estimate(users=users, mean=0.5 + shift, variance=variance)
    effect = compare((a, b))
    assert (effect.p < ALPHA) == (not effect.interval.low <= 0 <= effect.interval.high)
    for better, margin in (("higher", 0.02), ("lower", 0.02)):
        side = "higher" if better == "higher" else "lower"
        assert effect.is_harm(side, margin) == (effect.harm_p(side, margin, ALPHA, N_STAR) < ALPHA)


def test_cuped_narrows_the_interval_without_bias() -> None:
    rng = np.random.default_rng(2)
    errors, widths = [], []
    for _ in range(300):
        pairs = []
        for level in (0.0, 0.3):  # two epochs, the second is better for both arms
            before = rng.random((2, 100))
            x = level + 0.8 * before + rng.normal(0, 0.1, (2, 100)) + np.array([[0.0], [0.05]])
            pairs.append((estimate_values(x[0], before[0]), estimate_values(x[1], before[1])))
        effect = compare(*pairs)
        plain = compare(*([arm.model_copy(update={"covariate": None}) for arm in pair] for pair in pairs))
        errors.append((effect.difference - 0.05, plain.difference - 0.05))
        widths.append(effect.interval.high - effect.interval.low)
        assert effect.variance_reduction > 0.5
        assert effect.interval.high - effect.interval.low < plain.interval.high - plain.interval.low
    spread = np.std(errors, axis=0)
    assert abs(np.mean(errors, axis=0)[0]) < 4 * spread[0] / math.sqrt(300)
    assert spread[0] < spread[1] / 1.5


def test_arms_without_a_variance_have_no_effect() -> None:
    single = Estimate(users=1, mean=0.5, variance=None)
    assert compare_arms([(single, single)], ALPHA, N_STAR) is None


def test_a_rare_event_that_nobody_has_had_yet_has_no_effect() -> None:
    never = Estimate(users=60, mean=0.0, variance=0.0)
    assert compare_arms([(never, never)], ALPHA, N_STAR) is None
    once = Estimate(users=60, mean=1 / 60, variance=1 / 60)
    assert compare((never, once)).interval.low < 0


def test_holm_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(3)
    for count in range(1, 9):
        ps = {
            str(number): float(p) for number, p in enumerate(rng.choice([0.001, 0.01, 0.02, 0.2, 0.7], count))
        }
        assert list(adjust_by_holm(ps).values()) == pytest.approx(
            list(multipletests(list(ps.values()), method="holm")[1])
        )
    assert adjust_by_holm({}) == {}


def test_a_rare_event_has_a_bound_before_it_has_an_interval() -> None:
    """Nobody of n users had the event: the bound falls with n, and holds in all of 300 series of analyses."""
    never = [[(Estimate(users=users, mean=0.0, variance=0.0),) * 2] for users in (50, 500, 5000)]
    bounds = [bound_loss_of_share(pairs, ALPHA, "lower") for pairs in never]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] < 0.15
    assert bounds[2] < 0.002
    assert bound_loss_of_share([], ALPHA, "lower") == 1.0
    always = [(Estimate(users=users, mean=1.0, variance=0.0),) * 2 for users in (3, 7, 11)]
    assert bound_loss_of_share(always, ALPHA, "higher") == bound_loss_of_share(always, ALPHA, "lower")
    almost = Estimate(users=500, mean=1e-15, variance=0.0)
    assert bound_loss_of_share([(almost, almost)], ALPHA, "lower") == pytest.approx(bounds[1])
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(300):
        had = np.stack([rng.random(2000) < rate for rate in (0.002, 0.012)]).cumsum(axis=1)
        arms = [
            [Estimate(users=n, mean=float(count[n - 1]) / n, variance=None) for count in had]
            for n in range(50, 2001, 50)
        ]
        missed += any(bound_loss_of_share([(a, b)], ALPHA, "lower") < 0.01 for a, b in arms)
    assert missed / 300 <= ALPHA


def sum_up(x: np.ndarray, y: np.ndarray, u: np.ndarray | None = None, v: np.ndarray | None = None) -> Sums:
    numbers = [x.sum(), (x * x).sum(), y.sum(), (y * y).sum(), (x * y).sum()]
    if u is not None and v is not None:
        numbers += [u.sum(), (u * u).sum(), v.sum(), (v * v).sum(), (u * v).sum()]
        numbers += [(x * u).sum(), (x * v).sum(), (y * u).sum(), (y * v).sum()]
    return Sums(len(x), *(Decimal(float(number)) for number in numbers))


def linearise(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A value for each user whose mean is the ratio, and whose error is that of the ratio (delta method)."""
    ratio = x.sum() / y.sum()
    return ratio + (x - ratio * y) / y.mean()


def describe(values: np.ndarray) -> SampleMeanStatistic:
    return SampleMeanStatistic(n=len(values), sum=values.sum(), sum_squares=(values**2).sum())


def tune(n_star: int) -> float:
    """The parameter with which gbstats, which approximates Lambert's function, has the rho of `n_star`."""
    exact = -lambertw(-(ALPHA**2) / math.e, -1).real - 1
    return n_star * (-2 * math.log(ALPHA) + math.log(-2 * math.log(ALPHA) + 1)) / exact


Statistics = tuple[TestStatistic, TestStatistic]


def check_against_gbstats(
    effect: Effect | None, statistics: Statistics, is_balanced: bool, theta: float = 0.0
) -> None:
    """GrowthBook's estimator finds the same difference and fixed-horizon interval. In balanced arms its clock
    is ours, so its sequential interval and p-value are the same, too. Of CUPED's `theta` it makes one of its
    own, from all users as one arm; here it gets ours, which is pooled within the arms.
    """

    def prepare(test: type[TTest], config: FrequentistConfig | SequentialConfig) -> TTest:
        prepared = test(*statistics, config)
        for statistic in statistics:
            if isinstance(statistic, RegressionAdjustedStatistic):
                statistic.theta = theta
        return prepared

    assert effect is not None
    fixed = prepare(TwoSidedTTest, FrequentistConfig(difference_type="absolute", alpha=ALPHA))
    assert effect.difference == pytest.approx(fixed.point_estimate, rel=1e-6)
    assert effect.fixed_interval == pytest.approx(tuple(fixed.confidence_interval), rel=1e-6)
    assert effect.fixed_p == pytest.approx(fixed.p_value, rel=1e-6)
    if is_balanced:
        config = SequentialConfig(
            difference_type="absolute", alpha=ALPHA, sequential_tuning_parameter=tune(N_STAR)
        )
        sequential = prepare(SequentialTwoSidedTTest, config)
        assert effect.interval == pytest.approx(tuple(sequential.confidence_interval), rel=1e-6)
        assert effect.p == pytest.approx(sequential.p_value, rel=1e-6)


@pytest.mark.parametrize("users", [(300, 300), (1000, 1000), (900, 180)])
def test_estimates_equal_those_of_gbstats(users: tuple[int, int]) -> None:
    rng = np.random.default_rng(users)
    is_balanced = users[0] == users[1]
    before = [rng.beta(3, 2, n) for n in users]
    scores = [
        past / 2 + rng.random(len(past)) / 2 + shift for past, shift in zip(before, (0, 0.05), strict=True)
    ]
    requests = [rng.geometric(0.2, n) for n in users]
    failures = [rng.binomial(n, rate) for n, rate in zip(requests, (0.1, 0.15), strict=True)]

    score = Metric(kind="mean", of="score", better="higher", says="x")
    without_past = [estimate(score, {0: sum_up(x, np.zeros(len(x)))}) for x in scores]
    means = tuple(map(describe, scores))
    check_against_gbstats(compare_arms([tuple(without_past)], ALPHA, N_STAR), means, is_balanced)

    failed = Metric(kind="ratio", of="failures", per="requests", better="lower", says="x")
    ratios = [estimate(failed, {0: sum_up(x, y)}) for x, y in zip(failures, requests, strict=True)]
    statistics = tuple(
        RatioStatistic(len(x), describe(x), describe(y), float((x * y).sum()))
        for x, y in zip(failures, requests, strict=True)
    )
    check_against_gbstats(compare_arms([tuple(ratios)], ALPHA, N_STAR), statistics, is_balanced)

    with_past = [estimate(score, {0: sum_up(x, y)}) for x, y in zip(scores, before, strict=True)]
    freedom = np.array(users) - 1
    covariance = freedom @ [np.cov(x, y)[0, 1] for x, y in zip(scores, before, strict=True)]
    theta = float(covariance / (freedom @ [y.var(ddof=1) for y in before]))
    adjusted = tuple(
        RegressionAdjustedStatistic(len(x), describe(x), describe(y), float((x * y).sum()), theta)
        for x, y in zip(scores, before, strict=True)
    )
    check_against_gbstats(compare_arms([tuple(with_past)], ALPHA, N_STAR), adjusted, is_balanced, theta)

    rates = [rng.beta(1, 9, n) for n in users]  # of each user, now and before
    failures = [rng.binomial(n, rate) for n, rate in zip(requests, rates, strict=True)]
    earlier = [rng.poisson(4 * n) * (rng.random(len(n)) < 0.8) for n in requests]
    failed_before = [rng.binomial(n, rate) for n, rate in zip(earlier, rates, strict=True)]
    rows = list(zip(failures, requests, failed_before, earlier, strict=True))
    with_past = [estimate(failed, {0: sum_up(*arm)}) for arm in rows]
    now, before = ([linearise(*arm[side : side + 2]) for arm in rows] for side in (0, 2))
    covariance = freedom @ [np.cov(x, y)[0, 1] for x, y in zip(now, before, strict=True)]
    theta = float(covariance / (freedom @ [y.var(ddof=1) for y in before]))
    adjusted = tuple(
        RegressionAdjustedStatistic(len(x), describe(x), describe(y), float((x * y).sum()), theta)
        for x, y in zip(now, before, strict=True)
    )
    effect = compare_arms([tuple(with_past)], ALPHA, N_STAR)
    check_against_gbstats(effect, adjusted, is_balanced, theta)
    assert effect is not None
    assert effect.variance_reduction > 0.1


def test_the_interval_of_a_gain_is_turned_where_lower_is_better() -> None:
    rng = np.random.default_rng(5)
    effect = compare(tuple(estimate_values(rng.normal(mean, 1, 200)) for mean in (0.0, 0.5)))
    assert effect.gain_interval("higher") == effect.interval
    low, high = effect.gain_interval("lower")
    assert (low, high) == (-effect.interval.high, -effect.interval.low)
    assert low < effect.gain("lower") < high
