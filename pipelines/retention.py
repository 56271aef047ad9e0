"""The flow `retain`: what is old leaves, and what an erasure has ordered away.

Answers and failures leave by whole days, and the days to come have their partitions; outputs that nothing
points at any more follow them; what requests with an Idempotency-Key were answered is forgotten after a day.
Versions that were trained on somebody who was erased since lose their weights once they are no longer in
force.
"""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta

from prefect import flow, get_run_logger
from sqlalchemy import Engine, delete
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import orders, rows
from data.tables import Failure, IdempotentRequest
from data.traffic import answers
from models import versions
from serving.inference import release


@flow(name="retain")
def retain(days: int = 400) -> list[str]:
    """Drop the partitions of answers older than `days`, make those of the next days; the names dropped.

    Feedback stays, and the outputs that it is about: they are what versions were trained on, and leave when a
    person asks for it (`data.erasure`).
    """
    if days < 1:
        raise ValueError(f"days={days}: today's answers cannot be dropped; give at least 1")
    settings = Settings()
    engine = database.engine_of(settings)
    assert settings.database_url is not None
    log = get_run_logger()
    now = datetime.now(UTC)
    before = now.date() - timedelta(days=days)
    try:
        with engine.begin() as connection:
            old = IdempotentRequest.created_at < now - timedelta(days=1)
            connection.execute(delete(IdempotentRequest).where(old))
            connection.execute(delete(Failure).where(Failure.id < answers.floor(before)))
        asyncio.run(answers.ensure_partitions(settings.database_url, now.date()))
        dropped = asyncio.run(answers.drop_partitions_before(settings.database_url, before))
        swept = rows.sweep(engine, before)
        retired = retire(settings, engine)
    finally:
        engine.dispose()
    log.info("dropped %s", ", ".join(dropped) or "nothing")
    log.info("swept %s; retired %s", dict(swept), ", ".join(retired) or "no version")
    return dropped


def retire(settings: Settings, engine: Engine) -> list[str]:
    """Remove the weights of versions that erasures have ordered away and that are no longer in force; their
    names. A service that holds one in memory lets it go when it needs the place, or stops.
    """
    with Session(engine, expire_on_commit=False) as session, session.begin():
        orders.retire_unused(session)
        due = orders.to_retire(session)
    for version in due:
        versions.retire(settings.registry_uri, version.name)
        release.withdraw(version.name, settings)
        run = settings.state / "runs" / version.run_id
        if run.exists():
            shutil.rmtree(run)
        with Session(engine) as session, session.begin():
            orders.close_for_version(session, version.name)
    return [version.name for version in due]
