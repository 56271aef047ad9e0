"""Anytime-valid inference: intervals and tests that hold at all analyses at once, so that peeking costs
nothing.

A confidence sequence at level alpha satisfies P(for all n: the interval at n covers the truth) >= 1 - alpha.
A fixed-horizon interval guarantees this for one n that was chosen in advance.

The functions take sufficient statistics, not streams: the database computes sums, and no state is kept
between analyses.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaln, gammaln, lambertw, xlogy

# Concentrations of the mixtures. Every value is valid. With these, win-rate intervals are narrow between 50
# and 1,000 votes, and a gross error of the assignment is detected after few users.
_PRIOR_VOTES = 20.0
_PRIOR_USERS = 100.0
_TINIEST = 1e-300  # of the win rates that are searched
_BETS = 10  # in each direction, evenly spaced; 5 and 20 need as many votes within 4 %


class Interval(NamedTuple):
    """Both ends of an interval."""

    low: float
    high: float


class Clusters(NamedTuple):
    """How many clusters (people, or messages) have this number of wins and of losses."""

    wins: int
    losses: int
    clusters: int


def mean_margin(n: float, variance: float, alpha: float, n_star: int) -> float:
    """Half the width of the asymptotic confidence sequence for a mean of `n` observations, in their unit.

    `variance` is that of one observation. The sequence is narrowest at `n_star` observations.

    Theorem 2.2 of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences" (Annals of Statistics 52, 2024; arXiv 2103.06476):

        sqrt(variance) * sqrt(2 (n rho^2 + 1) / (n^2 rho^2) * log(sqrt(n rho^2 + 1) / alpha))

    The guarantee is asymptotic: begin the analyses with enough observations.
    """
    rho2 = _rho2(alpha, n_star)
    growth = n * rho2 + 1
    return math.sqrt(variance * 2 * growth / (n**2 * rho2) * math.log(math.sqrt(growth) / alpha))


def mean_p(mean: float, n: float, variance: float, alpha: float, n_star: int) -> float:
    """Anytime-valid p-value of a mean of 0; its reciprocal is an e-value.

    It is the level at which the confidence sequence of `mean_margin` excludes 0, with the rho of `alpha`: so
    it is below `alpha` exactly when the interval at `alpha` excludes 0.
    """
    rho2 = _rho2(alpha, n_star)
    growth = n * rho2 + 1
    return min(1.0, math.sqrt(growth) * math.exp(-((n * mean) ** 2) * rho2 / (2 * variance * growth)))


def _rho2(alpha: float, n_star: int) -> float:
    """The rho^2 with the narrowest interval at `n_star`, where the derivative of its width is zero:
    n_star rho^2 = -W_{-1}(-alpha^2 / e) - 1 (W is Lambert's function).
    """
    return (-float(lambertw(-(alpha**2) / math.e, -1).real) - 1) / n_star


def win_rate_interval(
    wins: float, losses: float, alpha: float, prior_votes: float = _PRIOR_VOTES
) -> Interval:
    """Exact confidence sequence for the probability p of a win, for any number of votes.

    It contains all p whose e-value is below 1 / alpha. The e-value is the likelihood of a mixture over all
    win rates, Beta(a, a), divided by the likelihood of p:

        B(a + wins, a + losses) / B(a, a) / (p^wins (1 - p)^losses)

    with a = prior_votes / 2. A small one makes the interval narrow for rates near 0 and 1.

    Robbins, "Statistical methods related to the law of the iterated logarithm" (1970); the beta-binomial
    mixture of Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
    sequences" (Annals of Statistics 49, 2021).
    """
    a = prior_votes / 2
    threshold = float(betaln(a + wins, a + losses) - betaln(a, a)) + math.log(alpha)

    def lowest(wins: float, losses: float) -> float:
        """The smallest p that is not rejected: the log-likelihood rises between it and the observed rate."""

        def excess(p: float) -> float:
            return float(xlogy(wins, p) + xlogy(losses, 1 - p)) - threshold

        if not wins or excess(_TINIEST) >= 0:
            return 0.0
        return float(brentq(excess, _TINIEST, wins / (wins + losses)))

    # The high end is 1 minus the low end of the loss rate: floats are dense next to 0, and coarse next to 1.
    return Interval(lowest(wins, losses), 1 - lowest(losses, wins))


def clustered_log_e(
    clusters: NDArray[Any], wins: NDArray[Any], losses: NDArray[Any], most: int, rate: float
) -> NDArray[np.float64]:
    """Log of the e-value against a win rate of `rate`, when the votes of a cluster may depend on each other.

    `clusters`, of shape (..., kinds), is the number of clusters of each kind. `wins` and `losses`, of shape
    (kinds,), are the votes of such a cluster, together `most` at most. The result has the shape (...).

    The e-value is a mean over fixed bets in both directions. A bet is a product over the clusters:

        1 + bet * (wins - rate * (wins + losses)) / most

    Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (Journal of the Royal
    Statistical Society B 86, 2024), with constant bets (their dKelly). The bets are shares of the largest one
    that keeps all factors positive. The expected factor is 1 however the votes of one cluster depend on each
    other. So the guarantee holds at every analysis if the clusters are independent and each enters once,
    complete.
    """
    votes = wins + losses
    if votes.size and votes.max() > most:
        raise ValueError(f"a cluster has {int(votes.max())} votes; at most {most} of one cluster may count")
    share = np.arange(1, _BETS + 1)[:, None] / (_BETS + 1)
    up = np.log1p(share * (wins / rate - votes) / most)  # (bets, kinds)
    down = np.log1p(share * (losses / (1 - rate) - votes) / most)
    log_products = clusters @ np.concatenate([up, down]).T  # (..., 2 bets)
    # `logaddexp` is an order faster here than scipy's `logsumexp`.
    return np.asarray(np.logaddexp.reduce(log_products, axis=-1) - math.log(2 * _BETS))


def clustered_win_rate_interval(clusters: Sequence[Clusters], most: int, alpha: float) -> Interval:
    """Confidence sequence for the win rate per vote, when the votes of a cluster may depend on each other.

    It contains all rates whose e-value (`clustered_log_e`) is below 1 / alpha. The e-value is convex in the
    rate, and at most 1 at the observed one. So the rates that are not rejected are an interval around it.
    """
    table = np.array(clusters, dtype=float).reshape(-1, 3)

    def lowest(wins: NDArray[Any], losses: NDArray[Any]) -> float:
        """The smallest rate that is not rejected."""
        total = float(wins @ table[:, 2])
        if not total:
            return 0.0

        def excess(rate: float) -> float:
            return float(clustered_log_e(table[:, 2], wins, losses, most, rate)) + math.log(alpha)

        observed = total / (total + float(losses @ table[:, 2]))
        # No bet is possible at a rate of 1. Just below it, the e-value is below 1, too.
        highest = min(observed, 1 - 1e-12)
        return float(brentq(excess, _TINIEST, highest)) if excess(_TINIEST) > 0 else 0.0

    # As in `win_rate_interval`, the high end is 1 minus the low end of the loss rate.
    return Interval(lowest(table[:, 0], table[:, 1]), 1 - lowest(table[:, 1], table[:, 0]))


def one_sided_level(alpha: float) -> float:
    """The level of a two-sided confidence sequence whose low end alone is a bound at `alpha`.

    It needs a sequence whose e-value against a rate of one half is a mixture of bets that is symmetric around
    it, such as `clustered_win_rate_interval`. That e-value is the mean of M+, which bets on wins, and M-,
    which bets on losses. While there are at least as many wins as losses, M- is at most 1, since
    1 + x <= exp(x) for each bet. So where the low end first exceeds one half, M+ is at least
    2 / level - 1 = 1 / alpha. Ville's inequality for M+ bounds the probability of that by `alpha`, for any
    rate of at most one half.
    """
    return 2 * alpha / (1 + alpha)


def sample_ratio_log_e(counts: Sequence[int], weights: Sequence[float]) -> float:
    """Log of the e-value against "users are split between the arms in the ratio of the weights".

    `counts` and `weights` have one number for each arm; the weights need not sum to 1.

    Lindon and Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022): the Bayes factor of
    a Dirichlet(k * weights) mixture against the weights, with B the multivariate beta function:

        B(k * weights + counts) / B(k * weights) / prod(weights^counts)

    1 / e is an anytime-valid p-value. The logs of independent strata add up. Raises ValueError when an arm of
    weight 0 has users.
    """
    if any(count and not weight for count, weight in zip(counts, weights, strict=True)):
        raise ValueError(
            f"an arm of weight 0 has users: counts {list(counts)}, weights {list(weights)}; check that"
            " the weights are those of the epoch"
        )
    total = sum(weights)
    pairs = [(count, weight / total) for count, weight in zip(counts, weights, strict=True) if weight]
    k = _PRIOR_USERS
    log_e = gammaln(k) - gammaln(k + sum(counts))
    for count, share in pairs:
        log_e += gammaln(k * share + count) - gammaln(k * share) - xlogy(count, share)
    return float(log_e)
