"""A real repository of restic in a folder."""

from pathlib import Path

import pytest

from deploy.backup import repository
from deploy.backup.faults import BackupError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESTIC_REPOSITORY", str(tmp_path / "repository"))
    monkeypatch.setenv("RESTIC_PASSWORD", "the password of a test")
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def test_what_is_stored_is_encrypted_listed_and_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackupError, match=r"there is no repository in .*`python -m deploy.backup setup`"):
        repository.list_stored()
    assert repository.create()
    file = place / "folder" / "text"
    file.parent.mkdir()
    file.write_text("a message of a person")
    repository.store([file.parent], {"kind": "wal", "history": "7-1"})
    [stored] = repository.list_stored("wal")
    assert (stored.paths, stored.tags["history"]) == ((str(file.parent),), "7-1")
    assert repository.read(stored, str(file)) == b"a message of a person"
    for stored_file in (place / "repository").rglob("*"):
        assert stored_file.is_dir() or b"message of a person" not in stored_file.read_bytes()

    monkeypatch.setenv("RESTIC_PASSWORD", "another password")
    with pytest.raises(BackupError, match="the password is not that of the repository"):
        repository.create()


def test_a_repository_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESTIC_REPOSITORY")
    with pytest.raises(BackupError, match="RESTIC_REPOSITORY is not set: name a folder"):
        repository.list_stored()


def test_without_restic_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BackupError, match="apt-get install restic"):
        repository.list_stored()
