"""The flow `collect`: feedback in Postgres becomes a snapshot, judged, and versioned with DVC."""

import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.states import Completed
from pydantic import Field
from sqlalchemy import Engine, and_, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database
from data.reasons import Reason, render
from data.records import Demonstration, PreferencePair
from data.snapshots import archive, shards, snapshot, validation, votes
from data.snapshots.counting import Counted, counting
from data.snapshots.shards import R
from data.snapshots.snapshot import Made
from data.snapshots.validation import Count, Limits, Quality
from data.tables import Organisation, Snapshot, VersionOrder
from data.traffic import routing
from models import curation
from pipelines.quality import write_page

SNAPSHOT_MADE = "tonebridge.snapshot.made"  # the event that starts a training

_ROWS_CHECKED = 20_000  # of a kind, for facts that are lost

CONFIG = Path(__file__).parent.parent / "configs" / "collect.yaml"


class CollectConfig(Limits):
    """When there is enough for a snapshot, whose votes count in it, and what it must not be."""

    minimum: Count = Field(50, description="usable votes that are new")
    votes_a_person: Count = Field(40, description="that count; nobody decides alone")
    votes_a_key: Count = Field(5000, description="that count, of all people whom one API key vouches for")
    edits_a_phrase: Count = Field(3, description="that may bring in the same unusual phrase")
    votes_a_phrase: Count = Field(3, description="of a person, on an unusual phrase that they alone write")

    def caps(self) -> dict[str, int]:
        """What `data.snapshots.counting.counting` asks for."""
        return self.model_dump(include={"votes_a_person", "votes_a_key", "edits_a_phrase", "votes_a_phrase"})


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
    """Usable votes since the newest snapshot that a training run has succeeded on, or that was refused: the
    same votes would be refused again.

    While an erasure waits for a version in force to be trained anew, only what was done since it asked
    counts as done.
    """
    with Session(engine) as session:
        is_done = or_(Snapshot.trained_at.is_not(None), Snapshot.accepted.is_(False))
        asked_at = session.scalar(
            select(func.max(VersionOrder.created_at)).where(VersionOrder.action == "retrain")
        )
        if asked_at is not None:
            is_done = or_(
                Snapshot.trained_at > asked_at,
                and_(Snapshot.accepted.is_(False), Snapshot.created_at > asked_at),
            )
        mark = session.scalar(select(func.max(Snapshot.high_water)).where(is_done))
        return votes.count_new(session.connection(), organisation, int(mark or 0))


@task(retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE)
def make_snapshot(
    settings: Settings, engine: Engine, organisation: uuid.UUID, config: CollectConfig
) -> tuple[Made, tuple[Reason, ...]]:
    """Write the snapshot and the page of its quality, have DVC version them, note them in Postgres.

    Also why it is refused, if it is. Never cached: it reads the outside world.
    """
    repository = settings.state / "data"
    with Session(engine) as session:
        live = routing.current(session)
    champion = live.routing.champion.version if live else None
    with engine.connect() as connection:
        until = votes.find_high_water(connection)
        usable = votes.fetch(connection, organisation, until)
        with counting(usable, repository / "snapshots", **config.caps()) as counted:
            neighbours = partial(curation.neighbours, same_meaning=config.same_meaning)
            made = snapshot.write(counted, repository / "snapshots", until, neighbours)
            quality = assess(counted, made, champion, config)
    reasons = validation.refusals(quality, config)
    write_page(made.folder, quality, reasons, config, config.votes_a_person)
    archive.add(repository, made.folder, settings.dvc_remote)
    # The same votes may have been judged before, beside another champion or by other limits.
    found = {
        "counts": made.counts,
        "high_water": made.high_water,
        "accepted": not reasons,
        "reasons": list(reasons),
        "quality": quality.model_dump(mode="json"),
    }
    with Session(engine) as session, session.begin():
        session.execute(
            insert(Snapshot)
            .values(digest=made.digest, path=str(made.folder), **found)
            .on_conflict_do_update(index_elements=["digest"], set_=found)
        )
    return made, reasons


def assess(counted: Counted, made: Made, champion: str | None, limits: Limits) -> Quality:
    """The quality of a snapshot, facts included."""
    rows = {name: shards.read(made.folder, kind) for name, kind in shards.KINDS.items()}
    losing = {
        "demonstrations": curation.share_losing_facts(
            (row.text, row.rewrite) for row in _some(made, "demonstrations", Demonstration)
        ),
        "pairs": curation.share_losing_facts(
            (row.text, row.chosen) for row in _some(made, "pairs", PreferencePair)
        ),
    }
    return validation.assess(counted, made.left_out, rows, champion, limits, made.nearest, losing)


def _some(made: Made, name: str, kind: type[R]) -> Iterator[R]:
    """At most so many rows of a kind, spread over all of them."""
    step = -(-made.counts[name] // _ROWS_CHECKED) or 1
    return islice(shards.read(made.folder, kind), 0, None, step)


@flow(name="collect")
def collect(overrides: Sequence[str] = ()) -> Made | State[Made]:
    """Make a snapshot when enough votes are new, and say so by an event; else end well and say how many there
    are.

    Ends well as "Refused", with the reasons and without the event, when the feedback is not fit to learn
    from. `overrides` change configs/collect.yaml: `minimum=20`.
    """
    config = configs.load(CollectConfig, CONFIG, overrides)
    settings = Settings()
    engine = database.engine_of(settings)
    try:
        organisation = organisation_id(engine, settings.organisation)
        found = new_votes(engine, organisation)
        if found < config.minimum:
            message = f"not enough feedback: {found} of {config.minimum}"
            get_run_logger().info(message)
            return Completed(message=message, name="NotEnoughFeedback")
        assert settings.database_url is not None
        with database.lock(settings.database_url, "snapshot"):  # an erasure must not miss one half made
            made, reasons = make_snapshot(settings, engine, organisation, config)
        get_run_logger().info("snapshot %s: %s", made.digest, made.counts)
        if reasons:
            message = f"snapshot {made.digest} is rejected: {render(reasons)}"
            get_run_logger().warning(message)
            return Completed(message=message, name="Refused")
        emit_event(
            SNAPSHOT_MADE,
            resource={"prefect.resource.id": f"tonebridge.snapshot.{made.digest}"},
            payload={"digest": made.digest},
        )
        return made
    finally:
        engine.dispose()
