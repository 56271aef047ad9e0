"""Calls of a workspace's method are bounded in all processes together, and stop when the platform says so."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import redis

from configs.settings import Settings
from data.channels.installations import Installation
from data.redis_meter import Meter
from data.tables import new_id
from serving.channels import pace as pace_module
from serving.channels.pace import Pace, SharedBuckets
from serving.channels.replies import PlatformError
from serving.channels.slack.calls import Slack
from serving.channels.workspaces import Workspace
from tests.slacks import FakeSlack

METHOD = "users.info"


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_burst_is_followed_by_the_rate() -> None:
    clock = Clock()
    pace = Pace(per_s=2, burst=3, clock=clock)
    assert [await pace.take("T", "m") for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now = 0.5
    assert await pace.take("T", "m") == 0
    assert await pace.take("T", "m") == 0.5
    clock.now = 100
    assert [await pace.take("T", "m") for _ in range(4)] == [0, 0, 0, 0.5], "no more than a burst is saved up"


async def test_workspaces_and_methods_do_not_wait_for_each_other() -> None:
    pace = Pace(burst=1, clock=Clock())
    assert await pace.take("T", "m") == 0
    assert await pace.take("T", "m") > 0
    assert await pace.take("T", "n") == await pace.take("U", "m") == 0


async def test_a_pause_is_kept_to_the_end() -> None:
    clock = Clock()
    pace = Pace(per_s=1, burst=20, clock=clock)
    await pace.pause("T", "m", 30)
    await pace.pause("T", "m", 5)  # of a call that was sent before
    clock.now = 29
    assert await pace.take("T", "m") == 1
    clock.now = 30
    assert await pace.take("T", "m") == 0
    assert await pace.take("T", "m") == 1


@pytest.fixture
async def process_buckets(local: Settings) -> AsyncIterator[tuple[SharedBuckets, SharedBuckets]]:
    """The buckets in Redis, as two processes have them."""
    first, second = (pace_module.connect(local, Meter()) for _ in range(2))
    assert first is not None
    assert second is not None
    yield first, second
    await first.close()
    await second.close()


def make_workspace() -> Workspace:
    """A workspace that is in no database."""
    team, tenant = f"T{uuid.uuid4().hex}", new_id()
    installation = Installation(new_id(), tenant, "slack", team, "Acme", "key", b"", ["commands"], "a test")
    return Workspace(installation, f"xoxb-{team}", "key")


async def call(slack: Slack, workspace: Workspace) -> float | None:
    """Call Slack; None if it was called, else the seconds to wait."""
    try:
        await slack.call(workspace, METHOD, user="U1")
    except PlatformError as error:
        if not error.is_busy:
            raise
        return error.retry_s
    return None


async def test_two_processes_together_call_no_faster_than_one(
    process_buckets: tuple[SharedBuckets, SharedBuckets], slack: FakeSlack
) -> None:
    first, second = (
        Slack(Pace(per_s=0.001, burst=5, shared=shared), f"{slack.url}api/") for shared in process_buckets
    )
    workspace, other = make_workspace(), make_workspace()
    waits = [await call(process, workspace) for _ in range(5) for process in (first, second)]
    assert slack.count(METHOD) == 5
    assert waits[:5] == [None] * 5
    assert all(wait is not None and 0 < wait <= 1000 for wait in waits[5:]), waits
    both = await asyncio.gather(*(call(process, other) for _ in range(5) for process in (first, second)))
    assert both.count(None) == 5, "another workspace has a bucket of its own, also for calls at the same time"
    assert slack.count(METHOD) == 10


async def test_no_process_calls_after_a_429_of_another(
    process_buckets: tuple[SharedBuckets, SharedBuckets], slack: FakeSlack
) -> None:
    first, second = (Slack(Pace(shared=shared), f"{slack.url}api/") for shared in process_buckets)
    workspace = make_workspace()
    assert await call(second, workspace) is None
    slack.answer_next(METHOD, 429, {"ok": False, "error": "ratelimited"}, Retry_After="3000")
    assert await call(first, workspace) == 3000
    for process in (first, second):
        wait_s = await call(process, workspace)
        assert wait_s is not None
        assert 2000 < wait_s <= 3000
    assert slack.count(METHOD) == 2
    assert await call(second, make_workspace()) is None, "only this workspace waits"


async def test_a_pause_ends_in_all_processes(
    process_buckets: tuple[SharedBuckets, SharedBuckets], slack: FakeSlack
) -> None:
    first, second = (Slack(Pace(shared=shared), f"{slack.url}api/") for shared in process_buckets)
    workspace = make_workspace()
    slack.answer_next(METHOD, 429, {"ok": False, "error": "ratelimited"}, Retry_After="1")
    assert await call(first, workspace) == 1
    async with asyncio.timeout(60):
        while wait_s := await call(second, workspace):  # noqa: ASYNC110 (Redis's clock has no event)
            await asyncio.sleep(wait_s)
    assert slack.count(METHOD) == 2


async def test_without_redis_each_process_keeps_to_the_limits_by_itself(
    local: Settings, slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    gone = local.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    shared = pace_module.connect(gone, Meter())
    assert shared is not None
    limited = Slack(Pace(per_s=0.001, burst=2, shared=shared), f"{slack.url}api/")
    workspace, paused = make_workspace(), make_workspace()
    assert [await call(limited, workspace) for _ in range(2)] == [None, None]
    assert await call(limited, workspace) is not None
    slack.answer_next(METHOD, 429, {"ok": False, "error": "ratelimited"}, Retry_After="3000")
    assert await call(limited, paused) == 3000
    assert await call(limited, paused) is not None
    assert slack.count(METHOD) == 3
    assert caplog.text.count("limits its calls of platforms by itself, without Redis") == 1
    await shared.close()


async def test_what_a_process_knows_holds_when_redis_has_lost_it(
    local: Settings, process_buckets: tuple[SharedBuckets, SharedBuckets]
) -> None:
    first, second = (Pace(shared=shared) for shared in process_buckets)
    workspace = str(uuid.uuid4())
    await first.pause(workspace, METHOD, 3000)
    with redis.Redis.from_url(str(local.redis_url)) as client:
        for key in client.scan_iter("tonebridge:pace:*"):
            client.delete(key)
    assert await first.take(workspace, METHOD) > 2000
    assert await second.take(workspace, METHOD) == 0


def test_a_budget_of_commands_leaves_limits_to_each_process(local: Settings) -> None:
    assert pace_module.connect(local, Meter(commands_a_day=10_000)) is None
    assert pace_module.connect(local.model_copy(update={"redis_url": None}), Meter()) is None
