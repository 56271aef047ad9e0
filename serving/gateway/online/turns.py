"""Requests that wait for their response: when the client of one leaves, its work ends."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from starlette.types import Receive

from serving.gateway.problems import LeftError

_T = TypeVar("_T")


class Turn:
    """A request that waits for its response: the fields of a `RequestResponseCycle` that uvicorn uses."""

    __slots__ = ("_answering", "_has_left", "body", "keep_alive", "message_event", "response_complete")

    def __init__(self) -> None:
        self.body, self.message_event = bytearray(), asyncio.Event()
        self._has_left, self.response_complete, self.keep_alive = False, False, True
        self._answering: asyncio.Task[Any] | None = None  # which ends when the client leaves

    @property
    def disconnected(self) -> bool:
        """Whether nobody waits for the response any more."""
        return self._has_left

    @disconnected.setter
    def disconnected(self, has_left: bool) -> None:
        is_first, self._has_left = has_left and not self._has_left, has_left
        if is_first and self._answering is not None:
            self._answering.cancel()

    def leave(self) -> None:
        """Note that nobody waits for the response any more."""
        self.disconnected = True
        self.message_event.set()

    async def unless_left(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of work that is cancelled when the client leaves, with LeftError. It runs in the
        caller's task: one of its own would cost every rewrite that Redis has.
        """
        if self._has_left:
            work.close()
            raise LeftError
        self._answering = task = asyncio.current_task()
        assert task is not None
        try:
            return await work
        except asyncio.CancelledError:
            if self._has_left and not task.uncancel():  # else somebody else has cancelled it, too
                raise LeftError from None
            raise
        finally:
            self._answering = None


@contextmanager
def watched(receive: Receive, turn: Turn) -> Iterator[None]:
    """Context manager: a turn is left when the client of a request by ASGI disconnects. The request has been
    read to its end.
    """
    watch = asyncio.create_task(_watch(receive, turn))
    try:
        yield
    finally:
        watch.cancel()


async def _watch(receive: Receive, turn: Turn) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    turn.leave()
