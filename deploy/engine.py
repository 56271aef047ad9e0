"""Calls podman and other programs: a line on the terminal for each step, and its output in a log file."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.catalog import ROOT

LOGS = ROOT / "artifacts" / "images"


class CommandFailedError(RuntimeError):
    """A command has failed; the message holds the end of its output."""


def _environment() -> dict[str, str]:
    return {**os.environ, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}


def step(label: str, command: Sequence[str], log: Path) -> float:
    """Run a command with its output in a log file; the seconds that it took. CommandFailedError when it
    fails.
    """
    print(f"  {label:<44}", end="", flush=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("wb") as output:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_environment()
        )
    took_s = time.monotonic() - began
    if done.returncode:
        print("failed", flush=True)
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        raise CommandFailedError(f"{label} ended with code {done.returncode}; the end of {log}:\n{end}")
    print(f"{took_s:7.1f} s", flush=True)
    return took_s


def podman(*words: str) -> str:
    """What a short call of podman prints. CommandFailedError when it fails."""
    done = subprocess.run(["podman", *words], capture_output=True, text=True, env=_environment())
    if done.returncode:
        raise CommandFailedError(f"podman {words[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def write_logs(container: str, log: Path) -> None:
    """Write to a file what a container has printed, errors too."""
    command = ["podman", "logs", container]
    with log.open("wb") as output:
        subprocess.run(command, stdout=output, stderr=output, env=_environment())


def succeeds(*words: str) -> bool:
    """Whether a short call of podman succeeds."""
    return subprocess.run(["podman", *words], capture_output=True, env=_environment()).returncode == 0
