"""A circuit breaker: after some failures an upstream is left alone for a while, then tried with one call."""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class Counted(NamedTuple):
    """What a breaker has counted since it was last closed: failures among calls, and how long that took."""

    failures: int
    calls: int
    lasted_s: float


class Breaker:
    """Closed while calls succeed; open for `open_s` after `failures` in a row; then half-open: one probe
    decides.

    With `within_s` they need not be in a row: it opens when there are as many within these seconds, and at
    least half of all calls of that time failed.
    """

    def __init__(
        self,
        failures: int = 3,
        open_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        within_s: float | None = None,
    ) -> None:
        self._limit, self._open_s, self._clock, self._within_s = failures, open_s, clock, within_s
        self._calls: deque[tuple[float, bool]] = deque()  # when, and whether it failed
        self._failed = 0  # of them
        self._closed_again_at = 0.0
        self._is_open = self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, apart from the probe."""
        return self._is_open

    @property
    def counted(self) -> Counted:
        """Failures and calls until now; while it is open, those that opened it."""
        lasted_s = self._calls[-1][0] - self._calls[0][0] if self._calls else 0.0
        return Counted(self._failed, len(self._calls), lasted_s)

    def allows(self) -> bool:
        """Whether a call may be made now. Whoever is told yes must report `succeeded`, `failed` or
        `inconclusive`.
        """
        if not self._is_open:
            return True
        if self._probing or self._clock() < self._closed_again_at:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """The call came back well: count it; close, unless it was made before this opened and is late."""
        if self._within_s is None or self._probing:
            self._calls.clear()
            self._failed = 0
            self._is_open = self._probing = False
        elif not self._is_open:
            self._count(self._within_s, is_failure=False)

    def failed(self) -> None:
        """The call failed: count it, and when open wait another `open_s`."""
        self._wait()
        if not self._is_open:
            self._count(self._within_s, is_failure=True)
            self._is_open = self._failed >= self._limit and 2 * self._failed >= len(self._calls)

    def inconclusive(self) -> None:
        """The call says nothing about the upstream: do not count it, and when open wait another `open_s`."""
        self._wait()

    def _wait(self) -> None:
        self._probing = False
        self._closed_again_at = self._clock() + self._open_s

    def _count(self, within_s: float | None, is_failure: bool) -> None:
        now = self._clock()
        self._calls.append((now, is_failure))
        self._failed += is_failure
        while within_s is not None and self._calls[0][0] <= now - within_s:
            self._failed -= self._calls.popleft()[1]
