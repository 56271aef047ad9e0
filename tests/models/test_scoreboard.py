import numpy as np
import pytest

from models.scoreboard import estimate, estimate_difference, estimate_share


def test_a_share_has_an_exact_interval_also_at_zero_events():
    """Clopper and Pearson: the upper end for 0 of n is 1 - .025 ** (1 / n)."""
    for interval in (estimate_share(0, 84), estimate([0.0] * 84)):
        assert (interval.mean, interval.low) == (0, 0)
        assert interval.high == pytest.approx(1 - 0.025 ** (1 / 84))
    with pytest.raises(ValueError, match="there are no cases"):
        estimate_share(0, 0)


def test_the_difference_of_paired_shares_without_an_event_is_wilsons():
    """Tango's interval without a discordant pair is +-z^2 / (n + z^2)."""
    interval = estimate_difference([1.0] * 40 + [0.0] * 44, [1.0] * 40 + [0.0] * 44)
    assert (interval.low, interval.high) == pytest.approx((-3.8415 / 87.8415, 3.8415 / 87.8415), abs=1e-5)


@pytest.mark.parametrize(
    ("rises", "falls", "number", "low", "high"),
    [(150, 86, 1600, 0.0214, 0.0588), (84, 0, 84, 0.9126, 1.0), (0, 84, 84, -1.0, -0.9126)],
)
def test_the_difference_of_paired_shares(rises, falls, number, low, high):
    """The first are 150 and 86 of 1,600 people who changed their answer (Agresti and Min, 2005, table 1)."""
    same = number - rises - falls
    first = [1.0] * rises + [0.0] * falls + [1.0] * same
    second = [0.0] * rises + [1.0] * falls + [1.0] * same
    interval = estimate_difference(first, second)
    assert interval.mean == pytest.approx((rises - falls) / number)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-4)
    mirrored = estimate_difference(second, first)
    assert (-mirrored.high, -mirrored.low) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(("rise", "fall", "number"), [(0.03, 0.0, 84), (0.05, 0.05, 168), (0.3, 0.2, 40)])
def test_the_interval_of_paired_shares_contains_the_truth_as_often_as_it_says(rise, fall, number):
    rng = np.random.default_rng(0)
    counts = rng.multinomial(number, [rise, fall, 1 - rise - fall], 1000)
    known: dict[tuple[int, int], bool] = {}
    contained = 0
    for rises, falls, same in counts.tolist():
        if (rises, falls) not in known:
            first = [1.0] * rises + [0.0] * (falls + same)
            second = [0.0] * rises + [1.0] * falls + [0.0] * same
            interval = estimate_difference(first, second)
            known[rises, falls] = interval.low <= rise - fall <= interval.high
        contained += known[rises, falls]
    assert contained / 1000 >= 0.93


def test_equal_differences_have_a_width():
    interval = estimate_difference([0.9] * 84, [0.8] * 84)
    assert interval.mean == pytest.approx(0.1)
    assert interval.high - interval.mean == pytest.approx(1 - 0.025 ** (1 / 84))
    with pytest.raises(ValueError, match="zip"):
        estimate_difference([0.9], [0.8, 0.7])
