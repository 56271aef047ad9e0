"""Connections to Postgres, its migrations, and the tenant that a transaction speaks for.

`python -m data.database migrate` brings `TONEBRIDGE_DATABASE_URL` to the newest schema, and gives the logins
of the gateway and the dashboard the password `TONEBRIDGE_DATABASE_PASSWORD`, if it is set.
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
from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import DASHBOARD_LOGIN, GATEWAY_LOGIN, ONLINE_ROLE, READING_ROLE


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


def as_login(url: str, login: str, password: str | None = None) -> str:
    """The URL of the same database for another login."""
    return make_url(url).set(username=login, password=password).render_as_string(hide_password=False)


def set_login_password(url: str, password: str) -> None:
    """Give the logins of the gateway and the dashboard a password, as the owner of the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        for login in (GATEWAY_LOGIN, DASHBOARD_LOGIN):
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), sql.Literal(password))
            )


# Which role a connection has, and whether whoever signed in could leave it for one that sees every row.
_WHO = (
    "SELECT current_user, session_user, rolsuper OR rolbypassrls OR rolinherit FROM pg_roles"
    " WHERE rolname = session_user"
)


def _check_login(row: tuple[str, str, bool] | None, role: str, login: str) -> None:
    """OperationalError unless a row of `_WHO` is a login that is held to its role."""
    if row is None or row[0] != role or row[2]:
        signed_in = row[1] if row else "nobody"
        raise psycopg.OperationalError(
            f"the login {signed_in} could see every organisation's rows: let TONEBRIDGE_DATABASE_URL of this"
            f" process name the login {login}"
        )


def reading_engine(url: str) -> Engine:
    """An engine for pages: it reads what they show, for seconds at most, and writes nothing. Of texts it sees
    one organisation's, in a transaction that names it (`read_for`). `url` names the dashboard's login.
    """
    engine = create_engine(
        sqlalchemy_url(url), pool_pre_ping=True, hide_parameters=True, connect_args={"connect_timeout": 2}
    )

    @event.listens_for(engine, "connect")
    def check(connection: psycopg.Connection[tuple[str, str, bool]], _: object) -> None:
        _check_login(connection.execute(_WHO).fetchone(), READING_ROLE, DASHBOARD_LOGIN)
        connection.rollback()

    return engine


async def _check_gateway_login(connection: AsyncConnection) -> None:
    cursor = await connection.execute(_WHO)
    _check_login(await cursor.fetchone(), ONLINE_ROLE, GATEWAY_LOGIN)


def online_pool(url: str, max_size: int = 10, timeout_s: float = 2.0) -> AsyncConnectionPool:
    """The gateway's connections, in autocommit. They see no tenant's rows until `speak_for` names the tenant.
    `url` names the gateway's login; a connection of a login that could do more is refused.

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
        configure=_check_gateway_login,
        check=AsyncConnectionPool.check_connection,
        kwargs={"autocommit": True, "connect_timeout": 2},
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
    settings = Settings()
    url = settings.database_url
    if sys.argv[1:] != ["migrate"] or url is None:
        raise SystemExit("usage: TONEBRIDGE_DATABASE_URL=postgresql://... python -m data.database migrate")
    migrate(url)
    if settings.database_password is not None:
        set_login_password(url, settings.secret("database_password"))
