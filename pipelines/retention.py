"""The flow `retain`: answers leave by whole days, the days to come have their partitions, and what requests
with an Idempotency-Key were answered is forgotten after a day.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from prefect import flow, get_run_logger
from sqlalchemy import delete

from configs.settings import Settings
from data import answers, database
from data.tables import IdempotentRequest


@flow(name="retain")
def retain(days: int = 400) -> list[str]:
    """Drop the partitions of answers older than `days`, make those of the next days; the names dropped.

    Outputs and feedback stay: they are what versions were trained on, and leave when a person asks for it.
    """
    if days < 1:
        raise ValueError(f"days={days}: today's answers cannot be dropped; give at least 1")
    settings = Settings()
    engine = database.engine_of(settings)
    now = datetime.now(UTC)
    try:
        with engine.begin() as connection:
            old = IdempotentRequest.created_at < now - timedelta(days=1)
            connection.execute(delete(IdempotentRequest).where(old))
    finally:
        engine.dispose()
    assert settings.database_url is not None
    asyncio.run(answers.ensure_partitions(settings.database_url, now.date()))
    before = now.date() - timedelta(days=days)
    dropped = asyncio.run(answers.drop_partitions_before(settings.database_url, before))
    get_run_logger().info("dropped %s", ", ".join(dropped) or "nothing")
    return dropped
