"""What stands between two arms in one metric: the effect over all epochs, seen in three ways. Pure
functions.

The confidence sequence decides (`experiments.sequential`): it may be looked at all the time. The
fixed-horizon interval and the Bayesian chance to win are for those who are used to them, and for one look
only, settled beforehand: whoever stops when they please is fooled by either.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import special

from experiments import sequential
from experiments.estimators import Estimate, adjusted
from experiments.sequential import Interval

Better = Literal["higher", "lower"]


class Effect(BaseModel):
    """Challenger minus baseline in a metric, with epochs as strata."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    baseline: float = Field(description="value over the epochs, as the difference weighs them")
    challenger: float
    baseline_users: int = Field(description="that have a value, in epochs where both arms have two")
    challenger_users: int
    difference: float
    interval: Interval = Field(description="confidence sequence: holds at all looks at once")
    p: float = Field(description="of no difference, anytime-valid: below alpha when the interval excludes 0")
    relative: float | None = Field(description="difference over the baseline's value")
    relative_interval: Interval | None
    fixed_interval: Interval = Field(description="Welch's, for one look settled beforehand")
    fixed_p: float
    chance_to_win: float = Field(description="that the challenger is better, from a flat prior")
    expected_loss: float = Field(description="how much is lost on average, if it is taken: from a flat prior")
    variance_reduction: float = Field(description="share of the variance that users' past explains (CUPED)")
    clock: float = Field(description="users of a balanced experiment that would tell as much")
    spread: float = Field(description="squared standard error of the difference times the clock")

    def is_harm(self, better: Better, margin: float) -> bool:
        """Whether the whole interval lies on the wrong side, by more than the margin."""
        return self.interval.high < -margin if better == "higher" else self.interval.low > margin

    def harm_p(self, better: Better, margin: float, alpha: float, n_star: int) -> float:
        """Anytime-valid p-value of "it is worse by the margin at most": below alpha where `is_harm`."""
        beyond = (-self.difference if better == "higher" else self.difference) - margin
        if beyond <= 0:
            return 1.0
        return sequential.mean_p(beyond, self.clock, self.spread, alpha, n_star)


class _Combined(NamedTuple):
    """The values of both arms over the epochs, their squared standard errors, and the clock."""

    baseline: float
    challenger: float
    baseline_error: float
    challenger_error: float
    clock: float

    def around(self, center: float, squared_error: float, alpha: float, n_star: int) -> Interval:
        """The confidence sequence of what has this squared error at this time."""
        margin = sequential.mean_margin(self.clock, self.clock * squared_error, alpha, n_star)
        return Interval(center - margin, center + margin)


Pair = tuple[Estimate, Estimate]  # baseline and challenger in an epoch


def _has_a_say(pair: Pair) -> bool:
    """Whether both arms have a variance: an epoch without tells nothing yet."""
    return all(arm.variance is not None for arm in pair)


def _combine(pairs: Sequence[Pair]) -> _Combined:
    """Both arms over epochs that have a say.

    Users are compared within an epoch only: pooled, a trend in time and a change of weights would look like
    an effect. An epoch weighs h = n_a n_b / (n_a + n_b), the inverse variance under equal spread (Cochran,
    "Some methods for strengthening the common chi-square tests", 1954). 4 sum(h) is how many users of a
    balanced experiment tell as much: the clock of the confidence sequence. It is settled by how many users
    there are, not by what they said: so all holds too when what was seen sets the weights of a later epoch.
    """
    (n_a, a, variances_a), (n_b, b, variances_b) = np.array(
        [[(arm.users, arm.mean, arm.variance) for arm in pair] for pair in pairs], dtype=float
    ).transpose(1, 2, 0)
    h = n_a * n_b / (n_a + n_b)  # (epochs,), as all of these
    weight = h / h.sum()
    return _Combined(
        baseline=float(weight @ a),
        challenger=float(weight @ b),
        baseline_error=float(weight**2 @ (variances_a / n_a)),
        challenger_error=float(weight**2 @ (variances_b / n_b)),
        clock=4 * float(h.sum()),
    )


def effect(
    pairs: Sequence[Pair], alpha: float, n_star: int, better: Better = "higher", largest: float = math.inf
) -> Effect | None:
    """The effect over all epochs; None until one epoch has two users with a value in each arm, and not all of
    them the same.

    Where users' past is known, what it explains is taken out of both arms first, epoch by epoch. No
    difference can be larger than `largest`.
    """
    told = [pair for pair in pairs if _has_a_say(pair)]
    if not told:
        return None
    without_past = [adjusted(*pair) for pair in told]
    raw, found = _combine(told), _combine(without_past)
    error = found.baseline_error + found.challenger_error
    if not error:  # nobody differs from anybody: of something rare nothing is known yet, not everything
        return None
    raw_error = raw.baseline_error + raw.challenger_error
    difference = found.challenger - found.baseline
    relative = relative_interval = None
    if found.baseline > 0:  # delta method for challenger / baseline - 1
        relative = difference / found.baseline
        of_ratio = (
            found.challenger_error / found.baseline**2
            + found.baseline_error * found.challenger**2 / found.baseline**4
        )
        relative_interval = found.around(relative, of_ratio, alpha, n_star)
    low, high = found.around(difference, error, alpha, n_star)
    gain = difference if better == "higher" else -difference
    chance, loss = _posterior(gain, math.sqrt(error))
    fixed_interval, fixed_p = _fixed(difference, without_past, error, alpha)
    return Effect(
        baseline=found.baseline,
        challenger=found.challenger,
        baseline_users=sum(a.users for a, _ in told),
        challenger_users=sum(b.users for _, b in told),
        difference=difference,
        interval=Interval(max(low, -largest), min(high, largest)),
        p=sequential.mean_p(difference, found.clock, found.clock * error, alpha, n_star),
        relative=relative,
        relative_interval=relative_interval,
        fixed_interval=fixed_interval,
        fixed_p=fixed_p,
        chance_to_win=chance,
        expected_loss=loss,
        variance_reduction=1 - error / raw_error,
        clock=found.clock,
        spread=found.clock * error,
    )


def _fixed(difference: float, told: Sequence[Pair], error: float, alpha: float) -> tuple[Interval, float]:
    """Welch's interval and two-sided p, with Satterthwaite's degrees of freedom over all arms and epochs."""
    h = np.array([a.users * b.users / (a.users + b.users) for a, b in told])
    weights = h / h.sum()
    parts = [
        (weight**2 * arm.variance / arm.users, arm.users - 1)
        for weight, pair in zip(weights, told, strict=True)
        for arm in pair
        if arm.variance is not None
    ]
    freedom = error**2 / sum(part**2 / df for part, df in parts)
    margin = float(special.stdtrit(freedom, 1 - alpha / 2)) * math.sqrt(error)
    p = 2 * float(special.stdtr(freedom, -abs(difference) / math.sqrt(error)))
    return Interval(difference - margin, difference + margin), p


def _posterior(gain: float, error: float) -> tuple[float, float]:
    """The chance that a gain is above 0, and the mean of what is lost where it is below, of a normal
    posterior.
    """
    z = gain / error
    density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return float(special.ndtr(z)), error * density - gain * float(special.ndtr(-z))


def holm(ps: Mapping[str, float]) -> dict[str, float]:
    """p-values of several metrics, such that calling all below alpha is wrong about any with a chance of
    alpha at most: Holm, "A simple sequentially rejective multiple test procedure" (1979).

    Of anytime-valid p-values the result is anytime-valid too. (statsmodels has it, and collects garbage with
    every call: 50 ms.)
    """
    held: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(ps, key=ps.__getitem__)):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[name]))
        held[name] = largest
    return {name: held[name] for name in ps}
