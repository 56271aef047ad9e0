"""What a restore needs, and what it refuses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.backup import restore
from deploy.backup.faults import BackupError
from deploy.backup.repository import Stored
from tests.deploy.backup.test_base_backups import BASES, NOON

NAMES = [f"{number:024X}" for number in range(6)]


def test_wal_without_a_gap_is_enough() -> None:
    assert restore.check_wal(NAMES, BASES[:3]) == NAMES[5]
    assert restore.check_wal(NAMES[2:4], BASES[:3]) == NAMES[3]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (NAMES[:4] + NAMES[5:], f"the WAL file {NAMES[4]} is missing"),
        (NAMES[3:], f"the WAL file {NAMES[2]} is missing"),
        (NAMES[:3], f"the WAL ends with the file {NAMES[2]}, and the backup of .* up to {NAMES[3]}"),
        ([], "the WAL ends with the file none"),
    ],
)
def test_missing_wal_is_named(names: list[str], message: str) -> None:
    with pytest.raises(BackupError, match=message):
        restore.check_wal(names, BASES[:3])


def test_an_unfinished_file_counts(tmp_path: Path) -> None:
    for name in (NAMES[1], f"{NAMES[2]}.partial", "00000002.history"):
        (tmp_path / name).touch()
    assert restore.names_of(tmp_path) == {NAMES[1], NAMES[2]}


def test_files_of_before_and_after_the_moment_are_restored() -> None:
    stored = [Stored(str(hour), NOON + timedelta(hours=hour), ("/s",), {}) for hour in range(4)]

    def ids(to: datetime | None) -> list[str]:
        return [each.id for each in restore.choose_files(stored, to)]

    assert ids(NOON + timedelta(minutes=90)) == ["1", "2"]
    assert ids(NOON + timedelta(days=1)) == ["3"]
    assert ids(NOON - timedelta(days=1)) == ["0"]
    assert ids(None) == ["3"]


def test_a_folder_with_files_is_not_overwritten(tmp_path: Path) -> None:
    data, work = tmp_path / "postgres", tmp_path / "postgres.restoring"
    data.mkdir()
    restore.begin(work, data, {"to": None})
    assert not data.exists()
    data.mkdir()
    (data / "PG_VERSION").touch()
    restore.begin(work, data, {"to": None})  # the same restore goes on
    moment = datetime.now(UTC).isoformat()
    with pytest.raises(BackupError, match=f"{data} is not empty: move it away"):
        restore.begin(work, data, {"to": moment})
