"""A real server of Sentry's protocol, Bugsink, takes our events. It is installed from PyPI, in an environment
of its own.
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import configs
from benchmarks.servers import install
from tests.failing import KEY, PASSWORD, PROMPT, TEXT, VALUE, fail
from tests.ports import free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

VERSION = "2.6.2"
_PROJECT = "from projects.models import Project; print(Project.objects.create(name='tests').dsn)"
_EVENTS = """
import json
from events.models import Event
rows = Event.objects.order_by("timestamp")
print(json.dumps([[row.issue_id.hex, row.calculated_type, row.release, row.environment] for row in rows]))
"""


class Bugsink:
    """A server in a folder, with a project."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._programs = configs.ROOT / "artifacts" / "peers" / "bugsink" / "bin"
        self._environment = {
            **os.environ, "DJANGO_SETTINGS_MODULE": "bugsink_conf", "PYTHONPATH": str(folder),
        }  # fmt: skip
        self.run("bugsink-create-conf", "--template=local", "--host=127.0.0.1", f"--port={self.port}")
        for database in ("default", "snappea"):
            self.run("bugsink-manage", "migrate", f"--database={database}")
        self.dsn = self.ask(_PROJECT)

    def run(self, *command: str) -> str:
        """What a program of the server prints."""
        words = [str(self._programs / command[0]), *command[1:]]
        ended = subprocess.run(
            words, cwd=self.folder, env=self._environment, check=True, capture_output=True, text=True
        )
        return ended.stdout

    def ask(self, script: str) -> str:
        """The last line that a script prints in the server's environment."""
        return self.run("bugsink-manage", "shell", "--no-imports", "-c", script).splitlines()[-1]

    def start(self) -> "subprocess.Popen[bytes]":
        """The running server."""
        words = [str(self._programs / "gunicorn"), "--bind", f"127.0.0.1:{self.port}", "bugsink.wsgi"]
        return subprocess.Popen(words, cwd=self.folder, env=self._environment)

    def events(self) -> list[list[Any]]:
        """Issue, type, release and environment of each event."""
        events: list[list[Any]] = json.loads(self.ask(_EVENTS))
        return events


@pytest.fixture
def bugsink(tmp_path: Path) -> Iterator[Bugsink]:
    install(configs.ROOT / "artifacts" / "peers" / "bugsink", f"bugsink=={VERSION}")
    server = Bugsink(tmp_path)
    process = server.start()
    try:
        deadline = time.monotonic() + 60
        while not answers(server.port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/accounts/login/", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def test_it_groups_our_events_and_has_no_text(bugsink: Bugsink) -> None:
    for _ in range(2):
        assert fail(bugsink.dsn).returncode == 1
    # A process waits two seconds at its end for what is not sent yet, so a slow server misses some.
    deadline, wanted = time.monotonic() + 60, {"RuntimeError", "Log Message"}
    events = bugsink.events()
    while {kind for _, kind, *_ in events} != wanted or len(events) < 4:
        assert time.monotonic() < deadline, events
        time.sleep(0.5)
        events = bugsink.events()
    assert {(release, environment) for _, _, release, environment in events} == {("1.2.3", "staging")}
    issues = {(issue, kind) for issue, kind, *_ in events}
    assert sorted(kind for _, kind in issues) == ["Log Message", "RuntimeError"], "the same failure is one"
    everything = b"".join(file.read_bytes() for file in bugsink.folder.rglob("*.sqlite3*"))
    assert b"a thread has ended" not in everything, "messages are not sent either"
    for planted in (TEXT, KEY, PASSWORD, VALUE, PROMPT):
        assert planted.encode() not in everything, planted
