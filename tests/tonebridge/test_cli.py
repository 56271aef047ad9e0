"""The command `tonebridge` against a live gateway."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from tests.sdks import ROOT, Installation
from tonebridge import cli


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(live: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run(*arguments, stdin="", **environment)` runs the command with the owner's key, in this process."""
    monkeypatch.setenv("TONEBRIDGE_URL", live.url)
    monkeypatch.setenv("TONEBRIDGE_API_KEY", live.key)

    def run(*arguments: str, stdin: str = "", **environment: str) -> Done:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            code = cli.main(arguments)
        except SystemExit as error:  # argparse's
            code = int(str(error.code))
        return Done(code, *capsys.readouterr())

    return run


def test_the_command_is_a_process(live: Installation) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "sdk" / "python" / "src"),
        "TONEBRIDGE_URL": live.url,
        "TONEBRIDGE_API_KEY": live.key,
    }
    command = [sys.executable, "-m", "tonebridge", "rewrite", "--type", "soften"]
    done = subprocess.run(command, input="Fix it.\n", capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Please wait.")


def test_a_message_is_rewritten(run: Run) -> None:
    done = run("rewrite", "Fix it now.", "--type", "soften", "--intensity", "3", "--user", "ann")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Please wait. ")
    assert done.out.count("\n") == 1


@pytest.mark.parametrize("text", [["-"], []])
def test_a_message_is_read_from_standard_input(run: Run, text: list[str]) -> None:
    done = run("rewrite", *text, "--type", "clarify", "--json", stdin="直してください。\n")
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    assert answer["receipt"]
    assert answer["transformed_text"].startswith("Please wait. ")


def test_a_rewrite_is_shown_while_it_is_written(run: Run) -> None:
    done = run("rewrite", "Fix it, and show me.", "--type", "soften", "--stream")
    assert (done.code, done.out) == (0, "Please wait.\n"), done.err


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "says"),
    [
        (["x", "--type", "soften"], {"TONEBRIDGE_API_KEY": ""}, cli.UNAUTHORIZED, "set TONEBRIDGE_API_KEY"),
        (["x", "--type", "soften"], {"TONEBRIDGE_API_KEY": "no"}, cli.UNAUTHORIZED, "401: "),
        (["x", "--type", "soften"], {"TONEBRIDGE_URL": "localhost"}, cli.MISUSED, "the gateway's address"),
        (["x", "--type", "soften"], {"TONEBRIDGE_URL": "http://127.0.0.1:1"}, cli.UNREACHABLE, "no answer"),
        ([" ", "--type", "soften"], {}, cli.FAILED, "422: text: "),
        (["x", "--type", "harden"], {}, cli.MISUSED, "invalid choice: 'harden'"),
        (["x"], {}, cli.MISUSED, "required: --type"),
    ],
)
def test_what_goes_wrong_is_said(
    run: Run, arguments: Sequence[str], environment: dict[str, str], code: int, says: str
) -> None:
    done = run("rewrite", *arguments, **environment)
    assert (done.code, done.out) == (code, "")
    assert says in done.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_at_a_terminal_is_told_what_to_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(SystemExit, match=str(cli.MISUSED)):
        cli.main(["rewrite", "--type", "soften"])
    assert "give a message" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error_to_show(live: Installation) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "tonebridge", "rewrite", "Fix it.", "--type", "soften", "--json"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "TONEBRIDGE_URL": live.url,
            "TONEBRIDGE_API_KEY": live.key,
            "PYTHONPATH": str(ROOT / "sdk" / "python" / "src"),
        },
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (cli.FAILED, b"")
