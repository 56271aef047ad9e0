"""Workers of Prefect's work pools as real processes, and a flow for them that waits like a training."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from prefect import flow

from configs.settings import Settings
from data import database
from pipelines.environments import environment
from pipelines.local import Process


@contextmanager
def worker(settings: Settings, pool: str, name: str) -> Iterator[Process]:
    """A worker of the type process. It makes its pool if there is none."""
    words = ["prefect", "worker", "start", "--type", "process", "--pool", pool, "--name", name]
    # As a person's shell has it after `. .tonebridge/env`.
    process = Process(name, words, environment(settings), settings.state / "logs" / f"{name}.log")
    try:
        yield process
    finally:
        process.stop()


def lose_machine(process: Process) -> None:
    """Kill a worker and all that it has started at once, as a machine does that loses its power."""
    root = psutil.Process(process.pid)
    for each in [root, *root.children(recursive=True)]:
        each.kill()


@flow(name="like-a-training")
def wait_under_the_lock(folder: Path) -> int:
    """Note an attempt, and wait for the file `may-end`, alone. Returns how many attempts there were."""
    settings = Settings()
    assert settings.database_url is not None
    with database.lock(settings.database_url, "train", wait=False) as may_train:
        assert may_train, "an earlier attempt has the lock"
        with (folder / "attempts").open("a") as attempts:
            attempts.write(f"{os.getpid()}\n")
        while not (folder / "may-end").exists():
            time.sleep(0.05)
    return len(list_attempts(folder))


def list_attempts(folder: Path) -> list[int]:
    """The process ids of the attempts."""
    file = folder / "attempts"
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []
