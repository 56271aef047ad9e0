"""Backup and restore of a Postgres of Debian that is reached by TCP, with TLS and a password. Its
configuration is not in the folder of its data.
"""

import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import psycopg
import pytest

import configs
from configs.settings import Settings
from data import database
from deploy.backup import postgres, recovery
from deploy.backup.__main__ import main
from deploy.backup.faults import BackupError
from deploy.backup.stream import Stream
from tests import certificates, ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PASSWORD = "a p@ssword/of a test: 100%"
PAGE = configs.ROOT / "docs" / "backup.md"


class Server(NamedTuple):
    """A server, and the folders of its programs, its data and its configuration."""

    programs: Path
    user: str | None  # who runs it, if the tests are run by root
    data: Path
    config: Path
    port: int
    authority: Path  # that has signed its certificate

    def url(self, login: str, mode: str = "verify-full", name: str = "tonebridge") -> str:
        password = quote(PASSWORD, safe="")
        query = f"sslmode={mode}&sslrootcert={self.authority}"
        return f"postgresql://{login}:{password}@localhost:{self.port}/{name}?{query}"

    def call(self, program: str, *words: str) -> None:
        command = [str(self.programs / program), "-D", str(self.data), *words]
        # The server would inherit a pipe, which then never ends.
        done = subprocess.run(
            command, user=self.user, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        assert done.returncode == 0, (command, (self.config / "log").read_text())

    def start(self) -> None:
        options = f"-c config_file={self.config / 'postgresql.conf'}"
        self.call("pg_ctl", "-w", "-l", str(self.config / "log"), "-o", options, "start")

    def kill(self) -> None:
        self.call("pg_ctl", "-w", "-m", "immediate", "stop")


def find_programs() -> Path:
    """The programs of Debian's newest Postgres, if it has incremental backups."""
    folders = {int(path.parts[4]): path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")}
    if max(folders, default=0) < 17:
        pytest.skip("there is no Postgres 17 or newer of Debian: apt-get install postgresql-17")
    return folders[max(folders)]


def make_server(folder: Path) -> Server:
    data, config = folder / "data", folder / "config"
    for each in (data, config):
        each.mkdir(mode=0o700)
    files = certificates.make(config)
    (config / "log").touch()
    (config / "password").write_text(PASSWORD)
    for each in (data, config):
        user = recovery._give_to_server(each)
    server = Server(find_programs(), user, data, config, ports.free_port(), files.authority)
    words = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={config / 'password'}", "--no-sync"]
    server.call("initdb", *words, "--encoding=UTF8", "--locale=C.UTF-8")
    for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
        (data / name).rename(config / name)
    values = {
        "data_directory": data, "hba_file": config / "pg_hba.conf", "ident_file": config / "pg_ident.conf",
        "listen_addresses": "localhost", "port": server.port, "unix_socket_directories": "",
    }  # fmt: skip
    tls = {"ssl": "on", "ssl_cert_file": files.certificate, "ssl_key_file": files.key}
    # Settings of ALTER SYSTEM are in the folder of the data, and so in backups.
    for path, some in ((config / "postgresql.conf", values), (data / "postgresql.auto.conf", tls)):
        with path.open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in some.items())
    lines = re.findall(r"^hostssl .*\n", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == 2, "the page shows what a server allows"
    allowed = "".join(lines).replace("192.0.2.0/24", "samehost")
    (config / "pg_hba.conf").write_text(f"{allowed}hostssl all postgres samehost scram-sha-256\n")
    return server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    server = make_server(folder)
    server.start()
    try:
        with psycopg.connect(server.url("postgres", name="postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE tonebridge")
        database.migrate(server.url("postgres"))
        yield server
    finally:
        if (server.data / "postmaster.pid").exists():
            server.kill()


@pytest.fixture(autouse=True)
def environment(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an operator sets."""
    monkeypatch.setenv("RESTIC_REPOSITORY", str(tmp_path / "repository"))
    monkeypatch.setenv("RESTIC_PASSWORD", "the password of a test")
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TONEBRIDGE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TONEBRIDGE_DATABASE_URL", server.url("postgres"))
    monkeypatch.setenv(postgres.URL, server.url(postgres.LOGIN))
    monkeypatch.setenv(postgres.PROGRAMS, str(server.programs))


def write(server: Server, organisation: str) -> None:
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute(
            "INSERT INTO organisations (id, name, plan) VALUES (%s, %s, 'free')", (uuid.uuid4(), organisation)
        )


def wait_until_received(server: Server) -> None:
    """Wait until the receiver has all WAL, by a connection with TLS."""
    query = (
        "SELECT application_name, ssl, flush_lsn >= pg_current_wal_flush_lsn() FROM pg_stat_replication"
        f" JOIN pg_stat_ssl USING (pid) WHERE usename = '{postgres.LOGIN}'"
    )
    deadline = time.monotonic() + 60
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        while (row := connection.execute(query).fetchone()) != ("pg_receivewal", True, True):
            assert time.monotonic() < deadline, row
            time.sleep(0.05)


def test_a_moment_is_restored(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["setup"])
    main(["setup"])  # it may be repeated
    main(["base"])
    with Stream(Settings()) as stream:
        write(server, "before the incremental backup")
        main(["incremental"])
        write(server, "before the moment")
        moment = datetime.now(UTC)
        write(server, "after the moment")
        wait_until_received(server)
        stream.store_wal()
    server.kill()
    shutil.rmtree(server.data)
    # Another machine has neither the configuration nor the certificate.
    elsewhere = server.config.rename(server.config.with_name("elsewhere"))
    monkeypatch.setenv("TONEBRIDGE_STATE", str(tmp_path / "restored"))
    main(["restore", "--to", moment.isoformat()])
    elsewhere.rename(server.config)
    (tmp_path / "restored" / "postgres").rename(server.data)
    server.start()
    with psycopg.connect(server.url("postgres")) as connection:
        restored = {name for (name,) in connection.execute("SELECT name FROM organisations")}
    assert {"before the incremental backup", "before the moment"} <= restored
    assert "after the moment" not in restored
    main(["base"])  # of the history that the restored server writes


def test_what_cannot_connect_is_said(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres.set_up(server.url("postgres"), server.url(postgres.LOGIN))
    url = server.url(postgres.LOGIN)
    postgres.identify(url)
    stranger = certificates.make(tmp_path).authority
    refused = {
        url.replace(str(server.authority), str(stranger)): "certificate verify failed",
        url.replace("100%25", "99%25"): "password authentication failed",
        server.url(postgres.LOGIN, mode="disable"): "no encryption",
    }
    for wrong, message in refused.items():
        with pytest.raises(BackupError, match=message):
            postgres.identify(wrong)
    monkeypatch.delenv(postgres.PROGRAMS)
    major = server.programs.parent.name
    with pytest.raises(BackupError, match=f"the server is Postgres {major}: .*{postgres.PROGRAMS}"):
        postgres.identify(url)
