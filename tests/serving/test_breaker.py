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
