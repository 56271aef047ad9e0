"""Estimates a metric of an arm from its sums: a value and its variance. Pure functions.

For every kind of metric, an estimate has the form of a mean of n independent units: the squared standard
error of the value is variance / n. For a ratio and a quantile this is a linearisation. The later steps
(strata, intervals, tests) need nothing else.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from experiments.metrics import BINS_MS, Metric

_ENDS_MS = np.array([0.0, *BINS_MS])
_NONE = Decimal(0)


class Sums(NamedTuple):
    """Sums over the n units of an arm in an epoch: a row of `metric_sums`, in exact numbers.

    x is the metric, or the numerator of a ratio. y is the denominator of a ratio. For a mean or a proportion,
    y is the covariate: the same quantity before the unit entered. For a ratio, u and v are its numerator and
    denominator before the unit entered; for latencies, the sum of their logarithms and their number.
    """

    n: int
    x: Decimal
    xx: Decimal
    y: Decimal
    yy: Decimal
    xy: Decimal
    u: Decimal = _NONE
    uu: Decimal = _NONE
    v: Decimal = _NONE
    vv: Decimal = _NONE
    uv: Decimal = _NONE
    xu: Decimal = _NONE
    xv: Decimal = _NONE
    yu: Decimal = _NONE
    yv: Decimal = _NONE


class Covariate(BaseModel):
    """The same metric of the same units before they entered, for CUPED."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    variance: float
    covariance: float = Field(description="with the metric, with n - 1")


class Estimate(BaseModel):
    """A metric of one arm in one epoch, in the metric's unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: int = Field(description="units with a value")
    mean: float | None = Field(description="the value: for a ratio the ratio, for a quantile the quantile")
    variance: float | None = Field(description="of one unit, with n - 1; None for fewer than two")
    covariate: Covariate | None = None
    effective_users: float | None = Field(
        None, description="Kish's number of units of equal weight in a ratio; None: `users`"
    )
    information: float | None = Field(
        None,
        description=(
            "effective units that make up the value, over the number that an asymptotic interval needs; 1 is"
            " enough, and None asks for no more than users"
        ),
    )


# An interval needs as many effective units with the event, and without it, in each arm; or, for an amount
# without an upper limit, as many that share it equally. docs/calibration.md has the false winners with fewer.
FEWEST_EVENTS, FEWEST_PARTS = 5, 200
# A ratio is adjusted for its past when each arm has as many effective units with a past: with fewer, the
# past's ratio has no normal distribution.
_FEWEST_WITH_PAST = 50

NOTHING = Estimate(users=0, mean=None, variance=None)


def estimate(metric: Metric, bins: Mapping[int, Sums]) -> Estimate:
    """Estimate a metric from its sums by bin. Only a quantile has more bins than bin 0."""
    sums = bins.get(0)
    if sums is None or not sums.n:
        return NOTHING
    if metric.kind == "quantile":
        assert metric.q is not None
        return _quantile(metric.q, bins)
    if metric.kind == "ratio":
        return _ratio(sums, metric.is_share)
    return _mean(sums, metric.is_share)


def _kish(total: Decimal, squares: Decimal) -> float:
    """The effective number of units whose parts of a total have this sum and sum of squares: n for equal
    parts, 1 if one unit has all of it. Kish, "Survey sampling" (1965).
    """
    return float(total * total / squares) if squares else 0.0


def _compute_information(with_event: float, without_event: float, is_share: bool) -> float:
    return min(with_event, without_event) / FEWEST_EVENTS if is_share else with_event / FEWEST_PARTS


def _mean(sums: Sums, is_share: bool) -> Estimate:
    n, x, xx, y, yy, xy, *_ = sums
    mean = float(x / n)
    if n < 2:
        return Estimate(users=n, mean=mean, variance=None)
    # Exact numbers until here: as floats, the difference of two large sums would lose its digits.
    variance, covariate_variance, covariance = (
        float((products - first * second / n) / (n - 1))
        for products, first, second in ((xx, x, x), (yy, y, y), (xy, x, y))
    )
    with_event, without_event = _kish(x, xx), _kish(n - x, n - 2 * x + xx)
    return Estimate(
        users=n,
        mean=mean,
        variance=max(variance, 0.0),
        covariate=Covariate(mean=float(y / n), variance=max(covariate_variance, 0.0), covariance=covariance),
        information=_compute_information(with_event, without_event, is_share),
    )


def _ratio(sums: Sums, is_share: bool) -> Estimate:
    n, x, xx, y, yy, xy, *_ = sums
    if not y:
        return NOTHING
    value, variance = _linearise(sums)
    if n < 2:
        return Estimate(users=n, mean=value, variance=None)
    with_event, without_event = _kish(x, xx), _kish(y - x, yy - 2 * xy + xx)
    return Estimate(
        users=n,
        mean=value,
        variance=variance,
        covariate=_past(sums),
        effective_users=_kish(y, yy),
        information=_compute_information(with_event, without_event, is_share),
    )


def _linearise(sums: Sums) -> tuple[float, float]:
    """A ratio x / y, and the variance of one unit; 0 for fewer than two units.

    Delta method: x - ratio * y has mean 0, and the standard error of the ratio is the standard error of that
    mean, divided by the mean of y. Deng, Knoblich and Lu, "Applying the delta method in metric analytics"
    (KDD 2018), equation 4.
    """
    n, x, xx, y, yy, xy, *_ = sums
    ratio = x / y
    if n < 2:
        return float(ratio), 0.0
    variance = (xx - 2 * ratio * xy + ratio**2 * yy) / (n - 1) / (y / n) ** 2
    return float(ratio), max(float(variance), 0.0)


def _past(sums: Sums) -> Covariate | None:
    """A ratio before the units entered, and its covariance with the ratio; None if too few units have a past.

    Both ratios are linearised (`_linearise`). A unit without a past has u = v = 0. So it counts as one that
    had the ratio of the others: its linearised past is 0. Budylin, Drutsa, Katsev and Tsoy, "Consistent
    transformation of ratio metrics for efficient online controlled experiments" (WSDM 2018).
    """
    n, u, v = sums.n, sums.u, sums.v
    if n < 2 or _kish(v, sums.vv) < _FEWEST_WITH_PAST:
        return None
    ratio, past = sums.x / sums.y, u / v
    _, variance = _linearise(Sums(n, u, sums.uu, v, sums.vv, sums.uv))
    products = sums.xu - past * sums.xv - ratio * (sums.yu - past * sums.yv)
    covariance = products / (n - 1) / (sums.y / n) / (v / n)
    return Covariate(mean=float(past), variance=variance, covariance=float(covariance))


def _quantile(q: float, bins: Mapping[int, Sums]) -> Estimate:
    """A quantile of all misses of all units in milliseconds, with an error that is clustered by unit.

    The share of misses up to the end of a bin is a ratio (`_linearise`), so its error accounts for the
    correlation between the misses of a unit. The error of the quantile is the error of the share there,
    divided by the slope of the distribution: Woodruff, "Confidence intervals for medians and other position
    measures" (JASA 47, 1952). Within a bin the distribution is taken as a straight line, so the value is at
    most a bin's width, 2 %, off. A latency beyond the last bin counts as the end of that bin.

    The covariate is the mean logarithm of the latencies before the units entered. The more of them were slow,
    the smaller the share at a bin, and the larger the quantile.
    """
    running = bins[0]  # of all misses; below, of those up to the end of a bin
    n, misses = running.n, running.y
    shares, variances = np.zeros(len(_ENDS_MS)), np.zeros(len(_ENDS_MS))
    up_to: dict[int, Sums] = {}
    for bin_ in sorted(bins.keys() - {0, len(_ENDS_MS)}):
        added = bins[bin_]
        running = running._replace(
            x=running.x + added.x,
            xx=running.xx + added.xx,
            xy=running.xy + added.xy,
            xu=running.xu + added.xu,
            xv=running.xv + added.xv,
        )
        up_to[bin_] = running
        shares[bin_:], variances[bin_:] = _linearise(running)
    value = float(_inverse(shares, q))
    if n < 2:
        return Estimate(users=n, mean=value, variance=None)
    error = float(np.sqrt(np.interp(value, _ENDS_MS, variances) / n))
    low, high = _inverse(shares, max(q - error, 0.0)), _inverse(shares, min(q + error, 1.0))
    covariate = None
    bin_ = int(np.searchsorted(_ENDS_MS, value))
    if error and bin_ in up_to and (past := _past(up_to[bin_])):
        slope = -(high - low) / 2 / error  # milliseconds by share of the misses
        covariate = past.model_copy(update={"covariance": slope * past.covariance})
    users = _kish(misses, bins[0].yy)
    return Estimate(
        users=n,
        mean=value,
        variance=n * ((high - low) / 2) ** 2,
        covariate=covariate,
        effective_users=users,
        information=min(q, 1 - q) * users / FEWEST_EVENTS,
    )


def _inverse(shares: NDArray[np.float64], q: float) -> float:
    """The latency in milliseconds at which the distribution reaches q. `shares` has its values at the ends of
    the bins.
    """
    end = int(np.searchsorted(shares, q))
    if end == 0:
        return 0.0
    if end == len(shares):
        return float(_ENDS_MS[-1])
    fraction = (q - shares[end - 1]) / (shares[end] - shares[end - 1])
    return float(_ENDS_MS[end - 1] + fraction * (_ENDS_MS[end] - _ENDS_MS[end - 1]))


def adjust_for_past(baseline: Estimate, challenger: Estimate) -> tuple[Estimate, Estimate]:
    """Adjust both arms of an epoch for their units' past (CUPED), which narrows the interval of the
    difference.

    Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data" (WSDM 2013): mean - theta * (mean of the covariate - its mean over both arms).
    theta = cov(metric, covariate) / var(covariate) gives the least variance. It is pooled over both arms, so
    that the adjustment does not depend on the arm. Returns the arms unchanged when an arm has no covariate,
    value or variance, or the covariate is constant.
    """
    arms = baseline, challenger
    if any(arm.covariate is None or arm.mean is None or arm.variance is None for arm in arms):
        return arms
    covariates = [arm.covariate for arm in arms if arm.covariate is not None]
    freedom = [arm.users - 1 for arm in arms]
    spread = sum(df * past.variance for df, past in zip(freedom, covariates, strict=True))
    if not spread:
        return arms
    theta = sum(df * past.covariance for df, past in zip(freedom, covariates, strict=True)) / spread
    center = sum(arm.users * past.mean for arm, past in zip(arms, covariates, strict=True)) / sum(
        arm.users for arm in arms
    )

    def adjust(arm: Estimate, past: Covariate) -> Estimate:
        assert arm.mean is not None
        assert arm.variance is not None
        variance = arm.variance - 2 * theta * past.covariance + theta**2 * past.variance
        return arm.model_copy(
            update={"mean": arm.mean - theta * (past.mean - center), "variance": max(variance, 0.0)}
        )

    return adjust(baseline, covariates[0]), adjust(challenger, covariates[1])
