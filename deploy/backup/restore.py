"""Restores an installation into an empty state folder: Postgres at a moment, and the files of its rows.

Each step leaves its result in a folder beside that of Postgres, so a restore that was interrupted goes on
when the same command is run again.
"""

import json
import shutil
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from configs.settings import Settings
from deploy.backup import base_backups, postgres, recovery, repository, stream
from deploy.backup.base_backups import Base
from deploy.backup.faults import BackupError
from deploy.backup.repository import Stored

_REQUEST = "request.json"


class Restored(NamedTuple):
    """What was restored: the backups that it began from, and the last WAL file that there was."""

    chain: list[Base]
    last_segment: str


def restore(
    settings: Settings, to: datetime | None, replays: bool = True, report: Callable[[str], None] = print
) -> Restored:
    """Restore Postgres as it was at a moment (None: the newest), and the files, into the state folder.

    With `replays` a server replays the WAL here and stops again. Without, the first server that starts on the
    folder does it. BackupError when something is missing; nothing is overwritten.
    """
    chain = base_backups.chain_for(base_backups.list_bases(), to)
    wal = [each for each in repository.list_stored("wal") if each.tags["history"] == chain[-1].history]
    if not wal:
        raise BackupError(
            f"no WAL of the server {chain[-1].history} is stored: `python -m deploy.backup stream` has to run"
            " while Postgres does, and a base backup is nothing without the WAL of its time"
        )
    if to is not None and to > wal[-1].time:
        raise BackupError(
            f"{to.isoformat()} is after the last WAL that was stored, at {wal[-1].time.isoformat()}: the"
            " newest moment is that without --to"
        )
    data = (settings.state / "postgres").absolute()
    work = data.with_name("postgres.restoring")
    request = {"to": to.isoformat() if to else None, "stored": [each.stored.id for each in chain]}
    request |= {"wal": wal[-1].id}
    begin(work, data, request)
    if not recovery.is_prepared(data):
        version = repository.read(chain[0].stored, f"{chain[0].folder}/PG_VERSION")
        postgres.check_version(int(version))
        for number, each in enumerate(chain):
            report(f"fetching    {each.stored.tags['level']} backup of {each.ended_at:%Y-%m-%d %H:%M:%S}")
            repository.fetch(each.stored, each.folder, work / str(number))
        report(f"fetching    WAL up to {wal[-1].time:%Y-%m-%d %H:%M:%S}")
        repository.fetch(wal[-1], stream.wal_path(wal[-1]), work / "wal")
        last = check_wal(names_of(work / "wal"), chain)
        report("combining   and comparing every file with its hash")
        recovery.prepare(_combine(work, len(chain)), work / "wal", to)
        (work / "combined").rename(data)
    else:
        last = max(names_of(data / recovery.WAL))
    if replays:
        report("replaying   WAL" + (f" to {to.isoformat()}" if to else ""))
        recovery.replay(data, to)
    report("fetching    files")
    _fetch_files(settings, to)
    shutil.rmtree(work)
    return Restored(chain, last)


def begin(work: Path, data: Path, request: dict[str, Any]) -> None:
    """Make the folder of this restore, or find that of the same one. BackupError when Postgres has files."""
    file = work / _REQUEST
    is_same = file.exists() and json.loads(file.read_text(encoding="utf-8")) == request
    if data.exists() and any(data.iterdir()) and not is_same:
        raise BackupError(
            f"{data} is not empty: move it away (it may hold what no backup has), or name an empty state"
            " folder in TONEBRIDGE_STATE"
        )
    if is_same:
        return
    shutil.rmtree(work, ignore_errors=True)  # of another restore
    work.mkdir(parents=True, mode=0o700)
    if data.exists():
        data.rmdir()
    file.write_text(json.dumps(request), encoding="utf-8")


def _combine(work: Path, number: int) -> Path:
    """The complete files of Postgres, made of a full backup and the incremental ones, and verified."""
    combined = work / "combined"
    if not combined.exists() or not (combined / "backup_manifest").exists():
        shutil.rmtree(combined, ignore_errors=True)
        if number == 1:
            (work / "0").rename(combined)
        else:
            words = ["--output", str(combined), *(str(work / str(each)) for each in range(number))]
            if int((work / "0" / "PG_VERSION").read_text()) >= 18:
                # Hard links: what no incremental backup has changed is not copied. Postgres 17 has none.
                words.insert(0, "--link")
            postgres.run("pg_combinebackup", words)
    base_backups.verify(combined)
    return combined


def names_of(folder: Path) -> set[str]:
    """The WAL files of a folder. The last one may be unfinished; then its name ends in `.partial`."""
    return {
        file.name.removesuffix(".partial")
        for file in folder.iterdir()
        if postgres.SEGMENT.fullmatch(file.name.removesuffix(".partial"))
    }


def check_wal(names: Collection[str], chain: Sequence[Base]) -> str:
    """The last of the WAL files; BackupError when there is a gap, or they end before the backup does."""
    newest = chain[-1]
    last = max(names, default="")
    if last < newest.last_segment:
        raise BackupError(
            f"the WAL ends with the file {last or 'none'}, and the backup of {newest.ended_at.isoformat()}"
            f" needs it up to {newest.last_segment}: restore to a moment before this backup, by --to"
        )
    for name in postgres.segments_from(newest.first_segment):
        if name not in names:
            raise BackupError(
                f"the WAL file {name} is missing, so nothing after it can be restored: get it from the"
                " folder `backup/wal` of the machine that made the backups, or from `pg_wal` of the server,"
                " and store it by `python -m deploy.backup stream`; or restore to a moment before it from an"
                " older backup"
            )
        if name == last:
            return last
    raise AssertionError


def _fetch_files(settings: Settings, to: datetime | None) -> None:
    """Fetch the files of before the moment, and then those of after it. Both together have what the rows of
    the moment name, also what an erasure has replaced since, which is needed to replace it again.
    """
    state = settings.state.absolute()
    places = {
        "remote": Path(settings.dvc_remote or ""),
        "artifacts": Path(settings.artifact_store.removeprefix("file://")),
    }
    for stored in choose_files(repository.list_stored("files"), to):
        repository.fetch(stored, str(Path(stored.paths[0]).parent), state)
    for kind, place in places.items():
        for stored in choose_files(repository.list_stored(kind), to):
            repository.fetch(stored, stored.paths[0], place.absolute())


def choose_files(stored: Sequence[Stored], to: datetime | None) -> list[Stored]:
    """The last before a moment and the first after it; the newest for None."""
    if to is None:
        return list(stored[-1:])
    return [each for each in stored if each.time <= to][-1:] + [each for each in stored if each.time > to][:1]
