"""The assignment is stable, independent between salts, and in the ratio of the weights."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.assignment import assign, position

ARMS = (("a", 0.2), ("b", 0.3), ("c", 0.5))
weights = (
    st.lists(st.integers(0, 9), min_size=1, max_size=4)
    .filter(any)
    .map(lambda counts: [(f"arm-{n}", count / sum(counts)) for n, count in enumerate(counts)])
)


def test_positions_are_uniform_and_independent_between_salts() -> None:
    users = [uuid.UUID(int=n) for n in range(20_000)]  # consecutive ids: the hash must not depend on that
    first, second = ([position(salt, user) for user in users] for salt in ("one", "two"))
    assert stats.kstest(first, "uniform").pvalue > 0.001
    cells = [int(u * 10) * 10 + int(v * 10) for u, v in zip(first, second, strict=True)]
    assert stats.chisquare([cells.count(cell) for cell in range(100)]).pvalue > 0.001


def test_arms_fill_in_the_ratio_of_their_weights() -> None:
    arms = [assign("salt", uuid.UUID(int=n), ARMS) for n in range(20_000)]
    counts = [arms.count(name) for name in ("a", "b", "c")]
    assert stats.chisquare(counts, [4_000, 6_000, 10_000]).pvalue > 0.001


def test_the_hash_is_the_documented_one() -> None:
    """Another value would move users of all running experiments to other arms."""
    # printf salt:00000000-0000-0000-0000-000000000001 | b2sum -l 64
    assert position("salt", uuid.UUID(int=1)) == pytest.approx(0xC3CCE59B2840C91D / 2**64, abs=1e-15)


@given(st.text(max_size=20), st.uuids(), weights)
def test_a_unit_stays_in_an_arm_that_has_a_weight(
    salt: str, unit: uuid.UUID, arms: list[tuple[str, float]]
) -> None:
    arm = assign(salt, unit, arms)
    assert arm == assign(salt, uuid.UUID(str(unit)), list(arms))
    assert dict(arms)[arm] > 0
    assert 0 <= position(salt, unit) < 1


def test_every_unit_has_an_arm_when_weights_sum_to_less_than_one() -> None:
    unit = next(u for u in map(uuid.UUID, map("{:032x}".format, range(10_000))) if position("s", u) > 0.999)
    assert assign("s", unit, [("a", 0.5), ("b", 0.499), ("c", 0.0)]) == "b"
