"""The flow `collect`: writes feedback as a snapshot, checks its quality, and versions it with DVC."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from pydantic import Field
from sqlalchemy import Engine, and_, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import configs
from configs.settings import Settings
from data import database
from data.reasons import Reason, reason, render
from data.records import Demonstration, PreferencePair
from data.snapshots import archive, folders, shards, snapshot, validation, votes
from data.snapshots.counting import LeftOut, counting
from data.snapshots.shards import R, Source
from data.snapshots.snapshot import Made
from data.snapshots.validation import Count, Limits, Quality
from data.tables import Organisation, Snapshot, VersionOrder
from data.traffic import comparisons, evidence_messages, routing
from models import curation
from pipelines.quality import write_page
from pipelines.run_reasons import FlowError, complete, label_failure
from serving.observability import spans
from serving.observability.spans import Thing
from serving.observability.start import watch

SNAPSHOT_MADE = "tonebridge.snapshot.made"  # the event that starts a training

_ROWS_CHECKED = 20_000  # of each kind, when the facts that a rewrite loses are counted

CONFIG = configs.ROOT / "configs" / "collect.yaml"


class CollectConfig(Limits):
    """How many new votes a snapshot needs, how many votes count in it, and the limits of its quality."""

    minimum: Count = Field(50, description="new usable votes that a snapshot needs")
    votes_a_person: Count = Field(40, description="votes of one person that count, so nobody decides alone")
    votes_a_key: Count = Field(5000, description="votes that count, of all the people of one API key")
    edits_a_phrase: Count = Field(3, description="edits that may add the same unusual phrase")
    votes_a_phrase: Count = Field(
        3, description="votes of one person that count, on an unusual phrase that nobody else writes"
    )

    def caps(self) -> dict[str, int]:
        """The keyword arguments of `data.snapshots.counting.counting`."""
        return self.model_dump(include={"votes_a_person", "votes_a_key", "edits_a_phrase", "votes_a_phrase"})


def find_organisation_id(engine: Engine, name: str) -> uuid.UUID:
    """The id of an organisation by its name; FlowError when it does not exist."""
    with Session(engine) as session:
        organisation = session.scalar(select(Organisation.id).where(Organisation.name == name))
    if organisation is None:
        raise FlowError("no_such_organisation", name=name)
    return organisation


def count_new_votes(engine: Engine, organisation: uuid.UUID) -> int:
    """The number of usable votes since the newest snapshot that was trained on or rejected. The votes of a
    rejected snapshot would be rejected again.

    While an erasure waits for a version in force to be retrained, only snapshots since its order count.
    """
    with Session(engine) as session:
        is_done = or_(Snapshot.trained_at.is_not(None), Snapshot.accepted.is_(False))
        ordered_at = session.scalar(
            select(func.max(VersionOrder.created_at)).where(VersionOrder.action == "retrain")
        )
        if ordered_at is not None:
            is_done = or_(
                Snapshot.trained_at > ordered_at,
                and_(Snapshot.accepted.is_(False), Snapshot.created_at > ordered_at),
            )
        high_water = session.scalar(select(func.max(Snapshot.high_water)).where(is_done))
        return votes.count_new(session.connection(), organisation, int(high_water or 0))


def write_snapshot(
    engine: Engine, organisation: uuid.UUID, folder: Path, config: CollectConfig
) -> tuple[Made, Quality, tuple[Reason, ...]]:
    """Write the snapshot of the votes that count into `folder/<digest>`, with the page of its quality.

    Returns the snapshot, its quality, and the reasons for its rejection; none when it is accepted. It changes
    nothing in Postgres, and DVC does not learn of the snapshot: `make_snapshot` sees to both.
    """
    with Session(engine) as session:
        live = routing.current(session)
    champion = live.routing.champion.version if live else None
    with engine.connect() as connection:
        until = votes.find_high_water(connection)
        usable = votes.fetch(connection, organisation, until)
        evidence = evidence_messages.find_all(connection, comparisons.load().evidence_share)
        with counting(usable, folder, **config.caps(), evidence=evidence) as counted:
            neighbours = partial(curation.neighbours, same_meaning=config.same_meaning)
            result = snapshot.write(counted, folder, until, neighbours)
            sources = counted.make_sources()
            quality = assess(sources, result.folder, champion, config, result.left_out, result.nearest)
    reasons = validation.refusals(quality, config)
    write_page(result.folder, quality, reasons, config, config.votes_a_person)
    return result, quality, reasons


@task(retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE)
def make_snapshot(
    settings: Settings, engine: Engine, organisation: uuid.UUID, config: CollectConfig
) -> tuple[Made, tuple[Reason, ...]]:
    """Write the snapshot and the page of its quality, version both with DVC, and record them in Postgres.

    Returns the snapshot, and the reasons for its rejection; none when it is accepted. Prefect does not cache
    the result, because the votes change.
    """
    repository = folders.repository(settings.state)
    result, quality, reasons = write_snapshot(engine, organisation, repository / "snapshots", config)
    archive.add(repository, result.folder, settings.dvc_remote)
    # The same votes may have been checked before, with another champion or with other limits.
    values = {
        "path": folders.to_row(settings.state, result.folder),
        "counts": result.counts,
        "high_water": result.high_water,
        "accepted": not reasons,
        "reasons": list(reasons),
        "quality": quality.model_dump(mode="json"),
        "evidence_share": comparisons.load().evidence_share,
    }
    with Session(engine) as session, session.begin():
        session.execute(
            insert(Snapshot)
            .values(digest=result.digest, **values)
            .on_conflict_do_update(index_elements=["digest"], set_=values)
        )
    if spans.is_on():
        sampled = [(Thing.VOTE, str(id)) for id in _sample_votes(result.folder)]
        spans.record(Thing.SNAPSHOT, result.digest, sampled, accepted=not reasons)
    return result, reasons


def _sample_votes(folder: Path) -> list[uuid.UUID]:
    """The ids of votes that a snapshot was made of, evenly spaced, as many as its span links to."""
    votes_of = [source.feedback for source in shards.read_sources(folder)]
    return votes_of[:: -(-len(votes_of) // spans.MOST_LINKS) or 1]


def assess_folder(folder: Path, champion: str | None, limits: Limits) -> Quality:
    """Measure the quality of a snapshot from its files alone, for example after `dvc pull`.

    The files do not have what was left out of them, nor the messages before redaction, whose similarity
    `write_snapshot` measures. So the fields `validation.NOT_IN_FILES` are empty; all others are as measured
    by `write_snapshot`. ValueError for files that are missing, and for a snapshot of an earlier release.
    """
    if not shards.has_values(folder):
        raise ValueError(
            f"{folder} is of an earlier release, which did not write what votes say: make a new snapshot with"
            " the flow `collect`"
        )
    return assess(shards.read_sources(folder), folder, champion, limits, LeftOut(), ())


def assess(
    sources: Iterable[Source],
    folder: Path,
    champion: str | None,
    limits: Limits,
    left_out: LeftOut,
    nearest: Sequence[float],
) -> Quality:
    """Measure the quality of a snapshot and of the votes that it is made of, including the facts that its
    rewrites lose.

    `nearest` has the cosine of each different message to its nearest other, as in `validation.assess`.
    """
    rows = {name: shards.read(folder, kind) for name, kind in shards.KINDS.items()}
    losing = {
        "demonstrations": curation.share_losing_facts(
            (row.text, row.rewrite) for row in _sample_rows(folder, "demonstrations", Demonstration)
        ),
        "pairs": curation.share_losing_facts(
            (row.text, row.chosen) for row in _sample_rows(folder, "pairs", PreferencePair)
        ),
    }
    return validation.assess(sources, left_out, rows, champion, limits, nearest, losing)


def _sample_rows(folder: Path, name: str, kind: type[R]) -> Iterator[R]:
    """At most `_ROWS_CHECKED` rows of a kind, evenly spaced."""
    step = -(-shards.count(folder)[name] // _ROWS_CHECKED) or 1
    return islice(shards.read(folder, kind), 0, None, step)


def explain_rejection(result: Made, reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Why a snapshot was rejected, as the flow says it: that it was, and each broken limit; nothing for an
    accepted one.
    """
    return (reason("snapshot_rejected", snapshot=result.digest), *reasons) if reasons else ()


@flow(name="collect", on_failure=[label_failure])
def collect(overrides: Sequence[str] = ()) -> Made | State[Made]:
    """Write a snapshot when there are enough new votes, and emit the event `SNAPSHOT_MADE`.

    With too few votes the flow completes as "NotEnoughFeedback". With feedback that fails the checks it
    completes as "Refused", with the reasons and without the event. `overrides` change configs/collect.yaml:
    `minimum=20`.
    """
    config = configs.load(CollectConfig, CONFIG, overrides)
    settings = Settings()
    watch(settings, "flows")
    engine = database.engine_of(settings)
    try:
        organisation = find_organisation_id(engine, settings.organisation)
        with Session(engine) as session:
            evidence_messages.check_share(session, comparisons.load().evidence_share)
        new_votes = count_new_votes(engine, organisation)
        if new_votes < config.minimum:
            too_few = reason("not_enough_feedback", votes=new_votes, minimum=config.minimum)
            get_run_logger().info(str(too_few))
            return complete("NotEnoughFeedback", too_few)
        assert settings.database_url is not None
        with database.lock(settings.database_url, "snapshot"):  # an erasure must not miss a half-written one
            result, reasons = make_snapshot(settings, engine, organisation, config)
        get_run_logger().info("snapshot %s: %s", result.digest, result.counts)
        if reasons:
            rejection = explain_rejection(result, reasons)
            get_run_logger().warning(render(rejection))
            return complete("Refused", *rejection)
        emit_event(
            SNAPSHOT_MADE,
            resource={"prefect.resource.id": f"tonebridge.snapshot.{result.digest}"},
            payload={"digest": result.digest},
        )
        return result
    finally:
        engine.dispose()
