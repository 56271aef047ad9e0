"""Ends background tasks."""

import asyncio
from collections.abc import Collection
from typing import Any

_AGAIN_S = 0.25


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
