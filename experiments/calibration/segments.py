"""How often a breakdown finds an effect where there is none: `python -m experiments.calibration.segments`.

The arms are equal in satisfaction, and in what people are like. People who like the tool more send more
messages, and so does everybody in the challenger's arm. So a segment of those who sent many messages during
the experiment has other people in one arm than in the other; a segment of those who voted before has not.
"""

from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments import breakdown, effects, plan
from experiments.calibration.report import estimate_rate
from experiments.estimators import Estimate, Sums, estimate
from experiments.metrics import Metric
from experiments.page_effects import FEWEST
from experiments.plan import Plan

_SCORE = Metric(kind="mean", of="score", better="higher", says="mean vote")
_COMPLAINED = Metric(kind="proportion", of="complaints", better="lower", says="share of users who complained")
_RUNS = 1000


class Kind(NamedTuple):
    """A kind of segment, the metric that is broken down, and the users of an arm."""

    description: str
    metric: Metric
    users: int
    is_caused: bool = False
    segments: int = 2
    fewest: int | None = None  # users of a segment in each arm; None: as many as the plan asks


KINDS = (
    Kind("by votes before the experiment", _SCORE, 2000),
    Kind("by messages during the experiment", _SCORE, 2000, is_caused=True),
    Kind("twenty by chance, of about 100 users an arm", _SCORE, 2000, segments=20),
    Kind("twenty by chance, of about 15, from 10 on", _COMPLAINED, 300, segments=20, fewest=FEWEST),
    Kind("twenty by chance, of about 15, as the plan asks", _COMPLAINED, 300, segments=20),
    Kind("twenty by chance, of about 100, as the plan asks", _COMPLAINED, 2000, segments=20),
)


def _sum_up(values: NDArray[np.float64]) -> Estimate:
    x, xx, zero = Decimal(float(values.sum())), Decimal(float((values**2).sum())), Decimal(0)
    return estimate(_SCORE, {0: Sums(len(values), x, xx, zero, zero, zero)})


def _draw_arm(rng: np.random.Generator, kind: Kind, is_challenger: bool) -> dict[str, Estimate]:
    """The estimate of each segment of an arm."""
    liking = rng.beta(2, 2, kind.users)
    if kind.metric is _COMPLAINED:
        values = (rng.random(kind.users) < 0.08) * 1.0
    else:
        values = rng.binomial(3, liking) / 3
    segments: NDArray[Any]
    if kind.segments > 2:
        segments = rng.integers(0, kind.segments, kind.users)
    elif kind.is_caused:
        segments = rng.poisson(8 * liking * (1.5 if is_challenger else 1.0)) >= 5
    else:
        segments = rng.poisson(4 * liking) > 0
    return {f"kind={n}": _sum_up(values[segments == n]) for n in np.unique(segments)}


def run(rng: np.random.Generator, kind: Kind, planned: Plan) -> tuple[bool, bool, int]:
    """One experiment: whether any segment's own interval excludes 0, whether any shrunk one does, and how
    many segments have an effect.
    """
    baseline, challenger = _draw_arm(rng, kind, False), _draw_arm(rng, kind, True)
    fewest = kind.fewest or planned.minimum_users_an_arm
    by_segment = {
        name: effects.compare_arms(
            [(_withhold(baseline[name], kind), _withhold(challenger[name], kind))],
            planned.alpha,
            planned.n_star,
            kind.metric.better,
            kind.metric.largest,
            fewest,
        )
        for name in sorted(baseline.keys() & challenger.keys())
    }
    known = {name: effect for name, effect in by_segment.items() if effect is not None}
    is_apart = any(not e.fixed_interval.low <= 0 <= e.fixed_interval.high for e in known.values())
    broken = breakdown.break_down_by_kind(known, planned.alpha)
    shrunk = [segment.interval for each in broken.values() for segment in each.segments.values()]
    return is_apart, any(not low <= 0 <= high for low, high in shrunk), len(known)


def _withhold(arm: Estimate, kind: Kind) -> Estimate:
    """The estimate; where the kind has a limit of its own, without the information that effects wait for."""
    return arm if kind.fewest is None else arm.model_copy(update={"information": None})


def main() -> None:
    """Print the rates as a table in Markdown."""
    planned = plan.load()
    print("| segments | segments with an effect | a segment's own interval excludes 0 | a shrunk one does |")
    print("|---|---|---|---|")
    for number, kind in enumerate(KINDS):
        results = [run(np.random.default_rng((18, number, n)), kind, planned) for n in range(_RUNS)]
        apart, shrunk, known = zip(*results, strict=True)
        cells = [f"{np.mean(known):.1f}"]
        for flags in (apart, shrunk):
            rate = estimate_rate(np.array(flags))
            cells.append(f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%})")
        print(f"| {kind.description} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
