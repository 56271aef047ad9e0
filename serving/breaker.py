"""A circuit breaker: after some failures it refuses calls for a while, then lets one through as a probe."""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class Counted(NamedTuple):
    """Failures and calls of a breaker since it last closed, and the seconds from the first to the last."""

    failures: int
    calls: int
    lasted_s: float


class Breaker:
    """Closed while calls succeed. Open for `open_s` seconds after `failures` in a row. Then half-open: one
    probe closes it, or opens it again.

    With `within_s` the failures need not be in a row: it opens when there are as many within these seconds,
    and at least half of all calls in that time failed.
    """

    def __init__(
        self,
        failures: int = 3,
        open_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        within_s: float | None = None,
    ) -> None:
        self._limit, self._open_s, self._clock, self._within_s = failures, open_s, clock, within_s
        self._calls: deque[tuple[float, bool]] = deque()  # (time, whether it failed)
        self._failures = 0  # among `_calls`
        self._probe_at = 0.0
        self._is_open = self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, apart from the probe."""
        return self._is_open

    @property
    def counted(self) -> Counted:
        """Failures and calls so far; while the breaker is open, those that opened it."""
        lasted_s = self._calls[-1][0] - self._calls[0][0] if self._calls else 0.0
        return Counted(self._failures, len(self._calls), lasted_s)

    def allows(self) -> bool:
        """Whether a call may be made now. If so, the caller must report `succeeded`, `failed` or
        `inconclusive`.
        """
        if not self._is_open:
            return True
        if self._is_probing or self._clock() < self._probe_at:
            return False
        self._is_probing = True
        return True

    def succeeded(self) -> None:
        """A call succeeded: count it, and close. A late success of a call from before it opened does not
        close it.
        """
        if self._within_s is None or self._is_probing:
            self._calls.clear()
            self._failures = 0
            self._is_open = self._is_probing = False
        elif not self._is_open:
            self._count(self._within_s, is_failure=False)

    def failed(self) -> None:
        """A call failed: count it. When open, wait another `open_s`."""
        self._wait()
        if not self._is_open:
            self._count(self._within_s, is_failure=True)
            self._is_open = self._failures >= self._limit and 2 * self._failures >= len(self._calls)

    def inconclusive(self) -> None:
        """A call shows nothing about the upstream: do not count it. When open, wait another `open_s`."""
        self._wait()

    def _wait(self) -> None:
        self._is_probing = False
        self._probe_at = self._clock() + self._open_s

    def _count(self, within_s: float | None, is_failure: bool) -> None:
        now = self._clock()
        self._calls.append((now, is_failure))
        self._failures += is_failure
        while within_s is not None and self._calls[0][0] <= now - within_s:
            self._failures -= self._calls.popleft()[1]
