"""When a call is tried again, and after how long."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from tonebridge.errors import (
    ConflictError,
    ToneBridgeError,
    TooManyRequestsError,
    UnavailableError,
    UnreachableError,
)


@dataclass(frozen=True)
class Retries:
    """How often and how long a call is tried. The waits are random and at most double each time ("full
    jitter"), so that many clients do not come back at the same moment; `Retry-After` is obeyed.
    """

    attempts: int = 5
    total_s: float = 60.0  # after which no attempt begins
    base_s: float = 0.5
    cap_s: float = 10.0

    def begin(self, is_repeatable: bool, clock: Callable[[], float] = time.monotonic) -> "Attempts":
        """The attempts of one call. `is_repeatable`: sent twice, it has one effect."""
        return Attempts(self, is_repeatable, clock)


class Attempts:
    """The attempts of one call so far."""

    def __init__(self, retries: Retries, is_repeatable: bool, clock: Callable[[], float]) -> None:
        self._retries, self._is_repeatable, self._clock = retries, is_repeatable, clock
        self._began_at, self._failed = clock(), 0
        self.may_be_done = False  # an attempt failed that may have had its effect

    def wait_s(self, error: ToneBridgeError) -> float:
        """Seconds to wait before the next attempt, after one that failed; raises `error` if there is none."""
        self._failed += 1
        if isinstance(error, UnavailableError) or (isinstance(error, UnreachableError) and error.was_sent):
            self.may_be_done = True
        if not self._may_try_again(error):
            raise error
        # Not more than 2**30, which a float still multiplies.
        longest_s = min(self._retries.cap_s, self._retries.base_s * 2.0 ** min(self._failed - 1, 30))
        wait_s = random.uniform(0, longest_s) + (error.retry_after_s or 0.0)
        is_late = self._clock() + wait_s - self._began_at > self._retries.total_s
        if self._failed >= self._retries.attempts or is_late:
            raise error
        return wait_s

    def _may_try_again(self, error: ToneBridgeError) -> bool:
        match error:
            case TooManyRequestsError():
                return True  # it was refused before it did anything
            case UnreachableError():
                return self._is_repeatable or not error.was_sent
            case UnavailableError():
                return self._is_repeatable
            case ConflictError():  # the first request with this Idempotency-Key is still being answered
                return self._is_repeatable and error.retry_after_s is not None
            case _:
                return False
