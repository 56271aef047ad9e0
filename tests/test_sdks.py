"""The SDKs as packages: their READMEs' examples, and what of them is installed."""

import re
import shutil
import subprocess
import sys
import sysconfig
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.sdks import ROOT, Installation

PYTHON = ROOT / "sdk" / "python"
EXAMPLES = re.findall(r"^```python\n(.+?)^```$", (PYTHON / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run an example in, and its environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TONEBRIDGE_URL", installation.url)
    monkeypatch.setenv("TONEBRIDGE_API_KEY", installation.key)
    return tmp_path


def test_the_examples_are_found() -> None:
    assert len(EXAMPLES) == 6


@pytest.mark.parametrize("example", EXAMPLES[:5], ids=lambda code: code.split("\n")[-2].strip()[:30])
def test_an_example_in_python_runs(place: Path, example: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_the_example_of_webhooks_knows_what_is_signed() -> None:
    names: dict[str, object] = {}
    exec(compile(EXAMPLES[5], "README.md", "exec"), names)
    receive, secret = names["receive"], names["SECRET"]
    assert callable(receive)
    now = int(time.time())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now)}
    signature = Webhook(str(secret)).sign("msg_1", datetime.fromtimestamp(now, UTC), "{}")
    assert receive(b"{}", {**headers, "webhook-signature": signature}) == 204
    assert receive(b"{}", {**headers, "webhook-signature": "v1,AAAA"}) == 400


@pytest.mark.slow
def test_a_wheel_is_installed_and_its_command_runs(installation: Installation, tmp_path: Path) -> None:
    """Without the network: what the wheel needs is that of this environment."""
    source, env, wheels = (tmp_path / name for name in ("source", "env", "wheels"))
    shutil.copytree(PYTHON, source)  # a build leaves files in it
    pip = [sys.executable, "-m", "pip"]
    build = [*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(source)]
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = wheels.iterdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(env)], check=True, timeout=300)
    install = [*pip, "--python", str(env / "bin" / "python"), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, timeout=300)
    environment = {
        "TONEBRIDGE_URL": installation.url,
        "TONEBRIDGE_API_KEY": installation.key,
        "PYTHONPATH": sysconfig.get_path("purelib"),
    }
    command = [str(env / "bin" / "tonebridge"), "rewrite", "Fix it.", "--type", "soften"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout.startswith("Please wait."), done.stderr
