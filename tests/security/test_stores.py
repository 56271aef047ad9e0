"""Postgres and Valkey let in who should be, and only as far as they need to go."""

import contextlib
import os
import pwd
import stat
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import OperationalError

from configs.settings import Settings
from data import database
from data.tables import DASHBOARD_LOGIN, GATEWAY_LOGIN
from tests.logins import gateway_url
from tests.waiting import until_async

DENIED = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
WAYS_OUT = (
    "RESET ROLE", "SET ROLE NONE", "SET ROLE postgres", "SET SESSION AUTHORIZATION DEFAULT", "DISCARD ALL",
    "RESET ALL",
)  # fmt: skip


def valkey_address(local: Settings) -> tuple[str, int]:
    parts = urlsplit(str(local.redis_url))
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def test_valkey_answers_nobody_without_the_password(local: Settings) -> None:
    host, port = valkey_address(local)
    with redis.Redis(host=host, port=port, retry=None) as stranger:
        for command in (("GET", "x"), ("KEYS", "*"), ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("SHUTDOWN",)):
            with pytest.raises((redis.AuthenticationError, redis.exceptions.NoPermissionError)):
                stranger.execute_command(*command)
    with (
        redis.Redis(host=host, port=port, username="tonebridge", password="a guess") as guesser,
        pytest.raises(redis.AuthenticationError),
    ):
        guesser.get("x")
    with redis.Redis.from_url(str(local.redis_url)) as owner:
        assert owner.ping()


def test_the_password_of_valkey_is_in_no_file_but_the_secrets(local: Settings) -> None:
    password = local.secret("redis_password").encode()
    files = [path for path in local.state.rglob("*") if path.is_file() and "postgres" not in path.parts]
    holding = [path.name for path in files if password in path.read_bytes()]
    assert holding == ["secrets.json"]
    assert stat.S_IMODE((local.state / "valkey").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_of_the_machine_reaches_neither_postgres_nor_the_files_of_valkey(
    local: Settings,
) -> None:
    with psycopg.connect(str(local.database_url)) as connection:
        socket = f"{connection.info.host}/.s.PGSQL.{connection.info.port}"
    nobody = pwd.getpwnam("nobody")
    # Connecting to a socket takes the right to write it.
    for path, right in ((socket, "-w"), (str(local.state / "valkey" / "users.acl"), "-r")):
        check = ["test", right, path]
        assert subprocess.run(check, check=False).returncode == 0
        other = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        assert subprocess.run(check, check=False, **other).returncode == 1, path  # type: ignore[call-overload]
    assert stat.S_IMODE(Path(socket).stat().st_mode) == 0o700


@pytest.mark.parametrize("way_out", WAYS_OUT)
@pytest.mark.parametrize("login", [GATEWAY_LOGIN, DASHBOARD_LOGIN])
def test_a_login_cannot_leave_its_role(database_url: str, login: str, way_out: str) -> None:
    with psycopg.connect(database.replace_login(database_url, login), autocommit=True) as connection:
        before = connection.execute("SELECT current_user").fetchone()
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute(way_out)  # type: ignore[call-overload]
        rights = connection.execute(
            "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert rights == (False, False)
        try:
            rows = connection.execute("SELECT count(*) FROM outputs").fetchone()
        except psycopg.errors.InsufficientPrivilege:
            rows = (0,)
        assert rows == (0,), "of no organisation, since none is named"
        for statement in (
            "SELECT * FROM answers",
            "DROP TABLE outputs",
            "COPY outputs TO PROGRAM 'true'",
            "CREATE TABLE mine (x int)",
            "ALTER TABLE outputs DISABLE ROW LEVEL SECURITY",
        ):
            with pytest.raises(DENIED):
                connection.execute(statement)  # type: ignore[arg-type]
        assert before in (("tonebridge_online",), ("tonebridge_reading",))


def test_the_limits_of_a_login_hold_without_options(database_url: str) -> None:
    with psycopg.connect(gateway_url(database_url)) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("5s",)
        assert connection.execute("SHOW transaction_timeout").fetchone() == ("30s",)
    with psycopg.connect(database.replace_login(database_url, DASHBOARD_LOGIN)) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("5s",)
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


async def test_a_gateway_refuses_a_login_that_sees_every_row(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    pool = database.online_pool(database_url, timeout_s=1)
    await pool.open(wait=False)
    await until_async(lambda: "name the login tonebridge_gateway" in caplog.text)
    with pytest.raises(PoolTimeout):
        async with pool.connection():
            pass
    await pool.close()


def test_the_dashboard_refuses_a_login_that_sees_every_row(database_url: str) -> None:
    engine = database.reading_engine(database_url)
    try:
        with pytest.raises((OperationalError, psycopg.OperationalError), match="login tonebridge_dashboard"):
            engine.connect()
    finally:
        engine.dispose()


def test_the_gateway_may_add_partitions_of_answers_and_nothing_else(
    new_database: Callable[..., str],
) -> None:
    url = new_database()
    with psycopg.connect(gateway_url(url), autocommit=True) as connection:
        ensure = "SELECT ensure_answer_partitions(%s, %s)"
        for _ in range(2):
            connection.execute(ensure, (date(2031, 12, 30), 3))
        for days in (0, 32):
            with pytest.raises(psycopg.errors.RaiseException, match="1 to 31"):
                connection.execute(ensure, (date(2031, 12, 30), days))
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT relid::regclass::text FROM pg_partition_tree('answers') WHERE isleaf ORDER BY 1"
        ).fetchall()
    assert names == [("answers_20311230",), ("answers_20311231",), ("answers_20320101",)]
