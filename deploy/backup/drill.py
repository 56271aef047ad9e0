"""A drill: an installation of its own is backed up, killed and removed, restored to a moment, and verified.

The person who was erased after that moment is erased again, and then a message is rewritten and voted on. It
prints a table and writes docs/results/drill.json: what was lost (RPO), and how long all took (RTO).
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database
from data.erasure import whom
from data.erasure.erase import erase, rehearse
from data.people import identities
from deploy import traffic
from deploy.backup import (
    base_backups,
    drill_data,
    erased,
    postgres,
    repository,
    restore,
    stream,
    verification,
)
from deploy.backup.faults import BackupError
from pipelines import environments

_RESULTS = configs.ROOT / "docs" / "results" / "drill.json"
_BEAT_S = 0.1
_MARGIN_S = 3.0  # before the next round
_OF_PROCESSES = {"gateways"}  # tables with a row for each process that runs
_RESTIC = ("RESTIC_REPOSITORY", "RESTIC_PASSWORD", "RESTIC_CACHE_DIR")


class _Drill:
    """What was measured, by name; each step is printed when it is done."""

    def __init__(self, size_gb: float) -> None:
        self.seconds: dict[str, float] = {}
        self.figures: dict[str, float | int | str] = {
            "size_gb": size_gb,
            "cores": os.cpu_count() or 0,
            "load_average_at_start": round(os.getloadavg()[0], 1),
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
        }

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        print(f"{name} ...", flush=True)
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 1)
        print(f"{name:<56}{self.seconds[name]:8.1f} s", flush=True)

    def write(self) -> None:
        document = {**self.figures, "seconds": self.seconds}
        _RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print("\n" + "\n".join(f"{name:<56}{value:>10}" for name, value in self.figures.items()))
        print(f"\nwritten to {_RESULTS.relative_to(configs.ROOT)}")


def main(size_gb: float) -> None:
    """Run the drill, with as much made-up data. BackupError when anything is not as it was."""
    folder = Settings().state.absolute() / "drill"
    _stop_former(folder)
    shutil.rmtree(folder, ignore_errors=True)
    state = folder / "state"
    state.mkdir(parents=True)
    os.environ |= {
        "RESTIC_REPOSITORY": str(folder / "repository"),
        "RESTIC_PASSWORD": secrets.token_urlsafe(24),
        "RESTIC_CACHE_DIR": str(folder / "cache"),
    }
    for name in ("TONEBRIDGE_DATABASE_URL", postgres.URL, postgres.PROGRAMS, "RESTIC_PASSWORD_FILE"):
        os.environ.pop(name, None)
    drill, key = _Drill(size_gb), identities.generate_key()
    with drill.step("an installation of its own"):
        settings, process = _start(state, key)
    with drill.step("made-up rows"):
        drill_data.fill(settings, size_gb)
    repository.create()
    postgres.set_up(database.url_of(settings), postgres.url_of(settings))
    answer = traffic.rewrite(settings.gateway_url, key)
    traffic.vote(settings.gateway_url, key, answer["receipt"])
    with drill.step("full backup"):
        base_backups.back_up(settings, incremental=False, keep=2)
    drill_data.fill(settings, size_gb / 100)
    with drill.step("incremental backup"):
        base_backups.back_up(settings, incremental=True, keep=2)
    drill.figures["database_bytes"] = _size_of_database(settings)
    rounds = subprocess.Popen(
        [sys.executable, "-m", "deploy.backup", "stream"],
        env=environments.environment(settings) | {name: os.environ[name] for name in _RESTIC},
        cwd=configs.ROOT,
    )
    try:
        with drill.step("writes, a moment, and an erasure after it"):
            traffic.vote(settings.gateway_url, key, _rewrite_new(settings, key, "ann")["receipt"])
            time.sleep(2)  # the gateway writes what it has in memory
            moment, counts = datetime.now(UTC), postgres.count_rows(database.url_of(settings))
            ann = _erase(settings, key)
        with drill.step("heartbeats, until just before a round of the stream"):
            last_commit = _beat_until_worst(settings)
    finally:
        killed_at = datetime.now(UTC)
        rounds.kill()
        rounds.wait()
        _kill(process, settings)
    drill.figures["repository_bytes"] = sum(
        file.stat().st_size for file in (folder / "repository").rglob("*") if file.is_file()
    )
    shutil.rmtree(state)
    print(f"killed at {killed_at:%H:%M:%S} UTC, and removed; only the repository is left")

    drill.figures["rpo_s"] = round((last_commit - _last_stored_commit(folder)).total_seconds(), 1)
    began = time.monotonic()
    settings = settings.model_copy(update={"state": state})
    with drill.step("restore to the moment"):
        restore.restore(settings, moment)
    with drill.step("start"):
        settings, process = _start(state, key)
    try:
        _compare(settings, counts)
        with drill.step("verification"):
            _verify(settings, counts)
        with drill.step("erase again who was erased since"):
            number = erased.erase_again(settings, erased.read_stored())
        if number != 1:
            raise BackupError(f"{number} people were erased again, not 1")
        _verify_gone(settings, ann)
        with drill.step("a message is rewritten and voted on"):
            traffic.vote(settings.gateway_url, key, _rewrite_new(settings, key, "bob")["receipt"])
        drill.figures["rto_s"] = round(time.monotonic() - began, 1)
    finally:
        _kill(process, settings)
    shutil.rmtree(folder)
    drill.write()


def _start(state: Path, key: str) -> tuple[Settings, subprocess.Popen[bytes]]:
    """Start the installation, and wait until it answers; its settings, and the process that holds it."""
    (state / "env").unlink(missing_ok=True)
    environment = os.environ | {"TONEBRIDGE_BOOTSTRAP_API_KEY": key}
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.backup.drill_data", str(state)],
        env=environment,
        cwd=configs.ROOT,
        start_new_session=True,
    )
    try:
        while (settings := environments.read_environment(state)) is None:
            if process.poll() is not None:
                raise BackupError(
                    f"the drill's installation does not start; its logs are in {state / 'logs'}"
                )
            time.sleep(0.2)
    except BaseException:
        process.terminate()
        raise
    return settings, process


def _kill(process: subprocess.Popen[bytes], settings: Settings) -> None:
    """Kill the installation with its servers, without a warning."""
    victims = []
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        victims = [parent, *parent.children(recursive=True)]
    victims += _servers(settings.state)
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    process.wait()
    psutil.wait_procs(victims, timeout=30)


def _servers(state: Path) -> list[psutil.Process]:
    """Postgres and Valkey of a state folder, and other processes with this folder in their command."""
    return [
        each
        for each in psutil.process_iter(["cwd", "cmdline"])
        if (each.info["cwd"] and Path(each.info["cwd"]).is_relative_to(state))
        or any(word.startswith(f"{state}/") or word == str(state) for word in each.info["cmdline"] or ())
    ]


def _stop_former(folder: Path) -> None:
    """Kill what a drill has left that was killed itself."""
    for server in _servers(folder):
        with suppress(psutil.NoSuchProcess):
            server.kill()


def _rewrite_new(settings: Settings, key: str, user: str) -> dict[str, str]:
    text = f"{traffic.MESSAGE} Ticket {secrets.randbelow(10**6)}."
    return traffic.rewrite(settings.gateway_url, key, text, user)


def _erase(settings: Settings, key: str) -> whom.Person:
    """Erase the person who has written all messages."""
    parsed = identities.parse_key(key)
    assert parsed is not None
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            person = whom.find(session, whom.by_key(session, parsed[0], "ann"))
        erase(settings, engine, person, report=lambda _: None)
    finally:
        engine.dispose()
    return person


def _beat_until_worst(settings: Settings) -> datetime:
    """Commit all the time, until just before the stream's next round: then most is lost. When the last commit
    was confirmed.
    """
    first = len(repository.list_stored("wal"))
    seen, deadline = 0, float("inf")
    with psycopg.connect(database.url_of(settings), autocommit=True) as connection:
        last = datetime.now(UTC)
        looked = 0.0
        while time.monotonic() < deadline:
            connection.execute("SELECT pg_current_xact_id()")
            last = datetime.now(UTC)
            if seen < 2 and time.monotonic() > looked + 1:
                looked = time.monotonic()
                stored = repository.list_stored("wal")
                if len(stored) - first != seen:
                    seen = len(stored) - first
                    age = (datetime.now(UTC) - stored[-1].time).total_seconds()
                    deadline = time.monotonic() + stream.WAL_S - age - _MARGIN_S if seen >= 2 else deadline
            time.sleep(_BEAT_S)
    return last


def _last_stored_commit(folder: Path) -> datetime:
    """When the last commit was made that the stored WAL has."""
    wal = folder / "wal"
    newest = repository.list_stored("wal")[-1]
    repository.fetch(newest, stream.wal_path(newest), wal)
    for partial in wal.glob("*.partial"):
        partial.rename(partial.with_suffix(""))
    commits: list[str] = []
    for name in sorted(restore.names_of(wal), reverse=True)[:2]:
        # It ends with an error where the WAL ends.
        done = subprocess.run(
            [postgres.program("pg_waldump"), "--rmgr", "Transaction", str(wal / name)],
            env=os.environ | {"TZ": "UTC"},
            capture_output=True,
            text=True,
        )
        commits += [line.split("COMMIT ")[1][:26] for line in done.stdout.splitlines() if "COMMIT " in line]
    shutil.rmtree(wal)
    return max(datetime.fromisoformat(commit.strip()).replace(tzinfo=UTC) for commit in commits)


def _size_of_database(settings: Settings) -> int:
    with psycopg.connect(database.url_of(settings)) as connection:
        row = connection.execute("SELECT sum(pg_database_size(oid))::bigint FROM pg_database").fetchone()
    assert row is not None
    return int(row[0])


def _compare(settings: Settings, counts: dict[str, int]) -> None:
    """BackupError unless each table has as many rows as it had at the moment."""
    numbers = postgres.count_rows(database.url_of(settings))
    wrong = [
        f"{name}: {numbers.get(name)}, not {number}"
        for name, number in counts.items()
        if name not in _OF_PROCESSES and numbers.get(name) != number
    ]
    if wrong:
        raise BackupError(f"the restored tables have other numbers of rows: {'; '.join(wrong)}")


def _verify(settings: Settings, counts: dict[str, int]) -> None:
    """BackupError unless all files are right."""
    if faults := verification.verify(settings, counts).faults:
        raise BackupError("; ".join(faults))


def _verify_gone(settings: Settings, ann: whom.Person) -> None:
    """BackupError unless nothing is left of the person."""
    engine = database.engine_of(settings)
    try:
        if rehearse(settings, engine, ann, report=lambda _: None):
            raise BackupError("something is left of the person who was erased")
    finally:
        engine.dispose()
