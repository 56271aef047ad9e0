"""The breaker opens, waits, and lets one probe through."""

from serving.breaker import Breaker


class Clock:
    """Time that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(failures=3)
    for report in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed, breaker.failed):
        assert breaker.allows()
        report()
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open
    assert not breaker.allows()


def test_one_probe_after_the_wait_decides() -> None:
    clock = Clock()
    breaker = Breaker(failures=1, open_s=2.0, clock=clock)
    breaker.failed()
    clock.now = 1.9
    assert not breaker.allows()
    clock.now = 2.0
    assert breaker.allows()
    assert not breaker.allows(), "a second call while the probe is out"
    breaker.failed()
    clock.now = 3.9
    assert not breaker.allows()
    clock.now = 4.0
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.allows()


def windowed() -> tuple[Breaker, Clock]:
    clock = Clock()
    return Breaker(failures=5, open_s=10.0, clock=clock, within_s=10.0), clock


def test_failures_of_a_window_need_not_be_in_a_row() -> None:
    breaker, clock = windowed()
    for second, report in enumerate([breaker.failed, breaker.succeeded] * 4):
        clock.now = float(second)
        report()
    assert not breaker.is_open
    clock.now = 8.0
    breaker.failed()
    assert breaker.is_open
    assert breaker.counted == (5, 9, 8.0)


def test_failures_that_are_too_few_or_too_old_open_nothing() -> None:
    breaker, clock = windowed()
    for second in range(40):  # one in three seconds: four within ten
        clock.now = 3.0 * second
        breaker.failed()
    assert not breaker.is_open
    assert breaker.counted == (4, 4, 9.0)


def test_fewer_than_half_of_the_calls_open_nothing() -> None:
    breaker, clock = windowed()
    for _ in range(11):
        breaker.succeeded()
    for _ in range(10):
        breaker.failed()
    assert not breaker.is_open
    clock.now = 10.0  # and all of that is forgotten
    for _ in range(4):
        breaker.failed()
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open


def test_of_an_open_window_the_probe_decides_and_nobody_who_is_late() -> None:
    breaker, clock = windowed()
    for _ in range(5):
        breaker.failed()
    breaker.succeeded()  # made before it opened
    assert breaker.is_open
    clock.now = 10.0
    assert breaker.allows()
    breaker.inconclusive()
    clock.now = 19.9
    assert not breaker.allows()
    clock.now = 20.0
    assert breaker.allows()
    breaker.failed()
    assert breaker.counted == (5, 5, 0.0), "what opened it"
    clock.now = 30.0
    assert breaker.allows()
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.counted == (0, 0, 0.0)


def test_what_tells_nothing_is_not_counted() -> None:
    breaker, _ = windowed()
    for _ in range(20):
        assert breaker.allows()
        breaker.inconclusive()
    assert breaker.counted == (0, 0, 0.0)
