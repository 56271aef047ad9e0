"""The flow `promote`: a version goes live, and can go back: alias, release, routing row, acknowledged by
every gateway.
"""

import asyncio
from collections.abc import Sequence

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
from models import versions
from pipelines import holdout
from serving.inference import release


@task(retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE)
def make_servable(settings: Settings, version: str) -> Spec:
    """Put a registered version into the model store and have every replica load it; the spec that names
    it.
    """
    folder = versions.download(settings.registry_uri, version)
    release.publish(folder, version, settings)
    spec = Spec(version=version, protection=PROTECTED)
    token = settings.secret("service_token")
    asyncio.run(release.warm(settings.inference_urls, spec, token))
    return spec


def must_be_fit(session: Session, version: str) -> None:
    """RefusedError when the gate rejected a version, or has never judged it; OrderedError when it was trained
    on data of a person who was erased since.
    """
    if not session.scalar(select(Version.accepted).where(Version.name == version)):
        raise RefusedError("not_accepted", version=version)
    orders.refuse_version(session, version)


@task(retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE)
def make_champion(settings: Settings, engine: Engine, spec: Spec, why: str | Sequence[Reason]) -> int:
    """Route everybody to a spec, note the release and its lineage, move the alias; the epoch of it."""
    reasons = written(why) if isinstance(why, str) else list(why)
    with Session(engine) as session, session.begin():
        must_be_fit(session, spec.version)
        former = routing.current(session)
        replaced = former.routing.champion.version if former else None
        held_out = holdout.after(session, spec, settings.holdout_share)
        epoch = routing.publish(session, Routing(champion=spec, experiments=held_out), reasons)
        # An experiment that ran until now, or paused, has lost its baseline and its users, and ends here.
        session.execute(
            update(Experiment)
            .where(Experiment.status.in_(OPEN))
            .values(status=Status.STOPPED, ended_at=func.now())
        )
        row = Release(
            version=spec.version, replaced=replaced, spec_digest=spec.digest, epoch=epoch, reasons=reasons
        )
        session.add(row)
        session.flush()
        orders.retire_unused(session)
        session.execute(
            insert(Lineage)
            .values(source=f"version:{spec.version}", target=f"release:{row.id}")
            .on_conflict_do_nothing()
        )
    routing.wait_until_acknowledged(engine, epoch)
    versions.set_alias(settings.registry_uri, "champion", spec.version)
    return epoch


@flow(name="promote")
def promote(version: str, reason: str) -> int:
    """Make an accepted version the champion. Returns when every live gateway answers by it: the epoch.

    OrderedError for a version that was trained on somebody who was erased since.
    """
    settings = Settings()
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            must_be_fit(session, version)  # before its weights are asked for, which may be gone
        spec = make_servable(settings, version)
        epoch = make_champion(settings, engine, spec, reason)
    finally:
        engine.dispose()
    get_run_logger().info("%s is champion since epoch %d: %s", version, epoch, reason)
    return epoch


@flow(name="rollback")
def rollback(reason: str) -> int:
    """Make the version that the newest release replaced the champion again; the epoch of it. OrderedError as
    in `promote`.
    """
    settings = Settings()
    engine = database.engine_of(settings)
    try:
        with Session(engine) as session:
            newest = session.scalar(select(Release).order_by(Release.id.desc()).limit(1))
        if newest is None or newest.replaced is None:
            raise ValueError("there is no former release to go back to")
        with Session(engine) as session:
            must_be_fit(session, newest.replaced)
        spec = make_servable(settings, newest.replaced)
        epoch = make_champion(settings, engine, spec, reason)
    finally:
        engine.dispose()
    get_run_logger().info("rolled back to %s at epoch %d: %s", spec.version, epoch, reason)
    return epoch
