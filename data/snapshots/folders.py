"""Where the folder of a snapshot is.

A row has the path below the state folder. So an installation can be moved, restored elsewhere, and run by
several hosts that mount its files under different paths.
"""

from pathlib import Path

from data.reasons import ReasonedError


class MissingFilesError(ReasonedError):
    """The files of a snapshot are not where its row says; get them, or name the right state folder."""

    def __init__(self, digest: str, folder: Path, state: Path) -> None:
        super().__init__(
            "snapshot_files_missing",
            snapshot=digest,
            folder=str(folder),
            state=str(state.absolute()),
            repository=str(repository(state).absolute()),
        )


def repository(state: Path) -> Path:
    """The folder that DVC versions: the snapshots are in its folder `snapshots`."""
    return state / "data"


def to_row(state: Path, folder: Path) -> str:
    """The path that a row stores: below the state folder, or absolute for a folder outside of it."""
    resolved, root = folder.resolve(), state.resolve()
    return str(resolved.relative_to(root) if resolved.is_relative_to(root) else resolved)


def from_row(state: Path, path: str) -> Path:
    """The folder of a row's path. An absolute path is that of a folder outside of the state folder, or of a
    row that migration 0046 did not recognise: it is used as it is.
    """
    return state / path


def find(state: Path, digest: str, path: str) -> Path:
    """The folder of a row's path; MissingFilesError when it does not exist here."""
    folder = from_row(state, path)
    if not folder.is_dir():
        raise MissingFilesError(digest, folder.absolute(), state)
    return folder
