"""The intervals hold at every analysis in simulations, and agree with formulas of other libraries."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from experiments import sequential
from experiments.sequential import (
    Clusters,
    clustered_log_e,
    clustered_win_rate_interval,
    mean_margin,
    sample_ratio_log_e,
    win_rate_interval,
)

EXPERIMENTS = 2000
ALPHA = 0.05
MOST = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / EXPERIMENTS)  # alpha, and three Monte-Carlo errors


def share_ever_excluding_zero(difference: float, margin: Callable[[int], float]) -> float:
    """Share of simulated experiments whose interval ever excludes 0, with an analysis every 10 users an arm.

    An outcome is the mean of 1 to 100 votes of one user. The numbers of votes are as skewed as real ones.
    """
    rng = np.random.default_rng(0)
    sizes = np.arange(50, 1001, 10)

    def arm(shift: float) -> tuple[np.ndarray, np.ndarray]:
        shape = (EXPERIMENTS, sizes[-1])
        votes = np.minimum(100, rng.random(shape) ** (-1 / 1.1)).astype(int)
        outcomes = rng.binomial(votes, np.clip(rng.beta(3, 2, shape) + shift, 0, 1)) / votes
        sums, squares = outcomes.cumsum(axis=1)[:, sizes - 1], (outcomes**2).cumsum(axis=1)[:, sizes - 1]
        return sums / sizes, (squares - sums**2 / sizes) / (sizes - 1)

    (mean_a, variance_a), (mean_b, variance_b) = arm(0.0), arm(difference)
    margins = np.array([margin(2 * n) for n in sizes])  # for a variance of 1
    outside = np.abs(mean_b - mean_a) > margins * np.sqrt(2 * (variance_a + variance_b))
    return float(outside.any(axis=1).mean())


def test_between_equal_arms_the_interval_rarely_ever_excludes_zero() -> None:
    assert share_ever_excluding_zero(0.0, lambda n: mean_margin(n, 1.0, ALPHA, 500)) <= MOST


def test_a_fixed_sample_interval_fails_the_same_check() -> None:
    assert share_ever_excluding_zero(0.0, lambda n: 1.96 / math.sqrt(n)) > 0.25


def test_a_real_difference_is_detected() -> None:
    assert share_ever_excluding_zero(0.1, lambda n: mean_margin(n, 1.0, ALPHA, 500)) > 0.8


@pytest.mark.parametrize("true_rate", [0.5, 0.7, 0.02])
def test_win_rate_interval_covers_the_rate_at_all_analyses(true_rate: float) -> None:
    rng = np.random.default_rng(1)
    sizes = range(5, 251, 5)
    wins = (rng.random((EXPERIMENTS, sizes[-1])) < true_rate).cumsum(axis=1)
    missed = np.zeros(EXPERIMENTS, dtype=bool)
    for n in sizes:
        counts, inverse = np.unique(wins[:, n - 1], return_inverse=True)
        intervals = [win_rate_interval(int(k), n - int(k), ALPHA) for k in counts]
        missed |= np.array([not i.low <= true_rate <= i.high for i in intervals])[inverse]
    assert missed.mean() <= MOST


def test_win_rate_interval_has_power() -> None:
    rng = np.random.default_rng(2)
    sizes = range(40, 201, 5)
    wins = (rng.random((1000, sizes[-1])) < 0.65).cumsum(axis=1)
    fewest = [
        next(k for k in range(n // 2, n + 1) if win_rate_interval(k, n - k, ALPHA).low > 0.5) for n in sizes
    ]
    is_detected = (wins[:, np.array(sizes) - 1] >= np.array(fewest)).any(axis=1)
    assert is_detected.mean() > 0.85


@given(st.integers(0, 400), st.integers(0, 400))
def test_win_rate_interval_is_where_the_e_value_reaches_one_over_alpha(wins: int, losses: int) -> None:
    n, interval = wins + losses, win_rate_interval(wins, losses, ALPHA)
    assert interval.low <= (wins / n if n else 0.5) <= interval.high
    mixture = stats.betabinom(n, 10, 10).logpmf(wins)
    for end in interval:
        if 1e-6 < end < 1 - 1e-6:
            log_e = mixture - stats.binom(n, end).logpmf(wins)
            assert log_e == pytest.approx(math.log(1 / ALPHA), abs=1e-3)
    mirrored = win_rate_interval(losses, wins, ALPHA)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - interval.high, 1 - interval.low), abs=1e-9)


def test_agrees_with_ville() -> None:
    """Expected values from the package ville 0.1.0: AsymptoticCS(t_opt=500), BernoulliCS(prior=(10, 10))."""
    variance = float(np.tile([0, 1, 1, 0.5, 0.25], 200).var(ddof=1))
    assert mean_margin(1000, variance, 0.05, 500) == pytest.approx(0.0387763067, abs=1e-8)
    assert win_rate_interval(130, 70, 0.05) == pytest.approx((0.5394469122, 0.7506632358), abs=1e-8)
    assert win_rate_interval(14, 6, 0.05) == pytest.approx((0.3810726973, 0.9210549301), abs=1e-8)


CLUSTERS = st.lists(st.builds(Clusters, st.integers(0, 1), st.integers(0, 2), st.integers(1, 60)), max_size=5)


def compute_log_e(clusters: list[Clusters], rate: float, most: int = 3) -> float:
    """The definition: a mean over bets of products over clusters, a cluster at a time."""
    shares = [number / 11 for number in range(1, 11)]
    capitals = []
    for bet in (*(share / rate for share in shares), *(-share / (1 - rate) for share in shares)):
        factors = [
            math.log(1 + bet * (kind.wins - rate * (kind.wins + kind.losses)) / most)
            for kind in clusters
            for _ in range(kind.clusters)
        ]
        capitals.append(sum(factors))
    return float(np.logaddexp.reduce(capitals)) - math.log(20)


@settings(max_examples=50)
@given(CLUSTERS, st.floats(0.01, 0.99))
def test_the_clustered_e_value_is_a_mean_over_bets_of_products_over_clusters(
    clusters: list[Clusters], rate: float
) -> None:
    wins, losses, numbers = np.array(clusters, dtype=int).reshape(-1, 3).T
    log_e = clustered_log_e(numbers, wins, losses, 3, rate)
    assert float(log_e) == pytest.approx(compute_log_e(clusters, rate), abs=1e-9)


@settings(max_examples=50)
@given(CLUSTERS)
def test_the_clustered_interval_is_where_the_e_value_reaches_one_over_alpha(clusters: list[Clusters]) -> None:
    interval = clustered_win_rate_interval(clusters, 3, ALPHA)
    wins, losses = (sum(kind[side] * kind.clusters for kind in clusters) for side in (0, 1))
    assert interval.low <= (wins / (wins + losses) if wins + losses else 0.5) <= interval.high
    for end in interval:
        if 1e-6 < end < 1 - 1e-6:
            assert compute_log_e(clusters, end) == pytest.approx(math.log(1 / ALPHA), abs=1e-6)
    assert (interval.low == 0) == (wins == 0)
    assert (interval.high == 1) == (losses == 0)
    mirrored = clustered_win_rate_interval([Clusters(b, a, n) for a, b, n in clusters], 3, ALPHA)
    assert tuple(mirrored) == pytest.approx((1 - interval.high, 1 - interval.low), abs=1e-9)


@pytest.mark.parametrize("true_rate", [0.5, 0.7])
def test_the_clustered_interval_covers_the_rate_when_people_always_choose_one_side(true_rate: float) -> None:
    """Up to three votes a person, an analysis after each person."""
    rng = np.random.default_rng(4)
    counts = rng.integers(1, 4, (EXPERIMENTS, 150))
    wins = counts * (rng.random(counts.shape) < true_rate)
    kinds = [(won, lost) for won in range(4) for lost in range(4) if bool(won) != bool(lost)]
    numbers = np.stack([(wins == a) & (counts - wins == b) for a, b in kinds], axis=-1).cumsum(axis=1)
    won, lost = np.array(kinds).T
    threshold = math.log(1 / ALPHA)
    assert (clustered_log_e(numbers, won, lost, 3, true_rate) >= threshold).any(axis=1).mean() <= MOST
    assert (clustered_log_e(numbers[:, -1], won, lost, 3, true_rate - 0.25) >= threshold).mean() > 0.9


def test_one_win_among_very_many_losses_has_an_interval() -> None:
    low, high = clustered_win_rate_interval([Clusters(1, 0, 1), Clusters(0, 3, 100_000)], 3, ALPHA)
    assert 0 <= low < 1e-5 < high < 1e-3


def test_a_cluster_with_too_many_votes_raises_an_error() -> None:
    with pytest.raises(ValueError, match="has 4 votes; at most 3"):
        clustered_win_rate_interval([Clusters(2, 2, 1)], 3, ALPHA)


def test_the_margin_is_narrowest_at_n_star() -> None:
    at_500 = [mean_margin(500, 1.0, ALPHA, n_star) for n_star in (400, 500, 600)]
    assert min(at_500) == at_500[1]
    assert at_500[1] > 1.96 / math.sqrt(500)


@given(st.lists(st.integers(0, 300), min_size=3, max_size=3))
def test_sample_ratio_is_a_dirichlet_mixture_against_the_weights(counts: list[int]) -> None:
    weights = np.array([0.2, 0.3, 0.5])
    mixture = stats.dirichlet_multinomial(100 * weights, sum(counts)).logpmf(counts)
    expected = mixture - stats.multinomial(sum(counts), weights).logpmf(counts)
    # Weights need not sum to 1: users outside all arms do not count.
    assert sample_ratio_log_e(counts, weights / 10) == pytest.approx(float(expected), abs=1e-6)


def test_the_sample_ratio_test_is_anytime_valid_and_detects_a_wrong_split() -> None:
    rng = np.random.default_rng(3)
    sizes = range(20, 1001, 20)

    def share_ever_rejected(share: float) -> float:
        first = (rng.random((500, sizes[-1])) < share).cumsum(axis=1)[:, np.array(sizes) - 1]
        log_e = [
            [sample_ratio_log_e([k, n - k], [0.5, 0.5]) for k, n in zip(row.tolist(), sizes, strict=True)]
            for row in first
        ]
        return float((np.array(log_e).max(axis=1) > math.log(100)).mean())

    assert share_ever_rejected(0.5) <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / 500)
    assert share_ever_rejected(0.4) > 0.9


def test_users_in_an_arm_without_weight_raise_an_error() -> None:
    with pytest.raises(ValueError, match="weight 0 has users"):
        sample_ratio_log_e([10, 1], [1.0, 0.0])
    assert sample_ratio_log_e([0, 0], [0.0, 0.0]) == 0


def compute_chance_of_better(alpha: float, votes: int) -> float:
    """The exact probability that the low end at `alpha` ever exceeds one half, when both are equally good."""
    counts = np.array([1.0])  # the probability of each number of wins, without a crossing before
    crossed, least = 0.0, 1
    for n in range(1, votes + 1):
        counts = (np.append(counts, 0) + np.append(0, counts)) / 2
        while least <= n and sequential.win_rate_interval(least, n - least, alpha).low <= 0.5:
            least += 1
        crossed += counts[least:].sum()
        counts[least:] = 0
    return crossed


@pytest.mark.parametrize("alpha", [0.05, 0.022, 0.001])
def test_a_one_sided_claim_may_use_its_whole_level(alpha: float) -> None:
    assert 2 * compute_chance_of_better(alpha, 400) < alpha, "a two-sided interval spends half of it"
    one_sided = compute_chance_of_better(sequential.one_sided_level(alpha), 400)
    assert 0.6 * alpha < 2 * one_sided
    assert one_sided <= alpha


@given(
    wins=st.integers(0, 300),
    losses=st.integers(0, 300),
    alpha=st.sampled_from([0.05, 0.01]),
)
def test_where_wins_lead_no_bet_on_losses_gains(wins: int, losses: int, alpha: float) -> None:
    """So the low end at `one_sided_level` excludes one half only when the bets on wins alone reject it."""
    wins, losses = max(wins, losses), min(wins, losses)
    a = 10.0
    # Twice the posterior mass on each side of one half, times the Bayes factor: M+ and M-.
    factor = math.exp(
        special.betaln(a + wins, a + losses) - special.betaln(a, a) + (wins + losses) * math.log(2)
    )
    on_losses = 2 * special.betainc(a + wins, a + losses, 0.5) * factor
    on_wins = 2 * factor - on_losses
    assert on_losses <= 1 + 1e-9
    if sequential.win_rate_interval(wins, losses, sequential.one_sided_level(alpha)).low > 0.5:
        assert on_wins >= 1 / alpha * (1 - 1e-9)
