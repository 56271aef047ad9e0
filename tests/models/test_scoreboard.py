from hypothesis import given
from hypothesis import strategies as st

from models import scoreboard


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_an_interval_holds_its_mean(values):
    estimate = scoreboard.estimate(values)
    assert estimate.low - 1e-9 <= estimate.mean <= estimate.high + 1e-9
