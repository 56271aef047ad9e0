"""pgBackRest with the shipped configuration, a real Postgres and a real bucket by HTTPS: full, incremental,
and a moment restored.
"""

import os
import shutil
import subprocess
import uuid
from configparser import ConfigParser
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from deploy import backup
from deploy.backup import recovery
from pipelines import local
from tests import buckets, certificates

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
CONFIG = Path(backup.__file__).with_name("pgbackrest.conf")
USER = "embedded_postgres" if os.geteuid() == 0 else None
MARKER = f"QZX-{uuid.uuid4().hex}"
ENCRYPTED = b"Salted__"  # how an encrypted file of pgBackRest begins
WITHOUT_HEADER = ("/bundle/", ".pgbi")  # apart from these, which hold pages of tables


def call(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["pgbackrest", f"--config={file}", "--stanza=tonebridge", *words]
    return subprocess.run(command, user=USER, capture_output=True, text=True, cwd="/")


def pgbackrest(file: Path, *words: str) -> None:
    done = call(file, *words)
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]} {done.stderr}"


def write_config(folder: Path, data: Path, url: str) -> Path:
    """The shipped configuration with the bucket, the server and the folders of this test."""
    config = ConfigParser(interpolation=None)
    config.read(CONFIG)
    folders = {name: folder / name for name in ("spool-path", "log-path", "lock-path")}
    for each in folders.values():
        each.mkdir()
        shutil.chown(each, USER or os.geteuid())
    address = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    config["global"].update(
        {
            "repo1-s3-bucket": buckets.BUCKET, "repo1-s3-endpoint": str(address.hostname),
            "repo1-storage-port": str(address.port), "repo1-storage-ca-file": os.environ["AWS_CA_BUNDLE"],
        },
        **{name: str(path) for name, path in folders.items()},
    )  # fmt: skip
    with psycopg.connect(url) as connection:
        config["tonebridge"] = {
            "pg1-path": str(data), "pg1-socket-path": connection.info.host,
            "pg1-port": str(connection.info.port), "pg1-user": "postgres",
        }  # fmt: skip
    file = folder / "pgbackrest.conf"
    with file.open("w") as written:
        config.write(written, space_around_delimiters=False)
    return file


def test_a_moment_is_restored_from_a_bucket_that_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("pgbackrest") is None:
        pytest.skip("there is no pgbackrest: apt-get install pgbackrest")
    data = tmp_path / "postgres"
    with buckets.running(tmp_path / "s3", certificates.make(tmp_path)):
        # Of this process and of Postgres, which calls pgBackRest for WAL.
        monkeypatch.setenv("PGBACKREST_REPO1_S3_KEY", os.environ["AWS_ACCESS_KEY_ID"])
        monkeypatch.setenv("PGBACKREST_REPO1_S3_KEY_SECRET", os.environ["AWS_SECRET_ACCESS_KEY"])
        monkeypatch.setenv("PGBACKREST_REPO1_CIPHER_PASS", "the password of a test")
        with local._postgres(data) as url:
            tmp_path.chmod(0o755)
            file = write_config(tmp_path, data, url)
            archive = f"pgbackrest --config={file} --stanza=tonebridge archive-push %p"
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET archive_mode = on")
                command = sql.SQL("ALTER SYSTEM SET archive_command = {}").format(sql.Literal(archive))
                connection.execute(command)
        with local._postgres(data) as url, psycopg.connect(url, autocommit=True) as connection:
            refused = call(file, "--reset-repo1-storage-ca-file", "--io-timeout=1", "stanza-create")
            assert "unable to verify certificate presented by 'localhost" in refused.stdout, refused
            assert buckets.list_keys() == []
            pgbackrest(file, "stanza-create")
            pgbackrest(file, "check")
            connection.execute(
                "CREATE TABLE written AS SELECT n, '' AS text FROM generate_series(1, 80000) n"
            )
            pgbackrest(file, "--type=full", "backup")
            connection.execute("INSERT INTO written SELECT n, %s FROM generate_series(1, 40000) n", [MARKER])
            # Without compression, which would hide the marker, too.
            pgbackrest(file, "--type=incr", "--compress-type=none", "backup")
            connection.execute("INSERT INTO written SELECT n, %s FROM generate_series(1, 40000) n", [MARKER])
            moment = datetime.now(UTC)
            connection.execute("INSERT INTO written VALUES (0)")
            connection.execute("SELECT pg_switch_wal()")
            pgbackrest(file, "check")  # it waits until the WAL is stored
        keys = buckets.list_keys()
        parts = ("archive/", "backup/", "/backup.manifest", "F/bundle/", "I/bundle/")
        assert all(any(part in key for key in keys) for part in parts), keys
        for key in keys:
            content = buckets.read(key)
            is_headed = not any(part in key for part in WITHOUT_HEADER)
            assert content.startswith(ENCRYPTED) or not is_headed, f"{key} is not encrypted"
            assert MARKER.encode() not in content, f"{key} is not encrypted"
        for entry in data.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        target = f"--target={moment.isoformat(sep=' ')}"
        pgbackrest(file, "--type=time", target, "--target-action=promote", "restore")
        recovery.start_once(data)
        with local._postgres(data) as url, psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT count(*), min(n), count(*) FILTER (WHERE text = %s) FROM written", [MARKER]
            )
            assert row.fetchone() == (160000, 1, 80000)
