"""Whether the canary of a rollout is worse than was promised, and worse than the servers beside it.

Both are tested by e-values, which may be looked at after every request (Ramdas et al., "Game-theoretic
statistics and safe anytime-valid inference", 2023): when a hypothesis holds, its e-value ever reaches
1/alpha with a probability of at most alpha. The comparison of two shares is that of Turner, Ly and Grünwald
("Generic E-variables for exact sequential k-sample tests that allow for optional stopping", 2024). Own code,
since no kept library has it, and a rollout runs with Python alone.
"""

import math
from typing import NamedTuple

ALPHA = 0.001
# How many times as likely a failure is at a canary under each alternative, by its odds.
_TIMES = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 300.0)
_NEEDED = math.log(1 / ALPHA)
_MOST_AT_ONCE = _NEEDED / 3  # of one look: a burst that ends at once breaks no promise
_IN_DOUBT = math.log(20)
_TOLERATED = 1.5  # times what the former servers showed before all requests left them


class Counts(NamedTuple):
    """Requests of a server, or people who voted, and how many of these went wrong."""

    all: int
    bad: int

    def since(self, before: "Counts") -> "Counts":
        """What came since; a server that has started anew has counted from zero."""
        if self.all < before.all:
            return self
        return Counts(self.all - before.all, min(max(self.bad - before.bad, 0), self.all - before.all))

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(self.all + other.all, self.bad + other.bad)

    @property
    def share(self) -> float:
        """The share that went wrong; 0 of nothing."""
        return self.bad / self.all if self.all else 0.0


class Promise(NamedTuple):
    """Which share may go wrong, such as 0.01. Without `promised` the canary is only compared."""

    name: str
    promised: float | None
    follows_warm_up: bool = False  # a new process may break it at first, such as by empty caches


class Guard:
    """Watches one promise. It is broken when the canary breaks the promise **and** is worse than the servers
    beside it, so an outage of a store is no canary's fault. Without such servers `baseline` is what they
    showed before, and the promise is the larger one of its own share and theirs.
    """

    def __init__(self, promise: Promise, baseline: Counts | None = None) -> None:
        self.promise, self._baseline = promise, baseline
        self.canary, self.stable = Counts(0, 0), Counts(0, 0)
        self._limit = promise.promised
        if baseline is not None:
            self._limit = min(max(promise.promised or 0.0, _TOLERATED * _upper(baseline)), 0.5)
        self._beyond = dict.fromkeys(_TIMES, 0.0)  # logarithms of likelihood ratios
        self._beside = dict.fromkeys(_TIMES, 0.0)

    def add(self, canary: Counts, stable: Counts) -> None:
        """Take what came since the last call."""
        if self._limit is not None:
            for times in _TIMES:
                worse = _multiply(self._limit, times)
                self._beyond[times] += min(_gain(canary, worse, self._limit), _MOST_AT_ONCE)
        if self._baseline is None and canary.all and stable.all:
            # The share of the others so far: the alternatives may depend on the past.
            usual = (self.stable.bad + 0.5) / (self.stable.all + 10)
            for times in _TIMES:
                worse = _multiply(usual, times)
                mixed = (canary.all * worse + stable.all * usual) / (canary.all + stable.all)
                gain = _gain(canary, worse, mixed) + _gain(stable, usual, mixed)
                self._beside[times] += min(gain, _MOST_AT_ONCE)
        self.canary, self.stable = self.canary.plus(canary), self.stable.plus(stable)

    @property
    def _evidence(self) -> float:
        """The logarithm of the smaller e-value."""
        values = [_mean(self._beyond)] if self._limit is not None else []
        if self._baseline is None:
            values.append(_mean(self._beside))
        return min(values)

    @property
    def is_broken(self) -> bool:
        """Whether the canary breaks the promise."""
        return self._evidence >= _NEEDED

    @property
    def is_in_doubt(self) -> bool:
        """Whether more has to be seen before the canary gets more requests."""
        return self._evidence >= _IN_DOUBT

    def __str__(self) -> str:
        words = f"{self.promise.name}: {self.canary.bad:,} of {self.canary.all:,} at the canary"
        beside = self._baseline or self.stable
        return f"{words} ({self.canary.share:.2%}), {beside.share:.2%} at the others"


def _multiply(share: float, times: float) -> float:
    """The share whose odds are `times` those of another."""
    return times * share / (1 - share + times * share)


def _gain(counts: Counts, share: float, other: float) -> float:
    """The logarithm of how much likelier the counts are under a share than under another."""
    good = counts.all - counts.bad
    return counts.bad * math.log(share / other) + good * math.log((1 - share) / (1 - other))


def _mean(evidence: dict[float, float]) -> float:
    """The logarithm of the mean likelihood ratio, which is an e-value."""
    most = max(evidence.values())
    return most + math.log(math.fsum(math.exp(value - most) for value in evidence.values()) / len(evidence))


def _upper(counts: Counts, z: float = 3.0) -> float:
    """The upper end of Wilson's interval for a share; 0.5 of nothing."""
    if not counts.all:
        return 0.5
    center = counts.share + z * z / (2 * counts.all)
    spread = z * math.sqrt(counts.share * (1 - counts.share) / counts.all + (z / (2 * counts.all)) ** 2)
    return min((center + spread) / (1 + z * z / counts.all), 0.5)
