"""The effects of segments are shrunk as far as chance explains their differences."""

import numpy as np
import pytest
from scipy import optimize

from experiments.breakdown import Breakdown, break_down, break_down_by_kind
from experiments.effects import Effect, compare_arms
from experiments.estimators import Estimate


def build_effect(difference: float, users: int = 200, variance: float = 0.08) -> Effect:
    arms = [Estimate(users=users, mean=mean, variance=variance) for mean in (0.5, 0.5 + difference)]
    effect = compare_arms([(arms[0], arms[1])], 0.05, 500)
    assert effect is not None
    return effect


def build_breakdown(*differences: float, users: int = 200) -> Breakdown:
    breakdown = break_down({str(n): build_effect(d, users) for n, d in enumerate(differences)}, 0.05)
    assert breakdown is not None
    return breakdown


def test_segments_that_differ_by_chance_have_the_overall_effect() -> None:
    breakdown = build_breakdown(0.04, 0.05, 0.06)
    assert breakdown.between == 0
    assert {round(segment.shrunk, 6) for segment in breakdown.segments.values()} == {0.05}
    assert breakdown.p > 0.5


def test_segments_that_truly_differ_keep_their_own_effect() -> None:
    breakdown = build_breakdown(-0.3, 0.0, 0.3, users=5000)
    assert breakdown.p < 1e-6
    for name, difference in (("0", -0.3), ("2", 0.3)):
        assert breakdown.segments[name].shrunk == pytest.approx(difference, abs=0.005)


def test_between_and_shrinkage_follow_their_definitions() -> None:
    """Paule and Mandel: at tau^2 the weighted sum of squares equals its expectation."""
    differences = [-0.1, 0.0, 0.05, 0.2]
    breakdown = build_breakdown(*differences)
    variance = 2 * 0.08 / 200

    def excess(tau2: float) -> float:
        weights = np.full(4, 1 / (variance + tau2))
        center = weights @ differences / weights.sum()
        return float(weights @ (np.array(differences) - center) ** 2 - 3)

    tau2 = optimize.brentq(excess, 0, 1)
    assert breakdown.between**2 == pytest.approx(tau2, rel=1e-3)
    own, center = tau2 / (tau2 + variance), np.mean(differences)
    for number, difference in enumerate(differences):
        assert breakdown.segments[str(number)].shrunk == pytest.approx(
            own * difference + (1 - own) * center, rel=1e-3
        )


def test_the_largest_of_many_equal_segments_is_shrunk_to_the_overall_effect() -> None:
    rng = np.random.default_rng(0)
    raw = shrunk = 0.0
    for _ in range(100):
        breakdown = build_breakdown(*rng.normal(0.05, np.sqrt(2 * 0.08 / 200), 12))
        raw += max(segment.difference for segment in breakdown.segments.values()) / 100
        shrunk += max(segment.shrunk for segment in breakdown.segments.values()) / 100
    assert raw > 0.09
    assert shrunk < 0.065


def test_each_kind_has_a_breakdown_unless_it_has_one_segment() -> None:
    by_kind = break_down_by_kind(
        {
            "type=soften": build_effect(0.1),
            "type=clarify": build_effect(0.0),
            "organisation=a": build_effect(0.1),
            "type=x": None,
        },
        0.05,
    )
    assert {kind: set(breakdown.segments) for kind, breakdown in by_kind.items()} == {
        "type": {"soften", "clarify"}
    }
