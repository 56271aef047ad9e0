"""Background tasks that must not end, and their end."""

import asyncio

import pytest

from serving.gateway import tasks
from tests.streams import until


async def test_work_that_fails_is_logged_and_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise RuntimeError("nobody expected this")
        await asyncio.Event().wait()

    task = asyncio.create_task(tasks.keep(work, "the work"))
    await until(lambda: begun == 3)
    assert caplog.text.count("the work: an error that nobody expected") == 2
    assert "RuntimeError: nobody expected this" in caplog.text
    await tasks.end([task])
    assert task.cancelled()
