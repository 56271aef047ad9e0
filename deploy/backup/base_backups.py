"""Full and incremental backups of Postgres, and which are kept.

A full backup and the incremental ones after it are a chain. Each is checked before it is stored.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from configs.settings import Settings
from deploy.backup import erased, postgres, repository
from deploy.backup.faults import BackupError
from deploy.backup.repository import Stored

_KIND = "base"
_DATA, _COUNTS = "data", "counts.json"  # in the stored folder


class Base(NamedTuple):
    """A stored backup of Postgres."""

    stored: Stored
    chain: str  # the name of its full backup
    history: str  # whose WAL it needs
    first_segment: str  # the WAL that it needs to become consistent, from this file
    last_segment: str  # to this one
    ended_at: datetime  # from this moment on it can be restored to

    @property
    def folder(self) -> str:
        """Where Postgres' files are in what is stored."""
        return f"{self.stored.paths[0]}/{_DATA}"

    @property
    def is_full(self) -> bool:
        """Whether it needs no other one."""
        return self.stored.tags["level"] == "full"

    def read_counts(self) -> dict[str, int]:
        """The rows of each table when the backup began."""
        return dict(json.loads(repository.read(self.stored, f"{self.stored.paths[0]}/{_COUNTS}")))


def folder_of(settings: Settings) -> Path:
    """Where backups keep what is not stored yet: in the state folder, with room for a copy of Postgres."""
    return (settings.state / "backup").absolute()


def back_up(settings: Settings, incremental: bool, keep: int) -> Base:
    """Make a backup and store it; after a full one forget all chains but the newest `keep`."""
    url = postgres.url_of(settings)
    server = postgres.identify(url)
    chain = [base for base in list_bases() if base.history == server.history]
    if incremental and not chain:
        raise BackupError(
            "there is no full backup of this server yet, or it has been restored since: make one by"
            " `python -m deploy.backup base`"
        )
    postgres.create_slot(url)
    staging = folder_of(settings) / "staging"
    shutil.rmtree(staging, ignore_errors=True)  # of a backup that was killed
    staging.mkdir(parents=True, mode=0o700)
    try:
        (staging / _COUNTS).write_text(json.dumps(postgres.count_rows(url)), encoding="utf-8")
        words = ["--pgdata", str(staging / _DATA), "--wal-method", "none", "--checkpoint", "fast"]
        if incremental:
            manifest = staging / "manifest"
            manifest.write_bytes(repository.read(chain[-1].stored, f"{chain[-1].folder}/backup_manifest"))
            words += ["--incremental", str(manifest)]
        postgres.run("pg_basebackup", words, url)
        ended_at = datetime.now(UTC)
        (staging / "manifest").unlink(missing_ok=True)
        verify(staging / _DATA)
        [wal] = _read_manifest(staging / _DATA)["WAL-Ranges"]
        repository.store(
            [staging],
            {
                "kind": _KIND,
                "level": "incremental" if incremental else "full",
                "chain": chain[-1].chain if incremental else f"{ended_at:%Y%m%dT%H%M%SZ}",
                "history": server.history,
                "first": postgres.segment_of(wal["Timeline"], wal["Start-LSN"]),
                "last": postgres.segment_of(wal["Timeline"], wal["End-LSN"]),
                "ended": ended_at.isoformat(),
            },
        )
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if not incremental:
        _forget_old(settings, keep)
    return list_bases()[-1]


def verify(data: Path) -> None:
    """Compare files of Postgres with the hashes of their manifest; BackupError when one differs."""
    try:
        # Its WAL is not in the folder.
        postgres.run("pg_verifybackup", ["--no-parse-wal", "--quiet", str(data)])
    except BackupError as error:
        raise BackupError(
            f"{error}. The files in {data} are not those that Postgres sent: see the disk and the memory of"
            " this machine, and make the backup, or fetch it, again"
        ) from error


def list_bases() -> list[Base]:
    """The stored backups of Postgres, the oldest first."""
    return [
        Base(
            stored,
            stored.tags["chain"],
            stored.tags["history"],
            stored.tags["first"],
            stored.tags["last"],
            datetime.fromisoformat(stored.tags["ended"]),
        )
        for stored in repository.list_stored(_KIND)
    ]


def chain_for(bases: Sequence[Base], to: datetime | None) -> list[Base]:
    """The full backup and the incremental ones after it from which a moment is restored; for None the newest.

    BackupError when the moment is before the oldest backup, or in the future.
    """
    if not bases:
        raise BackupError("no backup is stored here: see that RESTIC_REPOSITORY names the right repository")
    if to is not None and to > datetime.now(UTC):
        raise BackupError(f"{to.isoformat()} is in the future; the newest moment is that without --to")
    usable = [base for base in bases if to is None or base.ended_at <= to]
    if not usable:
        raise BackupError(
            f"{to and to.isoformat()} is before the end of the oldest backup that is kept,"
            f" {bases[0].ended_at.isoformat()}: nothing older can be restored"
        )
    newest = max(usable, key=lambda base: base.ended_at)
    return [base for base in usable if base.chain == newest.chain and base.ended_at <= newest.ended_at]


def choose_kept(bases: Sequence[Base], keep: int) -> list[Base]:
    """The backups of the newest `keep` chains."""
    chains = sorted({base.chain for base in bases})[-keep:]
    return [base for base in bases if base.chain in chains]


def _forget_old(settings: Settings, keep: int) -> None:
    """Forget older chains, and the WAL, files and ids that only they needed; free their space."""
    bases = list_bases()
    kept = choose_kept(bases, keep)
    gone = [base.stored for base in bases if base not in kept]
    if not gone:
        return
    first: dict[str, str] = {}
    for base in kept:
        first.setdefault(base.history, base.first_segment)
    for folder in (folder_of(settings) / "wal").glob("*"):
        if folder.name in first:
            postgres.run("pg_archivecleanup", [str(folder), first[folder.name]])
        else:
            shutil.rmtree(folder)
    gone += [stored for stored in repository.list_stored("wal") if stored.tags["history"] not in first]
    oldest = min(base.ended_at for base in kept)
    for kind in ("files", "remote", "artifacts"):
        # One from before the oldest moment that can be restored is needed for it.
        gone += [stored for stored in repository.list_stored(kind) if stored.time < oldest][:-1]
    repository.forget(gone)
    repository.prune()
    erased.drop_before(folder_of(settings), oldest)


def _read_manifest(data: Path) -> Mapping[str, Any]:
    return dict(json.loads((data / "backup_manifest").read_text(encoding="utf-8")))
