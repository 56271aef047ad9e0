"""The repository: a folder or a bucket, in which restic stores everything encrypted and without repetitions.

restic reads its own variables: RESTIC_REPOSITORY, RESTIC_PASSWORD or RESTIC_PASSWORD_FILE, and AWS_* for S3.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from deploy.backup.faults import BackupError

_TRIES = 5  # of a backup of files that change meanwhile
_INCOMPLETE, _NONE = 3, 10  # exit codes of restic


class Stored(NamedTuple):
    """A snapshot of restic: what was stored at a time, with its tags."""

    id: str
    time: datetime  # when restic began to read it
    paths: tuple[str, ...]
    tags: Mapping[str, str]


def create() -> bool:
    """Make the repository; False when there is one. BackupError when the password is not that of it."""
    if _run("cat", "config", accepted=(_NONE,)).returncode == 0:
        return False
    _run("init")
    return True


def store(paths: Sequence[Path], tags: Mapping[str, str], *options: str) -> None:
    """Store files and folders under their absolute paths."""
    words = ["backup", *options]
    for name, value in tags.items():
        words += ["--tag", f"{name}={value}"]
    words += ["--", *(str(path.absolute()) for path in paths)]
    for _ in range(_TRIES):  # a file may get another name while restic reads the folder
        if _run(*words, accepted=(_INCOMPLETE,)).returncode == 0:
            return
    raise BackupError(
        f"restic could not read all of {', '.join(map(str, paths))}, {_TRIES} times: see that this user may"
        " read every file there"
    )


def list_stored(kind: str | None = None) -> list[Stored]:
    """What is stored, the oldest first; of a kind, or everything."""
    words = ["snapshots", "--json", *(("--tag", f"kind={kind}") if kind else ())]
    rows = [
        Stored(
            row["id"],
            datetime.fromisoformat(row["time"]),
            tuple(row["paths"]),
            dict(tag.split("=", 1) for tag in row.get("tags") or () if "=" in tag),
        )
        for row in json.loads(_run(*words).stdout)
    ]
    return sorted(rows, key=lambda stored: stored.time)


def fetch(stored: Stored, path: str, target: Path) -> None:
    """Restore what is in a stored folder into another folder. What is there already is compared and kept, so
    an interrupted call goes on.
    """
    target.mkdir(parents=True, exist_ok=True)
    _run("restore", f"{stored.id}:{path}", "--target", str(target))


def read(stored: Stored, path: str) -> bytes:
    """A stored file."""
    return _run("dump", stored.id, path).stdout


def forget(stored: Iterable[Stored]) -> None:
    """Forget what is stored. The space is freed by `prune`."""
    ids = [each.id for each in stored]
    if ids:
        _run("forget", *ids)


def thin_out(kind: str, *policy: str) -> None:
    """Forget what is stored of a kind, apart from what restic's policy keeps of each set of tags."""
    _run("forget", "--tag", f"kind={kind}", "--group-by", "tags", *policy)


def prune() -> None:
    """Free the space of what was forgotten."""
    _run("prune")


def check(share: str) -> None:
    """Read a share of the stored data, such as `5%`, and compare it with its hashes."""
    _run("check", f"--read-data-subset={share}")


def place() -> str:
    """The address of the repository; BackupError when none is named."""
    address = os.environ.get("RESTIC_REPOSITORY")
    if not address:
        raise BackupError(
            "RESTIC_REPOSITORY is not set: name a folder on another machine or disk, or a bucket"
            " (s3:https://s3.example.com/bucket/tonebridge), and the password of the repository in"
            " RESTIC_PASSWORD_FILE"
        )
    return address


def _run(*words: str, accepted: tuple[int, ...] = ()) -> subprocess.CompletedProcess[bytes]:
    """Call restic. BackupError when it fails otherwise than with the accepted exit codes."""
    address = place()
    try:
        # A prune locks the repository for minutes.
        done = subprocess.run(
            ["restic", "--retry-lock", "10m", *words],
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise BackupError("restic is not installed: apt-get install restic") from error
    if done.returncode == 0 or done.returncode in accepted:
        return done
    end = done.stderr.decode("utf-8", "replace").strip()[-2000:]
    match done.returncode:
        case 10:
            raise BackupError(
                f"there is no repository in {address}: name the right one in RESTIC_REPOSITORY, or make it by"
                " `python -m deploy.backup setup`"
            )
        case 11:
            raise BackupError(
                f"another restic works on {address}. If it was killed, `restic unlock` removes its lock"
            )
        case 12:
            raise BackupError(
                f"the password is not that of the repository {address}: correct RESTIC_PASSWORD or"
                " RESTIC_PASSWORD_FILE. Nobody can read the backups without it"
            )
    raise BackupError(f"`restic {words[0]}` failed on {address}: {end}")
