"""Waiting for what happens in another process, thread or task.

A test waits for a condition and never for a time, because no test knows how fast its machine is. The one
limit here is far above what any condition takes, so only a condition that never becomes true reaches it.
"""

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

PAUSE_S = 0.02
# Two minutes of pauses. Attempts are counted, not seconds: a stall of the whole machine costs one of them.
ATTEMPTS = 6000


def until(condition: Callable[[], T], describe: Callable[[], object] = str) -> T:
    """Ask until the condition's value is true, and return that value.

    Args:
        condition: Reads something. It may raise when it can no longer become true.
        describe: Gives what the error shows, such as a process's log.

    Raises:
        AssertionError: If the value is still false after ATTEMPTS.
    """
    for _ in range(ATTEMPTS):
        if value := condition():
            return value
        time.sleep(PAUSE_S)
    raise AssertionError(f"still false after {ATTEMPTS} attempts: {describe()}")


async def until_async(condition: Callable[[], object], describe: Callable[[], object] = str) -> Any:
    """As `until`, without blocking the event loop. The condition may be a coroutine function."""
    for _ in range(ATTEMPTS):
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        await asyncio.sleep(PAUSE_S)
    raise AssertionError(f"still false after {ATTEMPTS} attempts: {describe()}")


@contextmanager
def patient_processes() -> Iterator[None]:
    """Processes that start inside of the block wait for Redis as long as a busy machine takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TONEBRIDGE_REDIS_TIMEOUT_S", "60")
        yield
