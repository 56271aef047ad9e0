"""Where a snapshot's folder is, for state folders that move."""

from pathlib import Path

import pytest

from data.reasons import render
from data.snapshots import folders
from data.snapshots.folders import MissingFilesError


def test_a_row_has_the_path_below_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for state in (tmp_path / "state", Path("state")):
        assert folders.to_row(state, state / "data" / "snapshots" / "f00d") == "data/snapshots/f00d"
    (tmp_path / "link").symlink_to(tmp_path / "state")
    (tmp_path / "state").mkdir()
    assert folders.to_row(tmp_path / "link", tmp_path / "state" / "data") == "data"
    outside = tmp_path / "elsewhere" / "f00d"
    assert folders.to_row(tmp_path / "state", outside) == str(outside)


def test_a_row_is_read_wherever_the_state_folder_is(tmp_path: Path) -> None:
    for state in (tmp_path / "a", tmp_path / "b"):
        folder = state / "data" / "snapshots" / "f00d"
        folder.mkdir(parents=True)
        assert folders.find(state, "f00d", "data/snapshots/f00d") == folder
    outside = tmp_path / "c"
    outside.mkdir()
    assert folders.find(tmp_path / "a", "f00d", str(outside)) == outside, "as an earlier release stored it"


def test_missing_files_are_named_with_the_folder_and_the_setting(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError) as refused:
        folders.find(tmp_path, "f00d", "data/snapshots/f00d")
    assert f"`dvc pull` in {tmp_path}/data." in str(refused.value)
    for text in (str(refused.value), render(refused.value.reasons, "ja")):
        assert f"{tmp_path}/data/snapshots/f00d" in text
        assert "TONEBRIDGE_STATE" in text
