"""Steps: their output is in a log, and a failure shows its end."""

import sys
from pathlib import Path

import pytest

from deploy import engine


def test_a_step_leaves_its_output_in_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "logs" / "step.log"
    script = "import sys; print('out'); print('err', file=sys.stderr)"
    assert engine.step("a step", [sys.executable, "-c", script], log) > 0
    assert sorted(log.read_text().split()) == ["err", "out"]
    assert "a step" in capsys.readouterr().out


def test_a_failed_step_says_why(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    with pytest.raises(
        engine.CommandFailedError, match=r"(?s)a step ended with code 3.*step\.log.*the reason"
    ):
        engine.step("a step", [sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)"], log)
