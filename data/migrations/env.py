"""Runs migrations in one transaction, under a lock, so that processes that start together do not race."""

from alembic import context
from sqlalchemy import create_engine, text

from data.database import sqlalchemy_url
from data.tables import Base

_LOCK = 0x746F6E65  # "tone"

engine = create_engine(sqlalchemy_url(context.config.attributes["url"]))
with engine.begin() as connection:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    context.run_migrations()
engine.dispose()
