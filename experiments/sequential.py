"""Anytime-valid inference: intervals and tests that hold at all looks at once, so that peeking costs nothing.

A confidence sequence at level alpha satisfies P(for all n: the truth lies in the interval at n) >= 1 - alpha,
where a fixed-sample interval promises that for one n, chosen beforehand.

The functions take sufficient statistics, not streams: the database sums up, nothing is kept between looks.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.optimize import brentq
from scipy.special import betaln, gammaln, lambertw, xlogy

# What the mixtures concentrate on. Any value is valid; these are tight between 50 and 1,000 votes, and quick
# to see a gross fault of assignment.
_PRIOR_VOTES = 20.0
_PRIOR_USERS = 100.0


class Interval(NamedTuple):
    """Both ends of a confidence sequence at this look."""

    low: float
    high: float


def mean_margin(n: float, variance: float, alpha: float, n_star: int) -> float:
    """Half the width of the asymptotic confidence sequence for a mean of `n` observations.

    Theorem 2.2 of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences" (Annals of Statistics 52, 2024; arXiv 2103.06476):

        sqrt(variance) * sqrt(2 (n rho^2 + 1) / (n^2 rho^2) * log(sqrt(n rho^2 + 1) / alpha))

    The promise is asymptotic: begin to look late enough.
    """
    rho2 = _rho2(alpha, n_star)
    growth = n * rho2 + 1
    return math.sqrt(variance * 2 * growth / (n**2 * rho2) * math.log(math.sqrt(growth) / alpha))


def mean_p(mean: float, n: float, variance: float, alpha: float, n_star: int) -> float:
    """The level at which 0 leaves the confidence sequence of `mean_margin`, with the rho that suits `alpha`:
    so it is below alpha exactly when the interval at alpha excludes 0. A p-value that may be looked at all
    the time; 1 over it is an e-value.
    """
    rho2 = _rho2(alpha, n_star)
    growth = n * rho2 + 1
    return min(1.0, math.sqrt(growth) * math.exp(-((n * mean) ** 2) * rho2 / (2 * variance * growth)))


def _rho2(alpha: float, n_star: int) -> float:
    """The rho^2 that makes the interval narrowest at `n_star`, where its derivative is zero: n_star rho^2 =
    -W_{-1}(-alpha^2 / e) - 1 (W is Lambert's function).
    """
    return (-float(lambertw(-(alpha**2) / math.e, -1).real) - 1) / n_star


def win_rate_interval(wins: int, losses: int, alpha: float) -> Interval:
    """Exact confidence sequence for the probability p of a win, at any number of votes.

    All p whose e-value stays below 1 / alpha. The e-value is the likelihood ratio to p of a mixture over all
    win rates, Beta(a, a):

        B(a + wins, a + losses) / B(a, a) / (p^wins (1 - p)^losses)

    Robbins, "Statistical methods related to the law of the iterated logarithm" (1970); the beta-binomial
    mixture of Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
    sequences" (Annals of Statistics 49, 2021).
    """
    a = _PRIOR_VOTES / 2
    threshold = float(betaln(a + wins, a + losses) - betaln(a, a)) + math.log(alpha)

    def lowest(wins: int, losses: int) -> float:
        """The smallest p not rejected: the log-likelihood rises from there to the observed rate."""

        def excess(p: float) -> float:
            return float(xlogy(wins, p) + xlogy(losses, 1 - p)) - threshold

        return float(brentq(excess, 1e-300, wins / (wins + losses))) if wins else 0.0

    # The high end is the low end of the losses seen from 1: floats are dense next to 0, and coarse next to 1.
    return Interval(lowest(wins, losses), 1 - lowest(losses, wins))


def sample_ratio_log_e(counts: Sequence[int], weights: Sequence[float]) -> float:
    """Log of the e-value against "users fall on the arms in the ratio of the weights".

    Lindon and Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022): the Bayes factor of
    a Dirichlet(k * weights) mixture to the weights, with B the multivariate beta function:

        B(k * weights + counts) / B(k * weights) / prod(weights^counts)

    1 / e is a p-value that may be looked at all the time; logs of independent strata add up. Raises
    ValueError when an arm of weight 0 has users.
    """
    if any(count and not weight for count, weight in zip(counts, weights, strict=True)):
        raise ValueError(f"an arm of weight 0 has users: counts {list(counts)}, weights {list(weights)}")
    total = sum(weights)
    pairs = [(count, weight / total) for count, weight in zip(counts, weights, strict=True) if weight]
    k = _PRIOR_USERS
    log_e = gammaln(k) - gammaln(k + sum(counts))
    for count, share in pairs:
        log_e += gammaln(k * share + count) - gammaln(k * share) - xlogy(count, share)
    return float(log_e)
