"""How often admission keeps its promise: `python -m benchmarks.admission`, a minute.

Simulates whole minutes of overload in virtual time, with the gateway's own `Upstream` over a simulated
service: messages of random lengths arrive by chance at a random multiple of the capacity; some clients leave;
in the middle the service becomes slower or faster, or hangs for a while and comes back. A minute keeps the
promise when

- at least 85 % of what the service could do, or of what arrived where that is less, was answered in time, or
  computed for clients who left meanwhile;
- at most 1 % of those who were answered waited longer than the deadline, from 15 s after a change on;
- nobody who left while they waited was computed, and every refusal says when to try again.
"""

import argparse
import asyncio
import heapq
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from data.records import Spec, TransformType
from serving.gateway.online.admission import Admission
from serving.gateway.online.upstream import Upstream
from serving.gateway.problems import UnavailableError
from serving.inference.client import InferenceUnavailable, Item, Rewritten

Change = Literal["none", "slower", "faster", "longer", "hangs"]
CHANGES: tuple[Change, ...] = ("none", "slower", "faster", "longer", "hangs")
_SPEC = Spec(version="v1")
_SECONDS, _CHANGE_AT_S, _HANG_S = 90.0, 45.0, 12.0
_SETTLED_S = 15.0  # after the start and after the change, from when on it is measured
_BATCH = 8
_MEAN_LENGTH = 50


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when nothing else is left to do."""

    now = 0.0

    def time(self) -> float:
        """The virtual time."""
        return self.now

    def _run_once(self) -> None:
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)._scheduled = False
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
        if scheduled and not self._ready:  # type: ignore[attr-defined]
            self.now = max(self.now, scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


def run_virtually(main: Callable[[], Any]) -> Any:
    """The result of a coroutine function in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


class Service:
    """The inference service as its pool is with a text model on a CPU: batches of up to 8, one at a time. A
    batch takes a while, whatever its size, and seconds by the lengths of its texts, both times `slowness`.
    """

    def __init__(self, per_s: float, start_share: float) -> None:
        """Full batches are `per_s` messages of mean length a second, and `start_share` is the share of their
        time that does not depend on their size. That of the 135M model is a third.
        """
        full_s = _BATCH / per_s
        self._start_s, self._message_s = start_share * full_s, (1 - start_share) * full_s / _BATCH
        self.slowness = 1.0
        self.computed: list[str] = []
        self.late = 0
        self.runs = asyncio.Event()
        self.runs.set()
        self._processor = asyncio.Lock()
        self._open: list[tuple[Item, float, asyncio.Future[Rewritten]]] = []

    async def give_up(self, list_id: str, index: int) -> None:
        """As `InferenceClient.give_up` at a service of an earlier release: the item is finished."""

    async def rewrite(
        self,
        spec: Spec,
        items: Sequence[Item],
        timeout_s: float,
        deadlines: Sequence[float],
        list_id: str | None,
    ) -> list[Rewritten]:
        """As `InferenceClient.rewrite`."""
        loop = asyncio.get_running_loop()
        entries = [(item, by, loop.create_future()) for item, by in zip(items, deadlines, strict=True)]
        if not self._open:
            self._batch = asyncio.ensure_future(self._run())
        self._open += entries
        try:
            async with asyncio.timeout(timeout_s):
                return list(await asyncio.gather(*(future for _, _, future in entries)))
        except TimeoutError as error:
            raise InferenceUnavailable("no answer in time") from error

    async def _run(self) -> None:
        async with self._processor:
            batch, self._open = self._open[:_BATCH], self._open[_BATCH:]
            if self._open:
                self._batch = asyncio.ensure_future(self._run())
            await self.runs.wait()
            now = asyncio.get_running_loop().time()
            wanted = [entry for entry in batch if entry[1] > now and not entry[2].done()]
            if wanted:
                lengths = sum(len(item.text) for item, _, _ in wanted) / _MEAN_LENGTH
                await asyncio.sleep(self.slowness * (self._start_s + self._message_s * lengths))
            for entry in batch:
                item, _, future = entry
                is_late = entry not in wanted
                if is_late:
                    self.late += 1
                else:
                    self.computed.append(item.text)
                if not future.done():
                    future.set_result(
                        Rewritten(text="x", facts_missing=[], tokens=1, finished=True, is_late=is_late)
                    )


@dataclass
class Minute:
    """One simulated course, and what it was measured to do."""

    factor: float
    change: Change
    answered: list[tuple[float, float]] = field(default_factory=list)  # (when, after how many seconds)
    refused: list[tuple[float, float]] = field(default_factory=list)
    failed: int = 0
    left: list[float] = field(default_factory=list)  # when, of those whose computation had begun
    wasted: int = 0  # computed for somebody who had left while they waited
    goodput: float = 0.0
    late_share: float = 0.0
    at_once_share: float = 0.0  # of the refusals

    @property
    def keeps_promise(self) -> bool:
        """Whether it was good enough."""
        return self.goodput >= 0.85 and self.late_share <= 0.01 and self.wasted == 0


def simulate(seed: int, patience_s: float = 10.0) -> Minute:
    """A course drawn by its seed."""
    rng = random.Random(seed)
    change = CHANGES[seed % len(CHANGES)]
    minute = Minute(factor=rng.choice([0.5, 0.9, 1.5, 2.0, 3.0, 4.0]), change=change)
    per_s = rng.choice([6.0, 13.0, 40.0])  # messages of mean length, as the capacity
    start_share, leaves_share = rng.choice([0.01, 0.4]), rng.choice([0.0, 0.2])

    async def course() -> None:
        loop = asyncio.get_running_loop()
        service = Service(per_s, start_share)
        upstream = Upstream(
            service,  # type: ignore[arg-type]
            admission=Admission(patience_s, clock=loop.time),
        )
        asked, number = [], 0
        left_early: set[str] = set()

        async def ask(text: str, leaves_after_s: float | None) -> None:
            began = loop.time()
            ticket = upstream.ticket(rank=0)  # type: ignore[arg-type]
            item = Item(text=text, transform_type=TransformType.SOFTEN, intensity=1)
            try:
                async with asyncio.timeout(leaves_after_s):
                    await upstream.rewrite(_SPEC, item, ticket)
            except TimeoutError:
                if ticket.is_sent:
                    minute.left.append(loop.time())
                else:
                    left_early.add(text)
            except UnavailableError as error:
                if error.reasons[0].code != "too_many_waiting":
                    minute.failed += 1
                    return
                if error.retry_after_s < 1:
                    raise RuntimeError("a refusal does not say when to try again") from error
                minute.refused.append((loop.time(), loop.time() - began))
            else:
                minute.answered.append((loop.time(), loop.time() - began))

        def turn() -> None:
            if change == "hangs":
                service.runs.clear()
                loop.call_later(_HANG_S, service.runs.set)
            elif change != "longer":
                service.slowness = {"slower": 2.0, "faster": 0.5}.get(change, 1.0)

        loop.call_later(_CHANGE_AT_S, turn)
        while loop.time() < _SECONDS:
            await asyncio.sleep(rng.expovariate(minute.factor * per_s))
            number += 1
            length = _MEAN_LENGTH * rng.lognormvariate(-0.18, 0.6)  # of mean 1
            if change == "longer" and loop.time() >= _CHANGE_AT_S:
                length *= 2
            text = f"{number} ".ljust(max(8, min(int(length), 2000)), "x")
            leaves = rng.uniform(0.5, 8) if rng.random() < leaves_share else None
            asked.append(asyncio.create_task(ask(text, leaves)))
        await asyncio.gather(*asked)
        minute.wasted = len(left_early & set(service.computed))

    run_virtually(course)
    _judge(minute, per_s, patience_s, leaves_share)
    return minute


def _judge(minute: Minute, per_s: float, patience_s: float, leaves_share: float) -> None:
    """Goodput and lateness while the course is settled, before and after the change."""
    after = {"slower": 0.5, "faster": 2.0, "longer": 0.5}.get(minute.change, 1.0)
    resumed_s = _CHANGE_AT_S + (_HANG_S + patience_s if minute.change == "hangs" else 0)
    goodputs = []
    for since, until, speed in (
        (_SETTLED_S, _CHANGE_AT_S, 1.0),
        (resumed_s + _SETTLED_S, _SECONDS, after),
    ):
        offered = minute.factor * per_s * (1 - leaves_share)
        possible = min(per_s * speed, offered) * (until - since)
        good = sum(since <= at < until and took <= patience_s for at, took in minute.answered)
        good += sum(since <= at < until for at in minute.left)
        goodputs.append(good / possible)
    minute.goodput = min(goodputs)
    calm = [
        took
        for at, took in minute.answered
        if at >= _SETTLED_S and not _CHANGE_AT_S <= at < resumed_s + _SETTLED_S
    ]
    minute.late_share = sum(took > patience_s for took in calm) / max(1, len(calm))
    at_once = sum(took == 0 for _, took in minute.refused)
    minute.at_once_share = at_once / max(1, len(minute.refused))


def main(courses: int, out: Path) -> None:
    """Simulate, print the rates, and write the courses that broke the promise."""
    minutes = [simulate(seed) for seed in range(courses)]
    report: dict[str, Any] = {"courses": courses}
    for change in CHANGES:
        those = [minute for minute in minutes if minute.change == change]
        report[change] = {
            "kept": sum(minute.keeps_promise for minute in those),
            "of": len(those),
            "lowest_goodput": round(min(minute.goodput for minute in those), 3),
            "most_late": round(max(minute.late_share for minute in those), 4),
            "refused_at_once": round(
                sum(m.at_once_share * len(m.refused) for m in those)
                / max(1, sum(len(m.refused) for m in those)),
                4,
            ),
            "wasted": sum(minute.wasted for minute in those),
        }
        print(change, json.dumps(report[change]), flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--courses", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("docs/results/admission.json"))
    chosen = parser.parse_args()
    main(chosen.courses, chosen.out)
