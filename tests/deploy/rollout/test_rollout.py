"""The order of a rollout, and what takes it back."""

from collections.abc import Callable

import pytest

from deploy.rollout.evidence import Counts, Promise
from deploy.rollout.rollout import BreachError, Observation, Plan, Rollout

PROMISE = Promise("errors", 0.01)
PLAN = Plan((10, 50), step_s=20, requests=100)


class Fleet:
    """Servers in virtual time: the canary answers its percent of 100 requests a second."""

    def __init__(
        self,
        errors: float = 0.0,
        looks: Callable[[int], Observation | None] = lambda _: None,
        per_s: float = 100,
    ) -> None:
        self.calls: list[str] = []
        self.now = 0.0
        self._percent, self._errors, self._looks, self._per_s = 0, errors, looks, per_s
        self._canary, self._stable, self._seen = Counts(0, 0), Counts(0, 0), 0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        own = int(self._per_s * seconds * self._percent / 100)
        self._canary = self._canary.plus(Counts(own, int(own * self._errors)))
        self._stable = self._stable.plus(Counts(int(self._per_s * seconds) - own, 0))

    def begin(self) -> None:
        self.calls.append("begin")

    def shift(self, percent: int) -> None:
        self._percent = percent
        self.calls.append(f"{percent} %")

    def finish(self) -> None:
        self.calls.append("finish")

    def go_back(self) -> None:
        self.calls.append("back")

    def observe(self) -> Observation:
        self._seen += 1
        canary, stable = {"errors": {"canary": self._canary}}, {"errors": {"stable": self._stable}}
        return self._looks(self._seen) or Observation(canary, stable, True)


def roll_out(fleet: Fleet, plan: Plan = PLAN) -> float:
    return Rollout(fleet, [PROMISE], "errors", plan, lambda _: None, lambda: fleet.now, fleet.sleep).run()


def test_a_canary_that_keeps_the_promises_replaces_the_others() -> None:
    fleet = Fleet()
    assert roll_out(fleet) == pytest.approx(40, abs=2)
    assert fleet.calls == ["begin", "10 %", "50 %", "finish"]


def test_a_canary_that_breaks_one_gets_no_further_step() -> None:
    fleet = Fleet(errors=0.3)
    with pytest.raises(BreachError, match=r"taken back at 10 %.*errors: \d+ of \d+ at the canary") as caught:
        roll_out(fleet)
    assert fleet.calls == ["begin", "10 %", "back"]
    assert caught.value.after_s < 20


def test_a_step_waits_for_its_requests_and_not_for_ever() -> None:
    fleet = Fleet(per_s=40)  # 100 requests at 10 % take 25 s
    assert roll_out(fleet) > 44
    slow = Fleet(per_s=5)
    with pytest.raises(BreachError, match="ask for fewer requests"):
        roll_out(slow)
    assert slow.calls[-1] == "back"


def test_a_canary_that_is_not_ready_is_taken_back() -> None:
    fleet = Fleet(looks=lambda seen: Observation({}, {}, False) if seen > 3 else None)
    with pytest.raises(BreachError, match="it is not ready"):
        roll_out(fleet)
    assert fleet.calls[-1] == "back"


def test_a_canary_that_cannot_be_watched_is_taken_back() -> None:
    def look(seen: int) -> None:
        if seen > 3:
            raise OSError("the metrics cannot be read")

    fleet = Fleet(looks=look)
    with pytest.raises(BreachError, match="cannot be watched: the metrics cannot be read"):
        roll_out(fleet)
    assert fleet.calls[-1] == "back"


def test_a_moment_without_metrics_takes_nothing_back() -> None:
    def look(seen: int) -> None:
        if seen in (4, 5, 6):
            raise OSError("the metrics cannot be read")

    fleet = Fleet(looks=look)
    roll_out(fleet)
    assert fleet.calls[-1] == "finish"


def test_an_interrupted_rollout_is_taken_back() -> None:
    def look(seen: int) -> None:
        if seen == 3:
            raise KeyboardInterrupt

    fleet = Fleet(looks=look)
    with pytest.raises(KeyboardInterrupt):
        roll_out(fleet)
    assert fleet.calls == ["begin", "10 %", "back"]


def test_blue_green_compares_with_what_was_before() -> None:
    plan = Plan((100,), step_s=20, requests=100)
    fleet = Fleet()
    assert roll_out(fleet, plan) == pytest.approx(20, abs=2)
    assert fleet.calls == ["begin", "100 %", "finish"]
    broken = Fleet(errors=0.1)
    with pytest.raises(BreachError, match="taken back at 100 %"):
        roll_out(broken, plan)


def test_a_server_that_cannot_be_asked_for_a_while_is_counted_once() -> None:
    """Requests failed at the canary before the rollout. Counted again at each look, they would break it."""
    before, fine = Counts(4000, 400), Counts(100_000, 0)

    def look(seen: int) -> Observation:
        of_canary = {"canary": before.plus(Counts(100 * seen, 0))} if seen % 2 else {}
        return Observation({"errors": of_canary}, {"errors": {"stable": fine}}, True)

    fleet = Fleet(looks=look)
    roll_out(fleet)
    assert fleet.calls[-1] == "finish"


@pytest.mark.parametrize("steps", [(), (0, 50), (50, 101), (50, 25), (5, 5)])
def test_steps_are_percents_that_grow(steps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="the steps"):
        roll_out(Fleet(), Plan(steps))
