"""Calls of the inference service: messages whose turn comes within milliseconds go as one list.

Who waits for a turn, and who is refused, is decided in `admission`.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from data.records import Spec
from serving.gateway.online.admission import Admission, Rank, Ticket
from serving.gateway.problems import (
    InvalidError,
    UnavailableError,
    VersionFailedError,
    VersionSlowError,
)
from serving.inference.client import InferenceClient, InferenceUnavailable, Item, Rewritten, VersionUnknown

_TIMEOUT_S = 20.0
_LINGER_S = 0.005  # that a message waits for others; the service does not wait again
_MAX_LIST = 16  # messages in one call
_MAX_WAITING = 2_000  # messages at the same time; more are refused

_Waiting = list[tuple[Item, Ticket, "asyncio.Future[Rewritten]"]]


class Upstream:
    """Collects messages into calls. Belongs to one event loop."""

    def __init__(
        self,
        inference: InferenceClient,
        max_list: int = _MAX_LIST,
        max_waiting: int = _MAX_WAITING,
        count: Callable[[str, Rewritten], None] = lambda version, rewritten: None,
        admission: Admission | None = None,
    ) -> None:
        """A call has at most `max_list` messages. With `max_waiting` in progress further ones are refused.
        `count` gets each rewrite of the service, with the name of its version.
        """
        self._inference, self._max_list, self._max_waiting = inference, max_list, max_waiting
        self._count, self._admission = count, admission or Admission()
        self._open: dict[Spec, _Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.waiting = 0

    @property
    def shed(self) -> int:
        """Messages that were refused because they would have waited too long, or had."""
        return self._admission.refused

    @property
    def queued(self) -> int:
        """Messages that wait for their turn; the rest of `waiting` is at the service."""
        return self._admission.queued

    def ticket(self, rank: Rank) -> Ticket:
        """The right of a message that arrives now to wait for its turn."""
        return self._admission.ticket(rank)

    async def rewrite(self, spec: Spec, item: Item, ticket: Ticket | None = None) -> Rewritten:
        """The rewrite of one message, in one call with other messages for the same spec. Without a ticket it
        arrives now, for a person who waits.

        Raises InvalidError when the model cannot read the message, VersionFailedError when the service was
        called and failed or the version failed on this message, VersionSlowError when it was busy, and
        UnavailableError when the message was not computed: every replica's breaker is open, or it would wait
        too long. A call that is cancelled before its turn costs the service nothing, and later ones end the
        generation of their message.
        """
        ticket = ticket or self.ticket(Rank.CHAMPION)
        async with self._progress(spec):
            await self._admission.enter(spec, ticket)
            return _accepted(spec, await self._join(spec, item, ticket), self._admission)

    def _join(self, spec: Spec, item: Item, ticket: Ticket) -> "asyncio.Future[Rewritten]":
        """The result of a message whose turn has come, in the list that is being collected."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Rewritten] = loop.create_future()
        waiting = self._open.get(spec)
        if waiting is None:
            waiting = self._open[spec] = []
            loop.call_later(_LINGER_S, self._send, spec, waiting)
        waiting.append((item, ticket, future))
        if len(waiting) == self._max_list:
            self._send(spec, waiting)
        return future

    async def stream(
        self, spec: Spec, item: Item, show: Callable[[str], object], ticket: Ticket | None = None
    ) -> Rewritten:
        """The rewrite of one message, in a call of its own, whose text so far `show` gets; the rest as
        `rewrite`. A cancelled call ends the generation.
        """
        ticket = ticket or self.ticket(Rank.CHAMPION)
        async with self._progress(spec):
            await self._admission.enter(spec, ticket)
            was_answered: bool | None = None  # its reader may leave
            try:
                with _explained(spec):
                    rewritten = await self._inference.stream(spec, item, show, _TIMEOUT_S, ticket.begin_by)
                was_answered = not rewritten.is_late
            except UnavailableError:
                was_answered = False
                raise
            finally:
                self._admission.leave(spec, 1, was_answered)
        self._count(spec.version, rewritten)
        return _accepted(spec, rewritten, self._admission)

    async def rewrite_together(
        self, spec: Spec, items: list[Item], ticket: Ticket | None = None
    ) -> list[Rewritten]:
        """The rewrites of these messages, in one call without others; the rest as `rewrite`."""
        ticket = ticket or self.ticket(Rank.CHALLENGER)
        await self._admission.enter(spec, ticket, len(items))
        rewrites = await self._call(spec, items, [ticket.begin_by] * len(items), None)
        return [_accepted(spec, rewritten, self._admission) for rewritten in rewrites]

    async def _call(
        self, spec: Spec, items: list[Item], deadlines: list[float], list_id: str | None
    ) -> list[Rewritten]:
        """Call the service for messages that have entered; they leave with its answer."""
        was_answered: bool | None = None  # all who wait for it may leave
        try:
            with _explained(spec):
                rewrites = await self._inference.rewrite(spec, items, _TIMEOUT_S, deadlines, list_id)
            was_answered = not all(rewritten.is_late for rewritten in rewrites)
        except UnavailableError:
            was_answered = False
            raise
        finally:
            self._admission.leave(spec, len(items), was_answered)
        for rewritten in rewrites:
            self._count(spec.version, rewritten)
        return rewrites

    @asynccontextmanager
    async def _progress(self, spec: Spec) -> AsyncIterator[None]:
        """Count a message as one that waits; refuse it when too many do."""
        if self.waiting >= self._max_waiting:
            raise self._admission.refuse(spec)
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    def _send(self, spec: Spec, waiting: _Waiting) -> None:
        if self._open.get(spec) is not waiting:
            return  # it was full, and sent before its timer
        del self._open[spec]
        self._start(self._answer(spec, waiting))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the event loop keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, spec: Spec, waiting: _Waiting) -> None:
        wanted = [entry for entry in waiting if not entry[2].done()]
        if gone := len(waiting) - len(wanted):  # since their turn came
            self._admission.leave(spec, gone, was_answered=None)
        if not wanted:
            return
        items, deadlines = [item for item, _, _ in wanted], [ticket.begin_by for _, ticket, _ in wanted]
        list_id = uuid.uuid4().hex

        def give_up(index: int) -> None:
            if spec.form == "text":  # edits take 10 ms, and are finished
                self._start(self._inference.give_up(list_id, index))

        _cancel_unread([future for _, _, future in wanted], give_up)
        try:
            rewritten = await self._call(spec, items, deadlines, list_id)
        except UnavailableError as error:
            for _, _, future in wanted:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, _, future), result in zip(wanted, rewritten, strict=True):
            if not future.done():  # the client may have disconnected
                future.set_result(result)


def _cancel_unread(results: list["asyncio.Future[Rewritten]"], give_up: Callable[[int], None]) -> None:
    """Cancel this task when nobody waits for any of its results: when all have been cancelled. `give_up` gets
    the index of each that is cancelled before.
    """
    task, unread = asyncio.current_task(), 0
    assert task is not None

    def leave(index: int, result: "asyncio.Future[Rewritten]") -> None:
        nonlocal unread
        if not result.cancelled():
            return
        unread += 1
        if unread == len(results):
            task.cancel()
        else:
            give_up(index)

    for index, result in enumerate(results):
        result.add_done_callback(partial(leave, index))


@contextmanager
def _explained(spec: Spec) -> Iterator[None]:
    """Raise the errors of the service's client as those of this gateway."""
    try:
        yield
    except VersionUnknown as error:
        raise VersionFailedError("version_not_published", version=spec.version) from error
    except InferenceUnavailable as error:
        if error.is_busy:
            raise VersionSlowError("version_cannot_answer", version=spec.version) from error
        if error.was_called:
            raise VersionFailedError("version_cannot_answer", version=spec.version) from error
        raise UnavailableError("version_cannot_answer", version=spec.version) from error


def _accepted(spec: Spec, rewritten: Rewritten, admission: Admission) -> Rewritten:
    if rewritten.is_late:
        raise admission.refuse(spec)
    if rewritten.refusal is not None:
        raise InvalidError({"text": rewritten.refusal})
    if rewritten.failure is not None:  # the service has logged it
        raise VersionFailedError("version_cannot_answer", version=spec.version)
    return rewritten
