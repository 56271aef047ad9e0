"""Keeps background tasks at work, and ends them."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any

log = logging.getLogger(__name__)

_AGAIN_S = 0.25


async def keep(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    """Do background work that must not end. Nobody waits for its task, so an error would end it unseen: it is
    logged, and the work begins again after a quarter of a second.
    """
    while True:
        try:
            await work()
        except Exception:  # the outermost edge of a task
            log.exception("%s: an error that nobody expected; it begins again", name)
        await asyncio.sleep(_AGAIN_S)


async def end(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancel tasks, and return when they have ended; their errors are dropped.

    They are cancelled again and again: `asyncio.wait_for` of Python 3.11, which the pool of connections
    calls, may lose a cancellation.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
