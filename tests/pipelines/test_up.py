"""The command that runs an installation, from its first start on."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from configs.settings import Settings
from data.people import identities
from tests import ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

KEY = identities.generate_key()


@contextmanager
def up(state: Path, champion: Path) -> Iterator[tuple[str, str]]:
    """A started installation: what it has printed, and the gateway's address."""
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
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.up"], env=env, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 200
        while "Ctrl-C stops everything" not in output.read_text():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.2)
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
