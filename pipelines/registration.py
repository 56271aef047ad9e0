"""Registers a version: in MLflow with its files, and in Postgres with the gate's verdict and its lineage."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.tables import Lineage, Snapshot, Version
from models import versions
from models.results import Evaluation
from serving.observability import spans
from serving.observability.spans import Thing


@task(retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE)
def register(
    settings: Settings,
    engine: Engine,
    run: Path,
    evaluated: Evaluation,
    method: str,
    snapshot: str | None,
    parent: str | None,
) -> str:
    """Register the version with its lineage and return its name; an accepted one becomes the challenger."""
    name = versions.register(
        settings.registry_uri,
        settings.artifact_store,
        run,
        evaluated,
        {
            "method": method,
            "snapshot": snapshot or "",
            "parent": parent or "",
            **({"trace_id": spans.trace_id_of(Thing.RUN, run.name)} if spans.is_on() else {}),
        },
    )
    spans.record(Thing.RUN, run.name, [(Thing.SNAPSHOT, snapshot)] if snapshot else [], method=method)
    spans.record(Thing.VERSION, name, [(Thing.RUN, run.name)], accepted=evaluated.verdict.accepted)
    with Session(engine) as session, session.begin():
        session.execute(
            insert(Version)
            .values(
                name=name,
                parent=parent,
                run_id=run.name,
                method=method,
                metrics={key: value.mean for key, value in evaluated.systems["challenger"].items()},
                accepted=evaluated.verdict.accepted,
                reasons=list(evaluated.verdict.reasons),
            )
            .on_conflict_do_nothing()
        )
        if snapshot is not None:
            session.execute(
                update(Snapshot).where(Snapshot.digest == snapshot).values(trained_at=datetime.now(UTC))
            )
        session.execute(
            insert(Lineage)
            .values(source=f"run:{run.name}", target=f"version:{name}")
            .on_conflict_do_nothing()
        )
    if evaluated.verdict.accepted:
        versions.set_alias(settings.registry_uri, "challenger", name)
    return name
