"""The measured rate of the inference service; times are given."""

import math

import pytest

from serving.gateway.online.throughput import Throughput


def full(throughput: Throughput, since: float, per_s: float, seconds: float, batch: int = 10) -> float:
    """Answers of a service that is full all the time; when it ends."""
    now = since
    while now < since + seconds:
        now += batch / per_s
        throughput.answer(now, batch, of=2 * batch)
        throughput.fill(now)
    return now


def warm(per_s: float = 10.0) -> tuple[Throughput, float]:
    throughput = Throughput(memory_s=5.0)
    throughput.begin(0.0)
    throughput.fill(0.0)
    return throughput, full(throughput, 0.0, per_s, 20.0)


def test_nothing_is_known_before_it_was_full() -> None:
    throughput = Throughput(5.0)
    throughput.begin(0.0)
    for second in range(1, 20):
        throughput.answer(float(second), 1, of=1)
    assert math.isinf(throughput.per_s)


def test_the_first_answers_do_not_count_since_a_version_may_have_been_loaded() -> None:
    throughput = Throughput(5.0)
    throughput.begin(0.0)
    throughput.fill(0.0)
    for answered in (8, 8):  # two calls of the first batch
        throughput.answer(60.0, answered, of=16)
    assert math.isinf(throughput.per_s)
    throughput.fill(60.0)
    throughput.answer(61.0, 8, of=16)
    assert throughput.per_s == pytest.approx(8.0)


def test_it_is_the_rate_at_full_load_whatever_the_batches() -> None:
    for batch in (1, 10, 32):
        throughput = Throughput(5.0)
        throughput.begin(0.0)
        throughput.fill(0.0)
        full(throughput, 0.0, 13.0, 40.0, batch)
        assert throughput.per_s == pytest.approx(13.0, rel=0.01)


def test_a_batch_that_comes_as_many_answers_counts_once() -> None:
    throughput, now = warm()
    for _ in range(40):
        now += 1.0
        for part in range(10):  # ten calls of one message, a moment apart
            throughput.answer(now + part / 1000, 1, of=20)
            throughput.fill(now + part / 1000)
    assert throughput.per_s == pytest.approx(10.0, rel=0.02)


def test_idle_and_half_idle_time_changes_nothing() -> None:
    throughput, now = warm()
    throughput.begin(now + 3600)
    for second in range(60):
        throughput.answer(now + 3600 + second, 1, of=3)
    assert throughput.per_s == pytest.approx(10.0)


def test_longer_messages_are_noticed_within_twice_the_memory() -> None:
    throughput, now = warm()
    full(throughput, now, 4.0, 10.0)
    assert throughput.per_s == pytest.approx(4.0, rel=0.3)


def test_one_pause_does_not_decide() -> None:
    throughput, now = warm()
    throughput.answer(now + 60.0, 10, of=20)
    assert throughput.per_s > 5.0


def test_after_a_failure_time_starts_anew() -> None:
    throughput, now = warm()
    throughput.begin(now + 20.0)
    assert throughput.stalled_s(now + 21.0) == pytest.approx(1.0)
    throughput.fill(now + 20.0)
    full(throughput, now + 20.0, 10.0, 5.0)
    assert throughput.per_s == pytest.approx(10.0)
