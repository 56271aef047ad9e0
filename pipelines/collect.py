"""The flow `collect`: feedback in Postgres becomes a snapshot, versioned with DVC."""

import uuid
from pathlib import Path

from dvc.exceptions import NotDvcRepoError
from dvc.repo import Repo
from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.states import Completed
from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from configs.settings import Settings
from data import database, snapshot
from data.snapshot import Made, NotEnoughFeedbackError
from data.tables import Organisation, Snapshot

SNAPSHOT_MADE = "tonebridge.snapshot.made"  # the event that starts a training


def organisation_id(engine: Engine, name: str) -> uuid.UUID:
    """The id of an organisation by its name; ValueError when there is none."""
    with Session(engine) as session:
        found = session.scalar(select(Organisation.id).where(Organisation.name == name))
    if found is None:
        raise ValueError(
            f"there is no organisation {name!r}; set TONEBRIDGE_ORGANISATION to one that there is"
        )
    return found


def new_votes(engine: Engine, organisation: uuid.UUID) -> int:
    """Usable votes since the high-water mark of the newest snapshot that a training run has succeeded on."""
    with Session(engine) as session:
        mark = session.scalar(select(func.max(Snapshot.high_water)).where(Snapshot.trained_at.is_not(None)))
        return snapshot.count_new(session.connection(), organisation, int(mark or 0))


@task(retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE)
def make_snapshot(settings: Settings, engine: Engine, organisation: uuid.UUID) -> Made:
    """Write the snapshot, have DVC version it, note it in Postgres. Never cached: it reads the outside
    world.
    """
    repository = settings.state / "data"
    with engine.connect() as connection:
        made = snapshot.make(connection, organisation, repository / "snapshots")
    add_to_dvc(repository, made.folder, settings.dvc_remote)
    with Session(engine) as session, session.begin():
        session.execute(
            insert(Snapshot)
            .values(digest=made.digest, path=str(made.folder), counts=made.counts, high_water=made.high_water)
            .on_conflict_do_update(index_elements=["digest"], set_={"high_water": made.high_water})
        )
    return made


def add_to_dvc(repository: Path, folder: Path, remote: str | None) -> None:
    """`dvc add` a folder in the data repository (made at first use), and push it when there is a remote."""
    try:
        repo = Repo(str(repository))
    except NotDvcRepoError:
        repo = Repo.init(str(repository), no_scm=True)
    with repo:
        repo.add(str(folder))
        if remote is not None:
            with repo.config.edit() as config:
                config["remote"] = {"default": {"url": remote}}
                config["core"]["remote"] = "default"
            repo.push(str(folder))


@flow(name="collect")
def collect(minimum: int = 50) -> Made | State[Made]:
    """Make a snapshot when at least `minimum` usable votes are new; else end well and say how many there
    are.
    """
    settings = Settings()
    engine = database.engine_of(settings)
    try:
        organisation = organisation_id(engine, settings.organisation)
        found = new_votes(engine, organisation)
        if found < minimum:
            message = str(NotEnoughFeedbackError(found, minimum))
            get_run_logger().info(message)
            return Completed(message=message, name="NotEnoughFeedback")
        made = make_snapshot(settings, engine, organisation)
        get_run_logger().info("snapshot %s: %s", made.digest, made.counts)
        emit_event(
            SNAPSHOT_MADE,
            resource={"prefect.resource.id": f"tonebridge.snapshot.{made.digest}"},
            payload={"digest": made.digest},
        )
        return made
    finally:
        engine.dispose()
