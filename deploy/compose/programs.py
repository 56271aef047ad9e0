"""Calls Docker Compose or podman-compose, whichever is there."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deploy.compose import env_file
from deploy.compose.env_file import LINES

FOLDER = Path(__file__).parent


class ComposeError(RuntimeError):
    """A command of Compose has failed."""


def find() -> list[str]:
    """The words of Compose: what the variable COMPOSE says, else Docker's plugin, else podman-compose.

    ComposeError when there is none.
    """
    if chosen := os.environ.get("COMPOSE"):
        return shlex.split(chosen)
    plugin = ["docker", "compose", "version"]
    if shutil.which("docker") and subprocess.run(plugin, capture_output=True).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("podman-compose"):
        return ["podman-compose"]
    raise ComposeError(
        "neither Docker Compose nor podman-compose is there: install one, or name it in COMPOSE"
    )


class Compose(NamedTuple):
    """Compose for one installation: its `.env` and the name of its project."""

    program: Sequence[str]
    env_file: Path
    project: str = "tonebridge"
    log: Path | None = None  # gets what commands print; the terminal without it

    def run(self, *words: str) -> None:
        """Run a command. ComposeError when it fails."""
        if self.log is None:
            done = self._call(words)
        else:
            with self.log.open("ab") as output:
                output.write(f"\n$ compose {shlex.join(words)}\n".encode())
                output.flush()
                done = self._call(words, stdout=output, stderr=output)
        if done.returncode:
            raise ComposeError(f"{_sentence(words, done)}{f'; see {self.log}' if self.log else ''}")

    def output(self, *words: str) -> str:
        """What a command prints on its standard output. ComposeError with its errors when it fails."""
        done = self._call(words, capture_output=True)
        if done.returncode:
            raise ComposeError(f"{_sentence(words, done)}:\n{done.stderr[-2000:]}")
        return str(done.stdout)

    def open(self, *words: str) -> "subprocess.Popen[str]":
        """A command that is written to and read from; the caller ends it."""
        return subprocess.Popen(
            self._command(words),
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def succeeds(self, *words: str) -> bool:
        """Whether a command succeeds; it prints nothing."""
        return self._call(words, capture_output=True).returncode == 0

    def _call(self, words: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        command = self._command(words)
        return subprocess.run(command, env=_environment(), stdin=subprocess.DEVNULL, text=True, **options)

    def _command(self, words: Sequence[str]) -> list[str]:
        files = [FOLDER / "compose.yaml"]
        if profile := env_file.read(self.env_file).get("COST_PROFILE"):
            files.append(FOLDER / "profiles" / f"{profile}.yaml")
        return [
            *self.program, *(word for file in files for word in ("--file", str(file))),
            "--env-file", str(self.env_file), "--project-name", self.project, *words,
        ]  # fmt: skip


def _sentence(words: Sequence[str], done: subprocess.CompletedProcess[str]) -> str:
    return f"compose {shlex.join(words)} ended with code {done.returncode}"


def _environment() -> dict[str, str]:
    """This shell's, without the variables of `.env`: Compose would take them in place of the file's."""
    names = {line.name for line in LINES}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return {**kept, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
