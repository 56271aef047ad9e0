"""Alpha spent across launches: the paper's formula, and what it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from experiments.launches import alpha_of_next


@given(st.lists(st.booleans(), max_size=12))
def test_levels_are_lord_plus_plus_s(shipped: list[bool]) -> None:
    """alpha_t = gamma_t w0 + (alpha - w0) gamma_(t - tau_1) + alpha sum_(j > 1) gamma_(t - tau_j)."""

    def gamma(j: int) -> float:
        return j**-1.6 / special.zeta(1.6)

    t, rate = len(shipped) + 1, 0.1
    finds = [place for place, found in enumerate(shipped, start=1) if found]
    expected = gamma(t) * rate / 2 + sum(
        (rate / 2 if number == 0 else rate) * gamma(t - place) for number, place in enumerate(finds)
    )
    assert alpha_of_next(shipped, rate) == pytest.approx(expected, rel=1e-5)


def test_of_what_is_shipped_few_are_no_better() -> None:
    """Nine of ten challengers are equals. Each tested at 5 % for itself, most finds would be false."""
    rng = np.random.default_rng(0)
    shares: dict[str, list[float]] = {"spent": [], "alone": []}
    finds = {"spent": 0, "alone": 0}
    for _ in range(200):
        is_better = rng.random(60) < 0.1
        z = rng.normal(np.where(is_better, 4.0, 0.0))
        p = special.erfc(np.abs(z) / np.sqrt(2))
        for way in shares:
            shipped: list[bool] = []
            for value in p:
                shipped.append(value < (alpha_of_next(shipped, 0.1) if way == "spent" else 0.05))
            false = np.array(shipped) & ~is_better
            shares[way].append(false.sum() / max(sum(shipped), 1))
            finds[way] += (np.array(shipped) & is_better).sum()
    assert np.mean(shares["spent"]) < 0.1
    assert np.mean(shares["alone"]) > 0.25
    assert finds["spent"] > 0.4 * finds["alone"]
