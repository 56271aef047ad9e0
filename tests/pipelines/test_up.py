"""The command that runs an installation, from its first start on."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from configs.settings import Settings
from data.people import identities
from tests import ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

KEY = identities.generate_key()


def start(state: Path, champion: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """The command's process, and the file of what it prints."""
    wanted = ports.with_own_ports(Settings(state=state))
    env = {
        **os.environ,
        **{f"TONEBRIDGE_{name.upper()}": str(getattr(wanted, name)) for name in ports.NAMES},
        "TONEBRIDGE_STATE": str(state),
        "TONEBRIDGE_ARTIFACTS": str(state / "artifacts"),
        "TONEBRIDGE_CHAMPION": str(champion),
        "TONEBRIDGE_BOOTSTRAP_API_KEY": KEY,
    }
    output = state.with_suffix(".txt")
    with output.open("w") as file:
        command = [sys.executable, "-m", "pipelines.up"]
        return subprocess.Popen(command, env=env, stdout=file, stderr=subprocess.STDOUT), output


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.05)


@contextmanager
def up(state: Path, champion: Path) -> Iterator[tuple[str, str]]:
    """A started installation: what it has printed, and the gateway's address."""
    process, output = start(state, champion)
    try:
        wait_until(lambda: "Ctrl-C stops everything" in output.read_text(), process, output)
        printed = output.read_text()
        [gateway] = re.findall(r"gateway +(http://\S+)/docs", printed)
        yield printed, gateway
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def ask(gateway: str) -> httpx.Response:
    body = {"text": "Fix it today.", "transform_type": "soften", "intensity": 2, "user_id": "ann"}
    return httpx.post(f"{gateway}/api/v1/transform", json=body, headers={"X-API-Key": KEY}, timeout=60)


def test_a_new_installation_answers_with_the_champion_that_comes_with_it(
    tmp_path: Path, shipped_champion: Path
) -> None:
    """One test, because each start stands on the one before."""
    state = tmp_path / "state"
    with up(state, tmp_path / "none") as (printed, gateway):
        assert f"No version answers yet: {tmp_path / 'none'} is no complete version" in printed
        assert ask(gateway).status_code == 503
    with up(state, shipped_champion) as (printed, gateway):
        assert "v1 answers now." in printed
        answer = ask(gateway).raise_for_status().json()
        assert (answer["version"], answer["fallback"]) == ("v1", False)
    with up(state, shipped_champion) as (printed, gateway):
        assert "Releasing" not in printed
        assert ask(gateway).raise_for_status().json()["version"] == "v1"


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death signal is Linux's")
def test_a_first_start_that_is_killed_is_finished_by_a_later_one(
    tmp_path: Path, shipped_champion: Path
) -> None:
    state = tmp_path / "state"
    log = state / "logs" / "first_release.log"

    def read_log() -> str:
        return log.read_text() if log.exists() else ""

    moments: dict[str, Callable[[], bool]] = {
        "in the export": lambda: any(state.glob("runs/*/version.partial")),
        "before the registration": lambda: any(state.glob("runs/*/version/version.json")),
        "in the promotion": lambda: "for flow 'promote'" in read_log(),
        "at the routing": lambda: re.search("make_servable.*Completed", read_log()) is not None,
    }
    for name, condition in moments.items():
        log.unlink(missing_ok=True)
        process, output = start(state, shipped_champion)
        wait_until(condition, process, output)
        process.kill()
        process.wait()
        assert "answers now" not in output.read_text(), name
    with up(state, shipped_champion) as (_, gateway):
        assert ask(gateway).raise_for_status().json()["version"] == "v1"
    assert len([*state.glob("runs/*")]) == 1
