"""Calls of the inference service: messages that arrive within milliseconds go as one list."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from data.records import Spec
from serving.gateway.problems import InvalidError, UnavailableError, VersionFailedError
from serving.inference.client import InferenceClient, InferenceUnavailable, Item, Rewritten, VersionUnknown

_TIMEOUT_S = 20.0
_LINGER_S = 0.005  # that a message waits for others; the service does not wait again
_MAX_LIST = 16  # messages in one call
_MAX_WAITING = 2_000  # messages at the same time; more are refused

_Waiting = list[tuple[Item, "asyncio.Future[Rewritten]"]]


class Upstream:
    """Collects messages into calls. Belongs to one event loop."""

    def __init__(
        self,
        inference: InferenceClient,
        max_list: int = _MAX_LIST,
        max_waiting: int = _MAX_WAITING,
        count: Callable[[str, Rewritten], None] = lambda version, rewritten: None,
    ) -> None:
        """A call has at most `max_list` messages. With `max_waiting` in progress further ones are refused.
        `count` gets each rewrite of the service, with the name of its version.
        """
        self._inference, self._max_list, self._max_waiting = inference, max_list, max_waiting
        self._count = count
        self._open: dict[Spec, _Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.waiting = 0
        self.shed = 0

    async def rewrite(self, spec: Spec, item: Item) -> Rewritten:
        """The rewrite of one message, in one call with other messages for the same spec.

        Raises InvalidError when the model cannot read the message, VersionFailedError when the service was
        called and failed or the version failed on this message, and UnavailableError when the service was not
        called: every replica's breaker is open, or too many messages wait.
        """
        self._refuse_when_full()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Rewritten] = loop.create_future()
        waiting = self._open.get(spec)
        if waiting is None:
            waiting = self._open[spec] = []
            loop.call_later(_LINGER_S, self._send, spec, waiting)
        waiting.append((item, future))
        if len(waiting) == self._max_list:
            self._send(spec, waiting)
        self.waiting += 1
        try:
            return _accepted(spec, await future)
        finally:
            self.waiting -= 1

    async def stream(self, spec: Spec, item: Item, show: Callable[[str], object]) -> Rewritten:
        """The rewrite of one message, in a call of its own, whose text so far `show` gets; errors as
        `rewrite`. A cancelled call ends the generation.
        """
        self._refuse_when_full()
        self.waiting += 1
        try:
            with _explained(spec):
                rewritten = await self._inference.stream(spec, item, show, _TIMEOUT_S)
        finally:
            self.waiting -= 1
        self._count(spec.version, rewritten)
        return _accepted(spec, rewritten)

    async def rewrite_together(self, spec: Spec, items: list[Item]) -> list[Rewritten]:
        """The rewrites of these messages, in one call without others; errors as `rewrite`."""
        return [_accepted(spec, rewritten) for rewritten in await self._call(spec, items)]

    async def _call(self, spec: Spec, items: list[Item]) -> list[Rewritten]:
        with _explained(spec):
            rewrites = await self._inference.rewrite(spec, items, _TIMEOUT_S)
        for rewritten in rewrites:
            self._count(spec.version, rewritten)
        return rewrites

    def _refuse_when_full(self) -> None:
        if self.waiting >= self._max_waiting:
            self.shed += 1
            raise UnavailableError("too_many_waiting")

    def _send(self, spec: Spec, waiting: _Waiting) -> None:
        if self._open.get(spec) is not waiting:
            return  # it was full, and sent before its timer
        del self._open[spec]
        task = asyncio.create_task(self._answer(spec, waiting))
        self._tasks.add(task)  # the event loop keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, spec: Spec, waiting: _Waiting) -> None:
        try:
            rewritten = await self._call(spec, [item for item, _ in waiting])
        except UnavailableError as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(waiting, rewritten, strict=True):
            if not future.done():  # the client may have disconnected
                future.set_result(result)


@contextmanager
def _explained(spec: Spec) -> Iterator[None]:
    """Raise the errors of the service's client as those of this gateway."""
    try:
        yield
    except VersionUnknown as error:
        raise VersionFailedError("version_not_published", version=spec.version) from error
    except InferenceUnavailable as error:
        if error.was_called:
            raise VersionFailedError("version_cannot_answer", version=spec.version) from error
        raise UnavailableError("version_cannot_answer", version=spec.version) from error


def _accepted(spec: Spec, rewritten: Rewritten) -> Rewritten:
    if rewritten.refusal is not None:
        raise InvalidError({"text": rewritten.refusal})
    if rewritten.failure is not None:  # the service has logged it
        raise VersionFailedError("version_cannot_answer", version=spec.version)
    return rewritten
