"""How many messages a second the inference service answers, measured while it has as many as it may have.

While it has fewer, the rate at which messages come says nothing about the rate at which it could answer.
"""

import math

# An answer is of the same batch as the last when it comes within so many seconds and so much of the time
# before that one.
_SAME_BATCH_S, _SAME_BATCH = 0.1, 0.1
_STALL = 1.5  # times that in which all should have been answered: a longer pause counts as that


class Throughput:
    """Sums of messages and seconds, which fade with a time constant of `memory_s` seconds of full load: idle
    time changes nothing, and neither does the number of messages in an answer. Times are passed in.
    """

    def __init__(self, memory_s: float) -> None:
        self._memory_s = memory_s
        self._messages = self._seconds = 0.0
        self._has_begun = False
        self._since = 0.0  # when the service last answered, or got work after it had none
        self._full_since: float | None = None
        self._gap = self._share = 0.0  # of the last answer: seconds, and the share of full load in them

    @property
    def per_s(self) -> float:
        """Messages per second; infinite as long as nothing was measured."""
        return self._messages / self._seconds if self._seconds else math.inf

    def stalled_s(self, now: float) -> float:
        """For how long nothing was answered, while there was work."""
        return now - self._since

    def begin(self, now: float) -> None:
        """The service gets work after it had none, or has failed: time starts anew."""
        self._since, self._full_since = now, None
        self._gap = self._share = 0.0

    def fill(self, now: float) -> None:
        """The service has as many messages as it may have."""
        if self._full_since is None:
            self._full_since = now

    def answer(self, now: float, count: int, of: int) -> None:
        """So many messages were answered `of` those at the service; call `fill` again if it is still full."""
        gap, seconds = now - self._since, 0.0 if self._full_since is None else now - self._full_since
        self._since, self._full_since = now, None
        if gap > min(_SAME_BATCH * self._gap, _SAME_BATCH_S):
            self._gap, self._share = gap, seconds / gap if self._has_begun else 0.0
            # Its start belongs to the time before: a version that loads, a pause.
            self._has_begun = self._has_begun or seconds > 0
        if not self._share:
            return
        messages = count * self._share
        if self._messages >= of and self._seconds:  # else there is no time to expect
            seconds = min(seconds, _STALL * of * self._seconds / self._messages)
        kept = math.exp(-seconds / self._memory_s)
        self._messages = self._messages * kept + messages
        self._seconds = self._seconds * kept + seconds
