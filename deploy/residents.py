"""The memory of a container's processes, as the machine sees it."""

import contextlib
from pathlib import Path

import psutil

from deploy import engine
from deploy.engine import CommandFailedError


def memory_mb(container: str) -> tuple[float, float]:
    """The resident memory of a container's processes now, and the most that each has had, added up.

    CommandFailedError when the container has ended.
    """
    pid = int(engine.podman("inspect", "--format", "{{.State.Pid}}", container))
    if pid == 0:
        raise CommandFailedError(f"{container} has ended: see its log")
    first = psutil.Process(pid)
    now = most = 0.0
    for process in (first, *first.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            now += process.memory_info().rss
            most += _high_water(process.pid)
    return round(now / 1e6, 1), round(most / 1e6, 1)


def _high_water(pid: int) -> int:
    with Path(f"/proc/{pid}/status").open(encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0  # a process that has ended and was not waited for
