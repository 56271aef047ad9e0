"""The difference of two arms in one metric over all epochs: confidence sequence, fixed-horizon interval,
posterior. Pure functions.

Decisions use the confidence sequence (`experiments.sequential`): it stays valid however often one analyses.
The fixed-horizon interval and the Bayesian chance to win are for readers who are used to them. They hold for
one analysis whose time was fixed in advance. Stopping as soon as they look good makes them wrong.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import special

from experiments import sequential
from experiments.estimators import Estimate, adjust_for_past
from experiments.sequential import Interval

Better = Literal["higher", "lower"]

_PRIOR_EVENTS = 1.0  # concentration of the mixture for rare events


class Effect(BaseModel):
    """Challenger minus baseline in a metric, with epochs as strata."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    baseline: float = Field(description="value over the epochs, weighted as in the difference")
    challenger: float
    baseline_users: int = Field(description="users with a value, in epochs where both arms have at least two")
    challenger_users: int
    difference: float
    interval: Interval = Field(description="confidence sequence: holds at all analyses at once")
    p: float = Field(
        description="anytime-valid p-value of no difference: below alpha when the interval excludes 0"
    )
    relative: float | None = Field(description="difference over the baseline's value")
    relative_interval: Interval | None
    fixed_interval: Interval = Field(description="Welch's, for one analysis whose time was fixed in advance")
    fixed_p: float
    chance_to_win: float = Field(description="probability that the challenger is better, under a flat prior")
    expected_loss: float = Field(description="mean loss if the challenger is shipped, under a flat prior")
    variance_reduction: float = Field(
        description="share of the variance that the users' past explains (CUPED)"
    )
    clock: float = Field(
        description="effective sample size: users of a balanced experiment with equal precision"
    )
    spread: float = Field(description="squared standard error of the difference, times the clock")

    def is_harm(self, better: Better, margin: float) -> bool:
        """Return whether the whole interval shows a loss of more than `margin`, in the metric's unit."""
        return self.interval.high < -margin if better == "higher" else self.interval.low > margin

    def gain(self, better: Better) -> float:
        """The difference in favour of the challenger, in the metric's unit."""
        return self.difference if better == "higher" else -self.difference

    def gain_interval(self, better: Better) -> Interval:
        """The interval of the gain, in the metric's unit."""
        low, high = self.interval
        return Interval(low, high) if better == "higher" else Interval(-high, -low)

    def largest_loss(self, better: Better) -> float:
        """The largest loss in the interval, in the metric's unit; negative when it shows a gain."""
        return -self.interval.low if better == "higher" else self.interval.high

    def harm_p(self, better: Better, margin: float, alpha: float, n_star: int) -> float:
        """Anytime-valid p-value of "the loss is at most `margin`": below `alpha` exactly where `is_harm`."""
        excess_loss = -self.gain(better) - margin
        if excess_loss <= 0:
            return 1.0
        return sequential.mean_p(excess_loss, self.clock, self.spread, alpha, n_star)


class _Combined(NamedTuple):
    """Both arms' values over the epochs, their squared standard errors, and the effective sample size."""

    baseline: float
    challenger: float
    baseline_error: float
    challenger_error: float
    clock: float

    def interval_around(self, center: float, squared_error: float, alpha: float, n_star: int) -> Interval:
        """Confidence sequence of an estimate with this value and squared standard error."""
        margin = sequential.mean_margin(self.clock, self.clock * squared_error, alpha, n_star)
        return Interval(center - margin, center + margin)


Pair = tuple[Estimate, Estimate]  # baseline and challenger in one epoch


def has_variance(pair: Pair) -> bool:
    """Return whether both arms have a variance: without one, an epoch has no standard error."""
    return all(arm.variance is not None for arm in pair)


def _combine(pairs: Sequence[Pair]) -> _Combined:
    """Both arms over the epochs, which all have a variance.

    Epochs are strata: users are compared within an epoch only. In pooled data, a trend in time together with
    a change of weights would look like an effect. An epoch has the weight h = n_a n_b / (n_a + n_b), the
    inverse variance under equal spread (Cochran, "Some methods for strengthening the common chi-square
    tests", 1954). 4 sum(h) is the number of users of a balanced experiment with the same precision: the clock
    of the confidence sequence. The clock depends on the number of users, not on their outcomes. So the
    interval also holds when earlier outcomes set the weights of a later epoch.
    """
    (n_a, a, variances_a), (n_b, b, variances_b) = np.array(
        [[(arm.users, arm.mean, arm.variance) for arm in pair] for pair in pairs], dtype=float
    ).transpose(1, 2, 0)
    h = n_a * n_b / (n_a + n_b)  # (epochs,), like n, mean and variance of both arms
    weight = h / h.sum()
    return _Combined(
        baseline=float(weight @ a),
        challenger=float(weight @ b),
        baseline_error=float(weight**2 @ (variances_a / n_a)),
        challenger_error=float(weight**2 @ (variances_b / n_b)),
        clock=4 * float(h.sum()),
    )


def _holds_enough(arm: Sequence[Estimate], fewest_users: int) -> bool:
    """Return whether an arm's epochs together hold enough information for an asymptotic interval.

    The number of users does not tell it: one of 500 users may have written most messages, and an event may
    have happened to two of 10,000. With only a minimum number of users, arms of 95 % and 5 %, heavy users and
    rare events name a false winner in up to 14 % of the experiments (docs/calibration.md).
    """
    users, information = sum_information(arm)
    return users >= fewest_users and (information is None or information >= 1)


def sum_information(arm: Sequence[Estimate]) -> tuple[float, float | None]:
    """The effective users of an arm's epochs together, and their information (`Estimate`); None where the
    users alone decide.
    """
    users = sum(epoch.users if epoch.effective_users is None else epoch.effective_users for epoch in arm)
    information = [epoch.information for epoch in arm if epoch.information is not None]
    return users, sum(information) if information else None


def compare_arms(
    pairs: Sequence[Pair],
    alpha: float,
    n_star: int,
    better: Better = "higher",
    largest: float = math.inf,
    fewest_users: int = 2,
) -> Effect | None:
    """The challenger's effect over all epochs, in the metric's unit.

    `pairs` has one pair of estimates for each epoch. Returns None until each arm has `fewest_users` effective
    users and enough information (`estimators.Estimate`), and the values of some users differ. Where the
    users' past is known, both arms are adjusted for it first, epoch by epoch (`estimators.adjust_for_past`).
    The interval is cut at `largest`, the largest possible difference.
    """
    usable = [pair for pair in pairs if has_variance(pair)]
    if not usable or not all(_holds_enough(arm, fewest_users) for arm in zip(*usable, strict=True)):
        return None
    without_past = [adjust_for_past(*pair) for pair in usable]
    raw, combined = _combine(usable), _combine(without_past)
    error = combined.baseline_error + combined.challenger_error
    if not error:  # all values are equal, as with a rare event that nobody has had yet: not a certain zero
        return None
    raw_error = raw.baseline_error + raw.challenger_error
    difference = combined.challenger - combined.baseline
    relative = relative_interval = None
    if combined.baseline > 0:  # delta method for challenger / baseline - 1
        relative = difference / combined.baseline
        squared_error = (
            combined.challenger_error / combined.baseline**2
            + combined.baseline_error * combined.challenger**2 / combined.baseline**4
        )
        relative_interval = combined.interval_around(relative, squared_error, alpha, n_star)
    low, high = combined.interval_around(difference, error, alpha, n_star)
    chance, loss = _posterior(difference if better == "higher" else -difference, math.sqrt(error))
    fixed_interval, fixed_p = _fixed_horizon(difference, without_past, error, alpha)
    return Effect(
        baseline=combined.baseline,
        challenger=combined.challenger,
        baseline_users=sum(a.users for a, _ in usable),
        challenger_users=sum(b.users for _, b in usable),
        difference=difference,
        interval=Interval(max(low, -largest), min(high, largest)),
        p=sequential.mean_p(difference, combined.clock, combined.clock * error, alpha, n_star),
        relative=relative,
        relative_interval=relative_interval,
        fixed_interval=fixed_interval,
        fixed_p=fixed_p,
        chance_to_win=chance,
        expected_loss=loss,
        variance_reduction=1 - error / raw_error,
        clock=combined.clock,
        spread=combined.clock * error,
    )


def bound_loss_of_share(pairs: Sequence[Pair], alpha: float, better: Better, times: float = 1.0) -> float:
    """The largest loss in a share that the data do not exclude, for events too rare for `compare_arms`.

    The share of each arm is a rate of wins, with the confidence sequence of `sequential.win_rate_interval`.
    It holds at all analyses at once, for no event at all, and for values between 0 and 1, which vary less
    than events do. A ratio has Kish's number of users, and epochs are weighted as in `compare_arms`; both
    make it an approximation. The unfavourable ends of both arms have an error of `alpha` together. 1 without
    users. `times` computes it as if so many times as many users had the same shares.
    """
    usable = [pair for pair in pairs if all(arm.users for arm in pair)]
    if not usable:
        return 1.0
    h = np.array([a.users * b.users / (a.users + b.users) for a, b in usable])
    weight = h / h.sum()

    def bound(arm: Sequence[Estimate]) -> Interval:
        rate = min(float(weight @ [epoch.mean for epoch in arm]), 1.0)  # rounding may exceed it
        effective = [epoch.users if epoch.effective_users is None else epoch.effective_users for epoch in arm]
        users = times / float(weight**2 @ (1 / np.array(effective)))
        events = rate * users
        return sequential.win_rate_interval(events, users - events, alpha / 2, _PRIOR_EVENTS)

    baseline, challenger = (bound(arm) for arm in zip(*usable, strict=True))
    return challenger.high - baseline.low if better == "lower" else baseline.high - challenger.low


def _fixed_horizon(
    difference: float, pairs: Sequence[Pair], error: float, alpha: float
) -> tuple[Interval, float]:
    """Welch's interval and two-sided p-value, with Satterthwaite's degrees of freedom over all arms and
    epochs.
    """
    h = np.array([a.users * b.users / (a.users + b.users) for a, b in pairs])
    weights = h / h.sum()
    variances = [  # squared standard error and degrees of freedom of each arm in each epoch
        (weight**2 * arm.variance / arm.users, arm.users - 1)
        for weight, pair in zip(weights, pairs, strict=True)
        for arm in pair
        if arm.variance is not None
    ]
    freedom = error**2 / sum(variance**2 / df for variance, df in variances)
    margin = float(special.stdtrit(freedom, 1 - alpha / 2)) * math.sqrt(error)
    p = 2 * float(special.stdtr(freedom, -abs(difference) / math.sqrt(error)))
    return Interval(difference - margin, difference + margin), p


def _posterior(gain: float, error: float) -> tuple[float, float]:
    """Under a normal posterior: the probability of a positive gain, and the expected loss
    E[max(-gain, 0)].
    """
    z = gain / error
    density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return float(special.ndtr(z)), error * density - gain * float(special.ndtr(-z))


def adjust_by_holm(ps: Mapping[str, float]) -> dict[str, float]:
    """Adjust the p-values of several metrics, by metric, so that the chance of any wrong rejection at level
    alpha is at most alpha: Holm, "A simple sequentially rejective multiple test procedure" (1979).

    Anytime-valid p-values stay anytime-valid. Rejected: statsmodels' `multipletests`, which runs the garbage
    collector in every call and takes 50 ms.
    """
    adjusted: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(ps, key=ps.__getitem__)):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in ps}
