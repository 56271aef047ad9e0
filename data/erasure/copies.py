"""Removes a person's data outside Postgres' rows: cached outputs, snapshots, and the runs that read these."""

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from configs.settings import Settings
from data.erasure import orders
from data.erasure.whom import Person
from data.records import TransformType
from data.snapshots import archive, shards, snapshot
from data.tables import Erasure, Lineage, Snapshot
from data.traffic.outputs import CACHE_PREFIX, NO_DICTIONARY, Namer

CacheError = redis.RedisError

Say = Callable[[str], None]


def uncache(settings: Settings, person: Person, outputs: Sequence[Any], is_rehearsal: bool) -> int:
    """Remove outputs from Redis; how many it held. A rehearsal counts them only."""
    keys = _cache_keys(person, outputs)
    if not settings.redis_url or not keys:
        return 0
    with redis.Redis.from_url(settings.redis_url, socket_timeout=10) as client:
        return int(client.exists(*keys) if is_rehearsal else client.unlink(*keys))


def _cache_keys(person: Person, outputs: Sequence[Any]) -> list[bytes]:
    namer = Namer()
    return [
        CACHE_PREFIX
        + namer.name(
            person.organisation_id,
            row.spec_digest,
            NO_DICTIONARY,
            TransformType(row.transform_type),
            row.intensity,
            row.message,
        )
        for row in outputs
    ]


def snapshots_with(settings: Settings, engine: Engine, person: Person) -> tuple[list[Path], list[str]]:
    """Folders of snapshots that a person is in, and digests of those that cannot be looked into."""
    with Session(engine) as session:
        stored = session.execute(select(Snapshot.digest, Snapshot.path).where(Snapshot.path != "")).all()
    noted = {Path(path).resolve(): digest for digest, path in stored}
    # Also those that a killed flow has written, and not noted.
    there = {
        folder.resolve()
        for folder in settings.state.glob("data/snapshots/*")
        if folder.is_dir() and folder.suffix != ".partial"
    }
    held, missing = [], []
    for folder in sorted(noted.keys() | there):
        people = _people(folder)
        if people is None:
            missing.append(noted.get(folder, folder.name))
        elif person.id in people:
            held.append(folder)
    return held, missing


def _people(folder: Path) -> set[uuid.UUID] | None:
    """Whose votes a snapshot is made of; None when its files do not say.

    Also of one from when snapshots were jsonl files: it cannot be written anew, so it must be withdrawn.
    """
    if shards.is_snapshot(folder):
        return snapshot.people(folder)
    lines = folder / "sources.jsonl"
    if not lines.exists():
        return None
    return {uuid.UUID(json.loads(line)["user"]) for line in lines.read_text(encoding="utf-8").splitlines()}


def rewrite_snapshots(
    settings: Settings, engine: Engine, person: Person, erasure_id: uuid.UUID, say: Say
) -> list[str]:
    """Take a person out of every snapshot, and the runs that saw them off the disk; the digests of snapshots
    that are not here.
    """
    repository = settings.state / "data"
    for cut_off in repository.glob("snapshots/*.partial"):
        shutil.rmtree(cut_off)
    held, missing = snapshots_with(settings, engine, person)
    for folder in held:
        successor = _replace(settings, engine, person, erasure_id, folder)
        with Session(engine) as session:
            runs = [settings.state / "runs" / run for run in runs_on(session, folder.name)]
        for run in runs:
            if run.exists():
                shutil.rmtree(run)
        objects = archive.forget(repository, folder)
        folder.rename(partial := folder.with_name(f"{folder.name}.partial"))  # all of it goes, or is found
        shutil.rmtree(partial)
        say(
            f"snapshot   {folder.name} -> {successor or 'withdrawn'};"
            f" {objects} objects of DVC and {len(runs)} run folders removed"
        )
    return missing


def _replace(
    settings: Settings, engine: Engine, person: Person, erasure_id: uuid.UUID, folder: Path
) -> str | None:
    """Put a rewritten snapshot in the place of another, with the orders that follow; its digest, None when
    nothing is left or nobody can say what is.
    """
    with Session(engine) as session:
        row = session.get(Snapshot, folder.name)
        if row is None or not row.path:  # a flow was killed before it noted it, or an erasure after this
            edge = select(Lineage.target).where(
                Lineage.source == f"snapshot:{folder.name}", Lineage.target.startswith("snapshot:")
            )
            target = session.scalar(edge)
            return target.removeprefix("snapshot:") if target else None
        written = snapshot.without(folder, person.id, row.counts)
        if written is not None and not written.counts["votes"]:
            shutil.rmtree(written.folder)
            written = None
        if written is not None:
            archive.add(settings.state / "data", written.folder, settings.dvc_remote)
        erasure = session.get_one(Erasure, erasure_id)
        orders.issue(session, erasure_id, versions_from(session, row.digest))
        if written is None:
            # The row stays as a mark, up to which votes need not be trained on again.
            row.path, row.accepted, row.quality = "", False, None
            row.reasons = ["somebody in it asked to be forgotten, and nothing of it could be kept"]
        else:
            _insert_successor(session, row, written)
            session.delete(row)
        erasure.counts = dict(Counter(erasure.counts) + Counter({"snapshots": 1}))
        session.commit()
    return written.digest if written else None


def _insert_successor(session: Session, row: Snapshot, written: snapshot.Written) -> None:
    """Note a rewritten snapshot: trained on when the former was, and up to the same mark, so that no schedule
    trains again for its sake. The same data may be there already, from another snapshot.
    """
    values = {
        "path": str(written.folder),
        "counts": written.counts,
        "high_water": row.high_water,
        "trained_at": row.trained_at,
        "accepted": row.accepted,
        "reasons": row.reasons,
        "quality": None,
    }
    there = Snapshot.__table__.c
    session.execute(
        insert(Snapshot)
        .values(digest=written.digest, **values)
        .on_conflict_do_update(
            index_elements=["digest"],
            set_={
                "high_water": func.greatest(there.high_water, row.high_water),
                "trained_at": func.coalesce(there.trained_at, row.trained_at),
            },
        )
    )
    session.execute(
        insert(Lineage)
        .values(source=f"snapshot:{row.digest}", target=f"snapshot:{written.digest}")
        .on_conflict_do_nothing()
    )


def runs_on(session: Session, digest: str) -> list[str]:
    """The runs that have read a snapshot, finished or not."""
    return _targets(session, f"snapshot:{digest}", "run")


def versions_from(session: Session, digest: str) -> list[str]:
    """The versions that were trained on a snapshot. Training starts from the base: no version inherits
    another's data.
    """
    return [
        version for run in runs_on(session, digest) for version in _targets(session, f"run:{run}", "version")
    ]


def _targets(session: Session, source: str, kind: str) -> list[str]:
    edges = select(Lineage.target).where(
        Lineage.source == source, Lineage.target.startswith(f"{kind}:", autoescape=True)
    )
    return [target.removeprefix(f"{kind}:") for target in session.scalars(edges.order_by(Lineage.target))]
