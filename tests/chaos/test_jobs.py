"""A worker, Valkey, Postgres and the inference service are killed while 2,000 jobs run: none is lost, and
none is done twice.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
import redis

from configs.settings import Settings
from data.records import Spec
from pipelines import local
from tests.chaos.stacks import running_stack
from tests.chaos.test_faults import restart_valkey, start_postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MESSAGES = 2000


def read(settings: Settings, query: str) -> list[tuple[object, ...]]:
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def count_done(settings: Settings) -> int:
    return int(str(read(settings, "SELECT count(*) FROM jobs WHERE state = 'done'")[0][0]))


def wait(settings: Settings, wanted: Callable[[], bool], timeout_s: float = 400) -> None:
    deadline = time.monotonic() + timeout_s
    while not wanted():
        assert time.monotonic() < deadline, read(settings, "SELECT state, count(*) FROM jobs GROUP BY 1")
        time.sleep(0.1)


def kill_postgres(settings: Settings) -> None:
    folder = settings.state.absolute() / "postgres"
    pid_file = folder / "postmaster.pid"
    os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGQUIT)
    deadline = time.monotonic() + 30
    while pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    start_postgres(folder)


def kill_valkey(settings: Settings) -> None:
    assert settings.redis_url is not None
    with redis.Redis.from_url(settings.redis_url) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)
    time.sleep(1)
    restart_valkey(settings)


def test_no_job_is_lost_and_none_is_done_twice(tmp_path: Path, tiny_base: Path) -> None:
    champion = Spec(version="v1", max_new_tokens=8)
    with contextlib.ExitStack() as stack:
        settings, key, processes = stack.enter_context(running_stack(tmp_path, tiny_base, champion))
        first = stack.enter_context(local.running(settings, "worker"))["worker"]
        stack.enter_context(local.running(settings, "worker"))
        items = [
            {"text": f"Fix ticket {n}.", "transform_type": "soften", "intensity": 1} for n in range(MESSAGES)
        ]
        with httpx.Client(base_url=settings.gateway_url, headers={"X-API-Key": key}, timeout=60) as client:
            batch = client.post("/api/v1/jobs/batches", json={"items": items}).json()
            wait(settings, lambda: count_done(settings) >= 200)
            psutil.Process(first.pid).kill()
            stack.enter_context(local.running(settings, "worker"))
            wait(settings, lambda: count_done(settings) >= 500)
            kill_valkey(settings)
            wait(settings, lambda: count_done(settings) >= 800)
            kill_postgres(settings)
            wait(settings, lambda: count_done(settings) >= 1100)
            for child in psutil.Process(processes["inference"].pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            processes["inference"].stop(timeout_s=0.1)
            inference = stack.enter_context(local.running(settings, "inference"))["inference"]
            inference.wait_until_ready(f"{settings.inference_urls[0]}/readyz")
            wait(settings, lambda: count_done(settings) == MESSAGES)
            lines = client.get(f"/api/v1/jobs/batches/{batch['id']}/results").text.splitlines()
        assert len(lines) == MESSAGES
        assert read(settings, "SELECT count(*), count(DISTINCT message) FROM outputs") == [
            (MESSAGES, MESSAGES)
        ]
        assert read(settings, "SELECT count(*), count(DISTINCT output_id) FROM answers") == [
            (MESSAGES, MESSAGES)
        ]
        assert read(settings, "SELECT sum(answers)::int FROM usage") == [(MESSAGES,)]
        assert read(settings, "SELECT state, count(*) FROM jobs GROUP BY 1") == [("done", MESSAGES)]
