"""Migrations run while others use the tables."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from alembic import command
from alembic.config import Config

from data import database
from data.database import LockedTableError

# What migration 0045 changes; a gateway reads it for every person whom it does not know yet.
QUERY = "SELECT count(*) FROM users"
_MIGRATIONS = Path(database.__file__).parent / "migrations"
_INDEX = """
from alembic import op

revision = "9999"
down_revision = {head!r}
branch_labels = None
depends_on = None


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("ix_users_test", "users", ["key_id"], postgresql_concurrently=True)
"""


def other_processes(number: int) -> ProcessPoolExecutor:
    """Alembic runs one migration at a time in a process."""
    return ProcessPoolExecutor(number, multiprocessing.get_context("spawn"))


def revision_of(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row is not None
    return str(row[0])


def test_queries_are_answered_while_a_migration_waits_for_a_table(new_database: Callable[..., str]) -> None:
    """A transaction that reads the table stays open, as that of a backup does."""
    url = new_database("0044")
    with psycopg.connect(url) as backup, psycopg.connect(url, autocommit=True) as gateway:
        backup.execute(QUERY)
        gateway.execute("SET statement_timeout = '5s'")  # as the gateway's login has it
        migration = threading.Thread(target=database.migrate, args=(url, "0045"))
        migration.start()
        waits_s = []
        began = time.monotonic()
        while time.monotonic() - began < 4 or max(waits_s) < 0.3:
            asked_at = time.monotonic()
            gateway.execute(QUERY)
            waits_s.append(time.monotonic() - asked_at)
            assert asked_at - began < 60, "no query had to wait: the migration never waited for the table"
            time.sleep(0.05)
        assert migration.is_alive()
        assert revision_of(url) == "0044", "it has changed nothing"
        backup.rollback()
        migration.join(60)
    assert revision_of(url) == "0045"


def test_a_table_that_is_never_free_is_an_error_that_says_what_to_do(
    new_database: Callable[..., str],
) -> None:
    url = new_database("0044")
    with psycopg.connect(url) as backup:
        backup.execute(QUERY)
        with pytest.raises(LockedTableError, match="pg_stat_activity"):
            database.migrate(url, "0045", tries=1)
    assert revision_of(url) == "0044"
    database.migrate(url, "0045", tries=1)
    assert revision_of(url) == "0045", "nobody holds the lock of the migrations"


def test_processes_that_migrate_at_the_same_time_wait_for_each_other(
    new_database: Callable[..., str],
) -> None:
    url = new_database("0040")
    with other_processes(3) as pool:
        for migrated in [pool.submit(database.migrate, url, "0045") for _ in range(3)]:
            migrated.result(60)
    assert revision_of(url) == "0045"


def test_an_index_is_built_concurrently_while_another_release_wants_to_migrate(
    new_database: Callable[..., str], tmp_path: Path
) -> None:
    """And that release, which does not know the migration, leaves the database as it is."""
    url = new_database()
    (tmp_path / "9999_index.py").write_text(_INDEX.format(head=revision_of(url)))
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{_MIGRATIONS / 'versions'}\n{tmp_path}")
    config.attributes.update(url=url)
    with (
        psycopg.connect(url) as writer,
        psycopg.connect(url, autocommit=True) as observer,
        ThreadPoolExecutor(1) as thread,
        other_processes(1) as process,
    ):

        def wait(query: LiteralString, wanted: int) -> None:
            deadline = time.monotonic() + 60
            while observer.execute(query).fetchone() != (wanted,):
                assert time.monotonic() < deadline, query
                time.sleep(0.05)

        writer.execute("LOCK TABLE users IN ROW EXCLUSIVE MODE")  # the index waits for who writes
        building = thread.submit(command.upgrade, config, "head")
        wait("SELECT count(*) FROM pg_index WHERE NOT indisvalid", 1)
        waiting = process.submit(database.migrate, url)
        wait("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()", 4)
        time.sleep(1.5)  # longer than a migration waits for a table
        assert not building.done()
        writer.rollback()
        building.result(60)
        waiting.result(60)
        wait("SELECT count(*) FROM pg_index WHERE indexrelid = 'ix_users_test'::regclass AND indisvalid", 1)
    assert revision_of(url) == "9999"


def test_a_database_of_a_newer_release_is_left_as_it_is(
    new_database: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    """So that the former release starts again after an upgrade."""
    url = new_database("0044")
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    database.migrate(url)
    assert revision_of(url) == "9999"
    assert "a newer release has migrated the database to 9999" in caplog.text
