"""Runs migrations while gateways serve: one process at a time, each migration in a transaction of its own.

A statement that waits for a lock on a table makes every later query of the table wait behind it, for as long
as a backup or a snapshot reads the table. So it waits for a second only; then the migration is rolled back and
tried again. What a migration does in an `autocommit_block`, such as building an index CONCURRENTLY, holds up
nobody and has no such limit.
"""

import logging
import time

from alembic import context
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from data import database
from data.database import LockedTableError
from data.tables import Base

log = logging.getLogger("data.migrations")  # Alembic loads this file under a name of its own

_LOCK = 0x746F6E65  # "tone"
_PAUSE_S = 1.0  # in which the queries that waited are answered
_LOCK_NOT_AVAILABLE = "55P03"


def run(connection: Connection, tries: int) -> None:
    """Run the migrations that are due. LockedTableError when others hold a table in each of the `tries`."""
    # Not pg_advisory_lock: a statement that waits has a snapshot, and CREATE INDEX CONCURRENTLY waits for all
    # older snapshots, so each process would wait for the other one.
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar_one():
        connection.rollback()
        time.sleep(0.1)
    connection.commit()  # the lock is the session's; Alembic begins a transaction for each migration
    event.listen(connection, "begin", _limit_waits)
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        transaction_per_migration=True,
    )
    current = context.get_context().get_current_revision()
    if current is not None and current not in {script.revision for script in context.script.walk_revisions()}:
        # After a rollback. Its migrations have only added to what this release uses (CONTRIBUTING.md).
        log.warning("a newer release has migrated the database to %s, so this one changes nothing", current)
        return
    for left in reversed(range(tries)):
        try:
            context.run_migrations()
            return
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            if left == 0:
                raise LockedTableError(tries) from error
        time.sleep(_PAUSE_S)


def _limit_waits(connection: Connection) -> None:
    # Below SQLAlchemy, which has not begun its transaction yet. Outside of a transaction of Postgres, in an
    # autocommit_block, this is a warning and changes nothing.
    cursor = connection.connection.cursor()
    cursor.execute("SET LOCAL lock_timeout = '1s'")
    cursor.close()


attributes = context.config.attributes
engine = database.engine(attributes["url"])
try:
    with engine.connect() as connection:
        run(connection, attributes.get("tries", 1))
finally:
    engine.dispose()  # which ends the session, and so frees the lock
