"""Rolls releases out under load, healthy ones and broken ones: `make rollout`, 15 minutes on two cores.

    python -m deploy.compose.rollout_trial   # after `make images`; without a registry also
                                             # `deploy.compose stand-ins`

An installation by Compose of its own gets 200 messages a second, and votes of people. A healthy release comes
by a canary, and one by blue/green: no request may fail. Then come releases with faults (`faults/`): each must
be taken back within a minute. Prints what was seen and writes it to `docs/results/rollout.json`; the logs are
in `artifacts/compose/`.
"""

import argparse
import asyncio
import itertools
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp

from deploy import engine, images
from deploy.catalog import IMAGES, ROOT, name_of
from deploy.compose import programs, trial
from deploy.compose.canary import ComposeFleet
from deploy.compose.installation import Installation
from deploy.compose.programs import Compose, ComposeError
from deploy.engine import CommandFailedError
from deploy.rollout import promises
from deploy.rollout.rollout import BreachError, Plan, Rollout

RESULTS = ROOT / "docs" / "results" / "rollout.json"
_REQUESTS_PER_S, _VOTES_PER_S = 200, 20
_KNOWN = 100
_CANARY = Plan(steps=(5, 25, 50), step_s=25)
_BLUE_GREEN = Plan(steps=(100,), step_s=40)
# The faults, and which image has each.
FAULTS = {"errors": "gateway", "slow": "gateway", "ends": "gateway", "wording": "inference"}
BROKEN = tuple(f"trial-{fault}" for fault in FAULTS)
# The releases in their order, and how each comes.
PLANS = {trial.NEW: _CANARY, trial.OLD: _BLUE_GREEN} | dict.fromkeys(BROKEN, _CANARY)
_MOST_S = 60.0  # from the first request to a broken canary until it gets none


class Load(NamedTuple):
    """What callers saw."""

    statuses: dict[int, int]
    broken: int  # no answer, or half of one
    seconds: float
    p99_ms: float
    failures: list[tuple[int, str]]  # the second and the reason of the first twenty

    @property
    def failed(self) -> int:
        """Requests that were refused, or had no answer."""
        return self.broken + sum(count for status, count in self.statuses.items() if status not in (200, 201))


@dataclass
class Callers:
    """People who send messages at an even rate and vote on some answers, in a thread of their own."""

    url: str
    key: str
    _statuses: Counter[int] = field(default_factory=Counter)
    _broken: int = 0
    _latencies: list[float] = field(default_factory=list)
    _failures: list[tuple[int, str]] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ends: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Callers":
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        assert self._thread is not None
        self._thread.join()

    def take(self) -> Load:
        """What was seen since the last call."""
        with self._lock:
            seconds = time.monotonic() - self._began
            latencies = sorted(self._latencies) or [0.0]
            p99_ms = round(latencies[int(0.99 * (len(latencies) - 1))] * 1000, 1)
            load = Load(dict(self._statuses), self._broken, round(seconds, 1), p99_ms, self._failures[:20])
            self._statuses, self._broken, self._latencies, self._failures = Counter(), 0, [], []
            self._began = time.monotonic()
        return load

    async def _run(self) -> None:
        headers = {"X-API-Key": self.key}
        timeout = aiohttp.ClientTimeout(total=30)
        connector = aiohttp.TCPConnector(limit=1000)  # with few connections requests would wait for one here
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:
            tasks: set[asyncio.Task[None]] = set()
            due = time.monotonic()
            for number in itertools.count():
                if self._ends.is_set():
                    break
                votes = number % (_REQUESTS_PER_S // _VOTES_PER_S) == 0
                task = asyncio.create_task(self._send(session, number, votes))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                due = max(due + 1 / _REQUESTS_PER_S, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.gather(*tasks)

    async def _send(self, session: aiohttp.ClientSession, number: int, votes: bool) -> None:
        """Send a message; one that no cache has, and a vote on its answer, if the person votes."""
        which = f"number {uuid.uuid4().hex[:8]}" if votes else f"page {number % _KNOWN}"
        message = {
            "text": f"You never test your code. Fix {which} before Monday.",
            "transform_type": "soften",
            "intensity": 2,
            "user_id": f"person-{number}" if votes else "ann",
        }
        answer = await self._post(session, "/api/v1/transform", message)
        if votes and answer is not None:
            likes = random.random() < (0.2 if "!!!" in answer["transformed_text"] else 0.8)
            vote = {"receipt": answer["receipt"], "kind": "thumb", "up": likes}
            await self._post(session, "/api/v1/feedback", vote)

    async def _post(
        self, session: aiohttp.ClientSession, path: str, body: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """The answer to a request that may be sent again; None when it failed, which is counted."""
        began = time.monotonic()
        try:
            key = {"Idempotency-Key": str(uuid.uuid4())}
            async with session.post(f"{self.url}{path}", json=body, headers=key) as response:
                status, answer = response.status, await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            with self._lock:
                self._broken += 1
                self._failures.append((int(began - self._began), f"{type(error).__name__} {error}"))
            return None
        is_answered = status in (200, 201)
        with self._lock:
            self._statuses[status] += 1
            self._latencies.append(time.monotonic() - began)
            if not is_answered:
                self._failures.append((int(began - self._began), f"{status} {answer.get('detail', '')}"))
        return dict(answer) if is_answered else None


class Row(NamedTuple):
    """One rollout. `back_s` is from the first request that could reach the canary until it got none."""

    release: str
    steps: list[int]
    outcome: str
    seconds: float
    back_s: float | None
    load: Load
    afterwards: Load | None  # once it was taken back


class _Timed(ComposeFleet):
    """A fleet that notes when its canary gets its first request, and when it gets none any more."""

    first_at: float | None = None
    none_at: float | None = None

    def shift(self, percent: int) -> None:
        super().shift(percent)
        if percent and self.first_at is None:
            self.first_at = time.monotonic()
        if not percent and self.first_at is not None and self.none_at is None:
            self.none_at = time.monotonic()


def run(releases: Sequence[str]) -> list[Row]:
    """Roll these releases out, one after the other; what was seen is written after each.

    CommandFailedError, ComposeError or TimeoutError when a step fails.
    """
    trial.LOGS.mkdir(parents=True, exist_ok=True)
    trial.remove()
    try:
        values = trial.make_environment(trial.LOGS / "trial.env")
        for fault, image in FAULTS.items():
            _build(fault, image)
        compose = Compose(
            programs.find(), trial.LOGS / "trial.env", trial.PROJECT, trial.LOGS / "compose.log"
        )
        installation = Installation(compose, lambda line: print(f"    {line}", flush=True))
        key = trial.key_of(installation.up())
        rows = []
        with Callers(f"http://127.0.0.1:{values['API_PORT']}", key) as callers:
            time.sleep(10)  # the caches fill
            for tag in releases:
                callers.take()
                rows.append(_roll_out(compose, tag, PLANS[tag], callers))
                print(f"  {rows[-1]}", flush=True)
                _write(rows[-1])
        return rows
    except BaseException:
        trial.keep_logs()
        raise
    finally:
        trial.remove()
        for tag in BROKEN:
            for image in IMAGES:
                if engine.succeeds("image", "exists", f"{name_of(image)}:{tag}"):
                    engine.podman("rmi", f"{name_of(image)}:{tag}")


def _build(fault: str, broken: str) -> None:
    """Make a release with a fault: a tag of all images, of which one is broken."""
    tag = f"trial-{fault}"
    for image in IMAGES:
        if image != broken:
            engine.podman("tag", f"{name_of(image)}:latest", f"{name_of(image)}:{tag}")
    command = images.build_command(
        "compose/faults/Containerfile",
        f"{name_of(broken)}:{tag}",
        f"{name_of(broken)}:latest",
        {"FAULT": fault},
    )
    # podman's cache does not see that an argument is another one.
    command = [*command[:2], "--no-cache", *command[2:]]
    engine.step(f"a release with the fault {fault}", command, trial.LOGS / f"build-{fault}.log")


def _roll_out(compose: Compose, tag: str, plan: Plan, callers: Callers) -> Row:
    print(f"  rollout of {tag}, steps {list(plan.steps)}", flush=True)
    fleet = _Timed(compose, tag, lambda line: print(f"    {line}", flush=True))
    rollout = Rollout(
        fleet, promises.PROMISES, promises.GATEWAY_ERRORS.name, plan,
        lambda line: print(f"    {line}", flush=True),
    )  # fmt: skip
    began, outcome = time.monotonic(), "released"
    try:
        rollout.run()
    except BreachError as error:
        outcome = str(error)
    seconds, load = time.monotonic() - began, callers.take()
    if outcome == "released":
        return Row(tag, list(plan.steps), outcome, round(seconds, 1), None, load, None)
    time.sleep(5)
    assert fleet.first_at is not None
    assert fleet.none_at is not None
    back_s = fleet.none_at - fleet.first_at
    return Row(tag, list(plan.steps), outcome, round(seconds, 1), round(back_s, 1), load, callers.take())


def faults(rows: list[Row]) -> list[str]:
    """What must not happen."""
    broken = []
    for row in rows:
        is_broken = row.release in BROKEN
        if not is_broken and (row.outcome != "released" or row.load.failed):
            broken.append(f"{row.release}: {row.outcome}; {row.load.failed} requests failed")
        if is_broken and (row.back_s is None or row.back_s > _MOST_S):
            broken.append(f"{row.release}: {row.outcome}, after {row.back_s} s")
        if row.afterwards is not None and row.afterwards.failed:
            broken.append(f"{row.release}: {row.afterwards.failed} requests failed after it was taken back")
    return broken


def _write(row: Row) -> None:
    """Write a row to the results, in place of the release's former one."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    afterwards = row.afterwards._asdict() if row.afterwards else None
    rows[row.release] = row._asdict() | {"load": row.load._asdict(), "afterwards": afterwards}
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the trial; exits with 1 when something is not as it should be."""
    parser = argparse.ArgumentParser(description="Rolls releases out under load.")
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help=f"all by default: {', '.join(PLANS)}")
    chosen = parser.parse_args(arguments).releases or list(PLANS)
    if unknown := set(chosen) - set(PLANS):
        parser.error(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(PLANS)}")
    try:
        rows = run(chosen)
    except (ComposeError, CommandFailedError, OSError) as error:  # TimeoutError is one
        raise SystemExit(f"{error}\nThe logs of the containers are in {trial.LOGS}") from error
    if broken := faults(rows):
        raise SystemExit("\n".join(broken))


if __name__ == "__main__":
    main()
