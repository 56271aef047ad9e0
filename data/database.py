"""Connections to Postgres, its migrations, and the tenant of a transaction.

`python -m data.database migrate` migrates `TONEBRIDGE_DATABASE_URL` to the newest schema. If
`TONEBRIDGE_DATABASE_PASSWORD` is set, it becomes the password of the gateway's and the dashboard's login.
"""

import contextlib
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from configs import StartError
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


class UnfitDatabaseError(StartError, psycopg.OperationalError):
    """The database, the login or the way to it must not be used; the message says what to do."""


class PoolConfig(NamedTuple):
    """The connections of a process: how many there are at most, how many it keeps while nobody uses them, the
    seconds after which each is replaced, and whether they prepare statements.
    """

    most: int
    idle: int
    life_s: float = 3600
    prepares: bool = True

    def set_by(self, settings: Settings) -> "PoolConfig":
        """This as the settings want it; what they leave open stays."""
        most = settings.database_connections or max(self.most, settings.database_idle_connections or 0)
        return PoolConfig(
            most,
            min(settings.database_idle_connections or self.idle, most),
            settings.database_connection_life_s,
            settings.prepared_statements,
        )

    @property
    def prepare_threshold(self) -> int | None:
        """psycopg's own parameter: a statement is prepared after so many uses; None for never."""
        return 5 if self.prepares else None


ONLINE_POOL, ENGINE_POOL = PoolConfig(most=10, idle=2), PoolConfig(most=15, idle=5)


def refuse_encoding(connection: psycopg.Connection[Any] | AsyncConnection[Any]) -> None:
    """Raise UnfitDatabaseError unless a new connection's database stores text in UTF-8."""
    # Postgres reports it to each client, so this takes no query. In SQL_ASCII queries give bytes for text.
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise UnfitDatabaseError(
            f"the database {connection.info.dbname} has the encoding {encoding}, and messages need UTF8:"
            " create another one by `createdb -E UTF8 -T template0 --locale=C.UTF-8 NAME`, and name that in"
            " TONEBRIDGE_DATABASE_URL"
        )


def engine(url: str, pool: PoolConfig = ENGINE_POOL, **parameters: Any) -> Engine:
    """A synchronous engine for pipelines, reports and administration; `parameters` are those of psycopg.

    Its connections raise UnfitDatabaseError for a database that is not in UTF-8.
    """
    # Errors are logged, so they must not have the parameters of a statement.
    engine = create_engine(
        sqlalchemy_url(url),
        pool_pre_ping=True,
        hide_parameters=True,
        pool_size=pool.idle,
        max_overflow=pool.most - pool.idle,
        pool_recycle=pool.life_s,
        connect_args={"prepare_threshold": pool.prepare_threshold, **parameters},
    )

    # Before SQLAlchemy's own questions, which an SQL_ASCII database answers in bytes.
    @event.listens_for(engine, "connect", insert=True)
    def check(connection: psycopg.Connection[Any], _: object) -> None:
        with _closing_if_unfit(connection):
            refuse_encoding(connection)

    return engine


@contextlib.contextmanager
def _closing_if_unfit(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Context manager: closes a new connection that is refused, which SQLAlchemy would leave open."""
    try:
        yield
    except UnfitDatabaseError:
        connection.close()
        raise


def engine_of(settings: Settings) -> Engine:
    """The engine for `TONEBRIDGE_DATABASE_URL`; ValueError if it is not set."""
    return engine(url_of(settings), ENGINE_POOL.set_by(settings))


def url_of(settings: Settings) -> str:
    """The URL of Postgres itself; ValueError if it is not set."""
    if settings.database_url is None:
        raise ValueError("TONEBRIDGE_DATABASE_URL is not set; `make up` starts everything with local servers")
    return settings.database_url


def pooled_url_of(settings: Settings) -> str:
    """The URL for transactions, that of a pooler if there is one; ValueError if none is set."""
    return settings.pooled_database_url or url_of(settings)


class LockedTableError(RuntimeError):
    """Others hold a table that a migration changes; the message says what to do. It has changed nothing."""

    def __init__(self, tries: int) -> None:
        super().__init__(
            f"a migration got no lock of a table in {tries} tries of a second: a backup or a snapshot may be"
            " reading the table. Migrate again when that has ended; the view pg_stat_activity shows it, with"
            " the oldest xact_start"
        )


def migrate(url: str, revision: str = "head", tries: int = 300) -> None:
    """Migrate the schema to a revision. Several processes may call it at the same time, and gateways may
    serve meanwhile: a migration waits for a table for a second, and tries again after another second.

    Raises LockedTableError when a table was not free in `tries` tries.
    """
    # Imported here: the gateway, which never migrates, takes 10 MB less.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes.update(url=url, tries=tries)
    command.upgrade(config, revision)


def replace_login(url: str, login: str, password: str | None = None) -> str:
    """The URL of the same database for another login."""
    renamed = make_url(url).set(username=login, password=password).render_as_string(hide_password=False)
    return renamed.replace(" ", "%20")  # SQLAlchemy leaves spaces, which libpq refuses


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
    """Raise UnfitDatabaseError unless a row of `_SELECT_ROLE` is of a login that is bound to its role."""
    if row is None or row[0] != role or row[2]:
        actual = row[1] if row else "of this connection"
        raise UnfitDatabaseError(
            f"the login {actual} could see the rows of every organisation: name the login {login} in this"
            " process's TONEBRIDGE_DATABASE_URL, and if there is a pooler in TONEBRIDGE_POOLED_DATABASE_URL,"
            " and let the pooler use that login for it"
        )


def reading_engine(url: str, pool: PoolConfig = ENGINE_POOL) -> Engine:
    """The dashboard's engine: read-only, with a limit of seconds for each statement.

    It sees the texts of one organisation, in a transaction after `read_for`. `url` names the dashboard's
    login; a connection with a more powerful login raises UnfitDatabaseError.
    """
    reading = engine(url, pool, connect_timeout=2)

    @event.listens_for(reading, "connect")
    def check(connection: psycopg.Connection[tuple[str, str, bool]], _: object) -> None:
        with _closing_if_unfit(connection):
            check_reading(connection)

    return reading


def check_reading(connection: psycopg.Connection[Any]) -> None:
    """Raise UnfitDatabaseError unless a new connection has the dashboard's login."""
    _check_login(connection.execute(_SELECT_ROLE).fetchone(), READING_ROLE, DASHBOARD_LOGIN)
    connection.rollback()


def check_online(connection: psycopg.Connection[Any]) -> None:
    """Raise UnfitDatabaseError unless a new connection has the gateway's login."""
    _check_login(connection.execute(_SELECT_ROLE).fetchone(), ONLINE_ROLE, GATEWAY_LOGIN)


async def _check_online(connection: AsyncConnection) -> None:
    refuse_encoding(connection)
    cursor = await connection.execute(_SELECT_ROLE)
    _check_login(await cursor.fetchone(), ONLINE_ROLE, GATEWAY_LOGIN)


def online_pool(url: str, pool: PoolConfig = ONLINE_POOL, timeout_s: float = 2.0) -> AsyncConnectionPool:
    """The gateway's connection pool, in autocommit. A transaction sees a tenant's rows after `speak_for`.

    `url` names the gateway's login; a connection with a more powerful login raises UnfitDatabaseError. Open
    the pool with `await pool.open(wait=False)`: then the process also starts while Postgres is unavailable,
    and connects later. `timeout_s` is the time to wait for a free connection.

    A pooler in transaction mode may be between: nothing that uses the pool may rely on the session after its
    transaction (LISTEN, SET, locks of the session, temporary tables).
    """
    return AsyncConnectionPool(
        url,
        min_size=pool.idle,
        max_size=pool.most,
        timeout=timeout_s,
        max_lifetime=pool.life_s,
        reconnect_timeout=3600,
        open=False,
        configure=_check_online,
        check=AsyncConnectionPool.check_connection,
        kwargs={"autocommit": True, "connect_timeout": 2, "prepare_threshold": pool.prepare_threshold},
    )


def online_pool_of(settings: Settings) -> AsyncConnectionPool:
    """The gateway's connection pool for these settings, over a pooler if there is one. ValueError without a
    URL.
    """
    return online_pool(pooled_url_of(settings), ONLINE_POOL.set_by(settings))


def read_for(session: Session, organisation_id: uuid.UUID) -> None:
    """Name the tenant of the current transaction: the dashboard sees its rows, an order to erase is of it."""
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


Lock = Literal["train", "snapshot", "decide", "track", "prepare", "erase"]


# When a network fails, nobody is told. The owner of a lock notices first, after at most 5 + 20 s, and
# Postgres after 60 + 3 * 10 s: so the former owner has stopped when the next one gets the lock.
_LOCK_TIMEOUT_MS = 20_000
_KEEP_SESSION = (
    "SELECT set_config('tcp_keepalives_idle', '60', false),"
    " set_config('tcp_keepalives_interval', '10', false), set_config('tcp_keepalives_count', '3', false)"
)


@contextlib.contextmanager
def lock(
    url: str,
    what: Lock,
    wait: bool = True,
    on_loss: Callable[[], object] | None = None,
    check_every_s: float = 5.0,
) -> Iterator[bool]:
    """Context manager: holds a lock of the whole installation, and gives whether this process has it.

    `train` is for training, `snapshot` for making and changing snapshots, `decide` for deciding on
    experiments, `track` for writing them to MLflow, `prepare` for what they use, `erase` for carrying out
    erasures. Who takes several takes `erase` before `snapshot` before `train`. With `wait` it waits for the
    lock, so the value is True.

    The lock belongs to a database session, on whichever machine its owner is:

    - The end of the process frees it at once, by kill -9 too.
    - When the owner's machine or the network fails, Postgres frees it after 90 s.
    - When Postgres restarts or fails over, it is free at once, while its owner goes on. Who works for hours
      passes `on_loss`: it is called from a thread, at most `check_every_s` later, or 20 s after that if the
      network fails, and again until the block has ended: an exception that it raises there may be lost, as
      in a destructor. In that time another process may get the lock, if it asks for it just then.
    """
    with psycopg.connect(url, autocommit=True, tcp_user_timeout=_LOCK_TIMEOUT_MS) as connection:
        connection.execute(_KEEP_SESSION)
        key = int.from_bytes(what.encode())
        if wait:
            connection.execute("SELECT pg_advisory_lock(%s)", (key,))
            is_ours = True
        else:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
            is_ours = bool(row and row[0])
        is_over = threading.Event()
        if is_ours and on_loss is not None:
            watch = (connection, is_over, on_loss, check_every_s)
            threading.Thread(target=_watch_session, args=watch, name=f"lock {what}", daemon=True).start()
        try:
            yield is_ours
        finally:
            is_over.set()
            # Postgres notices a closed connection late, so unlock first. A lost connection has no lock.
            with contextlib.suppress(psycopg.OperationalError):
                if is_ours:
                    connection.execute("SELECT pg_advisory_unlock(%s)", (key,))


def _watch_session(
    connection: psycopg.Connection, is_over: threading.Event, on_loss: Callable[[], object], every_s: float
) -> None:
    """Call `on_loss` while the session has ended and its owner is not done."""
    while not is_over.wait(every_s):
        try:
            connection.execute("SELECT")
        except psycopg.OperationalError:
            if not is_over.is_set():
                on_loss()


if __name__ == "__main__":
    from data import startup

    settings = Settings()
    url = settings.database_url
    if sys.argv[1:] != ["migrate"] or url is None:
        raise SystemExit("usage: TONEBRIDGE_DATABASE_URL=postgresql://... python -m data.database migrate")
    startup.check_owner(settings)
    migrate(url)
    if settings.database_password is not None:
        set_login_password(url, settings.secret("database_password"))
