"""Takes the canary of a rollout back when the rollout is killed: a process beside it that needs Python alone.

It reads its standard input, which ends when the rollout has ended, however that came about.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.catalog import ROOT
from deploy.compose import env_file
from deploy.compose.canary import ComposeFleet, canary_of
from deploy.compose.programs import Compose

_ENDED = b"ended"


@contextlib.contextmanager
def watched(compose: Compose, version: str) -> Iterator[None]:
    """Have a process go back to the former release if this one is killed meanwhile, as by SIGKILL. It has a
    session of its own, so that what ends a terminal does not end both.
    """
    log = str(compose.log.absolute()) if compose.log else None
    fields = json.dumps([list(compose.program), str(compose.env_file.absolute()), compose.project, log])
    watcher = subprocess.Popen(
        [sys.executable, "-m", "deploy.compose.watcher", version, fields],
        stdin=subprocess.PIPE,
        start_new_session=True,
        cwd=ROOT,
    )
    try:
        yield
    finally:
        watcher.communicate(_ENDED)


def main() -> None:
    """Wait for the end of a rollout, and go back if it was killed before it replaced the former servers."""
    version, fields = sys.argv[1:]
    if sys.stdin.buffer.read() == _ENDED:
        return
    program, env, project, log = json.loads(fields)
    compose = Compose(program, Path(env), project, Path(log) if log else None)
    if not canary_of(compose).env_file.exists():
        return  # it had not begun yet, or had just ended
    if env_file.read(compose.env_file)["TONEBRIDGE_VERSION"] == version:
        print(f"The rollout of {version} was killed while it replaced servers: run the same command again.")
        return
    print(f"The rollout of {version} was killed, so its canary is taken back.", flush=True)
    ComposeFleet(compose, version).go_back()


if __name__ == "__main__":
    main()
