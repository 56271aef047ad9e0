"""What the sums of a metric say of an arm: a value, and how sure that is. Pure functions.

Whatever the kind of the metric, an estimate is made to look like the mean of so many independent units, of
which each has a variance: the squared standard error of the value is variance / units. For a ratio and a
quantile that is so by linearisation. All that follows (strata, intervals, tests) asks for no more.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from experiments.metrics import BINS_MS, Metric

_ENDS_MS = np.array([0.0, *BINS_MS])


class Sums(NamedTuple):
    """Of an arm in an epoch, over its n units: a row of `metric_sums`, exact numbers.

    x is the metric, or the numerator of a ratio; y its denominator. Of a mean or a proportion y is the
    covariate: the same, of the time before the unit entered.
    """

    n: int
    x: Decimal
    xx: Decimal
    y: Decimal
    yy: Decimal
    xy: Decimal


class Covariate(BaseModel):
    """What was measured of the same units before they entered, for CUPED."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    variance: float
    covariance: float = Field(description="with the metric")


class Estimate(BaseModel):
    """A metric of an arm in an epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: int = Field(description="units that have a value")
    mean: float | None = Field(description="the value: of a ratio the ratio, of a quantile the quantile")
    variance: float | None = Field(description="of a unit, with n - 1; None below two")
    covariate: Covariate | None = None


NOTHING = Estimate(users=0, mean=None, variance=None)


def estimate(metric: Metric, bins: Mapping[int, Sums]) -> Estimate:
    """A metric from its sums; all but a quantile have those of bin 0 only."""
    sums = bins.get(0)
    if sums is None:
        return NOTHING
    if metric.kind == "quantile":
        assert metric.q is not None
        return _quantile(metric.q, bins)
    if metric.kind == "ratio":
        return _ratio(sums)
    return _mean(sums)


def _mean(sums: Sums) -> Estimate:
    n, x, xx, y, yy, xy = sums
    mean = float(x / n)
    if n < 2:
        return Estimate(users=n, mean=mean, variance=None)
    # Exact numbers until here: the difference of two large sums would lose its digits as floats.
    variance, of_covariate, covariance = (
        float((product - one * other / n) / (n - 1))
        for product, one, other in ((xx, x, x), (yy, y, y), (xy, x, y))
    )
    covariate = Covariate(mean=float(y / n), variance=max(of_covariate, 0.0), covariance=covariance)
    return Estimate(users=n, mean=mean, variance=max(variance, 0.0), covariate=covariate)


def _ratio(sums: Sums) -> Estimate:
    """Delta method: x - ratio * y has mean 0, and the ratio's error is that of its mean over the mean of y.
    Deng, Knoblich and Lu, "Applying the delta method in metric analytics" (KDD 2018), equation 4.
    """
    n, x, xx, y, yy, xy = sums
    if not y:
        return NOTHING
    ratio = x / y
    if n < 2:
        return Estimate(users=n, mean=float(ratio), variance=None)
    variance = (xx - 2 * ratio * xy + ratio**2 * yy) / (n - 1) / (y / n) ** 2
    return Estimate(users=n, mean=float(ratio), variance=max(float(variance), 0.0))


def _quantile(q: float, bins: Mapping[int, Sums]) -> Estimate:
    """A quantile of all misses of all units, and its error as if units were drawn, not misses.

    The share of misses up to the end of a bin is a ratio (`_ratio`), so its error knows that the misses of a
    unit belong together; a quantile's error is that of the share at it, over the slope of the distribution
    there: Woodruff, "Confidence intervals for medians and other position measures" (JASA 47, 1952). Within a
    bin the distribution is a straight line, so the quantile of a single bin's misses is a guess within a
    fifth. A latency beyond the last bin counts as that bin's end.
    """
    n, misses = bins[0].n, bins[0].y
    shares, variances = [0.0], [0.0]
    k = kk = km = Decimal(0)
    for bin_ in range(1, len(BINS_MS) + 1):
        if bin_ in bins:
            k, kk, km = k + bins[bin_].x, kk + bins[bin_].xx, km + bins[bin_].xy
        share = _ratio(Sums(n, k, kk, misses, bins[0].yy, km))
        shares.append(share.mean or 0.0)
        variances.append(share.variance or 0.0)
    at = float(_inverse(shares, q))
    if n < 2:
        return Estimate(users=n, mean=at, variance=None)
    error = float(np.sqrt(np.interp(at, _ENDS_MS, variances) / n))
    low, high = _inverse(shares, max(q - error, 0.0)), _inverse(shares, min(q + error, 1.0))
    return Estimate(users=n, mean=at, variance=n * ((high - low) / 2) ** 2)


def _inverse(shares: Sequence[float], q: float) -> float:
    """Where the distribution with these shares at the ends of the bins reaches q, in milliseconds."""
    end = int(np.searchsorted(shares, q))
    if end == 0:
        return 0.0
    if end == len(shares):
        return float(_ENDS_MS[-1])
    within = (q - shares[end - 1]) / (shares[end] - shares[end - 1])
    return float(_ENDS_MS[end - 1] + within * (_ENDS_MS[end] - _ENDS_MS[end - 1]))


def adjusted(baseline: Estimate, challenger: Estimate) -> tuple[Estimate, Estimate]:
    """Both arms of an epoch without what their units' past explains (CUPED): the difference is then between
    what has become of them.

    Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data" (WSDM 2013): mean - theta * (covariate's mean - that of both arms), with the theta
    that leaves the least variance, cov(metric, covariate) / var(covariate), one for both arms, so that what
    it takes from them does not depend on the arm. As they are when nothing is known of their past.
    """
    arms = baseline, challenger
    if any(arm.covariate is None or arm.mean is None or arm.variance is None for arm in arms):
        return arms
    known = [arm.covariate for arm in arms if arm.covariate is not None]
    freedom = [arm.users - 1 for arm in arms]
    spread = sum(df * one.variance for df, one in zip(freedom, known, strict=True))
    if not spread:
        return arms
    theta = sum(df * one.covariance for df, one in zip(freedom, known, strict=True)) / spread
    center = sum(arm.users * one.mean for arm, one in zip(arms, known, strict=True)) / sum(
        arm.users for arm in arms
    )

    def without(arm: Estimate, past: Covariate) -> Estimate:
        assert arm.mean is not None
        assert arm.variance is not None
        left = arm.variance - 2 * theta * past.covariance + theta**2 * past.variance
        return Estimate(
            users=arm.users,
            mean=arm.mean - theta * (past.mean - center),
            variance=max(left, 0.0),
            covariate=past,
        )

    return without(baseline, known[0]), without(challenger, known[1])
