"""What works in the web app now, by what this process has seen: the outcomes of its own requests to the
gateway, and a probe of the gateway and of Redis, which the page Status asks for.

A probe is made at most once in ten seconds, whoever asks how often. So the page, which is open to everybody,
puts no load on the gateway. Other processes of the web app may have seen something else.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import redis

from data.redis_meter import Meter
from serving.sites.api import GatewayClient

PROBE_EVERY = timedelta(seconds=10)
_PROBE_REDIS_EVERY = timedelta(minutes=10)  # while its commands have a budget
RECENT = timedelta(minutes=2)  # as long an outcome says something about now
_PROBE_TIMEOUT_S = 1.0
_DOWN_AFTER = 2  # failures in a row; one may be of a single request


class Part(StrEnum):
    """What people do, by its English name on the page."""

    SIGN_IN = "Signing in"
    REWRITE = "Rewriting"
    STREAM = "Rewriting while you watch"
    HISTORY = "History"


class Level(StrEnum):
    """How a part is."""

    WORKS = "works"
    QUIET = "quiet"  # nothing is known to be wrong, and nobody has used it lately
    UNSTEADY = "unsteady"  # the last request failed, and the one before did not
    DOWN = "down"


class State(NamedTuple):
    """How a part is: since when it is down, or when it was last seen to work."""

    part: Part
    level: Level
    at: datetime | None = None


# The paths of the gateway that belong to a part.
_PATHS = {
    "/transform": Part.REWRITE,
    "/compare": Part.REWRITE,
    "/answers": Part.HISTORY,
    "/auth/login": Part.SIGN_IN,
    "/auth/refresh": Part.SIGN_IN,
}
# What does not work without the part of the system.
_NEED_VERSION = frozenset({Part.REWRITE, Part.STREAM})
_NEED_ALL = frozenset(Part)


@dataclass
class _Outcomes:
    """Of a part's requests."""

    failures: int = 0  # in a row
    failing_since: datetime | None = None
    failed_at: datetime | None = None
    worked_at: datetime | None = None


class Health:
    """What a process has seen. Safe to use from any thread."""

    def __init__(
        self,
        probes: Mapping[Callable[[], bool], frozenset[Part]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """A probe returns whether a part of the system works, and has the parts of the page that need it."""
        self._probes, self._clock = probes, clock
        self._lock, self._probing = threading.Lock(), threading.Lock()
        self._outcomes = {part: _Outcomes() for part in Part}
        self._failing_since: dict[Callable[[], bool], datetime] = {}
        self._probed_at: datetime | None = None

    def observe(self, path: str, status: int) -> None:
        """Learn from an answer of the gateway; 503 stands for none. A refusal says nothing, except that of a
        password.
        """
        route = path.partition("?")[0] + "/"
        part = next((part for beginning, part in _PATHS.items() if route.startswith(f"{beginning}/")), None)
        if part is not None and (status < 400 or status >= 500 or (part, status) == (Part.SIGN_IN, 401)):
            self.record(part, status < 500)

    def record(self, part: Part, works: bool) -> None:
        """Remember the outcome of a request."""
        now = self._clock()
        with self._lock:
            outcomes = self._outcomes[part]
            if works:
                outcomes.failures, outcomes.failing_since, outcomes.worked_at = 0, None, now
                return
            if outcomes.failed_at is not None and now - outcomes.failed_at > RECENT:
                outcomes.failures = 0  # nobody knows what was between
            outcomes.failures += 1
            outcomes.failed_at = now
            if outcomes.failures == 1:
                outcomes.failing_since = now

    def check(self) -> datetime | None:
        """Probe, unless that was done a moment ago; the time of the last probe. While another thread probes,
        the one before counts; without any, this one waits.
        """
        if not self._probing.acquire(blocking=self._probed_at is None):
            return self._probed_at
        try:
            now = self._clock()
            if self._probed_at is None or now - self._probed_at >= PROBE_EVERY:
                failed = [probe for probe in self._probes if not probe()]
                with self._lock:
                    self._failing_since = {probe: self._failing_since.get(probe, now) for probe in failed}
                    self._probed_at = now
            return self._probed_at
        finally:
            self._probing.release()

    def list_states(self) -> list[State]:
        """How each part is, by what is known."""
        now = self._clock()
        with self._lock:
            return [self._find_state(part, now) for part in Part]

    def list_down(self) -> list[Part]:
        """The parts that are known to be down."""
        return [state.part for state in self.list_states() if state.level is Level.DOWN]

    def _find_state(self, part: Part, now: datetime) -> State:
        outcomes = self._outcomes[part]
        since = []
        if self._probed_at is not None and now - self._probed_at <= RECENT:
            since = [at for probe, at in self._failing_since.items() if part in self._probes[probe]]
        is_failing = outcomes.failed_at is not None and now - outcomes.failed_at <= RECENT
        if is_failing and outcomes.failures >= _DOWN_AFTER and outcomes.failing_since is not None:
            since.append(outcomes.failing_since)
        if since:
            return State(part, Level.DOWN, min(since))
        if is_failing and outcomes.failures:
            return State(part, Level.UNSTEADY, outcomes.failed_at)
        if outcomes.worked_at is not None and now - outcomes.worked_at <= RECENT:
            return State(part, Level.WORKS, outcomes.worked_at)
        return State(part, Level.QUIET, outcomes.worked_at)


def make(gateway: GatewayClient, client: redis.Redis, meter: Meter) -> Health:
    """That of a web app: it asks whether the gateway answers and has a version, and whether Redis answers,
    which has the sessions. It observes the requests to the gateway. `meter` is that of Redis's client: with a
    budget a probe of Redis counts for ten minutes, or visitors of the page could use the budget up.
    """
    pinged_at, was_there = datetime.min.replace(tzinfo=UTC), False

    def is_alive() -> bool:
        return gateway.is_up("/livez", _PROBE_TIMEOUT_S)

    def is_ready() -> bool:
        return gateway.is_up("/readyz", _PROBE_TIMEOUT_S)

    def has_sessions() -> bool:
        nonlocal pinged_at, was_there
        if meter.is_spent:
            return False
        now = datetime.now(UTC)
        if not (meter.has_budget and was_there and now - pinged_at < _PROBE_REDIS_EVERY):
            try:
                pinged_at, was_there = now, bool(client.ping())
            except redis.RedisError:
                was_there = False
        return was_there

    made = Health({is_alive: _NEED_ALL, is_ready: _NEED_VERSION, has_sessions: _NEED_ALL})
    gateway.observe(made.observe)
    return made
