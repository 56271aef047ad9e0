"""Segments: believed as far as they differ."""

import numpy as np
import pytest
from scipy import optimize

from experiments.breakdown import Breakdown, breakdown, by_kind
from experiments.effects import Effect, effect
from experiments.estimators import Estimate


def of(difference: float, users: int = 200, variance: float = 0.08) -> Effect:
    arms = [Estimate(users=users, mean=mean, variance=variance) for mean in (0.5, 0.5 + difference)]
    found = effect([(arms[0], arms[1])], 0.05, 500)
    assert found is not None
    return found


def told(*differences: float, users: int = 200) -> Breakdown:
    found = breakdown({str(n): of(d, users) for n, d in enumerate(differences)}, 0.05)
    assert found is not None
    return found


def test_segments_that_differ_by_chance_have_the_effect_in_all() -> None:
    found = told(0.04, 0.05, 0.06)
    assert found.between == 0
    assert {round(one.shrunk, 6) for one in found.segments.values()} == {0.05}
    assert found.p > 0.5


def test_segments_that_truly_differ_are_believed() -> None:
    found = told(-0.3, 0.0, 0.3, users=5000)
    assert found.p < 1e-6
    for name, difference in (("0", -0.3), ("2", 0.3)):
        assert found.segments[name].shrunk == pytest.approx(difference, abs=0.005)


def test_between_them_and_shrinkage_are_their_definitions() -> None:
    """Paule and Mandel: the tau^2 at which the weighted squares are what they are on average."""
    differences = [-0.1, 0.0, 0.05, 0.2]
    found = told(*differences)
    variance = 2 * 0.08 / 200

    def excess(tau2: float) -> float:
        weights = np.full(4, 1 / (variance + tau2))
        center = weights @ differences / weights.sum()
        return float(weights @ (np.array(differences) - center) ** 2 - 3)

    tau2 = optimize.brentq(excess, 0, 1)
    assert found.between**2 == pytest.approx(tau2, rel=1e-3)
    own, center = tau2 / (tau2 + variance), np.mean(differences)
    for number, difference in enumerate(differences):
        assert found.segments[str(number)].shrunk == pytest.approx(
            own * difference + (1 - own) * center, rel=1e-3
        )


def test_the_best_of_many_equal_segments_is_no_find() -> None:
    rng = np.random.default_rng(0)
    raw = shrunk = 0.0
    for _ in range(100):
        found = told(*rng.normal(0.05, np.sqrt(2 * 0.08 / 200), 12))
        raw += max(one.difference for one in found.segments.values()) / 100
        shrunk += max(one.shrunk for one in found.segments.values()) / 100
    assert raw > 0.09
    assert shrunk < 0.065


def test_each_kind_has_its_own_and_one_segment_is_none() -> None:
    found = by_kind(
        {"type=soften": of(0.1), "type=clarify": of(0.0), "organisation=a": of(0.1), "type=x": None}, 0.05
    )
    assert {kind: set(one.segments) for kind, one in found.items()} == {"type": {"soften", "clarify"}}
