"""How much of a judge's score is length.

Long rewrites may be better, so a correlation alone is no bias. `correlate` therefore also compares rewrites
of the same label and transform type, and `count_longer` compares the judge's choices with people's.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from scipy.stats import rankdata

from data.corpus import ReadRewrite
from data.records import PreferencePair
from models import scoreboard, scoring
from models.results import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Length = Literal["words", "ratio"]
READERS = "readers"
_RESAMPLES = 1000


class LengthEffect(NamedTuple):
    """Spearman's correlation of a judge's score with a length: of the rewrite in words, or in lengths of the
    message.

    `partial` is the correlation that is left between rewrites of the same label and transform type. Both have
    95 % bootstrap intervals over messages.
    """

    judge: str
    length: Length
    plain: Estimate
    partial: Estimate

    @property
    def is_biased(self) -> bool:
        """Whether the judge prefers a length that readers do not."""
        return self.partial.low > 0 or self.partial.high < 0


class LongerWins(NamedTuple):
    """The share of pairs whose longer rewrite wins, by somebody's choice. Pairs of equal lengths, and those
    on which a judge does not decide, are left out.
    """

    judge: str
    pairs: int
    share: Estimate


def correlate(
    rows: Sequence[ReadRewrite], scores: Mapping[str, Sequence[float]], seed: int = 0
) -> list[LengthEffect]:
    """The effects of both lengths on each judge's scores, and on what readers call usable.

    For the readers, `partial` holds the transform type alone. Raises ValueError without rows, and when a
    judge has more or fewer scores than there are rows.
    """
    types = [row.transform_type.value for row in rows]
    labels: list[str] = [row.label for row in rows]
    groups = [row.message for row in rows]
    lengths: dict[Length, list[float]] = {
        "words": [float(len(row.rewrite.split())) for row in rows],
        "ratio": [scoring.length_ratio(row.text, row.rewrite) for row in rows],
    }
    usable = [float(label == "usable") for label in labels]
    judges: dict[str, tuple[Sequence[float], list[list[str]]]] = {READERS: (usable, [types])}
    judges |= {name: (values, [types, labels]) for name, values in scores.items()}
    return [
        LengthEffect(
            name,
            length,
            _correlate_ranks(values, sizes, [], groups, seed),
            _correlate_ranks(values, sizes, held, groups, seed),
        )
        for name, (values, held) in judges.items()
        for length, sizes in lengths.items()
    ]


def _correlate_ranks(
    scores: Sequence[float],
    sizes: Sequence[float],
    held: Sequence[Sequence[str]],
    groups: Sequence[str],
    seed: int,
) -> Estimate:
    """The rank correlation of scores and sizes within the classes of `held`, bootstrapped over groups; 0 when
    all scores or all sizes are equal.
    """
    if not scores or len(scores) != len(sizes):
        raise ValueError(f"{len(scores)} scores for {len(sizes)} rewrites: there is no correlation")
    # An intercept, and an indicator of each class: (rows, classes + 1).
    design = np.column_stack(
        [
            np.ones(len(scores)),
            *(
                (np.asarray(classes) == name).astype(float)
                for classes in held
                for name in sorted(set(classes))
            ),
        ]
    )

    def residuals(values: Sequence[float]) -> np.ndarray:
        ranks = rankdata(np.asarray(values, dtype=float))
        return ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0]  # (rows,)

    x, y = residuals(scores), residuals(sizes)
    if min(x.std(), y.std()) < 1e-9 * len(x):
        return Estimate(mean=0.0, low=0.0, high=0.0)
    members = np.unique(np.asarray(groups), return_inverse=True)[1]  # (rows,), the group of each
    number = members.max() + 1
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), _RESAMPLES)
    weights = np.vstack([np.ones(len(x)), drawn[:, members]])  # (1 + resamples, rows), the sample first

    def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        total = weights.sum(1)
        return weights @ (a * b) / total - (weights @ a / total) * (weights @ b / total)

    spread = np.sqrt(np.maximum(covariance(x, x) * covariance(y, y), 1e-12))
    all_values = covariance(x, y) / spread  # (1 + resamples,)
    low, high = np.quantile(all_values[1:], [0.025, 0.975])
    return Estimate(mean=float(all_values[0]), low=float(low), high=float(high))


def count_longer(
    pairs: Sequence[PreferencePair], preferences: Mapping[str, Sequence[float]]
) -> list[LongerWins]:
    """How often the longer rewrite wins by each judge's preference for the chosen one, in [0, 1].

    A preference of 1 for every pair is people's own choice. A judge that decides no pair is left out.
    """
    longer = [len(pair.chosen.split()) - len(pair.rejected.split()) for pair in pairs]
    counted: list[LongerWins] = []
    for name, shares in preferences.items():
        wins = [
            (share > 0.5) == (difference > 0)
            for share, difference in zip(shares, longer, strict=True)
            if difference and share != 0.5
        ]
        if wins:
            counted.append(LongerWins(name, len(wins), scoreboard.estimate_share(sum(wins), len(wins))))
    return counted


def draw(effects: Sequence[LengthEffect], wins: Sequence[LongerWins]) -> "Figure":
    """Left the partial correlations of score and length by judge, right who lets the longer rewrite win."""
    from matplotlib.figure import Figure

    from models.score_plots import draw_estimates

    names = list(dict.fromkeys(effect.judge for effect in effects))
    figure = Figure(figsize=(10.5, 0.45 * len(names) + 2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    style: dict[str, Any] = {"markersize": 5, "capsize": 3}
    markers: dict[Length, tuple[str, float]] = {"words": ("o", -0.13), "ratio": ("s", 0.13)}
    for length, (marker, shift) in markers.items():
        of_length = [effect for effect in effects if effect.length == length]
        label = "words of the rewrite" if length == "words" else "words of the rewrite / of the message"
        places = [names.index(effect.judge) + shift for effect in of_length]
        draw_estimates(left, [effect.partial for effect in of_length], places, marker, label=label, **style)
    _finish(left, names, 0, "rank correlation with length,\nwithin a label and transform type")
    left.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    draw_estimates(right, [row.share for row in wins], range(len(wins)), **style)
    _finish(right, [f"{row.judge} ({row.pairs})" for row in wins], 0.5, "share of pairs that the longer wins")
    right.set_xlim(0, 1)
    return figure


def _finish(axes: "Axes", names: Sequence[str], neutral: float, title: str) -> None:
    axes.axvline(neutral, color="gray", linestyle=":")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(title)
    axes.grid(axis="x", alpha=0.3)
