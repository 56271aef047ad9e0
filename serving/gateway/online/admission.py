"""Which messages wait for the inference service, and which are refused because they would wait too long.

The service gets only as many messages as it works on at a time; the others wait here, where they can still be
dropped. So excess costs nothing: a message is refused when it arrives, or answered.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable
from enum import IntEnum

from data.records import Engine, Spec
from serving.gateway.online.throughput import Throughput
from serving.gateway.problems import UnavailableError

PATIENCE_S = 10.0
IN_FLIGHT = (
    128  # messages at one replica: the batches that it generates at a time, and at least as many after them
)
_MARGIN = 0.7  # of the patience: so much may be expected, since it may take longer
_LONGEST_RETRY_S = 60

Key = tuple[str, Engine]  # of a version in the service's memory; it works on each by itself


class Rank(IntEnum):
    """Who goes first. The value halves the time that a message may wait, so under load the last are refused
    first, and those who were accepted keep their order.
    """

    CHAMPION = 0  # answers a person who waits
    CHALLENGER = 1  # the champion answers in its place; and comparisons
    BATCH = 2


class Ticket:
    """The right of one message to wait until `deadline`, by the clock of `Admission`. `is_sent` once the
    service may have begun with it. Begun later than `begin_by` it would be answered too late.
    """

    __slots__ = ("begin_by", "deadline", "is_sent", "rank")

    def __init__(self, deadline: float, rank: Rank = Rank.CHAMPION) -> None:
        self.deadline = self.begin_by = deadline
        self.rank, self.is_sent = rank, False


class _Lane:
    """The messages of one version: how many are at the service, and those that wait, in their order."""

    def __init__(self, memory_s: float) -> None:
        self.in_flight = self.queued = 0
        self.waiting: dict[asyncio.Future[None], int] = {}  # with the number of messages
        self.throughput = Throughput(memory_s)

    def drop(self, entry: asyncio.Future[None]) -> int:
        """Take messages out of those that wait; their number, 0 if they have gone."""
        count = self.waiting.pop(entry, 0)
        self.queued -= count
        return count


class Admission:
    """The queue before the service. Belongs to one event loop."""

    def __init__(
        self,
        patience_s: float = PATIENCE_S,
        in_flight: int = IN_FLIGHT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A message is refused if its answer is expected later than `patience_s` after its arrival. At most
        `in_flight` messages of a version are at the service; `clock` gives seconds.
        """
        self.patience_s, self._in_flight, self._clock = patience_s, in_flight, clock
        self._lanes: dict[Key, _Lane] = {}
        self.refused = 0

    @property
    def queued(self) -> int:
        """Messages that wait here."""
        return sum(lane.queued for lane in self._lanes.values())

    def ticket(self, rank: Rank = Rank.CHAMPION) -> Ticket:
        """That of a message which arrives now."""
        return Ticket(self._clock() + self.patience_s, rank)

    async def enter(self, spec: Spec, ticket: Ticket, count: int = 1) -> None:
        """Return when the service may get `count` more messages; call `leave` when it is done with them.

        UnavailableError when they would wait too long, or have.
        """
        key, now = (spec.version, spec.engine), self._clock()
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(memory_s=self.patience_s / 2)
        if now >= ticket.deadline:
            raise self.refuse(spec, count)
        if not lane.waiting and self._fits(lane, count):
            self._take(lane, count, now)
        else:
            allowed_s = ticket.deadline - now - self.patience_s * (1 - _MARGIN * 0.5**ticket.rank)
            if self._estimate_s(lane, count, ticket.rank, now) > allowed_s:
                raise self.refuse(spec, count)
            await self._wait(lane, spec, ticket, count)
        ticket.begin_by = ticket.deadline - self._at_service_s(lane)
        ticket.is_sent = True

    def leave(self, spec: Spec, count: int, was_answered: bool | None) -> None:
        """The service is done with messages that have entered, or never got them (None); those that wait
        follow them.
        """
        lane, now = self._lanes[spec.version, spec.engine], self._clock()
        if was_answered:
            lane.throughput.answer(now, count, lane.in_flight)
        elif was_answered is not None:
            lane.throughput.begin(now)
        lane.in_flight -= count
        while lane.waiting:
            entry = next(iter(lane.waiting))
            if entry.cancelled():  # its caller has left in this turn of the event loop
                lane.drop(entry)
            elif self._fits(lane, lane.waiting[entry]):
                self._take(lane, lane.drop(entry), now)
                entry.set_result(None)
            else:
                break
        if lane.in_flight >= self._room(lane):
            lane.throughput.fill(now)

    def refuse(self, spec: Spec, count: int = 1) -> UnavailableError:
        """The error of messages that waited too long or would; it says when to try again."""
        self.refused += count
        lane, wait_s = self._lanes.get((spec.version, spec.engine)), 0.0
        if lane is not None:
            wait_s = self._estimate_s(lane, count, Rank.CHAMPION, self._clock()) - _MARGIN * self.patience_s
        if not math.isfinite(wait_s):  # nothing is answered
            wait_s = self.patience_s
        # Who is refused in one moment should not come back in one moment.
        retry_s = max(wait_s, 1.0) * (1 + random.random())
        return UnavailableError("too_many_waiting").until(min(math.ceil(retry_s), _LONGEST_RETRY_S))

    def _estimate_s(self, lane: _Lane, count: int, rank: Rank, now: float) -> float:
        """The seconds until messages that arrive now are answered; infinite when the service is stuck.
        Versions share the service's processors, so all but the champion's wait for the slowest of them.
        """
        lanes = [lane] if rank is Rank.CHAMPION else [lane, *self._lanes.values()]
        return max(
            math.inf
            if each.in_flight and each.throughput.stalled_s(now) > self.patience_s
            else (each.in_flight + each.queued + count) / each.throughput.per_s
            for each in lanes
            if each is lane or each.queued
        )

    def _at_service_s(self, lane: _Lane) -> float:
        """How long a message is at the service: its batch is answered with the others there."""
        return min(lane.in_flight / lane.throughput.per_s, self.patience_s / 2)

    def _room(self, lane: _Lane) -> int:
        """How many messages may be at the service: what it answers in half of the patience. A slow model gets
        fewer, and as long as nothing is known of it, a quarter.
        """
        most = self._in_flight
        if math.isinf(lane.throughput.per_s):
            return math.ceil(most / 4)
        return min(most, max(math.ceil(most / 16), int(lane.throughput.per_s * self.patience_s / 2)))

    def _fits(self, lane: _Lane, count: int) -> bool:
        return not lane.in_flight or lane.in_flight + count <= self._room(lane)

    def _take(self, lane: _Lane, count: int, now: float) -> None:
        if not lane.in_flight:
            lane.throughput.begin(now)
        lane.in_flight += count
        if lane.in_flight >= self._room(lane):
            lane.throughput.fill(now)

    async def _wait(self, lane: _Lane, spec: Spec, ticket: Ticket, count: int) -> None:
        loop = asyncio.get_running_loop()
        entry: asyncio.Future[None] = loop.create_future()
        lane.waiting[entry] = count
        lane.queued += count
        # Begun later, it would be answered too late, and so would all behind it.
        wait_s = ticket.deadline - self._clock() - self._at_service_s(lane)
        timer = loop.call_later(wait_s, self._expire, lane, spec, entry)
        try:
            await entry
        except asyncio.CancelledError:
            lane.drop(entry)
            if not entry.cancelled() and entry.exception() is None:  # its turn came in the same moment
                self.leave(spec, count, was_answered=None)
            raise
        finally:
            timer.cancel()

    def _expire(self, lane: _Lane, spec: Spec, entry: asyncio.Future[None]) -> None:
        count = lane.drop(entry)
        if not entry.done():
            entry.set_exception(self.refuse(spec, count))
