"""Snapshots under DVC: a repository that was moved, and a remote that was changed."""

import shutil
from pathlib import Path

from dvc.repo import Repo

from data.snapshots import archive


def make(repository: Path, name: str, text: str) -> Path:
    folder = repository / "snapshots" / name
    folder.mkdir(parents=True)
    (folder / "rows.txt").write_text(text)
    return folder


def count_objects(remote: Path) -> int:
    return sum(path.is_file() for path in remote.glob("files/md5/*/*"))


def test_a_moved_repository_pulls_adds_and_forgets(tmp_path: Path) -> None:
    old, remote = tmp_path / "old" / "data", tmp_path / "remote"
    archive.add(old, make(old, "f00d", "first"), str(remote))
    new = tmp_path / "elsewhere" / "deeper" / "data"
    new.parent.mkdir(parents=True)
    shutil.move(old, new)
    moved = new / "snapshots" / "f00d"
    shutil.rmtree(moved)
    shutil.rmtree(new / ".dvc" / "cache")
    with Repo(str(new)) as repo:
        repo.pull()
    assert (moved / "rows.txt").read_text() == "first"
    archive.add(new, make(new, "beef", "second"), str(remote))
    assert count_objects(remote) == 4, "a file and a list of each"
    assert archive.forget(new, moved, str(remote)) == 4, "from the remote and the cache"
    assert count_objects(remote) == 2
    assert not moved.with_name("f00d.dvc").exists()
    assert moved.with_name("beef.dvc").exists()


def test_the_remote_of_the_setting_is_cleaned_and_not_that_of_a_backup(tmp_path: Path) -> None:
    repository, former, present = tmp_path / "data", tmp_path / "former", tmp_path / "present"
    folder = make(repository, "f00d", "first")
    archive.add(repository, folder, str(former))
    shutil.copytree(former, present)
    archive.forget(repository, folder, str(present))
    assert (count_objects(former), count_objects(present)) == (2, 0)


def test_without_a_remote_in_the_setting_the_configured_one_is_cleaned(tmp_path: Path) -> None:
    repository, remote = tmp_path / "data", tmp_path / "remote"
    folder = make(repository, "f00d", "first")
    archive.add(repository, folder, str(remote))
    archive.forget(repository, folder, None)
    assert count_objects(remote) == 0
