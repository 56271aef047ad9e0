"""The flows `promote` and `rollback`: they make a version champion. Both write the routing, the release and
the alias in MLflow, and wait until every gateway has acknowledged the routing.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database
from data.erasure import orders
from data.reasons import Reason, written
from data.records import PROTECTED, Spec
from data.tables import Experiment, Lineage, Release, Version
from data.traffic import routing
from data.traffic.routing import Routing
from experiments.lifecycle import OPEN, RefusedError, Status
from models import llm, version_file, versions
from models.edits import writer
from pipelines import holdout
from pipelines.run_reasons import FlowError, label_failure
from serving.inference import release
from serving.observability import spans
from serving.observability.spans import Thing
from serving.observability.start import watch


def make_spec(folder: Path, version: str) -> Spec:
    """The spec by which a version is served, in the form of its folder. Edits need no fact protection, and
    also depend on this release's rules. A model that we did not train is asked as its `llm.json` says.
    """
    stored = version_file.read(folder)
    if stored.form == "edits":
        return Spec(version=version, form="edits", rules=writer.rules_digest())
    if stored.is_llm:
        return llm.read(folder).spec(version)
    return Spec(version=version, protection=PROTECTED)


@task(retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE)
def make_servable(settings: Settings, version: str) -> Spec:
    """Publish a registered version to the model store and let every replica load it. Returns its spec."""
    folder = versions.download(settings.registry_uri, settings.artifact_store, version)
    release.publish(folder, version, settings)
    spec = make_spec(folder, version)
    token = settings.secret("service_token")
    asyncio.run(release.warm(settings.inference_urls, spec, token))
    return spec


def refuse_unfit(session: Session, version: str) -> None:
    """RefusedError when the gate rejected or never judged a version; OrderedError when the version was
    trained on data of a person who was erased since.
    """
    if not session.scalar(select(Version.accepted).where(Version.name == version)):
        raise RefusedError("not_accepted", version=version)
    orders.refuse_version(session, version)


def record_champion(session: Session, spec: Spec, reasons: Sequence[Reason], holdout_share: float) -> int:
    """Route everybody to a spec, and record the release and its lineage: the part of a promotion in Postgres.
    Returns the number of the new epoch. The caller commits.

    `holdout_share` of the users stay with the champion until now, if no holdout runs. RefusedError and
    OrderedError as in `refuse_unfit`.
    """
    refuse_unfit(session, spec.version)
    former = routing.current(session)
    replaced = former.routing.champion.version if former else None
    splits = holdout.splits_after_promotion(session, spec, holdout_share)
    epoch = routing.publish(session, Routing(champion=spec, experiments=splits), reasons)
    # A running or paused experiment loses its baseline and its users, so it ends here.
    session.execute(
        update(Experiment)
        .where(Experiment.status.in_(OPEN))
        .values(status=Status.STOPPED, ended_at=func.now())
    )
    row = Release(
        version=spec.version, replaced=replaced, spec_digest=spec.digest, epoch=epoch, reasons=list(reasons)
    )
    session.add(row)
    session.flush()
    orders.retire_unused(session)
    spans.record(Thing.RELEASE, str(row.id), [(Thing.VERSION, spec.version)], epoch=epoch)
    session.execute(
        insert(Lineage)
        .values(source=f"version:{spec.version}", target=f"release:{row.id}")
        .on_conflict_do_nothing()
    )
    return epoch


@task(retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE)
def make_champion(settings: Settings, engine: Engine, spec: Spec, why: str | Sequence[Reason]) -> int:
    """Route everybody to a spec, record the release and its lineage, and move the alias. Returns the number
    of the new epoch.
    """
    reasons = written(why) if isinstance(why, str) else list(why)
    with Session(engine) as session, session.begin():
        epoch = record_champion(session, spec, reasons, settings.holdout_share)
    routing.wait_until_acknowledged(engine, epoch)
    versions.set_alias(settings.registry_uri, "champion", spec.version)
    return epoch


@flow(name="promote", on_failure=[label_failure])
def promote(version: str, reason: str) -> int:
    """Make an accepted version champion. Returns the number of its epoch, once every live gateway routes by
    it.

    RefusedError for a version that the gate has not accepted; OrderedError for a version that was trained on
    data of a person who was erased since.
    """
    settings = Settings()
    watch(settings, "flows")
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            refuse_unfit(session, version)  # a version that may not go live may have lost its weights
        spec = make_servable(settings, version)
        epoch = make_champion(settings, engine, spec, reason)
    finally:
        engine.dispose()
    get_run_logger().info("%s is champion since epoch %d: %s", version, epoch, reason)
    return epoch


@flow(name="rollback", on_failure=[label_failure])
def rollback(reason: str) -> int:
    """Promote the version that the newest release replaced, apart from releases of a version again, with
    other rules. Returns the number of its epoch.

    FlowError without an earlier release; RefusedError and OrderedError as in `promote`.
    """
    settings = Settings()
    watch(settings, "flows")
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            replaced = session.scalar(
                select(Release.replaced)
                .where(Release.replaced != Release.version)
                .order_by(Release.id.desc())
                .limit(1)
            )
        if replaced is None:
            raise FlowError("no_earlier_release")
        with Session(engine) as session:
            refuse_unfit(session, replaced)
        spec = make_servable(settings, replaced)
        epoch = make_champion(settings, engine, spec, reason)
    finally:
        engine.dispose()
    get_run_logger().info("rolled back to %s at epoch %d: %s", spec.version, epoch, reason)
    return epoch
