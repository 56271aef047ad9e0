"""Levels across launches: the formula of the paper, and the false discovery rate that it guarantees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from experiments.launches import alpha_of_next


@given(st.lists(st.booleans(), max_size=12))
def test_levels_are_those_of_lord_plus_plus(shipped: list[bool]) -> None:
    """alpha_t = gamma_t w0 + (alpha - w0) gamma_(t - tau_1) + alpha sum_(j > 1) gamma_(t - tau_j)."""

    def gamma(j: int) -> float:
        return j**-1.6 / special.zeta(1.6)

    t, rate = len(shipped) + 1, 0.1
    discoveries = [place for place, is_discovery in enumerate(shipped, start=1) if is_discovery]
    expected = gamma(t) * rate / 2 + sum(
        (rate / 2 if number == 0 else rate) * gamma(t - place) for number, place in enumerate(discoveries)
    )
    assert alpha_of_next(shipped, rate) == pytest.approx(expected, rel=1e-5)


def test_few_shipped_challengers_are_no_better() -> None:
    """Nine of ten challengers equal the champion. At 5 % each, many discoveries would be false."""
    rng = np.random.default_rng(0)
    shares: dict[str, list[float]] = {"lord": [], "uncorrected": []}
    discoveries = {"lord": 0, "uncorrected": 0}
    for _ in range(200):
        is_better = rng.random(60) < 0.1
        z = rng.normal(np.where(is_better, 4.0, 0.0))
        p = special.erfc(np.abs(z) / np.sqrt(2))
        for method in shares:
            shipped: list[bool] = []
            for value in p:
                shipped.append(value < (alpha_of_next(shipped, 0.1) if method == "lord" else 0.05))
            false = np.array(shipped) & ~is_better
            shares[method].append(false.sum() / max(sum(shipped), 1))
            discoveries[method] += (np.array(shipped) & is_better).sum()
    assert np.mean(shares["lord"]) < 0.1
    assert np.mean(shares["uncorrected"]) > 0.25
    assert discoveries["lord"] > 0.4 * discoveries["uncorrected"]
