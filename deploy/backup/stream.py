"""All the time: WAL arrives from Postgres within a moment, and WAL, ids and files go to the repository.

`pg_receivewal` speaks the protocol of replication, so the server needs no program and no folder of ours. What
has arrived is on this machine's disk; what is stored in the repository survives this machine, too.
"""

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from configs.settings import Settings
from deploy.backup import erased, postgres, repository
from deploy.backup.base_backups import folder_of, list_bases
from deploy.backup.faults import BackupError
from deploy.backup.postgres import Server
from pipelines.local import Process, ProcessEndedError

WAL_S, FILES_S = 20.0, 60.0  # between two rounds
_THIN_OUT_S = 3600.0
_STATE = ("secrets.json", "data", "mlflow", "bentoml")  # of the state folder; docs/backup.md says why


class Stream:
    """Context manager: a connection that receives WAL, until the end of the block, which stores the last."""

    def __init__(self, settings: Settings, report: Callable[[str], None] = print) -> None:
        """`report` receives lines of progress."""
        self._settings, self._report = settings, report
        self._url, self.folder = postgres.url_of(settings), folder_of(settings)
        self._receiver: Process | None = None
        self._server: Server | None = None

    def __enter__(self) -> "Stream":
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._receive()
        return self

    def __exit__(self, *_: object) -> None:
        if self._receiver is not None:
            self._receiver.stop()
            with contextlib.suppress(BackupError):
                self._store()

    def store_wal(self) -> None:
        """Store the WAL that has arrived, and the ids of who was erased. BackupError when the server cannot
        be reached or the repository does not take it; call it again.
        """
        assert self._receiver is not None
        try:
            self._receiver.check()
        except ProcessEndedError as error:
            self._report(f"the connection has ended, another one follows: {error}")
            self._receive()
        erased.export(self._url, self.folder)
        self._store()

    def run(self, wal_s: float = WAL_S, files_s: float = FILES_S) -> None:
        """Store WAL and files again and again, until this process ends. A round that fails is repeated."""
        next_files = next_thinning = time.monotonic()
        failed = True  # so that the first success is reported
        while True:
            began = time.monotonic()
            try:
                self.store_wal()
                if began >= next_files:
                    store_files(self._settings)
                    next_files = began + files_s
                if began >= next_thinning:
                    thin_out()
                    next_thinning = began + _THIN_OUT_S
                if failed:
                    self._report(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} WAL and files are stored")
                failed = False
            except Exception as error:  # whatever it is, the next round may succeed
                failed = True
                self._report(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} nothing was stored: {error}")
            time.sleep(max(1.0, began + wal_s - time.monotonic()))

    def _receive(self) -> None:
        """Connect, and receive into the folder of the server's history."""
        self._server = server = postgres.identify(self._url)
        folder = self.folder / "wal" / server.history
        if not folder.is_dir():
            folder.mkdir(parents=True)
            self._fetch(server.history, folder)
        if not any(base.history == server.history for base in list_bases()):
            self._report("this server has no full backup yet: make one by `python -m deploy.backup base`")
        postgres.create_slot(self._url)
        command = [
            postgres.program("pg_receivewal"), "--directory", str(folder), "--slot", postgres.SLOT,
            "--synchronous", "--no-loop", "--status-interval", "5",
        ]  # fmt: skip
        environment = postgres.environment(self._url)
        self._receiver = Process("pg_receivewal", command, environment, self.folder / "receiver.log")

    def _fetch(self, history: str, folder: Path) -> None:
        """Get what another machine has stored of this history: the next round replaces that."""
        stored = [each for each in repository.list_stored("wal") if each.tags["history"] == history]
        if stored:
            repository.fetch(stored[-1], wal_path(stored[-1]), folder)

    def _store(self) -> None:
        assert self._server is not None
        history = self._server.history
        paths = [self.folder / "wal" / history, self.folder / erased.NAME]
        repository.store([path for path in paths if path.exists()], {"kind": "wal", "history": history})


def wal_path(stored: repository.Stored) -> str:
    """Where the WAL is in what `store_wal` stored."""
    [path] = [path for path in stored.paths if path.endswith(f"/wal/{stored.tags['history']}")]
    return path


def store_files(settings: Settings) -> None:
    """Store the files that rows name. Files never change once a row names them, so those that are stored
    after the rows are at least those of the rows.
    """
    for kind, paths in find_files(settings).items():
        repository.store(paths, {"kind": kind}, "--skip-if-unchanged")


def find_files(settings: Settings) -> dict[str, list[Path]]:
    """The files to store, by kind: of the state folder, and what is in other folders of this machine."""
    candidates = {"files": [settings.state.absolute() / name for name in _STATE]}
    remote, artifacts = settings.dvc_remote, settings.artifact_store.removeprefix("file://")
    if remote and "://" not in remote:
        candidates["remote"] = [Path(remote).absolute()]
    if "://" not in artifacts and not Path(artifacts).is_relative_to(settings.state.absolute()):
        candidates["artifacts"] = [Path(artifacts)]
    existing = {kind: [path for path in paths if path.exists()] for kind, paths in candidates.items()}
    return {kind: paths for kind, paths in existing.items() if paths}


def thin_out() -> None:
    """Forget WAL that newer WAL contains, and files of hours and days of which others are kept."""
    repository.thin_out("wal", "--keep-last", "3")
    for kind in ("files", "remote", "artifacts"):
        repository.thin_out(kind, "--keep-last", "3", "--keep-within-hourly", "2d", "--keep-daily", "366")
