"""The order of an upgrade and of a rollback, as a program that stands for Compose has seen it."""

import os
from pathlib import Path

import pytest

from deploy.compose import env_file
from deploy.compose.installation import GATEWAYS, Installation
from deploy.compose.programs import Compose, ComposeError

# Notes its words after the options, and fails where a file says so.
PROGRAM = """#!/bin/sh
shift 6
echo "$@" >> "$FOLDER/calls"
case "$*" in *bootstrap) echo "  API key   tb_1   (shown this once)" ;; esac
for word in "$@"; do [ -e "$FOLDER/fails-$word" ] && exit 3; done
exit 0
"""


@pytest.fixture
def compose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compose:
    program = tmp_path / "compose"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("FOLDER", str(tmp_path))
    env_file.make(tmp_path / ".env", {"TONEBRIDGE_VERSION": "v1"})
    return Compose([str(program)], tmp_path / ".env")


def installation(compose: Compose) -> Installation:
    return Installation(compose, lambda _: None, timeout_s=0.1)


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def version(compose: Compose) -> str:
    return env_file.read(compose.env_file)["TONEBRIDGE_VERSION"]


def test_the_tables_come_first_and_a_gateway_is_used_before_the_next_is_replaced(
    compose: Compose, tmp_path: Path
) -> None:
    installation(compose).upgrade("v2")
    seen = calls(tmp_path)
    assert seen[0].endswith("run --rm -T --no-deps migrate")
    first, second = (seen.index(f"up -d --no-deps {gateway}") for gateway in GATEWAYS)
    between = seen[first + 1 : second]
    assert any("/readyz" in call for call in between)
    assert any("/up/gateway-1" in call for call in between)
    assert seen[-1].endswith("release")
    assert version(compose) == "v2"


def test_a_failed_migration_replaces_nothing(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / "fails-migrate").touch()
    with pytest.raises(ComposeError, match="migrate ended with code 3"):
        installation(compose).upgrade("v2")
    assert len(calls(tmp_path)) == 1
    assert version(compose) == "v1"


def test_a_gateway_that_is_not_ready_keeps_the_other_one(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / "fails-exec").touch()
    with pytest.raises(TimeoutError, match="gateway-1 is not ready"):
        installation(compose).upgrade("v2")
    assert not any(call.endswith("gateway-2") for call in calls(tmp_path))


def test_an_interrupted_upgrade_goes_on_and_keeps_the_former_tag(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / "fails-exec").touch()
    with pytest.raises(TimeoutError):
        installation(compose).upgrade("v2")
    (tmp_path / "fails-exec").unlink()
    installation(compose).upgrade("v2")
    assert installation(compose).rollback() == "v1"


def test_a_rollback_takes_the_former_tag_and_leaves_the_tables(compose: Compose, tmp_path: Path) -> None:
    installation(compose).upgrade("v2")
    (tmp_path / "calls").unlink()
    assert installation(compose).rollback() == "v1"
    assert version(compose) == "v1"
    assert not any("migrate" in call for call in calls(tmp_path))
    assert installation(compose).rollback() == "v2"


def test_without_an_upgrade_there_is_no_rollback(compose: Compose) -> None:
    with pytest.raises(ComposeError, match="there was no upgrade"):
        installation(compose).rollback()


def test_variables_of_the_shell_do_not_reach_an_installation(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONEBRIDGE_VERSION", "of-the-shell")
    printing = tmp_path / "printing"
    printing.write_text('#!/bin/sh\necho "$TONEBRIDGE_VERSION"\n')
    printing.chmod(0o755)
    assert compose._replace(program=[str(printing)]).output("config").strip() == ""
    assert os.environ["TONEBRIDGE_VERSION"] == "of-the-shell"


def test_the_first_key_is_shown_although_a_later_step_fails(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / "fails-release").touch()
    said: list[str] = []
    with pytest.raises(ComposeError, match="release ended with code 3"):
        Installation(compose, said.append).up()
    assert any("API key" in line for line in said)
