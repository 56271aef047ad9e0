"""The flow `retain`: deletes old rows, and the weights of versions that erasures have retired.

It drops answers and failures by whole days and creates the partitions of the next days. It deletes values of
votes that people replaced as long ago, feedback on the app that is as old, and summaries of users' days after
two months. Then it deletes the outputs that no row refers to. Stored responses to requests with an
Idempotency-Key are deleted after a day, and jobs that have ended, with their results, after the `kept_days`
of `configs/jobs.yaml`. A version that was trained on data of a person who was erased since loses its weights
once it is no longer in force.
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
from data.jobs import config, queue
from data.tables import AppFeedback, Failure, IdempotentRequest, ReplacedVote, UserDay
from data.traffic import answers
from experiments.user_days import KEPT
from models import versions
from pipelines.run_reasons import FlowError, label_failure
from serving.inference import release
from serving.observability.start import watch


@flow(name="retain", on_failure=[label_failure])
def retain(days: int = 400) -> list[str]:
    """Drop the partitions of answers older than `days` and create those of the next days. Returns the names
    of the dropped partitions.

    Feedback and its outputs stay: versions were trained on them. They are deleted when a person requests it
    (`data.erasure`).
    """
    if days < 1:
        raise FlowError("retention_too_short", days=days)
    settings = Settings()
    watch(settings, "flows")
    engine = database.engine_of(settings)
    assert settings.database_url is not None
    log = get_run_logger()
    now = datetime.now(UTC)
    before = now.date() - timedelta(days=days)
    try:
        with engine.begin() as connection:
            is_old = IdempotentRequest.created_at < now - timedelta(days=1)
            connection.execute(delete(IdempotentRequest).where(is_old))
            connection.execute(delete(Failure).where(Failure.id < answers.floor(before)))
            connection.execute(
                delete(ReplacedVote).where(ReplacedVote.replaced_at < now - timedelta(days=days))
            )
            connection.execute(delete(AppFeedback).where(AppFeedback.created_at < now - timedelta(days=days)))
            queue.delete_ended(connection, timedelta(days=config.load().kept_days))
            connection.execute(delete(UserDay).where(UserDay.day < max(before, now.date() - KEPT)))
        asyncio.run(answers.ensure_partitions(settings.database_url, now.date()))
        dropped = asyncio.run(answers.drop_partitions_before(settings.database_url, before))
        swept = rows.sweep(engine, before)
        retired = retire(settings, engine)
    finally:
        engine.dispose()
    log.info("partitions dropped: %s", ", ".join(dropped) or "none")
    log.info("rows deleted by table: %s; versions retired: %s", dict(swept), ", ".join(retired) or "none")
    return dropped


def retire(settings: Settings, engine: Engine) -> list[str]:
    """Delete the weights of versions that erasures have retired and that are no longer in force. Returns the
    names of the versions.

    An inference service that has such a version in memory drops it when it needs the memory, or when it
    stops.
    """
    with Session(engine, expire_on_commit=False) as session, session.begin():
        orders.retire_unused(session)
        due = orders.to_retire(session)
    for version in due:
        versions.retire(settings.registry_uri, settings.artifact_store, version.name)
        release.withdraw(version.name, settings)
        run = settings.state / "runs" / version.run_id
        if run.exists():
            shutil.rmtree(run)
        with Session(engine) as session, session.begin():
            orders.close_for_version(session, version.name)
    return [version.name for version in due]
