"""Whether a judge's probabilities are true: in bins, with intervals, and as one error with its limit.

A judge is calibrated when of the cases to which it gives 0.7, 70 % come true. An order can be right while the
probabilities are not, and the other way round.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWS = 2000  # outcomes that a calibrated judge might have seen


class Bin(NamedTuple):
    """Cases with similar probabilities: their mean probability, and the share that came true with its 95 %
    interval of Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """

    predicted: float
    share: float
    low: float
    high: float
    cases: int


class Calibration(NamedTuple):
    """How far probabilities are from what came true.

    `error` is the expected calibration error (Naeini et al. 2015): the mean distance of `predicted` and
    `share` over the bins, weighted by their cases. It is above 0 by chance alone, so `error_limit` is what a
    calibrated judge with the same probabilities exceeds in 5 % of the samples (Bröcker and Smith 2007,
    Increasing the reliability of reliability diagrams). `brier` is the mean squared error,
    `brier_of_constant` that of a judge that always gives the share of all cases.
    """

    bins: tuple[Bin, ...]
    error: float
    error_limit: float
    brier: float
    brier_of_constant: float

    @property
    def is_calibrated(self) -> bool:
        """Whether chance alone explains the error."""
        return self.error <= self.error_limit

    @property
    def is_informative(self) -> bool:
        """Whether the probabilities are better than one constant for all cases."""
        return self.brier < self.brier_of_constant


def measure(
    probabilities: Sequence[float], outcomes: Sequence[bool], most_bins: int = 5, seed: int = 0
) -> Calibration:
    """The calibration of probabilities in [0, 1] of what did or did not come true, in bins of equal size.

    Equal probabilities share a bin, so there may be fewer bins. Raises ValueError without cases, with a
    probability outside of [0, 1], and when there are more or fewer outcomes than probabilities.
    """
    chances, came_true = np.asarray(probabilities, dtype=float), np.asarray(outcomes, dtype=float)  # (cases,)
    if not len(chances) or len(chances) != len(came_true):
        raise ValueError(f"{len(chances)} probabilities and {len(came_true)} outcomes: give one of each")
    if not ((chances >= 0) & (chances <= 1)).all():
        raise ValueError("a probability is outside of [0, 1]; give probabilities, not rewards")
    # As sklearn's calibration_curve(strategy="quantile") does, which gives no numbers of cases.
    edges = np.percentile(chances, np.linspace(0, 100, most_bins + 1))
    numbers = np.searchsorted(edges[1:-1], chances)  # (cases,), the bin of each
    member = (numbers[:, None] == np.unique(numbers)).astype(float)  # (cases, bins), one 1 in each row
    cases, predicted = member.sum(0), chances @ member / member.sum(0)  # (bins,) each

    def measure_error(happened: np.ndarray) -> np.ndarray:
        """The error of outcomes, (cases,) or (draws, cases)."""
        return np.abs(happened @ member / cases - predicted) @ cases / len(chances)

    draws = np.random.default_rng(seed).random((_DRAWS, len(chances))) < chances  # (draws, cases)
    return Calibration(
        bins=tuple(
            _make_bin(float(mean), int(events), int(number))
            for mean, events, number in zip(predicted, came_true @ member, cases, strict=True)
        ),
        error=float(measure_error(came_true)),
        error_limit=float(np.quantile(measure_error(draws.astype(float)), 0.95)),
        brier=float(brier_score_loss(came_true, chances, labels=[0, 1])),
        brier_of_constant=float(came_true.var()),
    )


def measure_choices(preferences: Sequence[float], most_bins: int = 5) -> Calibration:
    """The calibration of a judge's probability that people choose the side that it prefers, from 0.5 to 1.

    `preferences` are its probabilities for the sides that people chose. An undecided one, 0.5, is left out.
    Errors as in `measure`.
    """
    decided = [share for share in preferences if share != 0.5]
    return measure(
        [max(share, 1 - share) for share in decided], [share > 0.5 for share in decided], most_bins
    )


def _make_bin(predicted: float, events: int, cases: int) -> Bin:
    interval = binomtest(events, cases).proportion_ci(method="wilson")
    return Bin(predicted, events / cases, float(interval.low), float(interval.high), cases)


def draw(calibration: Calibration, title: str, probability: str, share: str) -> "Figure":
    """A reliability diagram: the bins with their intervals and numbers of cases, and the line of a calibrated
    judge. `probability` and `share` name the axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ":", color="gray")
    axes.annotate("calibrated", (0.2, 0.19), va="top", color="gray", fontsize=8)
    x = [each.predicted for each in calibration.bins]
    ends = np.array([[each.share - each.low, each.high - each.share] for each in calibration.bins]).T
    y = [each.share for each in calibration.bins]
    axes.errorbar(x, y, yerr=np.maximum(ends, 0), fmt="o-", color="#2458a6", linewidth=1, capsize=3)
    for each in calibration.bins:
        axes.annotate(
            f"{each.cases}", (each.predicted, each.share), (6, -11), textcoords="offset points", fontsize=8
        )
    verdict = "within chance" if calibration.is_calibrated else "beyond chance"
    axes.set_title(
        f"{title}: calibration error {calibration.error:.3f}, {verdict}"
        f" (limit {calibration.error_limit:.3f})\n"
        f"Brier score {calibration.brier:.3f}, that of a constant {calibration.brier_of_constant:.3f}",
        fontsize=9,
    )
    axes.set(
        xlabel=f"{probability} (mean of a bin)",
        ylabel=f"{share}, with 95 % interval",
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
    )
    axes.grid(alpha=0.3)
    return figure
