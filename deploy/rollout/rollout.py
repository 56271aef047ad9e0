"""A rollout: a canary of the new release gets more and more requests, and none once it breaks a promise.

With the steps 5, 25, 50 it is a canary release. With the one step 100 it is a blue/green release: all
requests go to the new processes at once, and the former ones stay ready until the promises have held.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from deploy.rollout.evidence import Counts, Guard, Promise

STEPS = (5, 25, 50)
LOOK_EVERY_S = 2.0
_WARM_UP_S = 15.0
_BASELINE_S = 30.0
_UNREADY_LOOKS, _BLIND_LOOKS = 3, 5
_LONGEST = 4  # times the time of a step, for one with little traffic or in doubt
_REPORTED_EVERY_S = 10.0


class Observation(NamedTuple):
    """What was counted so far, by promise and by server; a server that could not be asked is left out. And
    whether the canary is ready, and has been since the rollout began.
    """

    canary: dict[str, dict[str, Counts]]
    stable: dict[str, dict[str, Counts]]
    is_canary_ready: bool


class Fleet(Protocol):
    """The servers of an installation, behind its proxy."""

    def begin(self) -> None:
        """Start a canary that gets no requests yet, from whatever an interrupted rollout has left."""

    def shift(self, percent: int) -> None:
        """Send this share of the requests to the canary."""

    def observe(self) -> Observation:
        """Count. OSError when that cannot be done now."""

    def finish(self) -> None:
        """Replace the former servers by the new release, and remove the canary."""

    def go_back(self) -> None:
        """Send the canary no requests, remove it, and what it has left in the caches."""


class Plan(NamedTuple):
    """How a rollout goes: the percent of each step, how long each lasts, and how many requests the canary
    must have answered in it.
    """

    steps: Sequence[int] = STEPS
    step_s: float = 60.0
    requests: int = 300


class BreachError(RuntimeError):
    """The canary broke a promise, or nobody could see whether it keeps them, and was taken back."""

    def __init__(self, reason: str, percent: int, after_s: float) -> None:
        super().__init__(f"taken back at {percent} %, {after_s:.0f} s after the first step: {reason}")
        self.reason, self.percent, self.after_s = reason, percent, after_s


class Rollout:
    """One rollout. `traffic` names the promise whose requests count for `Plan.requests`."""

    def __init__(
        self,
        fleet: Fleet,
        promises: Sequence[Promise],
        traffic: str,
        plan: Plan = Plan(),  # noqa: B008
        say: Callable[[str], None] = print,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not plan.steps or not all(0 < percent <= 100 for percent in plan.steps):
            raise ValueError(f"the steps {list(plan.steps)} are not percents from 1 to 100")
        if list(plan.steps) != sorted(set(plan.steps)):
            raise ValueError(f"the steps {list(plan.steps)} do not grow")
        self._fleet, self._promises, self._traffic, self._plan = fleet, promises, traffic, plan
        self._say, self._clock, self._sleep = say, clock, sleep
        self._guards: list[Guard] = []
        self._canary, self._stable = _Counted(), _Counted()
        self._began = 0.0
        self._unready = self._blind = 0  # looks in a row

    def run(self) -> float:
        """Release; the seconds that the steps took. BreachError when the canary was taken back. It is also
        taken back when this is interrupted or fails, and the error is raised.
        """
        self._fleet.begin()
        try:
            seen = self._fleet.observe()
            self._canary.take(seen.canary)
            self._stable.take(seen.stable)
            baseline = self._look_before() if self._plan.steps[-1] == 100 else {}
            self._guards = [Guard(promise, baseline.get(promise.name)) for promise in self._promises]
            self._began = self._clock()
            for percent in self._plan.steps:
                self._say(f"{percent} % of the requests go to the canary")
                self._fleet.shift(percent)
                self._hold(percent)
        except BaseException:
            self._fleet.go_back()
            raise
        took_s = self._clock() - self._began
        self._say("the promises hold: the new release replaces the former one")
        self._fleet.finish()
        return took_s

    def _look_before(self) -> dict[str, Counts]:
        """What the servers show before all requests leave them."""
        self._say(f"the former servers are watched for {_BASELINE_S:.0f} s")
        self._sleep(_BASELINE_S)
        return self._stable.take(self._fleet.observe().stable)

    def _hold(self, percent: int) -> None:
        """Watch one step until the canary may have more requests. BreachError when it may have none."""
        began = reported = self._clock()
        before = self._answered
        while True:
            self._sleep(LOOK_EVERY_S)
            self._look(percent)
            now = self._clock()
            answered = self._answered - before
            if now - reported >= _REPORTED_EVERY_S:
                reported = now
                self._say(f"  {percent} % for {now - began:.0f} s: {answered:,} answered by the canary")
            doubtful = next((guard for guard in self._guards if guard.is_in_doubt), None)
            if now - began >= self._plan.step_s and answered >= self._plan.requests and not doubtful:
                return
            if now - began >= self._plan.step_s * _LONGEST:
                few = f"it answered {answered} requests of {self._plan.requests} in {now - began:.0f} s"
                few += ": let the steps take longer, or ask for fewer requests"
                self._fail(percent, f"in doubt, {doubtful}" if doubtful else few)

    @property
    def _answered(self) -> int:
        return next(guard.canary.all for guard in self._guards if guard.promise.name == self._traffic)

    def _look(self, percent: int) -> None:
        try:
            seen = self._fleet.observe()
        except OSError as error:
            self._blind += 1
            if self._blind >= _BLIND_LOOKS:
                self._fail(percent, f"it cannot be watched: {error}")
            return
        self._blind = 0
        self._unready = 0 if seen.is_canary_ready else self._unready + 1
        if self._unready >= _UNREADY_LOOKS:
            self._fail(percent, "it is not ready, or has ended and was started anew")
        is_warm = self._clock() - self._began >= _WARM_UP_S
        canary, stable = self._canary.take(seen.canary), self._stable.take(seen.stable)
        for guard in self._guards:
            name = guard.promise.name
            if is_warm or not guard.promise.follows_warm_up:
                guard.add(canary.get(name, Counts(0, 0)), stable.get(name, Counts(0, 0)))
        broken = [str(guard) for guard in self._guards if guard.is_broken]
        if broken:
            self._fail(percent, "; ".join(broken))

    def _fail(self, percent: int, reason: str) -> None:
        raise BreachError(reason, percent, self._clock() - self._began)


class _Counted:
    """What servers have counted so far. The difference is taken for each server: that of a sum would count
    again what a server has counted that was started anew, or could not be asked for a while.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], Counts] = {}

    def take(self, counts: Mapping[str, Mapping[str, Counts]]) -> dict[str, Counts]:
        """What came since the last call, by promise. Of a server that is new, all that it has counted."""
        increments = {}
        for promise, by_server in counts.items():
            total = Counts(0, 0)
            for server, now in by_server.items():
                total = total.plus(now.since(self._last.get((promise, server), Counts(0, 0))))
                self._last[promise, server] = now
            increments[promise] = total
        return increments
