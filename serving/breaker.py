"""A circuit breaker: after some failures in a row an upstream is left alone for a while, then tried with one
call.
"""

import time
from collections.abc import Callable


class Breaker:
    """Closed while calls succeed; open for `open_s` after `failures` in a row; then half-open: one probe
    decides.
    """

    def __init__(
        self, failures: int = 3, open_s: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._open_s, self._clock = failures, open_s, clock
        self._failed = 0
        self._closed_again_at = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, apart from the probe."""
        return self._failed >= self._limit

    def allows(self) -> bool:
        """Whether a call may be made now. Whoever is told yes must report `succeeded` or `failed`."""
        if not self.is_open:
            return True
        if self._probing or self._clock() < self._closed_again_at:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """The call came back well: close."""
        self._failed, self._probing = 0, False

    def failed(self) -> None:
        """The call failed: count it, and when open wait another `open_s`."""
        self._failed += 1
        self._probing = False
        self._closed_again_at = self._clock() + self._open_s
