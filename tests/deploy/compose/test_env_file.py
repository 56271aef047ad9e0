"""The file of secrets: made once, for its owner alone, and one secret at a time is replaced."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.compose import env_file

NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    env_file.make(tmp_path / ".env")
    return tmp_path / ".env"


def test_secrets_are_random_and_for_the_owner_alone(path: Path, tmp_path: Path) -> None:
    env_file.make(tmp_path / "other")
    first, second = env_file.read(path), env_file.read(tmp_path / "other")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for name in env_file.SECRETS:
        assert first[name] != second[name]
        assert 32 <= len(first[name]) <= 64
    assert len(set(map(first.get, env_file.SECRETS))) == len(env_file.SECRETS)


def test_a_file_is_not_overwritten(path: Path) -> None:
    before = path.read_text()
    with pytest.raises(FileExistsError):
        env_file.make(path)
    with pytest.raises(SystemExit, match="its secrets are in use"):
        env_file.main(["--file", str(path)])
    assert path.read_text() == before


def test_what_is_read_is_what_was_chosen(tmp_path: Path) -> None:
    choices = {"TONEBRIDGE_ALLOWED_HOSTS": '["write.example.com"]', "TONEBRIDGE_VERSION": "v1"}
    env_file.make(tmp_path / ".env", choices)
    values = env_file.read(tmp_path / ".env")
    assert {name: values[name] for name in choices} == choices


def test_a_change_keeps_comments_order_and_lines_of_ones_own(path: Path) -> None:
    path.write_text(path.read_text() + "# mine\nMINE=1\n")
    before = path.read_text().splitlines()
    env_file.change(path, {"TONEBRIDGE_VERSION": "v2"})
    after = path.read_text().splitlines()
    assert [new for old, new in zip(before, after, strict=True) if old != new] == ["TONEBRIDGE_VERSION=v2"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_rotated_secret_is_new_and_no_other_is(path: Path) -> None:
    before = env_file.read(path)
    env_file.main(["--file", str(path), "rotate", "service_token"])
    after = env_file.read(path)
    assert [name for name in before if before[name] != after[name]] == ["TONEBRIDGE_SERVICE_TOKEN"]


def test_former_receipt_secrets_are_accepted_for_a_while(path: Path) -> None:
    first = env_file.read(path)["TONEBRIDGE_RECEIPT_SECRET"]
    env_file.rotate(path, "TONEBRIDGE_RECEIPT_SECRET", NOW)
    second = env_file.read(path)["TONEBRIDGE_RECEIPT_SECRET"]
    env_file.rotate(path, "TONEBRIDGE_RECEIPT_SECRET", NOW + timedelta(days=1))
    former = json.loads(env_file.read(path)["TONEBRIDGE_FORMER_RECEIPT_SECRETS"])
    assert [each["secret"] for each in former] == [second, first]
    env_file.rotate(path, "TONEBRIDGE_RECEIPT_SECRET", NOW + timedelta(days=30, seconds=1))
    former = json.loads(env_file.read(path)["TONEBRIDGE_FORMER_RECEIPT_SECRETS"])
    assert first not in [each["secret"] for each in former]


def test_an_example_has_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    env_file.main(["example"])
    assert capsys.readouterr().out.count("=RANDOM\n") == len(env_file.SECRETS)


def test_an_unknown_secret_is_refused(path: Path) -> None:
    with pytest.raises(SystemExit):
        env_file.main(["--file", str(path), "rotate", "nonsense"])


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"python3 -m deploy\.compose\.env_file"):
        env_file.read(tmp_path / ".env")
