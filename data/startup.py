"""What a process checks of its database before it starts, so that a wrong one ends it with a message.

A database that does not answer is no error: a process starts while Postgres is unavailable, too. Its later
connections are checked again, apart from whether a pooler is between.
"""

import logging
from collections.abc import Callable
from typing import Any

import psycopg

from configs.settings import Settings
from data import database
from data.database import UnfitDatabaseError

log = logging.getLogger(__name__)

_CONNECT_S = 2

Check = Callable[[psycopg.Connection[Any]], None]


def check_gateway(settings: Settings) -> None:
    """UnfitDatabaseError unless both URLs name the gateway's login, for a database in UTF-8, and
    `TONEBRIDGE_DATABASE_URL` leads to Postgres itself. For gateway, worker and channels.
    """
    direct, pooled = database.url_of(settings), database.pooled_url_of(settings)
    for url in dict.fromkeys((direct, pooled)):
        _check(url, database.check_online)
    _check_sessions(direct)


def check_dashboard(settings: Settings) -> None:
    """UnfitDatabaseError unless the dashboard's URL names its login, for a database in UTF-8."""
    _check(database.pooled_url_of(settings), database.check_reading)


def check_owner(settings: Settings) -> None:
    """UnfitDatabaseError unless `TONEBRIDGE_DATABASE_URL` leads to a database in UTF-8, and to Postgres
    itself. For flows and migrations.
    """
    url = database.url_of(settings)
    _check(url)
    _check_sessions(url)


def _check(url: str, check: Check | None = None) -> None:
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_S) as connection:
            database.refuse_encoding(connection)
            if check is not None:
                check(connection)
    except UnfitDatabaseError:
        raise
    except psycopg.OperationalError as error:
        log.warning("Postgres is unavailable, so the database is not checked yet: %s", error)


def _check_sessions(url: str) -> None:
    """Raise UnfitDatabaseError if two open connections do not each keep a session of Postgres. Such a pooler
    loses notices, and gives a lock to two processes at once.
    """
    try:
        with (
            psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_S) as first,
            psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_S) as second,
        ):
            # A pooler hands out the session that became free last (then the second gets the first one's), or
            # all in turn (then one of them gets another one than before).
            order = (first, second, second, first)
            before, other, other_again, again = (_session_of(connection) for connection in order)
            is_shared = not (before == again != other == other_again)
    except psycopg.OperationalError as error:
        log.warning("Postgres is unavailable, so it is not known whether a pooler is between: %s", error)
        return
    if is_shared:
        raise UnfitDatabaseError(
            "TONEBRIDGE_DATABASE_URL leads to a pooler in transaction mode, which loses notices and gives a"
            " lock to two at once: name Postgres itself there, and the pooler in"
            " TONEBRIDGE_POOLED_DATABASE_URL"
        )


def _session_of(connection: psycopg.Connection[Any]) -> int:
    """The process of Postgres that answers the next query; a pooler gives clients another number."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])
