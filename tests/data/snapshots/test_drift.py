"""Drift of messages: no alarm where nothing has changed, one where much has, nothing said of few."""

import math
from collections import Counter

import numpy as np
import pytest

from data.snapshots import drift

NAMES = ("soften", "clarify", "structure", "summarize", "terminology", "requirements", "background")
USUAL = np.array([0.4, 0.2, 0.12, 0.12, 0.08, 0.05, 0.03])


def drawn(shares: np.ndarray, messages: int, seed: int) -> Counter[str]:
    rng = np.random.default_rng(seed)
    return Counter(dict(zip(NAMES, rng.multinomial(messages, shares).tolist(), strict=True)))


@pytest.mark.parametrize("messages", [drift.LEAST, 1000, 20_000])
def test_the_same_distribution_is_no_alarm(messages: int) -> None:
    for seed in range(500):
        result = drift.compare(drawn(USUAL, messages, seed), drawn(USUAL, 4 * messages, 10_000 + seed))
        assert result.level == "steady", (seed, result)


@pytest.mark.parametrize("messages", [drift.LEAST, 1000])
def test_a_shifted_distribution_is_an_alarm(messages: int) -> None:
    other = np.array([0.1, 0.2, 0.12, 0.12, 0.08, 0.35, 0.03])
    for seed in range(200):
        result = drift.compare(drawn(other, messages, seed), drawn(USUAL, 4 * messages, 10_000 + seed))
        assert result.level == "alarm", (seed, result)


def test_an_index_is_beyond_chance_where_its_level_says_so() -> None:
    counts = drawn(USUAL, 1000, 1), drawn(USUAL, 4000, 2)
    result = drift.compare(*counts)
    assert result.psi is not None
    assert result.chance == drift.compute_chance_limit(1000, 4000, len(NAMES)) > result.psi


def test_a_small_shift_is_told_and_no_alarm() -> None:
    other = USUAL + np.array([-0.14, 0.14, 0, 0, 0, 0, 0])
    result = drift.compare(drawn(other, 20_000, 1), drawn(USUAL, 80_000, 2))
    assert result.level == "shifting"
    assert drift.SHIFTING < result.psi < drift.ALARM


def test_the_index_is_the_one_of_the_formula() -> None:
    now, before = {"a": 300_000, "b": 700_000}, {"a": 500_000, "b": 500_000}
    expected = (0.3 - 0.5) * math.log(0.3 / 0.5) + (0.7 - 0.5) * math.log(0.7 / 0.5)
    assert drift.measure_stability(now, before) == pytest.approx(expected, rel=1e-4)
    assert drift.measure_stability(before, now) == pytest.approx(drift.measure_stability(now, before))
    assert drift.measure_stability(now, now) == 0


def test_a_bin_that_is_new_is_an_alarm_and_finite() -> None:
    result = drift.compare({"ascii": 500, "japanese": 500}, {"ascii": 4000})
    assert result.level == "alarm"
    assert math.isfinite(result.psi)


def test_chance_reaches_its_bound_hardly_ever() -> None:
    bound = drift.compute_chance_limit(500, 2000, len(NAMES))
    indices = [
        drift.measure_stability(drawn(USUAL, 500, seed), drawn(USUAL, 2000, 50_000 + seed))
        for seed in range(2000)
    ]
    assert max(indices) < 1.5 * bound
    assert sum(index > bound for index in indices) <= 3
    assert np.mean(indices) == pytest.approx(6 * (1 / 500 + 1 / 2000), rel=0.1)


@pytest.mark.parametrize(("now", "before"), [(drift.LEAST - 1, 5000), (5000, drift.LEAST - 1), (0, 0)])
def test_of_few_messages_nothing_is_said(now: int, before: int) -> None:
    result = drift.compare({"a": now}, {"b": before})
    assert result == drift.Drift(now, before, None, None, None)


def test_each_week_is_held_against_the_four_before_it() -> None:
    weeks = [{"a": 1000}] * 5 + [{"b": 1000}, {"a": 1000}]
    levels = [(row.before, row.level) for row in drift.compare_weeks(weeks)]
    assert levels == [(4000, "steady"), (4000, "alarm"), (4000, "alarm")]
    assert drift.compare_weeks(weeks[:4]) == []
