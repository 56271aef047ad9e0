"""The flow `retain`: answers leave by whole days, and the days to come have their partitions."""

import asyncio
from datetime import UTC, datetime, timedelta

from prefect import flow, get_run_logger

from configs.settings import Settings
from data import answers


@flow(name="retain")
def retain(days: int = 400) -> list[str]:
    """Drop the partitions of answers older than `days`, make those of the next days; the names dropped.

    Outputs and feedback stay: they are what versions were trained on, and leave when a person asks for it.
    """
    if days < 1:
        raise ValueError(f"days={days}: today's answers cannot be dropped; give at least 1")
    settings = Settings()
    if settings.database_url is None:
        raise ValueError("TONEBRIDGE_DATABASE_URL is not set; `make up` starts everything with local servers")
    today = datetime.now(UTC).date()
    asyncio.run(answers.ensure_partitions(settings.database_url, today))
    dropped = asyncio.run(answers.drop_partitions_before(settings.database_url, today - timedelta(days=days)))
    get_run_logger().info("dropped %s", ", ".join(dropped) or "nothing")
    return dropped
