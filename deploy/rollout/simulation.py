"""How often a rollout decides rightly, and how fast: `python -m deploy.rollout.simulation`, a minute or two.

The whole procedure of `deploy.rollout.rollout` runs in virtual time against made-up servers: healthy ones,
also with what could fool it (an outage that hits all, cold caches, a burst, little traffic), and broken ones.
The table goes to `docs/results/rollout_simulation.json`.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deploy.catalog import ROOT
from deploy.rollout import promises
from deploy.rollout.evidence import Counts
from deploy.rollout.rollout import BreachError, Observation, Plan, Rollout

RESULTS = ROOT / "docs" / "results" / "rollout_simulation.json"


class State(NamedTuple):
    """Shares of a server at a moment: errors, slow and very slow rewrites, and votes against a rewrite."""

    errors: float = 0.0005
    slow: float = 0.002
    very_slow: float = 0.0005
    against: float = 0.2
    is_ready: bool = True


Course = Callable[[float], State]  # of a time in seconds since the first step


class Scenario(NamedTuple):
    """What the canary and the others do, and what is right."""

    name: str
    canary: Course
    stable: Course
    is_healthy: bool
    per_s: float = 200.0  # requests
    votes_per_s: float = 1.0
    breaks_at_s: float = 0.0
    steps: Sequence[int] = (5, 25, 50)
    step_s: float = 60.0
    requests: int = 300


def _always(state: State) -> Course:
    return lambda _: state


def _between(begin: float, end: float, state: State, otherwise: State | None = None) -> Course:
    return lambda now: state if begin <= now < end else (otherwise or State())


_FINE = _always(State())
SCENARIOS = (
    Scenario("as good as the others", _FINE, _FINE, True),
    Scenario("as good, blue/green", _FINE, _FINE, True, steps=(100,)),
    Scenario("as good, 5 requests a second", _FINE, _FINE, True, 5, 0.05, step_s=300, requests=60),
    Scenario("all have 0.9 % errors", _always(State(errors=0.009)), _always(State(errors=0.009)), True),
    Scenario(
        "all are slow in 3 % of the rewrites",
        _always(State(slow=0.03, very_slow=0.03)),
        _always(State(slow=0.03, very_slow=0.03)),
        True,
    ),
    Scenario(
        "a busy machine: 75 % slow, 20 % very slow at all",
        _always(State(slow=0.75, very_slow=0.2)),
        _always(State(slow=0.75, very_slow=0.2)),
        True,
    ),
    Scenario(
        "a store fails for 20 s: 30 % errors at all",
        _between(70, 90, State(errors=0.3)),
        _between(70, 90, State(errors=0.3)),
        True,
    ),
    Scenario(
        "cold caches: 20 % slow in the first 12 s",
        _between(0, 12, State(slow=0.2, very_slow=0.2)),
        _FINE,
        True,
    ),
    Scenario(
        "a burst: all of the canary's slow for 2 s",
        _between(70, 72, State(slow=1.0, very_slow=1.0)),
        _FINE,
        True,
    ),
    Scenario(
        "people are divided: half vote against",
        _always(State(against=0.5)),
        _always(State(against=0.5)),
        True,
    ),
    Scenario("every request fails", _always(State(errors=1.0)), _FINE, False),
    Scenario("5 % errors", _always(State(errors=0.05)), _FINE, False),
    Scenario("2 % errors", _always(State(errors=0.02)), _FINE, False),
    Scenario(
        "5 % errors from the second step on",
        _between(70, 1e9, State(errors=0.05)),
        _FINE,
        False,
        breaks_at_s=70,
    ),
    Scenario("5 % errors, blue/green", _always(State(errors=0.05)), _FINE, False, steps=(100,)),
    Scenario(
        "5 % errors, 5 requests a second",
        _always(State(errors=0.05)),
        _FINE,
        False,
        5,
        0.05,
        step_s=300,
        requests=60,
    ),
    Scenario("5 % slow", _always(State(slow=0.05)), _FINE, False),
    Scenario("20 % slow", _always(State(slow=0.2)), _FINE, False),
    Scenario(
        "a busy machine: 35 % very slow, not 20 %",
        _always(State(slow=0.75, very_slow=0.35)),
        _always(State(slow=0.75, very_slow=0.2)),
        False,
    ),
    Scenario("it ends after 30 s", _between(30, 1e9, State(is_ready=False)), _FINE, False, breaks_at_s=30),
    Scenario(
        "it ends each 30 s and is ready again after 2 s",
        lambda now: State(is_ready=now < 28 or now % 30 < 28),
        _FINE,
        False,
        breaks_at_s=28,
    ),
    Scenario("60 % vote against it, not 20 %", _always(State(against=0.6)), _FINE, False),
    Scenario(
        "60 % vote against it, 10 votes a second", _always(State(against=0.6)), _FINE, False, votes_per_s=10
    ),
    Scenario(
        "40 % vote against it, 10 votes a second", _always(State(against=0.4)), _FINE, False, votes_per_s=10
    ),
)


class _Servers:
    """A fleet in virtual time."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator) -> None:
        self._scenario, self._rng = scenario, rng
        self._now = self._counted = 0.0
        self._first_step: float | None = None
        self._percent = 0
        self._has_ended = False
        self._counts = {promise.name: (Counts(0, 0), Counts(0, 0)) for promise in promises.PROMISES}

    def clock(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds

    def begin(self) -> None:
        """There is nothing to start."""

    def shift(self, percent: int) -> None:
        self._count()
        if self._first_step is None:
            self._first_step = self._now
        self._percent = percent

    def finish(self) -> None:
        """There is nothing to replace."""

    def go_back(self) -> None:
        self._percent = 0

    def observe(self) -> Observation:
        self._count()
        self._has_ended |= not self._state(self._scenario.canary).is_ready
        canary, stable = (
            {name: {"all": both[index]} for name, both in self._counts.items()} for index in (0, 1)
        )
        return Observation(canary, stable, not self._has_ended)

    def _state(self, course: Course) -> State:
        return course(self._now - self._first_step if self._first_step is not None else -1.0)

    def _count(self) -> None:
        passed_s, self._counted = self._now - self._counted, self._now
        for index, course in enumerate((self._scenario.canary, self._scenario.stable)):
            part = self._percent / 100 if index == 0 else 1 - self._percent / 100
            state = self._state(course)
            requests = int(self._rng.poisson(self._scenario.per_s * passed_s * part))
            voters = int(self._rng.poisson(self._scenario.votes_per_s * passed_s * part))
            misses = int(self._rng.binomial(requests, 0.1))
            for name, all_, bad_share in (
                (promises.GATEWAY_ERRORS.name, requests, state.errors),
                (promises.INFERENCE_ERRORS.name, misses, state.errors),
                (promises.CACHED_SLOW.name, requests - misses, state.slow),
                (promises.CACHED_VERY_SLOW.name, requests - misses, state.very_slow),
                (promises.NEW_SLOW.name, misses, state.very_slow),
                (promises.INFERENCE_SLOW.name, misses, state.very_slow),
                (promises.VOTES.name, voters, state.against),
            ):
                both = list(self._counts[name])
                both[index] = both[index].plus(Counts(all_, int(self._rng.binomial(all_, bad_share))))
                self._counts[name] = (both[0], both[1])


class Row(NamedTuple):
    """What became of many rollouts of a scenario; seconds from the breach until the canary is taken back."""

    scenario: str
    is_healthy: bool
    rollouts: int
    released: int
    median_s: float | None
    p95_s: float | None


def simulate(scenario: Scenario, rollouts: int, seed: int) -> Row:
    """Run one scenario many times."""
    rng = np.random.default_rng(seed)
    released, seconds = 0, []
    for _ in range(rollouts):
        servers = _Servers(scenario, rng)
        plan = Plan(scenario.steps, scenario.step_s, scenario.requests)
        rollout = Rollout(
            servers, promises.PROMISES, promises.GATEWAY_ERRORS.name, plan,
            lambda _: None, servers.clock, servers.sleep,
        )  # fmt: skip
        try:
            rollout.run()
            released += 1
        except BreachError as error:
            seconds.append(error.after_s - scenario.breaks_at_s)
    quantiles = np.quantile(seconds, [0.5, 0.95]).round(1).tolist() if seconds else [None, None]
    return Row(scenario.name, scenario.is_healthy, rollouts, released, *quantiles)


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate all scenarios; print the table, and write it."""
    parser = argparse.ArgumentParser(description="Simulates rollouts.")
    parser.add_argument("--rollouts", type=int, default=400, help="of each scenario")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    print(f"{'':<50}released   median s   p95 s")
    for seed, scenario in enumerate(SCENARIOS):
        row = simulate(scenario, chosen.rollouts, seed)
        rows.append(row._asdict())
        median, p95 = row.median_s or "", row.p95_s or ""
        print(f"{row.scenario:<50}{row.released / row.rollouts:>8.1%}{median:>11}{p95:>8}", flush=True)
    chosen.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
