"""Connections to Postgres, its migrations, and the tenant that a transaction speaks for.

`python -m data.database migrate` brings `TONEBRIDGE_DATABASE_URL` to the newest schema.
"""

import contextlib
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import ONLINE_ROLE, READING_ROLE


def sqlalchemy_url(url: str) -> str:
    """A libpq URL such as `postgresql://user@host/db` with SQLAlchemy's name for psycopg 3."""
    scheme, rest = url.split("://", 1)
    if scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ValueError(
            f"TONEBRIDGE_DATABASE_URL starts with {scheme}://; use postgresql://user:password@host/database"
        )
    return f"postgresql+psycopg://{rest}"


def beside(url: str, name: str, driver: str = "postgresql") -> str:
    """The URL of another database on the same server."""
    return make_url(url).set(drivername=driver, database=name).render_as_string(hide_password=False)


def engine(url: str) -> Engine:
    """A synchronous engine for cold queries: pipelines, reports, administration."""
    return create_engine(sqlalchemy_url(url), pool_pre_ping=True, hide_parameters=True)  # errors are logged


def engine_of(settings: Settings) -> Engine:
    """The engine of a process that was started with `TONEBRIDGE_DATABASE_URL`; ValueError without it."""
    if settings.database_url is None:
        raise ValueError("TONEBRIDGE_DATABASE_URL is not set; `make up` starts everything with local servers")
    return engine(settings.database_url)


def migrate(url: str, revision: str = "head") -> None:
    """Bring the schema to a revision; safe to call from several processes at once."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, revision)


def reading_engine(url: str) -> Engine:
    """An engine for pages: it reads what they show, for seconds at most, and writes nothing. Of texts it sees
    one organisation's, in a transaction that names it (`read_for`).
    """
    options = f"-c role={READING_ROLE} -c default_transaction_read_only=on -c statement_timeout=5000"
    return create_engine(
        sqlalchemy_url(url),
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"options": options, "connect_timeout": 2},
    )


async def _become_online(connection: AsyncConnection) -> None:
    await connection.execute(f"SET ROLE {ONLINE_ROLE}")


def online_pool(url: str, max_size: int = 10, timeout_s: float = 2.0) -> AsyncConnectionPool:
    """The gateway's connections, in autocommit. They see no tenant's rows until `speak_for` names the tenant.

    Open it with `await pool.open(wait=False)`: the process starts and heals whether Postgres is there or not.
    """
    return AsyncConnectionPool(
        url,
        min_size=2,
        max_size=max_size,
        timeout=timeout_s,
        max_lifetime=3600,
        reconnect_timeout=3600,
        open=False,
        configure=_become_online,
        check=AsyncConnectionPool.check_connection,
        kwargs={"autocommit": True, "connect_timeout": 2, "options": "-c statement_timeout=5000"},
    )


def read_for(session: Session, organisation_id: uuid.UUID) -> None:
    """Let the current transaction see one tenant's rows."""
    session.execute(
        text("SELECT set_config('tonebridge.organisation', :id, true)"), {"id": str(organisation_id)}
    )


async def speak_for(connection: AsyncConnection, organisation_id: uuid.UUID) -> None:
    """Let the current transaction see one tenant's rows."""
    await connection.execute(
        "SELECT set_config('tonebridge.organisation', %s, true)", (str(organisation_id),)
    )


Lock = Literal["train", "snapshot", "decide", "track"]


@contextlib.contextmanager
def lock(url: str, what: Lock, wait: bool = True) -> Iterator[bool]:
    """Whether this process alone may train, make and change snapshots, decide on experiments, or write them
    into MLflow; True once it may, with `wait`.

    The lock belongs to a session, so a kill -9 frees it at once.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        key = int.from_bytes(what.encode())
        if wait:
            connection.execute("SELECT pg_advisory_lock(%s)", (key,))
            is_ours = True
        else:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
            is_ours = bool(row and row[0])
        try:
            yield is_ours
        finally:
            # Of a closed connection Postgres hears a moment later; of a lost one the lock is gone already.
            with contextlib.suppress(psycopg.OperationalError):
                if is_ours:
                    connection.execute("SELECT pg_advisory_unlock(%s)", (key,))


if __name__ == "__main__":
    url = Settings().database_url
    if sys.argv[1:] != ["migrate"] or url is None:
        raise SystemExit("usage: TONEBRIDGE_DATABASE_URL=postgresql://... python -m data.database migrate")
    migrate(url)
