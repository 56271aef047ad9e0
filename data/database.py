"""Connections to Postgres, its migrations, and the tenant of a transaction.

`python -m data.database migrate` migrates `TONEBRIDGE_DATABASE_URL` to the newest schema. If
`TONEBRIDGE_DATABASE_PASSWORD` is set, it becomes the password of the gateway's and the dashboard's login.
"""

import contextlib
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from configs.settings import Settings
from data.tables import DASHBOARD_LOGIN, GATEWAY_LOGIN, ONLINE_ROLE, READING_ROLE


def sqlalchemy_url(url: str) -> str:
    """SQLAlchemy's form, for psycopg 3, of a libpq URL such as `postgresql://user@host/db`.

    Raises ValueError for the URL of another database system.
    """
    scheme, rest = url.split("://", 1)
    if scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ValueError(
            f"TONEBRIDGE_DATABASE_URL starts with {scheme}://; use postgresql://user:password@host/database"
        )
    return f"postgresql+psycopg://{rest}"


def replace_database(url: str, name: str, driver: str = "postgresql") -> str:
    """The URL of another database on the same server."""
    return make_url(url).set(drivername=driver, database=name).render_as_string(hide_password=False)


def engine(url: str) -> Engine:
    """A synchronous engine for pipelines, reports and administration."""
    # Errors are logged, so they must not have the parameters of a statement.
    return create_engine(sqlalchemy_url(url), pool_pre_ping=True, hide_parameters=True)


def engine_of(settings: Settings) -> Engine:
    """The engine for `TONEBRIDGE_DATABASE_URL`; ValueError if it is not set."""
    if settings.database_url is None:
        raise ValueError("TONEBRIDGE_DATABASE_URL is not set; `make up` starts everything with local servers")
    return engine(settings.database_url)


def migrate(url: str, revision: str = "head") -> None:
    """Migrate the schema to a revision. Several processes may call it at the same time."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, revision)


def replace_login(url: str, login: str, password: str | None = None) -> str:
    """The URL of the same database for another login."""
    return make_url(url).set(username=login, password=password).render_as_string(hide_password=False)


def set_login_password(url: str, password: str) -> None:
    """Set the password of the gateway's and the dashboard's login. `url` names the owner of the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        for login in (GATEWAY_LOGIN, DASHBOARD_LOGIN):
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), sql.Literal(password))
            )


def open_snapshot(settings: Settings) -> Session:
    """A session that reads the state of one moment, and cannot write. Close it: until then Postgres keeps
    that state. ValueError if `TONEBRIDGE_DATABASE_URL` is not set.
    """
    engine = engine_of(settings)
    reading = create_engine(
        engine.url, poolclass=NullPool, hide_parameters=True, isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
    )  # fmt: skip
    return Session(reading)


# The role of a connection, its login, and whether the login could switch to a role that sees every row.
_SELECT_ROLE = (
    "SELECT current_user, session_user, rolsuper OR rolbypassrls OR rolinherit FROM pg_roles"
    " WHERE rolname = session_user"
)


def _check_login(row: tuple[str, str, bool] | None, role: str, login: str) -> None:
    """Raise OperationalError unless a row of `_SELECT_ROLE` is of a login that is restricted to its role."""
    if row is None or row[0] != role or row[2]:
        actual = row[1] if row else "of this connection"
        raise psycopg.OperationalError(
            f"the login {actual} could see the rows of every organisation: name the login {login} in this"
            " process's TONEBRIDGE_DATABASE_URL"
        )


def reading_engine(url: str) -> Engine:
    """The dashboard's engine: read-only, with a limit of seconds for each statement.

    It sees the texts of one organisation, in a transaction after `read_for`. `url` names the dashboard's
    login; a connection with a more powerful login raises OperationalError.
    """
    engine = create_engine(
        sqlalchemy_url(url), pool_pre_ping=True, hide_parameters=True, connect_args={"connect_timeout": 2}
    )

    @event.listens_for(engine, "connect")
    def check(connection: psycopg.Connection[tuple[str, str, bool]], _: object) -> None:
        _check_login(connection.execute(_SELECT_ROLE).fetchone(), READING_ROLE, DASHBOARD_LOGIN)
        connection.rollback()

    return engine


async def _check_gateway_login(connection: AsyncConnection) -> None:
    cursor = await connection.execute(_SELECT_ROLE)
    _check_login(await cursor.fetchone(), ONLINE_ROLE, GATEWAY_LOGIN)


def online_pool(url: str, max_size: int = 10, timeout_s: float = 2.0) -> AsyncConnectionPool:
    """The gateway's connection pool, in autocommit. A transaction sees a tenant's rows after `speak_for`.

    `url` names the gateway's login; a connection with a more powerful login raises OperationalError. Open the
    pool with `await pool.open(wait=False)`: then the process also starts while Postgres is unavailable, and
    connects later. `timeout_s` is the time to wait for a free connection.
    """
    return AsyncConnectionPool(
        url,
        min_size=2,
        max_size=max_size,
        timeout=timeout_s,
        max_lifetime=3600,
        reconnect_timeout=3600,
        open=False,
        configure=_check_gateway_login,
        check=AsyncConnectionPool.check_connection,
        kwargs={"autocommit": True, "connect_timeout": 2},
    )


def read_for(session: Session, organisation_id: uuid.UUID) -> None:
    """Name the tenant whose rows the dashboard's current transaction may see."""
    session.execute(
        text("SELECT set_config('tonebridge.organisation', :id, true)"), {"id": str(organisation_id)}
    )


def read_as(session: Session, person_id: uuid.UUID) -> None:
    """Name the person who reads in the dashboard's current transaction: they see their own corrections."""
    session.execute(text("SELECT set_config('tonebridge.person', :id, true)"), {"id": str(person_id)})


async def speak_for(connection: AsyncConnection, organisation_id: uuid.UUID) -> None:
    """Name the tenant whose rows the gateway's current transaction may see."""
    await connection.execute(
        "SELECT set_config('tonebridge.organisation', %s, true)", (str(organisation_id),)
    )


@contextlib.asynccontextmanager
async def transaction_of(connection: AsyncConnection, organisation_id: uuid.UUID) -> AsyncIterator[None]:
    """Context manager: a transaction that names the tenant whose rows the gateway or a worker sees."""
    async with connection.transaction():
        await speak_for(connection, organisation_id)
        yield


Lock = Literal["train", "snapshot", "decide", "track", "prepare"]


@contextlib.contextmanager
def lock(url: str, what: Lock, wait: bool = True) -> Iterator[bool]:
    """Context manager: holds a lock of the whole installation, and gives whether this process has it.

    `train` is for training, `snapshot` for making and changing snapshots, `decide` for deciding on
    experiments, `track` for writing them to MLflow, `prepare` for what they use. With `wait` it waits for the
    lock, so the value is True.
    The lock belongs to a database session, so the end of the process frees it, by kill -9 too.
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
            # Postgres notices a closed connection late, so unlock first. A lost connection has no lock.
            with contextlib.suppress(psycopg.OperationalError):
                if is_ours:
                    connection.execute("SELECT pg_advisory_unlock(%s)", (key,))


if __name__ == "__main__":
    settings = Settings()
    url = settings.database_url
    if sys.argv[1:] != ["migrate"] or url is None:
        raise SystemExit("usage: TONEBRIDGE_DATABASE_URL=postgresql://... python -m data.database migrate")
    migrate(url)
    if settings.database_password is not None:
        set_login_password(url, settings.secret("database_password"))
