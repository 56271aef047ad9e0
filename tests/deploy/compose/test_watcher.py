"""A rollout that is killed leaves no canary with requests."""

import signal
import subprocess
import sys

import pytest

from deploy.catalog import ROOT
from deploy.compose import env_file
from deploy.compose.canary import canary_of
from tests.deploy.compose.proxied import Installed

# A rollout up to a moment, at which it says so and waits.
ROLLOUT = """
import pathlib, sys, time
from deploy.compose import env_file
from deploy.compose.canary import ComposeFleet
from deploy.compose.programs import Compose
from deploy.compose.watcher import watched
program, file, moment = sys.argv[1:]
compose = Compose([program], pathlib.Path(file))
with watched(compose, "v2"):
    fleet = ComposeFleet(compose, "v2", lambda line: None)
    if moment != "before":
        fleet.begin()
        fleet.shift(50)
    if moment == "after":
        fleet.go_back()
    if moment == "replacing":
        env_file.change(compose.env_file, {"TONEBRIDGE_VERSION": "v2"})
    print("here", flush=True)
    if moment != "after":
        time.sleep(600)
"""


def _run(installed: Installed, moment: str) -> "subprocess.Popen[str]":
    file = installed.compose.env_file
    words = [sys.executable, "-c", ROLLOUT, *installed.compose.program, str(file), moment]
    rollout = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert rollout.stdout is not None
    assert rollout.stdout.readline() == "here\n"
    return rollout


def _end(rollout: "subprocess.Popen[str]", number: int | None) -> str:
    """What was printed until the watcher, which has the same output, has ended as well."""
    if number is not None:
        rollout.send_signal(number)
    printed, _ = rollout.communicate(timeout=60)
    return printed


def test_a_killed_rollout_is_taken_back(installed: Installed) -> None:
    rollout = _run(installed, "canary")
    assert "gateway-canary" in installed.send(20)
    printed = _end(rollout, signal.SIGKILL)
    assert printed == "The rollout of v2 was killed, so its canary is taken back.\n"
    assert "gateway-canary" not in installed.send(20)
    assert installed.calls()[-1].endswith("data.traffic.withdrawals v2")
    assert not canary_of(installed.compose).env_file.exists()


def test_one_that_is_killed_while_it_replaces_servers_is_told_to_go_on(installed: Installed) -> None:
    printed = _end(_run(installed, "replacing"), signal.SIGKILL)
    assert "run the same command again" in printed
    assert canary_of(installed.compose).env_file.exists()
    assert "gateway-canary" in installed.send(20)


@pytest.mark.parametrize(("moment", "number"), [("before", signal.SIGKILL), ("after", None)])
def test_nothing_is_done_before_and_after_a_rollout(
    installed: Installed, moment: str, number: int | None
) -> None:
    rollout = _run(installed, moment)
    calls = installed.calls() if moment == "after" else None
    assert _end(rollout, number) == ""
    assert calls is None or installed.calls() == calls
    assert env_file.read(installed.compose.env_file)["TONEBRIDGE_VERSION"] == "v1"
