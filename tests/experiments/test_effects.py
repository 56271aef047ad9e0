"""Effects: each number against a second, independent source."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests

from experiments.effects import Effect, effect, holm
from experiments.estimators import Covariate, Estimate

ALPHA, N_STAR = 0.05, 500


def told(values: np.ndarray, before: np.ndarray | None = None) -> Estimate:
    past = None
    if before is not None:
        covariance = float(np.cov(values, before)[0, 1])
        past = Covariate(mean=before.mean(), variance=before.var(ddof=1), covariance=covariance)
    return Estimate(users=len(values), mean=values.mean(), variance=values.var(ddof=1), covariate=past)


def found(*pairs: Sequence[Estimate], better: str = "higher") -> Effect:
    one = effect([(a, b) for a, b in pairs], ALPHA, N_STAR, "higher" if better == "higher" else "lower")
    assert one is not None
    return one


def test_the_fixed_horizon_is_welch_s() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(40), rng.random(25) + 0.1
    one, theirs = found((told(a), told(b))), stats.ttest_ind(b, a, equal_var=False)
    assert one.fixed_p == pytest.approx(theirs.pvalue)
    assert one.fixed_interval == pytest.approx(tuple(theirs.confidence_interval(0.95)))


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_posterior_is_integrated(better: str) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(60), rng.random(60) + 0.05
    one = found((told(a), told(b)), better=better)
    error = math.sqrt(a.var(ddof=1) / 60 + b.var(ddof=1) / 60)
    posterior = stats.norm(b.mean() - a.mean(), error)
    wins = (0, np.inf) if better == "higher" else (-np.inf, 0)
    loses = (-np.inf, 0) if better == "higher" else (0, np.inf)
    assert one.chance_to_win == pytest.approx(integrate.quad(posterior.pdf, *wins)[0])
    lost = integrate.quad(lambda d: abs(d) * posterior.pdf(d), *loses)[0]
    assert one.expected_loss == pytest.approx(lost)


@given(st.floats(-0.3, 0.3), st.integers(10, 5000), st.floats(0.01, 0.2))
def test_p_is_below_alpha_when_the_interval_excludes_nothing(
    shift: float, users: int, variance: float
) -> None:
    a = Estimate(users=users, mean=0.5, variance=variance)
    b = Estimate(users=users, mean=0.5 + shift, variance=variance)
    one = found((a, b))
    assert (one.p < ALPHA) == (not one.interval.low <= 0 <= one.interval.high)
    for better, margin in (("higher", 0.02), ("lower", 0.02)):
        side = "higher" if better == "higher" else "lower"
        assert one.is_harm(side, margin) == (one.harm_p(side, margin, ALPHA, N_STAR) < ALPHA)


def test_cuped_narrows_the_interval_and_moves_nothing_on_average() -> None:
    rng = np.random.default_rng(2)
    errors, widths = [], []
    for _ in range(300):
        pairs = []
        for level in (0.0, 0.3):  # two epochs, of which the second is better for all
            before = rng.random((2, 100))
            x = level + 0.8 * before + rng.normal(0, 0.1, (2, 100)) + np.array([[0.0], [0.05]])
            pairs.append((told(x[0], before[0]), told(x[1], before[1])))
        one = found(*pairs)
        plain = found(*([arm.model_copy(update={"covariate": None}) for arm in pair] for pair in pairs))
        errors.append((one.difference - 0.05, plain.difference - 0.05))
        widths.append(one.interval.high - one.interval.low)
        assert one.variance_reduction > 0.5
        assert one.interval.high - one.interval.low < plain.interval.high - plain.interval.low
    spread = np.std(errors, axis=0)
    assert abs(np.mean(errors, axis=0)[0]) < 4 * spread[0] / math.sqrt(300)
    assert spread[0] < spread[1] / 1.5


def test_nothing_is_told_of_arms_without_a_variance() -> None:
    one = Estimate(users=1, mean=0.5, variance=None)
    assert effect([(one, one)], ALPHA, N_STAR) is None


def test_of_what_nobody_has_had_yet_nothing_is_claimed() -> None:
    never = Estimate(users=60, mean=0.0, variance=0.0)
    assert effect([(never, never)], ALPHA, N_STAR) is None
    once = Estimate(users=60, mean=1 / 60, variance=1 / 60)
    assert found((never, once)).interval.low < 0


def test_holm_is_what_statsmodels_says() -> None:
    rng = np.random.default_rng(3)
    for count in range(1, 9):
        ps = {
            str(number): float(p) for number, p in enumerate(rng.choice([0.001, 0.01, 0.02, 0.2, 0.7], count))
        }
        assert list(holm(ps).values()) == pytest.approx(
            list(multipletests(list(ps.values()), method="holm")[1])
        )
    assert holm({}) == {}
